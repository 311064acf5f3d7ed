"""Blobs as files: `blobs/<algorithm>/<first two digits>/<encoded>`; what arrives is in `uploads/<id>`.

A kept blob was written whole to another file of the same file system, flushed to the disk, and renamed; then the folder
was flushed. So a file under a digest's name is that content, at every moment, whatever happens to the machine.

Writing and hashing of large pieces runs in threads (hashing lets go of the interpreter's lock above 2 KB); small ones
are done where they are, because a thread costs more than they do.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

from wherry.oci.digest import Digest, Hasher
from wherry.oci.errors import Unavailable
from wherry.server.blobs.protocol import LocalFile

__all__ = ["FileBlobs"]

T = TypeVar("T")

_THREADS = 16  # most of them wait for the disk
_INLINE = 64 * 1024  # bytes that are hashed and written in less time than a thread takes to wake up
_READ = 1024 * 1024
_MOST_PIECES = 512  # of one writev; the system's limit is 1024


class FileBlobs:
    """All blobs below one folder. With `durable` nothing is kept before it is on the disk."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self._kept = folder / "blobs"
        self._incoming = folder / "uploads"
        self._durable = durable
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="wherry-blobs")

    @classmethod
    def open(cls, folder: Path, *, durable: bool) -> Self:
        """Make the folders where they are missing."""
        blobs = cls(folder, durable=durable)
        blobs._kept.mkdir(exist_ok=True)
        blobs._incoming.mkdir(exist_ok=True)
        blobs._flush(folder)
        return blobs

    async def find(self, digest: Digest) -> LocalFile | None:
        path = self._name(digest)
        size = _size(path)
        return None if size is None else LocalFile(path, size)

    async def keep(self, digest: Digest, content: bytes) -> None:
        await self.run(lambda: self._keep_content(digest, content))

    async def begin(self, identifier: str) -> "IncomingFile":
        return IncomingFile(self, self._incoming / identifier, 0)

    async def resume(self, identifier: str) -> "IncomingFile":
        path = self._incoming / identifier
        return IncomingFile(self, path, _size(path) or 0)

    async def incoming(self) -> dict[str, float]:
        with os.scandir(self._incoming) as entries:
            return {entry.name: entry.stat().st_mtime for entry in entries}

    async def discard(self, identifier: str) -> None:
        (self._incoming / identifier).unlink(missing_ok=True)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    async def run(self, work: Callable[[], T]) -> T:
        """Do something in a thread, to its end, even if the caller is cancelled: no write is left half done behind us.

        Raises:
            Unavailable: the disk is full.
        """
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, work)
            try:
                return await asyncio.shield(future)
            except asyncio.CancelledError:
                await asyncio.wait([future])
                raise
        except OSError as error:
            raise _translated(error) from error

    def move(self, descriptor: int, path: Path, size: int, digest: Digest) -> None:
        """Make a file the blob of that digest. Blocks."""
        target = Path(self._name(digest))
        self._make_folder(target.parent)
        if _size(target) == size:
            path.unlink()  # it is there, whole: nothing to write
        else:
            if self._durable:
                os.fsync(descriptor)
            path.rename(target)
        self._flush(target.parent)

    def _keep_content(self, digest: Digest, content: bytes) -> None:
        kept = Path(self._name(digest))
        if _size(kept) == len(content):
            self._flush(kept.parent)  # who wrote it has perhaps not come to that yet
            return
        path = self._incoming / str(uuid4())
        descriptor = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            _write(descriptor, (content,))
            self.move(descriptor, path, len(content), digest)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)

    def _name(self, digest: Digest) -> str:
        """Where a blob is kept: a string, since making a `Path` would take longer than finding the file."""
        return f"{self._kept}/{digest.algorithm}/{digest.encoded[:2]}/{digest.encoded}"

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            self._flush(folder.parent)
            self._flush(self._kept)

    def _flush(self, folder: Path) -> None:
        """Bring a folder's entries to the disk."""
        if not self._durable:
            return
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class IncomingFile:
    """An upload in a file; see `Incoming`. The file is made with the first byte, and open only while it is written."""

    def __init__(self, blobs: FileBlobs, path: Path, size: int) -> None:
        self._blobs = blobs
        self._path = path
        self._descriptor = -1
        self.size = size

    async def append(self, pieces: Sequence[bytes], hasher: Hasher) -> None:
        length = sum(map(len, pieces))
        if length <= _INLINE:
            try:
                self._append(pieces, length, hasher)
            except OSError as error:
                raise _translated(error) from error
        else:
            await self._blobs.run(lambda: self._append(pieces, length, hasher))

    def _append(self, pieces: Sequence[bytes], length: int, hasher: Hasher) -> None:
        descriptor = self._open()
        try:
            _write(descriptor, pieces)
        except OSError:
            self._cut(self.size)
            raise
        for piece in pieces:
            hasher.update(piece)
        self.size += length

    async def truncate(self, size: int) -> None:
        self._open()
        self._cut(size)

    def _cut(self, size: int) -> None:
        os.ftruncate(self._descriptor, size)
        os.lseek(self._descriptor, size, os.SEEK_SET)
        self.size = size

    async def digest(self, hasher: Hasher) -> None:
        def read() -> None:
            position = 0
            while piece := os.pread(descriptor, _READ, position):
                hasher.update(piece)
                position += len(piece)

        descriptor = self._open()
        await self._blobs.run(read)

    async def keep(self, digest: Digest) -> None:
        descriptor = self._open()
        await self._blobs.run(lambda: self._blobs.move(descriptor, self._path, self.size, digest))
        await self.pause()

    async def pause(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    async def discard(self) -> None:
        await self.pause()
        await self._blobs.discard(self._path.name)

    def _open(self) -> int:
        if self._descriptor < 0:
            self._descriptor = _open(self._path, os.O_RDWR | os.O_CREAT)
            os.lseek(self._descriptor, self.size, os.SEEK_SET)
        return self._descriptor


def _open(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o644)


def _size(path: str | Path) -> int | None:
    try:
        return os.stat(path).st_size  # noqa: PTH116  # on the way of every download; a `Path` for it costs more
    except FileNotFoundError:
        return None


def _write(descriptor: int, pieces: Sequence[bytes]) -> None:
    """Write all of them, however little the system takes at a time."""
    for start in range(0, len(pieces), _MOST_PIECES):
        some: list[Any] = list(pieces[start : start + _MOST_PIECES])
        left = sum(map(len, some))
        while left:
            written = os.writev(descriptor, some)
            left -= written
            if left:
                some = [memoryview(b"".join(some))[written:]]


def _translated(error: OSError) -> Exception:
    if error.errno in (ENOSPC, EDQUOT):
        return Unavailable("the registry's disk is full", hint="tell whoever runs the registry")
    return error
