"""Blobs as files: `blobs/<algorithm>/<first two digits>/<encoded>`; what arrives is in `uploads/<id>`, what goes in `aside/`.

A kept blob was written whole to another file of the same file system, flushed to the disk, and renamed; then the folder
was flushed. So a file under a digest's name is that content, at every moment, whatever happens to the machine.

To set a blob aside is to rename it, which takes no time even for large ones; deleting them may.
"""

import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from errno import EMFILE, ENFILE
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from threading import Lock
from typing import Self
from uuid import uuid4

from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidValue, StoreError
from wherry.oci.wire.ranges import Span
from wherry.server.blobs.disk import Disk, can_be_opened, is_readable, open_file, size_of, write_all
from wherry.server.blobs.incoming import IncomingFile
from wherry.server.blobs.protocol import Arrived, LocalFile, Stray
from wherry.server.blobs.strays import find_strays
from wherry.server.points import Point, Reached, pass_by
from wherry.stores.regular import open_regular

__all__ = ["FileBlobs"]

_FOLDERS = 256  # of each algorithm, made all at once where they are flushed; one by one each costs two flushes more
_NONE_LEFT = (EMFILE, ENFILE)
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)  # Linux alone has it


class FileBlobs:
    """All blobs below one folder."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._kept = folder / "blobs"
        self._incoming = folder / "uploads"
        self._aside = folder / "aside"
        self._damaged = folder / "damaged"
        self._disk = disk
        self._making = Lock()
        self._made: set[str] = (
            set()
        )  # folders that are known to be there, and on the disk; for all of an algorithm, its name

    @classmethod
    def open(cls, folder: Path, *, durable: bool, reached: Reached = pass_by) -> Self:
        """Make the folders where they are missing. With `durable` nothing is kept before it is on the disk.

        Raises:
            StoreError: they cannot be made, or not be written.
        """
        blobs = cls(folder, Disk(durable=durable, reached=reached))
        for each in (blobs._kept, blobs._incoming, blobs._aside):
            try:
                each.mkdir(exist_ok=True)
            except OSError as error:
                raise StoreError(f"{each} cannot be used for blobs: {error.strerror}") from error
            if not os.access(each, os.R_OK | os.W_OK | os.X_OK):
                raise StoreError(f"{each} cannot be written by this user", hint="run the registry as its owner")
        blobs._disk.flush_folder(folder)
        return blobs

    async def find(self, digest: Digest) -> LocalFile | None:
        path = self._name(digest)
        size = size_of(path)
        return LocalFile(path, size) if size is not None and can_be_opened(path) else None

    async def obstacle(self, digest: Digest) -> str:
        try:
            open_regular(self._name(digest)).close()
        except FileNotFoundError:
            return ""
        except StoreError:
            return "no regular file is in its place"
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return ""

    async def at_hand(self, digest: Digest, size: int) -> bytes | None:
        try:
            descriptor = os.open(self._name(digest), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe would wait
        except OSError as error:
            if error.errno in _NONE_LEFT:  # the HTTP server would find no more than we
                raise
            return None
        content = bytearray(size + 1)  # one more than there should be, to see that the file is not longer
        try:
            read = os.preadv(descriptor, (content,), 0, _NOWAIT)
        except OSError:  # not in the system's memory: somebody else shall wait for the disk
            return None
        finally:
            os.close(descriptor)
        return bytes(memoryview(content)[:size]) if read == size else None

    async def parts(self, digest: Digest, spans: Sequence[Span]) -> list[bytes] | None:
        return await self._disk.run(lambda: _parts(self._name(digest), spans))

    async def keep(self, digest: Digest, content: bytes) -> None:
        await self._disk.run(lambda: self._keep_content(digest, content))

    def stored(self, digest: Digest, size: int) -> bool:
        return _is_whole(self._name(digest), size)

    def set_aside(self, digest: Digest) -> None:
        with suppress(FileNotFoundError):
            Path(self._name(digest)).rename(self._aside / f"{digest.encoded}.{uuid4()}")

    def set_apart(self, digest: Digest) -> None:
        self._damaged.mkdir(exist_ok=True)
        place = self._damaged / f"{digest.algorithm}-{digest.encoded}"
        if os.path.lexists(place):  # it was damaged before; who looks for the reason wants both
            place = place.with_name(f"{place.name}.{uuid4()}")
        with suppress(FileNotFoundError):
            Path(self._name(digest)).rename(place)

    async def digest(self, digest: Digest) -> Digest | None:
        return await self._disk.run(lambda: _digest_of(self._name(digest), digest.algorithm))

    async def listed(self) -> AsyncGenerator[tuple[Digest, Arrived]]:
        for folder in await self._disk.run(lambda: sorted(self._kept.glob("*/*/"))):
            for each in await self._disk.run(partial(_blobs_in, folder)):
                yield each

    async def strays(self) -> AsyncIterator[Stray]:
        for each in await self._disk.run(lambda: list(find_strays(self._folder))):
            yield each

    async def clear_aside(self) -> int:
        return await self._disk.run(self._clear_aside)

    def _clear_aside(self) -> int:
        freed = 0
        with os.scandir(self._aside) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another process does the same
                    if entry.is_dir(follow_symlinks=False):  # it was in a blob's place, and is none of ours
                        self._damaged.mkdir(exist_ok=True)
                        Path(entry.path).rename(self._damaged / entry.name)
                        continue
                    size = entry.stat(follow_symlinks=False).st_size
                    Path(entry.path).unlink()
                    freed += size
        return freed

    async def begin(self, identifier: str) -> IncomingFile:
        return IncomingFile(self._disk, self._incoming / identifier, 0, self._keep_file)

    async def resume(self, identifier: str) -> IncomingFile:
        path = self._incoming / identifier
        return IncomingFile(self._disk, path, size_of(path) or 0, self._keep_file)

    async def incoming(self) -> dict[str, Arrived]:
        arrived = {}
        with os.scandir(self._incoming) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # it became a blob this moment
                    if entry.is_file(follow_symlinks=False):
                        status = entry.stat()
                        arrived[entry.name] = Arrived(status.st_size, status.st_mtime)
        return arrived

    async def discard(self, identifier: str) -> None:
        (self._incoming / identifier).unlink(missing_ok=True)

    async def close(self) -> None:
        await self._disk.close()

    def _keep_file(self, descriptor: int, path: Path, size: int, digest: Digest) -> None:
        """Make an incoming file the blob of that digest. Blocks."""
        target = Path(self._name(digest))
        self._make_folder(digest)
        if not _is_whole(target, size):  # else there is nothing to write
            if not path.exists():
                _copy(descriptor, path)  # it was the blob already, and was collected before anybody knew of it
                descriptor = -1
            self._flush_file(descriptor, path)
            self._disk.reached(Point.BLOB_FLUSHED)
            self._put_in_place(path, target, digest)
            self._disk.reached(Point.BLOB_NAMED)
        self._disk.flush_folder(target.parent)  # whoever wrote it has perhaps not come to that yet
        self._disk.reached(Point.BLOB_KEPT)

    def _put_in_place(self, path: Path, target: Path, digest: Digest) -> None:
        try:
            path.rename(target)
        except IsADirectoryError:  # not ours; whatever else is in the way was damaged, and is replaced
            self.set_apart(digest)
            path.rename(target)

    def _flush_file(self, descriptor: int, path: Path) -> None:
        if descriptor >= 0:
            self._disk.flush(descriptor)
            return
        descriptor = open_file(path, os.O_RDONLY)
        try:
            self._disk.flush(descriptor)
        finally:
            os.close(descriptor)

    def _keep_content(self, digest: Digest, content: bytes) -> None:
        kept = Path(self._name(digest))
        if _is_whole(kept, len(content)):
            self._make_folder(digest)
            self._disk.flush_folder(kept.parent)
            self._disk.reached(Point.BLOB_KEPT)
            return
        path = self._incoming / str(uuid4())
        descriptor = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            write_all(descriptor, (content,))
            self._disk.reached(Point.ARRIVED)
            self._keep_file(descriptor, path, len(content), digest)
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def _make_folder(self, digest: Digest) -> None:
        """Make the folder that a blob goes to, and see to it that it survives, whoever made it. Blocks."""
        algorithm = self._kept / digest.algorithm
        if not self._disk.durable:
            folder = digest.encoded[:2]
            if f"{digest.algorithm}/{folder}" not in self._made:
                (algorithm / folder).mkdir(parents=True, exist_ok=True)
                self._made.add(f"{digest.algorithm}/{folder}")
            return
        with self._making:
            if digest.algorithm in self._made:
                return
            for first in range(_FOLDERS):
                (algorithm / f"{first:02x}").mkdir(parents=True, exist_ok=True)
            self._disk.flush_folder(algorithm)
            self._disk.flush_folder(self._kept)
            self._made.add(digest.algorithm)

    def _name(self, digest: Digest) -> str:
        """Where a blob is kept: a string, since making a `Path` would take longer than finding the file."""
        return f"{self._kept}/{digest.algorithm}/{digest.encoded[:2]}/{digest.encoded}"


def _is_whole(path: str | Path, size: int) -> bool:
    """Whether a blob of that size is there, and can be read; what it has in it is not looked at."""
    return size_of(path) == size and is_readable(path)


def _copy(descriptor: int, path: Path) -> None:
    """Write what an open file has, whose name is gone, to a new one."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    with path.open("xb") as copy, os.fdopen(os.dup(descriptor), "rb") as content:
        copyfileobj(content, copy)


def _parts(path: str, spans: Sequence[Span]) -> list[bytes] | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # collected this moment
        return None
    try:
        parts = [os.pread(descriptor, len(span), span.start) for span in spans]
    finally:
        os.close(descriptor)
    return parts if [*map(len, parts)] == [*map(len, spans)] else None


def _digest_of(path: str, algorithm: str) -> Digest | None:
    try:
        with open_regular(path) as content:
            return Digest.taken_from(hashlib.file_digest(content, algorithm), algorithm)
    except FileNotFoundError:
        return None


def _blobs_in(folder: Path) -> list[tuple[Digest, Arrived]]:
    """The blobs in one of the folders; files with other names are none of ours, and nobody touches them."""
    found = []
    with suppress(PermissionError):  # it is told among the strays
        for path in folder.iterdir():
            with suppress(InvalidValue, FileNotFoundError):
                status = path.lstat()
                digest = Digest.parse(f"{folder.parent.name}:{path.name}")
                if digest.encoded.startswith(folder.name):
                    found.append((digest, Arrived(status.st_size, status.st_mtime)))
    return found
