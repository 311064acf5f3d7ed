"""POST …/blobs/uploads/?mount= (end-11)."""

import pytest

from tests.conformance.wire import Answer, Repository, digest_of, random_bytes, with_query

ALGORITHMS = ("sha256", "sha512")


def mount(repository: Repository, digest: str, origin: str | None) -> Answer:
    query = [("mount", digest)] if origin is None else [("mount", digest), ("from", origin)]
    return repository.send("POST", "blobs/uploads/", query=query, body=b"")


@pytest.mark.parametrize("named", [True, False], ids=["from", "anonymous"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_blob_of_another_repository_is_mounted(
    repository: Repository, other_repository: Repository, algorithm, named
):
    body = random_bytes(512)
    digest = other_repository.push_blob(body, algorithm)
    mounted = mount(repository, digest, other_repository.name if named else None)
    assert mounted.status == 201, mounted
    assert mounted.header("Docker-Content-Digest") == digest
    assert repository.registry.send("GET", mounted.location).body == body
    assert repository.get_blob(digest).body == body
    assert repository.head_blob(digest).header("Content-Length") == "512"


@pytest.mark.parametrize("named", [True, False], ids=["from", "anonymous"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_blob_that_is_not_there_is_not_mounted_and_can_be_pushed_in_the_session_that_is_opened(
    repository: Repository, other_repository: Repository, algorithm, named
):
    other_repository.push_blob(b"so that the repository is there")
    body = random_bytes(512)
    digest = digest_of(body, algorithm)
    declined = mount(repository, digest, other_repository.name if named else None)
    assert declined.status == 202, declined
    assert repository.head_blob(digest).status == 404
    finished = repository.registry.send("PUT", with_query(declined.location, ("digest", digest)), body=body)
    assert finished.status == 201
    assert finished.header("Docker-Content-Digest") == digest
    assert repository.registry.send("GET", finished.location).body == body
    assert repository.get_blob(digest).body == body


def test_a_mount_from_a_repository_that_does_not_exist_is_declined(
    repository: Repository, other_repository: Repository
):
    assert mount(repository, digest_of(random_bytes(16)), other_repository.name).status == 202


def test_a_mount_says_where_its_blob_may_come_from(repository: Repository, other_repository: Repository):
    """A blob that exists, but not in the repository that is named, is not in that repository."""
    digest = repository.push_blob(random_bytes(512))
    other_repository.push_blob(b"so that the repository is there")
    assert other_repository.head_blob(digest).status == 404
    answer = mount(other_repository, digest, f"{other_repository.name}-absent")
    assert answer.status in (201, 202), answer
    assert other_repository.head_blob(digest).status == (200 if answer.status == 201 else 404)


def test_a_mounted_blob_stays_when_it_is_deleted_at_its_origin(repository: Repository, other_repository: Repository):
    body = random_bytes(512)
    digest = other_repository.push_blob(body)
    assert mount(repository, digest, other_repository.name).status == 201
    assert other_repository.send("DELETE", f"blobs/{digest}").status == 202
    assert other_repository.head_blob(digest).status == 404
    assert repository.get_blob(digest).body == body


def test_a_blob_may_be_mounted_where_it_is(repository: Repository):
    digest = repository.push_blob(random_bytes(512))
    assert mount(repository, digest, repository.name).status == 201


@pytest.mark.parametrize("digest", ["sha256:abc", "md5:" + 32 * "0", "no digest", ""])
def test_a_malformed_digest_is_never_mounted(repository: Repository, other_repository: Repository, digest):
    other_repository.push_blob(b"so that the repository is there")
    answer = mount(repository, digest, other_repository.name)
    assert answer.status in (202, 400), answer
    if answer.status == 400:
        assert answer.codes == ["DIGEST_INVALID"]


@pytest.mark.parametrize("origin", ["UPPER", "../..", "a//b", "", "x" * 300])
def test_where_no_repository_can_be_nothing_is_mounted_from_and_the_blob_is_uploaded(repository: Repository, origin):
    body = random_bytes(16)
    answer = mount(repository, digest_of(body), origin)
    assert answer.status == 202, answer
    finished = repository.registry.send("PUT", with_query(answer.location, ("digest", digest_of(body))), body=body)
    assert finished.status == 201, finished
