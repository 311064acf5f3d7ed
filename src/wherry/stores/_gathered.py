"""Small pieces together, so that a thread is asked once for many."""

from collections.abc import AsyncIterable, AsyncIterator

__all__ = ["gathered"]

_ENOUGH = 1024 * 1024
"""Bytes from which on a thread is worth asking."""


async def gathered(content: AsyncIterable[bytes]) -> AsyncIterator[list[bytes]]:
    """Hand on `content` in lists of pieces that have some bytes together."""
    waiting: list[bytes] = []
    size = 0
    async for piece in content:
        waiting.append(piece)
        size += len(piece)
        if size >= _ENOUGH:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting
