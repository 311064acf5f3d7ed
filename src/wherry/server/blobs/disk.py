"""Work on files that takes its time: in threads, and as durable as the policy promises."""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from errno import EACCES, EDQUOT, ELOOP, ENOENT, ENOSPC, ENOTDIR, EPERM
from pathlib import Path
from stat import S_ISREG
from typing import Any, TypeVar

from wherry.oci.errors import Unavailable, WherryError
from wherry.server.points import Reached, pass_by

__all__ = ["Disk", "can_be_opened", "disk_trouble", "is_readable", "open_file", "size_of", "write_all"]

T = TypeVar("T")

_THREADS = 16  # most of them wait for the disk
_MOST_PIECES = 512  # of one writev; the system's limit is 1024
_NOTHING = (ENOENT, ENOTDIR, ELOOP)
_FORBIDDEN = (EACCES, EPERM)
_EFFECTIVE = os.access in os.supports_effective_ids


class Disk:
    """Threads that wait for the disk. With `durable` they do; without, nothing is flushed."""

    def __init__(self, *, durable: bool, reached: Reached = pass_by) -> None:
        self.durable = durable
        self.reached = reached
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="wherry-disk")

    async def run(self, work: Callable[[], T]) -> T:
        """Do something in a thread, to its end, even if the caller is cancelled: no write is left half done behind us.

        Raises:
            Unavailable: the disk is full.
        """
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise
        except OSError as error:
            raise disk_trouble(error) from error

    def begin_flush(self, descriptor: int) -> Future[None]:
        """Start to bring a file's content to the disk; keep the file open until the future is done."""
        return self._threads.submit(os.fdatasync, descriptor)

    def flush(self, descriptor: int) -> None:
        """Bring a file to the disk. Blocks."""
        if self.durable:
            os.fsync(descriptor)

    def flush_folder(self, folder: Path) -> None:
        """Bring a folder's entries to the disk. Blocks."""
        if not self.durable:
            return
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    async def close(self) -> None:
        """Finish what was begun."""
        await asyncio.to_thread(self._threads.shutdown)


def open_file(path: Path, flags: int) -> int:
    """A file descriptor; a file that is made is for others to read."""
    return os.open(path, flags | os.O_CLOEXEC, 0o644)


def size_of(path: str | Path) -> int | None:
    """The size of a file; None if there is none, or something else in its place: a folder or a pipe has a size, too."""
    try:
        status = os.stat(path)  # noqa: PTH116  # on the way of every download; a `Path` for it costs more
    except OSError as error:
        if error.errno in _NOTHING:
            return None
        raise
    return status.st_size if S_ISREG(status.st_mode) else None


def is_readable(path: str | Path) -> bool:
    """Whether this user may read a file."""
    return os.access(path, os.R_OK, effective_ids=_EFFECTIVE)


def can_be_opened(path: str | Path) -> bool:
    """Whether this user may read a file, tried: what the machine lacks or has broken is raised here, where it can be told.

    The HTTP server opens the file once more by itself, and to whatever it meets it answers 404 without a word.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NOTHING or error.errno in _FORBIDDEN:
            return False
        raise
    os.close(descriptor)
    return True


def write_all(descriptor: int, pieces: Sequence[bytes]) -> None:
    """Write all pieces, however little the system takes at a time."""
    for start in range(0, len(pieces), _MOST_PIECES):
        some: list[Any] = list(pieces[start : start + _MOST_PIECES])
        left = sum(map(len, some))
        while left:
            written = os.writev(descriptor, some)
            left -= written
            if left:
                some = [memoryview(b"".join(some))[written:]]


def disk_trouble(error: OSError) -> OSError | WherryError:
    """What to raise for it: a full disk is not a bug, and the client hears of it."""
    if error.errno in (ENOSPC, EDQUOT):
        return Unavailable("the registry's disk is full", hint="tell whoever runs the registry")
    return error
