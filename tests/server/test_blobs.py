"""Downloads of blobs, and what happens to them on the disk."""

import os
from pathlib import Path

import pytest

from tests.server.asking import ask, digest_of, push_blob, push_image

SMALL = bytes(range(256)) * 16
LARGE = os.urandom(200_000)


def file_of(registry, digest: str) -> Path:
    algorithm, _, encoded = digest.partition(":")
    return registry.data / "blobs" / algorithm / encoded[:2] / encoded


@pytest.mark.parametrize("content", [b"", b"x", SMALL, LARGE], ids=["empty", "one", "small", "large"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a_blob_comes_back_as_it_was(registry, content, algorithm):
    digest = await push_blob(registry, "a", content, algorithm)
    answer = await ask(registry, "GET", f"/v2/a/blobs/{digest}")
    assert (answer.status, answer.body) == (200, content)
    assert answer.header("Content-Length") == str(len(content))
    assert answer.header("Docker-Content-Digest") == digest
    assert answer.header("ETag") == f'"{digest}"'
    assert file_of(registry, digest).read_bytes() == content


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("asked", "start", "stop"), [("0-0", 0, 1), ("10-19", 10, 20), ("4000-", 4000, None), ("-7", -7, None)]
)
async def test_a_range_is_cut_out(registry, content, asked, start, stop):
    digest = await push_blob(registry, "a", content)
    answer = await ask(registry, "GET", f"/v2/a/blobs/{digest}", headers=[("Range", f"bytes={asked}")])
    assert (answer.status, answer.body) == (206, content[start:stop])
    first = range(len(content))[start]
    assert answer.header("Content-Range") == f"bytes {first}-{first + len(answer.body) - 1}/{len(content)}"
    assert answer.header("Content-Length") == str(len(answer.body))


async def test_a_range_outside_is_refused_with_the_size(registry):
    digest = await push_blob(registry, "a", SMALL)
    answer = await ask(registry, "GET", f"/v2/a/blobs/{digest}", headers=[("Range", "bytes=4096-")])
    assert (answer.status, answer.codes) == (416, ["RANGE_INVALID"])
    assert answer.header("Content-Range") == "bytes */4096"


async def test_who_has_it_already_gets_304(registry):
    digest = await push_blob(registry, "a", SMALL)
    for etag in (f'"{digest}"', f'W/"{digest}"', f'"x", "{digest}"', "*"):
        answer = await ask(registry, "GET", f"/v2/a/blobs/{digest}", headers=[("If-None-Match", etag)])
        assert (answer.status, answer.body) == (304, b"")
    answer = await ask(registry, "GET", f"/v2/a/blobs/{digest}", headers=[("If-None-Match", '"x"')])
    assert answer.status == 200


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
async def test_a_damaged_blob_is_unknown_until_it_is_pushed_again(registry, content, damage, caplog):
    digest = await push_blob(registry, "a", content)
    damage(file_of(registry, digest))
    for method in ("GET", "HEAD"):
        answer = await ask(registry, method, f"/v2/a/blobs/{digest}")
        assert answer.status == 404
    assert "damaged" in caplog.text
    await push_blob(registry, "a", content)
    assert (await ask(registry, "GET", f"/v2/a/blobs/{digest}")).body == content


async def test_an_intact_blob_is_not_written_again(registry):
    digest = await push_blob(registry, "a", LARGE)
    before = file_of(registry, digest).stat()
    await push_blob(registry, "b", LARGE)
    after = file_of(registry, digest).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert list((registry.data / "uploads").iterdir()) == []


async def test_a_blob_is_not_readable_through_another_repository(registry):
    digest = await push_blob(registry, "a", SMALL)
    answer = await ask(registry, "GET", f"/v2/b/blobs/{digest}")
    assert (answer.status, answer.codes) == (404, ["BLOB_UNKNOWN"])


async def test_a_deleted_blob_is_gone_here_and_there_elsewhere(registry):
    digest = await push_blob(registry, "a", SMALL)
    mounted = await ask(registry, "POST", f"/v2/b/blobs/uploads/?mount={digest}&from=a", b"")
    assert mounted.status == 201
    assert (await ask(registry, "DELETE", f"/v2/a/blobs/{digest}")).status == 202
    assert (await ask(registry, "GET", f"/v2/a/blobs/{digest}")).status == 404
    assert (await ask(registry, "DELETE", f"/v2/a/blobs/{digest}")).codes == ["BLOB_UNKNOWN"]
    assert (await ask(registry, "GET", f"/v2/b/blobs/{digest}")).body == SMALL


async def test_a_blob_that_a_manifest_needs_is_not_deleted(registry):
    _, manifest = await push_image(registry, "a", "v1", SMALL)
    refused = await ask(registry, "DELETE", f"/v2/a/blobs/{digest_of(SMALL)}")
    assert (refused.status, refused.codes, refused.header("Allow")) == (405, ["DENIED"], "GET, HEAD")
    assert refused.json["errors"][0]["detail"]["needed_by"] == [manifest]
    assert (await ask(registry, "DELETE", f"/v2/a/manifests/{manifest}")).status == 202
    assert (await ask(registry, "DELETE", f"/v2/a/blobs/{digest_of(SMALL)}")).status == 202


async def test_several_ranges_of_more_than_is_kept_in_memory_give_the_whole_blob(registry):
    content = bytes(5 * 1024 * 1024)
    digest = await push_blob(registry, "a", content)
    answer = await ask(registry, "GET", f"/v2/a/blobs/{digest}", headers=(("Range", "bytes=0-4194304,4200000-"),))
    assert (answer.status, answer.body == content) == (200, True)
    some = await ask(registry, "GET", f"/v2/a/blobs/{digest}", headers=(("Range", "bytes=0-4194302,4200000-4200000"),))
    assert (some.status, len(some.body) > 4 * 1024 * 1024) == (206, True)
