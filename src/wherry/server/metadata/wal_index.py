"""Whether somebody has committed: the first bytes of SQLite's WAL index, which all connections of all processes share.

SQLite compares them itself when a read begins (https://sqlite.org/walformat.html, section 2.1). To look costs a tenth of a
microsecond, where `PRAGMA data_version` takes 2 to 5; and it is as exact, whichever process commits, and whenever one
dies.

A process that closes a file gives up all POSIX locks that it has on it, whoever took them: SQLite's, too. So what is
opened here is closed only with the last user in this process.
"""

import mmap
import os
from pathlib import Path
from threading import Lock

__all__ = ["WalIndex"]

_HEADER = 96  # bytes: two copies of what changes with each commit

_lock = Lock()
_open: dict[tuple[int, int], list[tuple[mmap.mmap, int]]] = {}  # by device and inode: all that was ever opened of it
_users: dict[tuple[int, int], int] = {}


class WalIndex:
    """Of a database that a connection of this process has begun to read, and goes on to have open until `close`."""

    def __init__(self, database: Path) -> None:
        with _lock:
            descriptor = os.open(f"{database}-shm", os.O_RDONLY | os.O_CLOEXEC)
            status = os.fstat(descriptor)
            self._file = status.st_dev, status.st_ino
            self._memory = mmap.mmap(descriptor, _HEADER, prot=mmap.PROT_READ)
            _open.setdefault(self._file, []).append((self._memory, descriptor))
            _users[self._file] = _users.get(self._file, 0) + 1

    def version(self) -> bytes:
        """What changes with every commit, by whomever; take it before the read that it is kept for."""
        return self._memory[:_HEADER]

    def close(self) -> None:
        """Let go; the connections of this user are closed by now."""
        with _lock:
            _users[self._file] -= 1
            if not _users[self._file]:
                del _users[self._file]
                for memory, descriptor in _open.pop(self._file):
                    memory.close()
                    os.close(descriptor)
