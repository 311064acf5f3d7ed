"""POST, PATCH and PUT of blobs (end-4a, 4b, 4c, 5, 6): every way, every content, every algorithm."""

import pytest

from tests.conformance.pushes import BINARY, WAYS, Push, post_only, post_then_put
from tests.conformance.wire import Repository, digest_of, random_bytes, with_query

CONTENTS = {
    "random": lambda: random_bytes(3 * 1024 - 5),
    "small": lambda: random_bytes(512),
    "empty": lambda: b"",
    "braces": lambda: b"{}",
}
ALGORITHMS = ("sha256", "sha512")


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("push", WAYS, ids=lambda push: push.__name__)
def test_a_pushed_blob_is_at_its_location_and_in_its_repository(repository: Repository, push: Push, algorithm, content):
    body = content()
    digest = digest_of(body, algorithm)
    pushed = push(repository, body, digest)
    assert pushed.status == 201, pushed
    assert pushed.header("Docker-Content-Digest") == digest
    at_location = repository.registry.send("GET", pushed.location)
    assert (at_location.status, at_location.body) == (200, body)
    pulled = repository.get_blob(digest)
    assert (pulled.status, pulled.body) == (200, body)
    assert pulled.header("Content-Length") == str(len(body))
    assert pulled.header("Docker-Content-Digest") == digest
    looked_at = repository.head_blob(digest)
    assert (looked_at.status, looked_at.body) == (200, b"")
    assert looked_at.header("Content-Length") == str(len(body))
    assert looked_at.header("Docker-Content-Digest") == digest


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("push", WAYS, ids=lambda push: push.__name__)
def test_content_that_is_not_what_its_digest_says_is_refused_and_not_stored(
    repository: Repository, push: Push, algorithm
):
    body = random_bytes(3 * 1024 - 5)
    digest = digest_of(body, algorithm)
    refused = push(repository, body + b"and more", digest)
    assert refused.status == 400, refused
    assert refused.codes == ["DIGEST_INVALID"]
    assert repository.head_blob(digest).status == 404
    assert repository.head_blob(digest_of(body + b"and more", algorithm)).status == 404


MALFORMED = {
    "too short": "sha256:abc",
    "upper case": "sha256:" + 64 * "A",
    "an unknown algorithm": "md5:" + 32 * "0",
    "no algorithm": 64 * "0",
    "sha256 with a sha512 value": "sha256:" + 128 * "0",
    "empty": "",
    "a path": "sha256:../../../../etc/passwd",
}


@pytest.mark.parametrize("digest", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("push", [post_only, post_then_put], ids=lambda push: push.__name__)
def test_a_malformed_digest_is_refused(repository: Repository, push: Push, digest):
    refused = push(repository, b"content", digest)
    assert refused.status == 400, refused
    assert refused.codes == ["DIGEST_INVALID"]


def test_a_put_without_digest_is_refused(repository: Repository):
    refused = repository.registry.send("PUT", repository.start_upload().location, body=b"content", headers=[BINARY])
    assert refused.status == 400
    assert refused.codes == ["DIGEST_INVALID"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_upload_may_say_beforehand_which_algorithm_it_will_be_checked_with(repository: Repository, algorithm):
    body = random_bytes(2048)
    location = repository.start_upload(query=[("digest-algorithm", algorithm)]).location
    location = repository.registry.send("PATCH", location, body=body, headers=[BINARY], chunked=True).location
    digest = digest_of(body, algorithm)
    assert repository.registry.send("PUT", with_query(location, ("digest", digest)), body=b"").status == 201
    assert repository.get_blob(digest).body == body


def test_an_upload_with_an_unknown_digest_algorithm_is_refused_at_once(repository: Repository):
    refused = repository.send("POST", "blobs/uploads/", query=[("digest-algorithm", "md5")], body=b"")
    assert refused.status == 400, refused
    assert refused.codes == ["DIGEST_INVALID"]


def test_a_digest_in_a_query_may_be_written_with_a_bare_colon(repository: Repository):
    digest = digest_of(b"colon")
    location = repository.start_upload().location
    joint = "&" if "?" in location else "?"
    assert repository.registry.send("PUT", f"{location}{joint}digest={digest}", body=b"colon").status == 201


@pytest.mark.parametrize("push", WAYS, ids=lambda push: push.__name__)
def test_a_blob_may_be_pushed_again(repository: Repository, push: Push):
    body = random_bytes(2048)
    assert push(repository, body, digest_of(body)).status == 201
    assert push(repository, body, digest_of(body)).status == 201
    assert repository.get_blob(digest_of(body)).body == body


def test_the_same_content_lives_under_both_algorithms(repository: Repository):
    body = random_bytes(700)
    first, second = (repository.push_blob(body, algorithm) for algorithm in ALGORITHMS)
    assert repository.get_blob(first).header("Docker-Content-Digest") == first
    assert repository.get_blob(second).header("Docker-Content-Digest") == second
    assert repository.send("DELETE", f"blobs/{first}").status == 202
    assert repository.get_blob(second).body == body


def test_a_blob_is_only_in_the_repositories_that_it_was_given_to(repository: Repository, other_repository: Repository):
    digest = repository.push_blob(random_bytes(600))
    other_repository.push_blob(b"another")
    assert other_repository.head_blob(digest).status == 404
    assert other_repository.get_blob(digest).status == 404


def test_a_blob_of_several_megabytes_comes_back_whole(repository: Repository):
    body = random_bytes(5 * 1024 * 1024 + 3)
    digest = repository.push_blob(body)
    assert repository.get_blob(digest).body == body


def test_a_put_that_is_asked_again_after_its_answer_was_lost_is_answered_as_the_first_time(repository: Repository):
    body = random_bytes(512)
    location = repository.start_upload().location
    url = with_query(location, ("digest", digest_of(body)))
    first, second = (repository.registry.send("PUT", url, body=body, headers=[BINARY]) for _ in range(2))
    assert (first.status, second.status) == (201, 201), second
    assert first.location == second.location
