"""A large blob that was cut short on its way into a layout: what is there is hashed, and only the rest is fetched."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from tests.content import a_blob, pieces, read
from wherry.oci.errors import ConnectionFailed, DigestMismatch, StoreError
from wherry.oci.mediatype import OCI_LAYER
from wherry.stores._durable import DurableFile
from wherry.stores.layout import NOTEWORTHY, Layout

CONTENT = bytes(range(251)) * (NOTEWORTHY // 251 + 1)
BLOB = a_blob(CONTENT, OCI_LAYER)
HALF = NOTEWORTHY // 2


class Again:
    """Content that can be had again, and that breaks off at a byte; `begun` is where it was."""

    def __init__(
        self, content: bytes = CONTENT, *, breaks: int | None = None, error: BaseException | None = None
    ) -> None:
        self.content = content
        self.breaks = breaks
        self.error = error
        self.begun: list[int] = []

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.from_byte(0)

    async def from_byte(self, offset: int) -> AsyncGenerator[bytes, None]:
        self.begun.append(offset)
        async for piece in pieces(self.content[offset : self.breaks], 250_000):
            yield piece
        if self.error is not None:
            raise self.error


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def _parts(folder: Path) -> list[Path]:
    return list(folder.glob(".wherry-*"))


async def _cut_short(folder: Path, content: bytes = CONTENT[:HALF]) -> None:
    """As a process leaves it that is killed."""
    await Layout(folder).push(a_blob(b"x").descriptor, pieces(b"x"))
    file = DurableFile(folder, str(BLOB.descriptor.digest))
    file.write(content)
    file.leave()


async def test_next_writer_fetches_only_the_rest(layout, tmp_path):
    await _cut_short(tmp_path)
    content = Again()
    await layout.push(BLOB.descriptor, content)
    assert content.begun == [HALF]
    assert await read(layout.fetch(BLOB.descriptor)) == CONTENT
    assert _parts(tmp_path) == []


async def test_part_that_is_the_whole_blob_needs_nothing_more(layout, tmp_path):
    await _cut_short(tmp_path, CONTENT)
    content = Again()
    await layout.push(BLOB.descriptor, content)
    assert content.begun == [len(CONTENT)]
    assert await read(layout.fetch(BLOB.descriptor)) == CONTENT


@pytest.mark.parametrize(
    "part", [b"\0" * HALF, CONTENT[:HALF] + b"\0" * 4096, CONTENT + b"x"], ids=["0", "torn", "long"]
)
async def test_part_that_is_not_the_blobs_beginning_is_dropped(layout, tmp_path, part):
    await _cut_short(tmp_path, part)
    content = Again()
    await layout.push(BLOB.descriptor, content)
    assert content.begun[-1] == 0
    assert await read(layout.fetch(BLOB.descriptor)) == CONTENT
    assert _parts(tmp_path) == []


@pytest.mark.parametrize(
    "error", [ConnectionFailed("gone", registry="r"), asyncio.CancelledError()], ids=["gone", "cancelled"]
)
async def test_what_may_go_well_the_next_time_leaves_a_part(layout, tmp_path, error):
    with pytest.raises(type(error)):
        await layout.push(BLOB.descriptor, Again(breaks=HALF, error=error))
    assert len(_parts(tmp_path)) == 1
    content = Again()
    await Layout(tmp_path).push(BLOB.descriptor, content)
    assert content.begun[0] >= 1_000_000
    assert len(content.begun) == 1
    assert await read(layout.fetch(BLOB.descriptor)) == CONTENT


@pytest.mark.parametrize("error", [StoreError("no"), OSError(28, "No space left on device")], ids=["store", "full"])
async def test_what_fails_otherwise_leaves_nothing(layout, tmp_path, error):
    with pytest.raises(type(error)):
        await layout.push(BLOB.descriptor, Again(breaks=HALF, error=error))
    assert _parts(tmp_path) == []


async def test_wrong_content_leaves_nothing_and_is_not_read_twice(layout, tmp_path):
    content = Again(CONTENT[:-1] + b"x")
    with pytest.raises(DigestMismatch):
        await layout.push(BLOB.descriptor, content)
    assert content.begun == [0]
    assert _parts(tmp_path) == []
    assert not await layout.exists(BLOB.descriptor)


async def test_part_that_somebody_writes_is_left_to_them(layout, tmp_path):
    await _cut_short(tmp_path)
    other = DurableFile(tmp_path, str(BLOB.descriptor.digest))
    assert other.part == HALF
    content = Again()
    await layout.push(BLOB.descriptor, content)
    assert content.begun == [0]
    assert _parts(tmp_path) != []
    other.abandon()
    assert _parts(tmp_path) == []
    assert await read(layout.fetch(BLOB.descriptor)) == CONTENT


async def test_part_goes_after_a_day(tmp_path):
    await _cut_short(tmp_path)
    small = a_blob(b"a small one")
    await Layout(tmp_path).push(small.descriptor, pieces(small.content))
    [part] = _parts(tmp_path)
    os.utime(part, (time.time(), time.time() - 86_401))
    other = a_blob(b"another")
    await Layout(tmp_path).push(other.descriptor, pieces(other.content))
    assert _parts(tmp_path) == []


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
async def test_something_else_in_the_place_of_a_part_is_no_hindrance(layout, tmp_path, make):
    await _cut_short(tmp_path)
    [part] = _parts(tmp_path)
    part.unlink()
    make(part)
    await Layout(tmp_path).push(BLOB.descriptor, Again())
    assert await read(layout.fetch(BLOB.descriptor)) == CONTENT


async def test_link_in_the_place_of_a_part_is_not_followed(layout, tmp_path):
    await _cut_short(tmp_path)
    [part] = _parts(tmp_path)
    elsewhere = part.rename(tmp_path / ".elsewhere")
    part.symlink_to(elsewhere)
    await layout.push(BLOB.descriptor, Again())
    assert elsewhere.stat().st_size == HALF
