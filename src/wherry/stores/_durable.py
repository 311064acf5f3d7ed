"""Files that are either not there or whole, whatever happens: written under another name, fsynced, renamed.

A file that is being written is locked by its writer for as long as the writer lives, so that what a killed process left
can be told from what a living one is busy with, and be swept away. The folder's own lock stands around the moments in
which a name appears or goes; it is held for microseconds, never while content streams.
"""

import errno
import fcntl
import hashlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from wherry.oci.errors import StoreError

__all__ = ["DurableFile", "locked", "replace", "sweep"]

PREFIX = ".wherry-"
PATIENCE = 30.0
"""Seconds to wait for another process that holds a folder's lock."""
_INTERVAL = 0.01
_OURS = re.compile(rf"{re.escape(PREFIX)}[0-9a-f]{{16}}")
"""Names of files that are being written. Archives are in folders where other things are: only what is surely ours is swept."""
_PART = re.compile(rf"{re.escape(PREFIX)}part-[0-9a-f]{{32}}")
"""Names of parts, which stay for a day for somebody to go on with."""
_DAY = 86_400.0  # seconds
_PIECE = 1024 * 1024
_CANNOT_SHARE = {errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; nobody else who asks for it, in this process or another, has it meanwhile. Blocks.

    Raises:
        StoreError: somebody held it for too long.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)  # which unlocks


class DurableFile:
    """A file that is being written into `folder`, and that gets its name when it is whole.

    Its methods may block, and are meant for threads. But a thread cannot be cancelled: so `abandon` may be called at any
    moment, from anywhere, and never waits. What is going on then is let finish, and cleans up when it is done.

    With `part_of`, what a writer who is no more has left of the same is taken over, if nobody else has done so; see `part`.
    """

    def __init__(self, folder: Path, part_of: str | None = None) -> None:
        self._folder = folder
        self._path = folder / f"{PREFIX}{os.urandom(8).hex()}"
        self._part = None
        if part_of is not None:
            self._part = folder / f"{PREFIX}part-{hashlib.sha256(part_of.encode()).hexdigest()[:32]}"
        self._file: BinaryIO | None = None
        self._busy = threading.Lock()
        self._abandoned = False
        self._left = False

    @property
    def part(self) -> int:
        """The bytes that are there already, from the first on. `write` goes on behind them."""
        with self._turn():
            return self._opened().seek(0, os.SEEK_END)

    def write(self, *pieces: bytes) -> None:
        with self._turn():
            file = self._opened()
            for piece in pieces:
                file.write(piece)

    def write_at(self, position: int, *pieces: bytes) -> None:
        """Write somewhere in the file; not to be mixed with `write`."""
        with self._turn():
            descriptor = self._opened().fileno()
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    written = os.pwrite(descriptor, rest, position)
                    position, rest = position + written, rest[written:]

    def copy_from(self, origin: int, start: int, size: int, position: int) -> None:
        """Write `size` bytes of another file, from `start` on; file systems that can share the blocks do.

        Raises:
            StoreError: the other file is shorter.
        """
        with self._turn():
            _copy(origin, start, self._opened().fileno(), position, size)

    @property
    def descriptor(self) -> int:
        """The open file, for `copy_from`."""
        with self._turn():
            return self._opened().fileno()

    def read_at(self, position: int, size: int) -> bytes:
        """What was written there, as far as it was."""
        with self._turn():
            return os.pread(self._opened().fileno(), size, position)

    def truncate(self, size: int) -> None:
        """Drop what was written behind this byte; `write` goes on there."""
        with self._turn():
            self._opened().truncate(size)
            self._opened().seek(size)

    def commit(self, target: Path, *, still: Callable[[], bool] | None = None, mode: int | None = None) -> bool:
        """Make everything durable under this name, in place of what had it; not if `still` then says no.

        No other writer who asks takes the name between that question and the renaming.
        """
        with self._turn():
            file = self._opened()
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
            with locked(self._folder) if still else nullcontext():
                if still and not still():
                    return False
                self._path.replace(target)
            file.close()
            _fsync_folder(target.parent)
            return True

    def abandon(self) -> None:
        """Leave nothing behind. Does nothing after `commit`."""
        self._abandoned = True
        if self._busy.acquire(blocking=False):
            try:
                self._discard()
            finally:
                self._busy.release()

    def leave(self) -> None:
        """End as `abandon` does, but leave a part to whoever comes next."""
        self._left = self._path == self._part
        self.abandon()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            with self._busy:
                if self._abandoned:
                    raise StoreError(f"{self._path}: nothing is written any more, after something else has failed")
                yield
        except OSError as error:
            error.filename = str(self._folder)  # the file's own name says nothing to anybody, and a full disk says none
            raise
        finally:
            if self._abandoned:
                self.abandon()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            with locked(self._folder):
                self._file = None if self._part is None else _taken_over(self._part)
                if self._part is not None and self._file is not None:
                    self._path = self._part
                    return self._file
                self._file = self._path.open("x+b")
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self._file

    def _discard(self) -> None:
        if self._file is not None and not self._file.closed:
            if not self._left:
                self._path.unlink(missing_ok=True)
            with suppress(OSError):  # what was not written yet need not fit on the disk: nobody wants it
                self._file.close()


def replace(target: Path, content: bytes, folder: Path) -> None:
    """Write a small file at once, by way of `folder`, which is on the same file system."""
    file = DurableFile(folder)
    try:
        file.write(content)
        file.commit(target)
    finally:
        file.abandon()


def sweep(folder: Path) -> None:
    """Remove what writers left in a folder who are no more, as far as that can be done."""
    with locked(folder):
        for path in folder.glob(f"{PREFIX}*"):
            if not (_OURS.fullmatch(path.name) or _PART.fullmatch(path.name)):
                continue
            with suppress(OSError):  # its writer is alive, or it is another user's, or no file at all
                _remove_left(path)


def _remove_left(path: Path) -> None:
    """Remove a file if its writer is no more, and nobody will go on with it.

    Raises:
        OSError: somebody writes it, or it cannot be removed.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if _PART.fullmatch(path.name) and os.fstat(descriptor).st_mtime > time.time() - _DAY:
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)


def _taken_over(part: Path) -> BinaryIO | None:
    """Open a part, which need not be there; None if somebody else has it. Asked by who has the folder's lock."""
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError:  # whatever it is that has the name: another one does as well, or shows what is wrong
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    file = os.fdopen(descriptor, "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_part = os.fstat(descriptor).st_ino == part.stat().st_ino  # else its writer has just dropped or renamed it
    except (BlockingIOError, FileNotFoundError):
        is_part = False
    if not is_part:
        file.close()
    return file if is_part else None


def _lock(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreError(f"{folder}: locked by another process for {PATIENCE:.0f} seconds") from None
            time.sleep(_INTERVAL)
        else:
            return


def _copy(origin: int, start: int, target: int, position: int, size: int) -> None:
    end = start + size
    shares = hasattr(os, "copy_file_range")
    while start < end:
        most = min(end - start, 1 << 30 if shares else _PIECE)
        try:
            if shares:
                moved = os.copy_file_range(origin, target, most, start, position)
            else:
                moved = os.pwrite(target, os.pread(origin, most, start), position)
        except OSError as error:
            if not shares or error.errno not in _CANNOT_SHARE:
                raise
            shares = False
            continue
        if not moved:
            raise StoreError("a file that was being copied has become shorter")
        start, position = start + moved, position + moved


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
