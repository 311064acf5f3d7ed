"""Something else than a blob's bytes in its place, or bytes that nobody may read: the blob is unknown, and healed by a push."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.powerless import powerless
from tests.server.asking import Answer, ask, begin, digest_of, push_blob
from tests.server.test_blobs import LARGE, file_of
from wherry.oci.digest import Digest
from wherry.server.running import Running, running


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Running]:
    """Without root's power to read whatever it wants."""
    with powerless():
        async with running(data=tmp_path) as registry:
            yield registry


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "notes").write_text("somebody's")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def unreadable(path: Path) -> None:
    path.chmod(0)


async def push(registry: Running, content: bytes, *, session: bool) -> Answer:
    digest = digest_of(content)
    if session:
        return await ask(registry, "PUT", f"{await begin(registry, 'a')}?digest={digest}", content)
    return await ask(registry, "POST", f"/v2/a/blobs/uploads/?digest={digest}", content)


@pytest.fixture(params=["empty", "as a folder", "large"])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    """Of the sizes that other things than files may have."""
    example = tmp_path / "example"
    example.write_bytes(b"")
    folder(example)
    contents = {"empty": b"", "as a folder": bytes(example.stat().st_size), "large": LARGE}
    return contents[request.param]


@pytest.mark.parametrize("session", [True, False], ids=["session", "single"])
@pytest.mark.parametrize("obstacle", [folder, pipe, loop, unreadable])
async def test_a_blob_with_an_obstacle_is_unknown_and_healed_by_a_push(
    registry: Running, obstacle: Callable[[Path], None], content: bytes, session: bool
) -> None:
    path = f"/v2/a/blobs/{await push_blob(registry, 'a', content)}"
    obstacle(file_of(registry, digest_of(content)))
    for method in ("HEAD", "GET"):
        assert (await ask(registry, method, path)).status == 404
    assert (await ask(registry, "GET", path)).codes == ["BLOB_UNKNOWN"]
    assert (await push(registry, content, session=session)).status == 201
    found = await ask(registry, "GET", path)
    assert (found.status, found.body) == (200, content)


async def test_a_folder_in_the_way_is_kept_each_time(registry: Running) -> None:
    for _ in range(2):
        digest = await push_blob(registry, "a", b"layer")
        folder(file_of(registry, digest))
    await push_blob(registry, "a", b"layer")
    kept = sorted((registry.data / "damaged").iterdir())
    assert [each.name.partition(".")[0] for each in kept] == [digest.replace(":", "-")] * 2
    assert all((each / "notes").exists() for each in kept)


async def test_a_folder_that_was_set_aside_for_a_blob_does_not_stop_the_collection(registry: Running) -> None:
    digest = Digest.parse(await push_blob(registry, "a", b"layer"))
    folder(file_of(registry, str(digest)))
    blobs = registry.registry.blobs
    blobs.set_aside(digest)
    for _ in range(2):
        await blobs.clear_aside()
    (moved,) = (registry.data / "damaged").iterdir()
    assert (moved / "notes").exists()


async def test_a_folder_among_the_uploads_is_no_upload(registry: Running) -> None:
    (registry.data / "uploads" / "junk").mkdir()
    assert await registry.registry.sessions.sweep(-10) == 0
    assert await registry.registry.blobs.incoming() == {}
