"""The steps of all other tests in one sitting, as a client that is a program takes them: in one repository, over one
connection, with what is deleted pushed again; on a registry that wants everything to be there, and on one that does not.

Whatever a step leaves behind (a connection that is out of step, a blob that is gone for good, a tag, a count) meets the next.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from tests.conformance import carrying
from tests.conformance.datasets import SETS
from tests.conformance.pushes import BINARY, WAYS
from tests.conformance.wire import OCI_MANIFEST, Registry, Repository, connect, digest_of, random_bytes, with_query

GO = (("User-Agent", "Go-http-client/1.1"), ("Accept-Encoding", "gzip"))
"""What Go's client sends with every request unless it is told otherwise."""


@pytest.fixture(params=["registry_under_test", "sparse_registry"], ids=["strict", "sparse"])
def registry(request) -> Iterator[Registry]:
    """Over one connection."""
    found: Registry = request.getfixturevalue(request.param)
    with closing(connect(found.url)) as connection:
        yield replace(found, kept=connection, always=GO)


@pytest.fixture
def home(registry: Registry, names) -> Repository:
    return Repository(registry, names.fresh())


@pytest.fixture
def takes_sparse(request) -> bool:
    return bool(request.node.callspec.params["registry"] == "sparse_registry")


def delete_blob(home: Repository, digest: str) -> None:
    assert home.send("DELETE", f"blobs/{digest}").status == 202
    assert home.head_blob(digest).status == 404


def check_blob(home: Repository, digest: str, body: bytes) -> None:
    for method, expected in (("HEAD", b""), ("GET", body)):
        answer = home.send(method, f"blobs/{digest}")
        assert (answer.status, answer.body) == (200, expected), answer
        assert answer.header("Content-Length") == str(len(body))
        assert answer.header("Docker-Content-Digest") == digest


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_blobs_come_and_go(home: Repository, registry: Registry, names, algorithm):
    other = Repository(registry, names.fresh())
    for content in (random_bytes(512), random_bytes(3 * 1024 - 5), b"", b"{}"):
        digest = digest_of(content, algorithm)
        for way in WAYS:
            pushed = way(home, content, digest)
            assert pushed.status == 201, (way, pushed)
            assert registry.send("GET", pushed.location).body == content
            check_blob(home, digest, content)
            delete_blob(home, digest)
            refused = way(home, content + b"oh no", digest)
            assert refused.status == 400, (way, refused)
            assert home.head_blob(digest).status == 404
        other.push_blob(content, algorithm)
        for origin in ([("from", other.name)], []):
            mounted = home.send("POST", "blobs/uploads/", query=[("mount", digest), *origin], body=b"")
            assert mounted.status == 201, mounted
            assert registry.send("GET", mounted.location).body == content
            check_blob(home, digest, content)
            delete_blob(home, digest)
        delete_blob(other, digest)
        declined = home.send("POST", "blobs/uploads/", query=[("mount", digest), ("from", other.name)], body=b"")
        assert declined.status == 202, declined
        assert registry.send("DELETE", declined.location).status == 204
        assert home.send("DELETE", f"blobs/{digest}").status == 404


def test_sets_come_and_go(home: Repository, takes_sparse):
    for make in SETS:
        content = make()
        if content.sparse and not takes_sparse:
            continue
        carrying.push(content, home)
        assert home.tags() == sorted(content.tags)
        carrying.list_after(content, home)
        carrying.look_at(content, home)
        carrying.pull(content, home)
        carrying.list_referrers(content, home)
        carrying.filter_referrers(content, home)
        carrying.delete(content, home)


@pytest.mark.parametrize("size", [100, 5_000, 200_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "without length"])
def test_a_refusal_is_heard_and_the_next_request_is_answered(home: Repository, chunked, size):
    body = b" " * size + b"{}"
    for name in ("sha256:baddigeststring", digest_of(b"something else"), ".dot", "refused"):
        refused = home.put_manifest(name, body, OCI_MANIFEST, chunked=chunked)
        assert refused.status == 400, refused
        assert refused.codes
        assert home.send("GET", "tags/list").status in (200, 404)
    location = home.start_upload().location
    place = ("Content-Range", f"{size}-{size + len(body) - 1}")
    for method, target in (("PATCH", location), ("PUT", with_query(location, ("digest", digest_of(body))))):
        refused = home.registry.send(method, target, body=body, headers=[BINARY, place], chunked=chunked)
        assert refused.status == 416, refused
        assert home.registry.send("GET", target).header("Range") == "0-0"
    for algorithm in ("sha256", "sha512"):
        missing = home.registry.send("PUT", f"{location}-absent?digest={digest_of(body, algorithm)}", body=body)
        assert missing.status == 404, missing
