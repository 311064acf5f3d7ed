"""Every shape of content, all the way: pushed, listed, looked at, pulled, referred to, taken away."""

import itertools
import json

import pytest

from tests.conformance import datasets
from tests.conformance.datasets import SETS, DataSet
from tests.conformance.pushes import WAYS, post_only, post_then_put
from tests.conformance.wire import OCI_INDEX, OCI_MANIFEST, Answer, Registry, Repository

TWO_STEP_WAYS = [way for way in WAYS if way is not post_only]  # which is optional, and has tests of its own

# Two separate headers, as Go's http.Header.Add sends them; no Docker types, which these sets do not have.
ACCEPT = (("Accept", OCI_INDEX), ("Accept", OCI_MANIFEST))


@pytest.fixture(params=SETS, ids=lambda make: make.__name__)
def content(request) -> DataSet:
    return request.param()


@pytest.fixture
def home(content: DataSet, registry_under_test: Registry, names, request) -> Repository:
    """An empty repository, on a registry that takes content of this shape."""
    if content.sparse:
        return Repository(request.getfixturevalue("sparse_registry"), names.fresh())
    return Repository(registry_under_test, names.fresh())


@pytest.fixture
def pushed(content: DataSet, home: Repository) -> DataSet:
    push(content, home)
    return content


def push(content: DataSet, home: Repository) -> None:
    for way, (digest, blob) in zip(itertools.cycle(TWO_STEP_WAYS), content.blobs.items(), strict=False):
        answer = way(home, blob, digest)
        assert answer.status == 201, answer
        assert home.registry.send("GET", answer.location).body == blob
    for digest, body in content.manifests.items():
        tags = [tag for tag, at in content.tags.items() if at == digest] if content.tags_by_parameter else []
        put(content, home, digest, body, tags)
    if not content.tags_by_parameter:
        for tag, digest in content.tags.items():
            put(content, home, tag, content.manifests[digest])


def put(content: DataSet, home: Repository, name: str, body: bytes, tags: list[str] | None = None) -> None:
    """PUT a manifest without saying how long it is, as Go does, and check all that the answer must say."""
    document = json.loads(body)
    query = [("tag", tag) for tag in tags or ()]
    answer = home.put_manifest(name, body, document["mediaType"], query=query, chunked=True)
    assert answer.status == 201, answer
    assert answer.header("Docker-Content-Digest") == content.describe(body, "")["digest"]
    assert answer.header("OCI-Subject") == document.get("subject", {}).get("digest")
    assert set(answer.values("OCI-Tag")) == set(tags or ())
    check_manifest(home.registry.send("GET", answer.location, headers=ACCEPT), body, answer)


def check_manifest(answer: Answer, body: bytes, context: object) -> None:
    assert answer.status == 200, (answer, context)
    assert answer.body == body
    assert answer.header("Content-Type") == json.loads(body)["mediaType"]
    assert answer.header("Content-Length") == str(len(body))


def test_it_can_be_pushed(pushed: DataSet, home: Repository):
    assert home.tags() == sorted(pushed.tags)


def test_its_tags_are_listed_after_the_last_one_that_is_known(pushed: DataSet, home: Repository):
    tags = sorted(pushed.tags)
    for position, last in enumerate(tags):
        answer = home.send("GET", "tags/list", query=[("last", last)])
        assert answer.json()["tags"] == tags[position + 1 :]


def test_it_can_be_looked_at(pushed: DataSet, home: Repository):
    for name, digest in (pushed.tags | {digest: digest for digest in pushed.manifests}).items():
        answer = home.head_manifest(name, ACCEPT)
        assert (answer.status, answer.body) == (200, b""), answer
        assert answer.header("Content-Type") == json.loads(pushed.manifests[digest])["mediaType"]
        assert answer.header("Content-Length") == str(len(pushed.manifests[digest]))
        assert answer.header("Docker-Content-Digest") == digest
    for digest, blob in pushed.blobs.items():
        answer = home.head_blob(digest)
        assert (answer.status, answer.body) == (200, b""), answer
        assert answer.header("Content-Length") == str(len(blob))
        assert answer.header("Docker-Content-Digest") == digest


