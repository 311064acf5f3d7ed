"""What is done with a set of content, step by step; each step checks all that the answers must say.

Tests run the steps one by one, each in an empty repository (`test_data_sets`), and all of them, one set after another, in
one repository (`test_one_after_another`).
"""

import itertools
import json

from tests.conformance.datasets import DataSet
from tests.conformance.pushes import WAYS, is_two_steps
from tests.conformance.wire import OCI_INDEX, OCI_MANIFEST, Answer, Repository

__all__ = ["ACCEPT", "check_manifest", "delete", "filter_referrers", "list_after", "list_referrers", "look_at", "pull"]
__all__ += ["push", "push_blobs"]

# Two separate headers, as Go's http.Header.Add sends them; no Docker types, which these sets do not have.
ACCEPT = (("Accept", OCI_INDEX), ("Accept", OCI_MANIFEST))


def push(content: DataSet, home: Repository) -> None:
    """Blobs first, then manifests by digest, and then their tags."""
    push_blobs(content, home)
    for digest, body in content.manifests.items():
        tags = [tag for tag, at in content.tags.items() if at == digest] if content.tags_by_parameter else []
        _put(content, home, digest, body, tags)
    if not content.tags_by_parameter:
        for tag, digest in content.tags.items():
            _put(content, home, tag, content.manifests[digest])


def push_blobs(content: DataSet, home: Repository) -> None:
    """Each in another way; one POST is not among these, it has tests of its own."""
    ways = filter(is_two_steps, itertools.cycle(WAYS))
    for way, (digest, blob) in zip(ways, content.blobs.items(), strict=False):
        answer = way(home, blob, digest)
        assert answer.status == 201, answer
        assert home.registry.send("GET", answer.location).body == blob


def list_after(content: DataSet, home: Repository) -> None:
    """The tags that follow each one; there must be no others in the repository."""
    tags = sorted(content.tags)
    for position, last in enumerate(tags):
        answer = home.send("GET", "tags/list", query=[("last", last)])
        assert answer.json()["tags"] == tags[position + 1 :]


def look_at(content: DataSet, home: Repository) -> None:
    """HEAD of everything."""
    for name, digest in _names(content):
        answer = home.head_manifest(name, ACCEPT)
        assert (answer.status, answer.body) == (200, b""), answer
        assert answer.header("Content-Type") == json.loads(content.manifests[digest])["mediaType"]
        assert answer.header("Content-Length") == str(len(content.manifests[digest]))
        assert answer.header("Docker-Content-Digest") == digest
    for digest, blob in content.blobs.items():
        answer = home.head_blob(digest)
        assert (answer.status, answer.body) == (200, b""), answer
        assert answer.header("Content-Length") == str(len(blob))
        assert answer.header("Docker-Content-Digest") == digest


def pull(content: DataSet, home: Repository) -> None:
    """GET of everything."""
    for name, digest in _names(content):
        answer = home.get_manifest(name, ACCEPT)
        check_manifest(answer, content.manifests[digest], name)
        assert answer.header("Docker-Content-Digest") == digest
    for digest, blob in content.blobs.items():
        answer = home.get_blob(digest)
        assert (answer.status, answer.body) == (200, blob), answer
        assert answer.header("Content-Length") == str(len(blob))
        assert answer.header("Docker-Content-Digest") == digest


def check_manifest(answer: Answer, body: bytes, context: object) -> None:
    assert answer.status == 200, (answer, context)
    assert answer.body == body
    assert answer.header("Content-Type") == json.loads(body)["mediaType"]
    assert answer.header("Content-Length") == str(len(body))


def list_referrers(content: DataSet, home: Repository) -> None:
    for subject, expected in content.referrers.items():
        answer = home.send("GET", f"referrers/{subject}")
        _check_referrers(answer, expected)
        assert answer.header("OCI-Filters-Applied") is None


def filter_referrers(content: DataSet, home: Repository) -> None:
    for subject, expected in content.referrers.items():
        for kind in {entry["artifactType"] for entry in expected if "artifactType" in entry}:
            answer = home.send("GET", f"referrers/{subject}", query=[("artifactType", kind)])
            _check_referrers(answer, [entry for entry in expected if entry.get("artifactType") == kind])
            assert answer.values("OCI-Filters-Applied") == ["artifactType"]


def delete(content: DataSet, home: Repository) -> None:
    """Tags, then manifests, parents first, then blobs: each is gone as soon as it is deleted."""
    for tag in content.tags:
        assert home.send("DELETE", f"manifests/{tag}").status == 202
        assert home.head_manifest(tag).status == 404
    assert home.tags() == []
    for digest in reversed(content.manifests):
        assert home.send("DELETE", f"manifests/{digest}").status == 202
        assert home.head_manifest(digest).status == 404
        assert home.get_manifest(digest).status == 404
    for digest in content.blobs:
        assert home.send("DELETE", f"blobs/{digest}").status == 202
        assert home.head_blob(digest).status == 404
        assert home.get_blob(digest).status == 404
    for subject in content.referrers:
        _check_referrers(home.send("GET", f"referrers/{subject}"), [])


def _names(content: DataSet) -> list[tuple[str, str]]:
    """Everything that a manifest can be asked by, with its digest."""
    return [*content.tags.items(), *((digest, digest) for digest in content.manifests)]


def _put(content: DataSet, home: Repository, name: str, body: bytes, tags: list[str] | None = None) -> None:
    """PUT a manifest without saying how long it is, as Go does, and check all that the answer must say."""
    document = json.loads(body)
    query = [("tag", tag) for tag in tags or ()]
    answer = home.put_manifest(name, body, document["mediaType"], query=query, chunked=True)
    assert answer.status == 201, answer
    assert answer.header("Docker-Content-Digest") == content.describe(body, "")["digest"]
    assert answer.header("OCI-Subject") == document.get("subject", {}).get("digest")
    assert set(answer.values("OCI-Tag")) == set(tags or ())
    check_manifest(home.registry.send("GET", answer.location, headers=ACCEPT), body, answer)


def _check_referrers(answer: Answer, expected: list[dict]) -> None:
    assert answer.status == 200, answer
    assert answer.header("Content-Type") == OCI_INDEX
    document = answer.json()
    assert (document["schemaVersion"], document["mediaType"]) == (2, OCI_INDEX)
    by_digest = lambda entry: entry["digest"]
    assert sorted(document["manifests"], key=by_digest) == sorted(expected, key=by_digest)
