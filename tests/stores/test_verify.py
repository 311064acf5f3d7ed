"""What passes through `verified` is the blob, or fails: small ones where they are, large ones hashed in a thread beside."""

import threading
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from tests.content import pieces
from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import DigestMismatch, SizeMismatch
from wherry.stores.verify import verified

SMALL = b"0123456789" * 100
LARGE = bytes(range(256)) * 4096 * 8
both = pytest.mark.parametrize("content", [pytest.param(SMALL, id="small"), pytest.param(LARGE, id="large")])


def described(content: bytes, algorithm: str = "sha256") -> Descriptor:
    return Descriptor.of(content, "application/octet-stream", algorithm=algorithm)


async def through(content: bytes, blob: Descriptor) -> bytes:
    return b"".join([piece async for piece in verified(pieces(content, 100_000), blob, "here")])


async def drain_into(seen: list[bytes], stream: AsyncIterator[bytes]) -> None:
    async for piece in stream:
        seen += (piece,)


@both
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_the_blob_passes_unchanged(content, algorithm):
    assert await through(content, described(content, algorithm)) == content


@both
async def test_other_bytes_of_the_same_size_fail(content):
    with pytest.raises(DigestMismatch, match="here: blob sha256:"):
        await through(content[:-1] + b"?", described(content))


@both
async def test_missing_bytes_fail(content):
    with pytest.raises(SizeMismatch, match=f"ended after {len(content) - 1} of {len(content)}"):
        await through(content[:-1], described(content))


@both
async def test_too_many_bytes_fail_before_they_are_handed_on(content):
    passed: list[bytes] = []
    with pytest.raises(SizeMismatch, match="longer than"):
        await drain_into(passed, verified(pieces(content + b"!", 100_000), described(content), "here"))
    assert sum(map(len, passed)) <= len(content)


async def test_whoever_stops_in_the_middle_leaves_no_thread_behind():
    before = set(threading.enumerate())
    async with aclosing(verified(pieces(LARGE, 100_000), described(LARGE), "here")) as stream:
        async for _ in stream:
            break
        hashing = set(threading.enumerate()) - before
        assert [thread.name for thread in hashing] == ["wherry-hash"]
    for thread in hashing:
        thread.join(timeout=10)
        assert not thread.is_alive()
