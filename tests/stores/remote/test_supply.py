from collections.abc import AsyncIterator

import pytest

from tests.content import pieces
from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import SizeMismatch
from wherry.oci.mediatype import OCI_LAYER
from wherry.stores.remote.supply import Part, Supply

CONTENT = bytes(range(256)) * 40
BLOB = Descriptor.of(CONTENT, OCI_LAYER)


async def _all(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in stream])


async def test_parts_follow_each_other_whatever_the_pieces_are():
    async with Supply(BLOB, pieces(CONTENT, 999), "here") as supply:
        found = [await _all(supply.take(size)) for size in (1, 4096, 900, len(CONTENT) - 4997)]
    assert b"".join(found) == CONTENT
    assert [len(each) for each in found] == [1, 4096, 900, len(CONTENT) - 4997]


async def test_what_was_taken_can_be_had_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wherry.stores.remote.supply._WORTHWHILE", 1)
    async with Supply(BLOB, pieces(CONTENT, 1000), "here") as supply:
        part = Part(supply, BLOB.size)
        first = part.pieces()
        assert await anext(first) == CONTENT[:1000]
        await first.aclose()
        assert part.can_repeat
        assert await _all(part.pieces()) == CONTENT


async def test_more_than_is_kept_cannot_be_had_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wherry.stores.remote.supply._KEPT", 1500)
    monkeypatch.setattr("wherry.stores.remote.supply._WORTHWHILE", 1)
    async with Supply(BLOB, pieces(CONTENT, 1000), "here") as supply:
        part = Part(supply, BLOB.size)
        taken = part.pieces()
        await anext(taken)
        assert part.can_repeat
        await anext(taken)
        assert not part.can_repeat


@pytest.mark.parametrize(
    ("content", "problem"), [(CONTENT[:-1], "ended after 10239 of"), (CONTENT + b"x", "longer than")]
)
async def test_content_of_another_size_is_refused(content: bytes, problem: str):
    async with Supply(BLOB, pieces(content, 5000), "here") as supply:
        with pytest.raises(SizeMismatch, match=problem):
            await _all(supply.take(BLOB.size))


async def test_last_piece_waits_until_the_content_agrees_that_it_is_the_last():
    async with Supply(BLOB, pieces(CONTENT + b"x", len(CONTENT)), "here") as supply:
        with pytest.raises(SizeMismatch):
            await anext(supply.take(BLOB.size))


async def test_failure_of_the_content_is_raised_as_itself():
    async def failing() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionResetError("the source is gone")

    async with Supply(BLOB, failing(), "here") as supply:
        with pytest.raises(ConnectionResetError, match="the source is gone"):
            await _all(supply.take(BLOB.size))


async def test_content_is_closed_when_the_upload_ends_early():
    closed = []

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    async with Supply(BLOB, endless(), "here") as supply:
        await anext(supply.take(10))
    assert closed == [True]
