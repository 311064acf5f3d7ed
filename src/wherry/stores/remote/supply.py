"""A blob's content on its way into an upload: counted, read ahead by a piece, and given out again where that can be done.

One task of its own pulls the pieces, so that the next one arrives while the last one leaves, and so that an upload which
ends early does not tear the content's own generator apart. Content that can be had again (`stores.rewinding`) is read anew from
wherever the registry wants to go on. Of other content the first bytes are kept: a registry that refuses an upload does
so before it has read much, and then they can be sent once more.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from types import TracebackType
from typing import Self

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import SizeMismatch
from wherry.stores.rewinding import Rewindable

__all__ = ["Part", "Supply"]

_KEPT = 4 * 1024 * 1024  # bytes
_AHEAD = 1  # pieces
_WORTHWHILE = 64 * 1024
"""Bytes: what comes in smaller pieces is put together first, because each costs the same on its way."""


class _Reading:
    """One pass over the content, in a task of its own."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._content = content
        self._queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(_AHEAD)
        self._task = asyncio.create_task(self._read())
        self.filling = asyncio.Lock()
        self.is_ended = False

    async def next(self) -> bytes | Exception | None:
        """The next bytes; what went wrong; or None at the end."""
        return await self._queue.get()

    async def end(self) -> None:
        """Stop reading, and wake whoever still waits for more."""
        self.is_ended = True
        self._task.cancel()
        await asyncio.wait([self._task])
        if self._queue.empty():
            self._queue.put_nowait(None)

    async def _read(self) -> None:
        last: Exception | None = None
        small: list[bytes] = []
        gathered = 0
        try:
            async for piece in self._content:
                if not small and len(piece) >= _WORTHWHILE:
                    await self._queue.put(piece)
                    continue
                small.append(piece)
                gathered += len(piece)
                if gathered >= _WORTHWHILE:
                    whole = b"".join(small)
                    small.clear()
                    gathered = 0
                    await self._queue.put(whole)
        except Exception as error:  # noqa: BLE001  # it is raised again where the pieces are taken
            last = error
        finally:
            if isinstance(self._content, AsyncGenerator):
                await self._content.aclose()  # frees what it reads from, now and not when it is collected
        if gathered:
            await self._queue.put(b"".join(small))
        await self._queue.put(last)


class Supply:
    """The bytes of `blob`, in order, from `start` on. An async context manager: the task that reads lives in it.

    A `start` other than 0 needs content that can be had again.
    """

    def __init__(self, blob: Descriptor, content: AsyncIterable[bytes], place: str, start: int = 0) -> None:
        self.size = blob.size
        self.position = start
        self.failure: Exception | None = None
        """What went wrong with the content itself."""
        self._place = f"{place}: blob {blob.digest}"
        self._content = content
        self._again = content if isinstance(content, Rewindable) else None
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._rest = b""
        self._is_over = False
        self._turn = 0
        self._reading: _Reading | None = None

    async def __aenter__(self) -> Self:
        self._reading = _Reading(self._content if self._again is None else self._again.from_byte(self.position))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._reading is not None  # noqa: S101  # set by __aenter__
        await self._reading.end()

    def can_begin_at(self, offset: int) -> bool:
        """Whether the bytes from `offset` on can be had (again)."""
        if self.failure is not None:
            return False
        return self._again is not None or offset == self.position or (offset == 0 and self._kept_size == self.position)

    async def begin_at(self, offset: int) -> None:
        """Go on from `offset`. Whoever still takes pieces, for a request that is over, gets no more."""
        assert self.can_begin_at(offset)  # noqa: S101  # callers ask first
        self._turn += 1
        if offset == self.position:
            return
        if offset == 0 and self._kept_size == self.position:
            self._rest = b"".join((*self._kept, self._rest))
        elif self._again is not None and self._reading is not None:
            ended, self._rest, self._is_over = self._reading, b"", False
            await ended.end()
            self._reading = _Reading(self._again.from_byte(offset))
        self._kept.clear()
        self._kept_size = 0
        self.position = offset

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
            self.failure = self.failure or SizeMismatch(
                f"{self._place} ended after {self.position} of {self.size} bytes"
            )
            raise self.failure
        piece, self._rest = self._rest[:most], self._rest[most:]
        if self._again is None and self._kept_size == self.position and self.position + len(piece) <= _KEPT:
            self._kept.append(piece)
            self._kept_size += len(piece)
        elif self._kept:
            self._kept.clear()
            self._kept_size = 0
        self.position += len(piece)
        return piece

    async def _fill(self) -> None:
        """See that there is a rest to take from, if the content is not over. It belongs to whoever has the turn then."""
        reading = self._reading
        assert reading is not None  # noqa: S101  # set by __aenter__
        async with reading.filling:
            if self._rest or self._is_over:
                return
            piece = await reading.next()
            if reading.is_ended:
                return
            if isinstance(piece, bytes):
                self._rest = piece
            else:
                self._is_over, self.failure = True, piece

    async def _agree(self) -> None:
        """Before the last piece leaves: nothing may follow it, and whoever verifies the content must have agreed."""
        await self._fill()
        if self._rest:
            self.failure = SizeMismatch(f"{self._place} is longer than the {self.size} bytes of its descriptor")
        if self.failure is not None:
            raise self.failure


class Part:
    """The next `size` bytes of a supply as a request's body."""

    def __init__(self, supply: Supply, size: int) -> None:
        self.size = size
        self._supply = supply
        self._start = supply.position

    @property
    def can_repeat(self) -> bool:
        return self._supply.can_begin_at(self._start)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes; when asked for once more, from the first one on."""
        await self._supply.begin_at(self._start)
        async for piece in self._supply.take(self.size):
            yield piece
