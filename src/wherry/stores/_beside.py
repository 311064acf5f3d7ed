"""A running hash in a thread of its own, beside the event loop.

The loop's thread is what a large copy waits for: it hands pieces from one connection to the other. Hashing lets go of
the interpreter's lock, so on a second processor it costs that thread nothing. The thread lives as long as the blob: to
hand each piece to a pool, and wait for it there, costs more than hashing it (docs/design/copy.md).
"""

import asyncio
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread

from wherry.oci.digest import Hasher

__all__ = ["Beside"]

_AHEAD = 4  # pieces that may wait for the thread; it is quicker than any connection


class Beside:
    """Feeds `hasher` in a thread; whoever makes one calls `end`."""

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher
        self._pieces: SimpleQueue[bytes | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._room: asyncio.Future[None] | None = None
        self._done: asyncio.Future[None] = self._loop.create_future()
        Thread(target=self._work, name="wherry-hash", daemon=True).start()

    async def update(self, piece: bytes) -> None:
        """Hash a piece soon; waits only when the thread is far behind."""
        self._pieces.put(piece)
        if self._pieces.qsize() > _AHEAD:
            self._room = room = self._loop.create_future()
            if self._pieces.qsize() > _AHEAD:  # else the thread may have looked before there was somebody to wake
                await room

    async def finish(self) -> None:
        """Wait until every piece is hashed."""
        self._pieces.put(None)
        await self._done

    def end(self) -> None:
        """Let the thread go; what still waits is hashed in vain."""
        self._pieces.put(None)

    def _work(self) -> None:
        while (piece := self._pieces.get()) is not None:
            self._hasher.update(piece)
            room = self._room
            if room is not None and self._pieces.qsize() <= _AHEAD:
                self._room = None
                self._wake(room)
        self._wake(self._done)

    def _wake(self, future: asyncio.Future[None]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_resolve, future)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
