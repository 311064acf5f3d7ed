"""PUT …/manifests/<digest>?tag=… (end-7b, on the specification's main branch)."""

import json

import pytest

from tests.conformance.wire import OCI_MANIFEST, Answer, Repository, digest_of, empty_image

ALGORITHMS = ("sha256", "sha512")


@pytest.fixture
def home(repository: Repository) -> Repository:
    repository.push_blob(b"{}")
    return repository


def put(home: Repository, algorithm: str, *tags: str, **fields: object) -> tuple[str, Answer]:
    body = json.dumps(empty_image(**fields)).encode()
    digest = digest_of(body, algorithm)
    return digest, home.put_manifest(digest, body, OCI_MANIFEST, query=[("tag", tag) for tag in tags])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("count", [1, 2, 10, 25])
def test_every_tag_that_is_asked_for_points_at_the_digest(home: Repository, algorithm, count):
    tags = [f"v{number}" for number in range(count)]
    digest, answer = put(home, algorithm, *tags)
    assert answer.status == 201, answer
    assert sorted(answer.values("OCI-Tag")) == sorted(tags)
    assert answer.header("Docker-Content-Digest") == digest
    assert home.tags() == sorted(tags)
    for tag in tags:
        assert home.head_manifest(tag).header("Docker-Content-Digest") == digest


def test_no_tag_is_made_when_none_is_asked_for(home: Repository):
    _, answer = put(home, "sha256")
    assert answer.status == 201
    assert answer.header("OCI-Tag") is None
    assert home.tags() == []


def test_a_tag_that_is_there_moves(home: Repository):
    put(home, "sha256", "stays", "moves", annotations={"n": "1"})
    digest, answer = put(home, "sha512", "moves", annotations={"n": "2"})
    assert answer.status == 201
    assert home.head_manifest("moves").header("Docker-Content-Digest") == digest
    assert home.head_manifest("stays").header("Docker-Content-Digest") != digest


def test_a_tag_may_be_asked_for_twice(home: Repository):
    _, answer = put(home, "sha256", "twice", "twice")
    assert answer.status == 201
    assert set(answer.values("OCI-Tag")) == {"twice"}
    assert home.tags() == ["twice"]


@pytest.mark.parametrize("wrong", [".dot", "x" * 129, "a b", ""])
def test_a_malformed_tag_makes_the_whole_request_fail(home: Repository, wrong):
    digest, answer = put(home, "sha256", "right", wrong)
    assert answer.status == 400, answer
    assert answer.codes == ["TAG_INVALID"]
    assert home.head_manifest(digest).status == 404
    assert home.head_manifest("right").status == 404


def test_no_tag_is_made_when_the_manifest_is_refused(home: Repository):
    body = json.dumps(empty_image()).encode()
    answer = home.put_manifest(digest_of(body + b" "), body, OCI_MANIFEST, query=[("tag", "never")])
    assert answer.status == 400
    assert home.head_manifest("never").status == 404


def test_more_tags_than_fit_are_refused_whole_or_taken_whole(home: Repository):
    tags = [f"tag-number-{number:06}" for number in range(500)]
    digest, answer = put(home, "sha256", *tags)
    assert answer.status in (201, 413, 414, 431, 400), answer
    assert (home.head_manifest(tags[-1]).status == 200) == (answer.status == 201)
    assert (home.head_manifest(digest).status == 200) == (answer.status == 201)
