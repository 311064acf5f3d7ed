"""A blob's content on its way into an upload: counted, read ahead by a piece, and given out again while that is cheap.

One task of its own pulls the pieces, so that the next one arrives while the last one leaves, and so that an upload which
ends early does not tear the content's own generator apart: what has been taken of it can be sent once more, as long as
it was little. A registry that refuses an upload does so before it has read much.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from types import TracebackType
from typing import Self

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import SizeMismatch

__all__ = ["Part", "Supply"]

_KEPT = 4 * 1024 * 1024  # bytes
_AHEAD = 1  # pieces


class Supply:
    """The bytes of `blob`, in order. An async context manager: the task that reads lives in it."""

    def __init__(self, blob: Descriptor, content: AsyncIterable[bytes], place: str) -> None:
        self.size = blob.size
        self.position = 0
        self._place = f"{place}: blob {blob.digest}"
        self._content = content
        self._queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_AHEAD)
        self._kept: list[bytes] = []
        self._rest = b""
        self._is_over = False
        self._failure: Exception | None = None
        self._filling = asyncio.Lock()
        self._turn = 0
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._reader is not None  # noqa: S101  # set by __aenter__
        self._reader.cancel()
        await asyncio.wait([self._reader])

    @property
    def can_rewind(self) -> bool:
        """Whether all that was taken so far is still here."""
        return sum(map(len, self._kept)) == self.position

    def rewind(self) -> None:
        """Start again from the first byte. Whoever still takes pieces, for a request that is over, gets no more."""
        assert self.can_rewind  # noqa: S101  # callers ask first
        self._turn += 1
        self._rest = b"".join((*self._kept, self._rest))
        self._kept.clear()
        self.position = 0

    async def take(self, size: int) -> AsyncIterator[bytes]:
        """The next `size` bytes, as pieces.

        Raises:
            SizeMismatch: the content ends before them, or goes on after the blob's last byte.
        """
        turn, stop = self._turn, self.position + size
        while self.position < stop:
            await self._fill()
            if turn != self._turn:
                return
            piece = self._taken(stop - self.position)
            if self.position == self.size:
                await self._agree()
                if turn != self._turn:
                    return
            yield piece

    def _taken(self, most: int) -> bytes:
        if not self._rest:
            raise self._failure or SizeMismatch(f"{self._place} ended after {self.position} of {self.size} bytes")
        piece, self._rest = self._rest[:most], self._rest[most:]
        if self.can_rewind and self.position + len(piece) <= _KEPT:
            self._kept.append(piece)
        else:
            self._kept.clear()
        self.position += len(piece)
        return piece

    async def _fill(self) -> None:
        """See that there is a rest to take from, if the content is not over. It belongs to whoever has the turn then."""
        async with self._filling:
            if self._rest or self._is_over:
                return
            piece = await self._queue.get()
            if isinstance(piece, bytes):
                self._rest = piece
            else:
                self._is_over, self._failure = True, piece

    async def _agree(self) -> None:
        """Before the last piece leaves: nothing may follow it, and whoever verifies the content must have agreed."""
        await self._fill()
        if self._failure is not None:
            raise self._failure
        if self._rest:
            raise SizeMismatch(f"{self._place} is longer than the {self.size} bytes of its descriptor")

    async def _read(self) -> None:
        last: Exception | None = None
        try:
            async for piece in self._content:
                if piece:
                    await self._queue.put(piece)
        except Exception as error:  # noqa: BLE001  # it is raised again where the pieces are taken
            last = error
        finally:
            if isinstance(self._content, AsyncGenerator):
                await self._content.aclose()  # frees what it reads from, now and not when it is collected
        await self._queue.put(last)


class Part:
    """The next `size` bytes of a supply as a request's body."""

    def __init__(self, supply: Supply, size: int) -> None:
        self.size = size
        self._supply = supply
        self._start = supply.position

    @property
    def can_repeat(self) -> bool:
        return self._supply.position == self._start or (self._start == 0 and self._supply.can_rewind)

    def pieces(self) -> AsyncIterator[bytes]:
        if self._supply.position != self._start:
            self._supply.rewind()
        return self._supply.take(self.size)