def test_it_comes_back_byte_for_byte(pushed: DataSet, home: Repository):
    for name, digest in (pushed.tags | {digest: digest for digest in pushed.manifests}).items():
        answer = home.get_manifest(name, ACCEPT)
        check_manifest(answer, pushed.manifests[digest], name)
        assert answer.header("Docker-Content-Digest") == digest
    for digest, blob in pushed.blobs.items():
        answer = home.get_blob(digest)
        assert (answer.status, answer.body) == (200, blob), answer
        assert answer.header("Content-Length") == str(len(blob))
        assert answer.header("Docker-Content-Digest") == digest


WITH_SUBJECTS = (datasets.artifacts_with_subject, datasets.index_with_subject, datasets.missing_subject)


@pytest.mark.parametrize("content", WITH_SUBJECTS, indirect=True, ids=lambda make: make.__name__)
def test_what_points_at_a_subject_is_found(pushed: DataSet, home: Repository):
    for subject, expected in pushed.referrers.items():
        answer = home.send("GET", f"referrers/{subject}")
        check_referrers(answer, expected)
        assert answer.header("OCI-Filters-Applied") is None


@pytest.mark.parametrize("content", WITH_SUBJECTS, indirect=True, ids=lambda make: make.__name__)
def test_what_points_at_a_subject_is_found_by_its_type(pushed: DataSet, home: Repository):
    for subject, expected in pushed.referrers.items():
        for kind in {entry["artifactType"] for entry in expected if "artifactType" in entry}:
            answer = home.send("GET", f"referrers/{subject}", query=[("artifactType", kind)])
            check_referrers(answer, [entry for entry in expected if entry.get("artifactType") == kind])
            assert answer.values("OCI-Filters-Applied") == ["artifactType"]


def check_referrers(answer: Answer, expected: list[dict]) -> None:
    assert answer.status == 200, answer
    assert answer.header("Content-Type") == OCI_INDEX
    document = answer.json()
    assert (document["schemaVersion"], document["mediaType"]) == (2, OCI_INDEX)
    by_digest = lambda entry: entry["digest"]
    assert sorted(document["manifests"], key=by_digest) == sorted(expected, key=by_digest)


def test_it_is_gone_as_soon_as_it_is_deleted(pushed: DataSet, home: Repository):
    for tag in pushed.tags:
        assert home.send("DELETE", f"manifests/{tag}").status == 202
        assert home.head_manifest(tag).status == 404
    assert home.tags() == []
    for digest in reversed(pushed.manifests):
        assert home.send("DELETE", f"manifests/{digest}").status == 202
        assert home.head_manifest(digest).status == 404
        assert home.get_manifest(digest).status == 404
    for digest in pushed.blobs:
        assert home.send("DELETE", f"blobs/{digest}").status == 202
        assert home.head_blob(digest).status == 404
        assert home.get_blob(digest).status == 404
    for subject in pushed.referrers:
        check_referrers(home.send("GET", f"referrers/{subject}"), [])


def test_it_can_be_pushed_again_after_it_was_deleted(pushed: DataSet, home: Repository):
    for digest in reversed(pushed.manifests):
        assert home.send("DELETE", f"manifests/{digest}").status == 202
    for digest in pushed.blobs:
        assert home.send("DELETE", f"blobs/{digest}").status == 202
    push(pushed, home)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_that_is_not_what_its_digest_says_is_refused(repository: Repository, algorithm):
    made = DataSet("bad-digest-image", algorithm=algorithm)
    made.image()
    for digest, blob in made.blobs.items():
        assert post_then_put(repository, blob, digest).status == 201
    ((digest, body),) = made.manifests.items()
    refused = repository.put_manifest(digest, body + b"  ", OCI_MANIFEST)
    assert refused.status == 400, refused
    assert refused.codes == ["DIGEST_INVALID"]
    assert repository.get_manifest(digest).status == 404
    for blob in made.blobs:
        assert repository.send("DELETE", f"blobs/{blob}").status == 202
        assert repository.head_blob(blob).status == 404


def test_sets_share_a_repository_without_harm(registry_under_test: Registry, names):
    home = Repository(registry_under_test, names.fresh())
    together = [datasets.image(), datasets.index(), datasets.artifacts_with_subject(), datasets.tag_parameters()]
    for each in together:
        push(each, home)
    for each in together:
        for digest, body in each.manifests.items():
            check_manifest(home.get_manifest(digest, ACCEPT), body, each)
