"""An upload's bytes in a file.

Writing and hashing of large pieces runs in two threads side by side (hashing lets go of the interpreter's lock above 2 KB);
small ones are done where they are, because a thread costs more than they do; and the last of an upload in the thread that
flushes and renames it, which takes no longer and wakes nobody else. While a large upload comes in, what is there already goes
to the disk: so there is little left to wait for at its end.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from wherry.oci.digest import Digest, Hasher
from wherry.server.blobs.disk import Disk, disk_trouble, open_file, size_of, write_all
from wherry.server.points import Point

__all__ = ["IncomingFile"]

_INLINE = 64 * 1024  # bytes that are hashed and written in less time than a thread takes to wake up
_READ = 1024 * 1024
_FLUSH = 32 * 1024 * 1024  # bytes; each flush of a file that grows costs the file system a journal entry as well


class IncomingFile:
    """See `Incoming`. The file is made with the first byte, and open only while it is written.

    `keep` makes a file (descriptor, path, size) the blob of a digest; it blocks.
    """

    def __init__(self, disk: Disk, path: Path, size: int, keep: Callable[[int, Path, int, Digest], None]) -> None:
        self.size = size
        self._disk = disk
        self._path = path
        self._keep = keep
        self._descriptor = -1
        self._unflushed = 0
        self._flushing: Future[None] | None = None

    async def append(self, pieces: Sequence[bytes], hasher: Hasher) -> None:
        length = sum(map(len, pieces))
        if length > _INLINE:
            work = (lambda: self._append(pieces, length), lambda: _feed(hasher, pieces))
            for failure in await asyncio.gather(*map(self._disk.run, work), return_exceptions=True):
                if failure is not None:
                    raise failure
            return
        try:
            self._append(pieces, length)
        except OSError as error:
            raise disk_trouble(error) from error
        _feed(hasher, pieces)

    async def truncate(self, size: int) -> None:
        self._cut(self._open(), size)

    async def digest(self, hasher: Hasher, *, start: int = 0) -> None:
        descriptor = self._open()
        await self._disk.run(lambda: _hash(descriptor, hasher, start))

    def claim(self) -> bool:
        try:
            fcntl.flock(self._open(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def written(self) -> int:
        return size_of(self._path) or 0

    async def look_again(self) -> None:
        self.size = self.written()
        os.lseek(self._open(), self.size, os.SEEK_SET)

    async def complete(self, pieces: Sequence[bytes], hasher: Hasher, digest: Digest) -> Digest:
        descriptor = self._open()

        def work() -> Digest:
            if pieces:
                self._append(pieces, sum(map(len, pieces)))
                _feed(hasher, pieces)
            found = Digest.taken_from(hasher, digest.algorithm)
            if found == digest:
                self._keep(descriptor, self._path, self.size, digest)
            return found

        return await self._disk.run(work)

    async def keep(self, digest: Digest) -> None:
        descriptor = self._open()
        await self._disk.run(lambda: self._keep(descriptor, self._path, self.size, digest))

    async def pause(self) -> None:
        if self._flushing is not None:
            await asyncio.wait([asyncio.wrap_future(self._flushing)])
            self._flushing = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    async def discard(self) -> None:
        await self.pause()
        self._path.unlink(missing_ok=True)

    def _open(self) -> int:
        if self._descriptor < 0:
            self._descriptor = open_file(self._path, os.O_RDWR | os.O_CREAT)
            os.lseek(self._descriptor, self.size, os.SEEK_SET)
        return self._descriptor

    def _append(self, pieces: Sequence[bytes], length: int) -> None:
        descriptor = self._open()
        try:
            write_all(descriptor, pieces)
        except OSError:
            self._cut(descriptor, self.size)
            raise
        self._disk.reached(Point.ARRIVED)
        self._flush_early(descriptor, length)
        self.size += length

    def _flush_early(self, descriptor: int, length: int) -> None:
        self._unflushed += length
        free = self._flushing is None or self._flushing.done()
        if self._disk.durable and free and self._unflushed >= _FLUSH:
            self._flushing = self._disk.begin_flush(descriptor)
            self._unflushed = 0

    def _cut(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)
        os.lseek(descriptor, size, os.SEEK_SET)
        self.size = size


def _feed(hasher: Hasher, pieces: Sequence[bytes]) -> None:
    for piece in pieces:
        hasher.update(piece)


def _hash(descriptor: int, hasher: Hasher, position: int) -> None:
    while piece := os.pread(descriptor, _READ, position):
        hasher.update(piece)
        position += len(piece)
