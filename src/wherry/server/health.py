"""Whether the registry can serve: its folder and its database are there and can be used, and it is not about to stop."""

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from wherry.oci.digest import ALGORITHMS
from wherry.oci.errors import WherryError

__all__ = ["Health", "log_failure"]

_log = logging.getLogger("wherry.server")

_FOLDERS = ("blobs", "uploads")
_BELOW = tuple(f"blobs/{algorithm}" for algorithm in ALGORITHMS)  # made with the first blob of each
_AGAIN = 60.0  # seconds until the same trouble is logged once more

_SYSTEM = frozenset(
    (
        *(errno.EACCES, errno.EPERM, errno.EROFS),  # who may what
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ESTALE),  # what is in our folders
        *(errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),  # the disk
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOLCK),  # what there is too little of
    )
)
_DATABASE = frozenset(
    (
        *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH),
        *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL),
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB),
    )
)
_PRIMARY = 0xFF  # of a code of SQLite's: the rest says more of the same


class Health:
    """Of the registry in a folder, which was opened before. `draining` is set when the server is about to stop."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.draining = False
        self._clock = clock
        self._logged: dict[int, float] = {}
        self._folder = folder
        self._database = folder / "registry.sqlite"
        self._inode = self._database.stat().st_ino
        self._told = ""

    def trouble(self) -> str:
        """What is wrong with the folder, in a few words; empty if nothing is. It is logged when it begins and when it ends."""
        found = self._look()
        if found != self._told:
            self._told = found
            if found:
                _log.error("%s; requests that need it are answered with 503 until that is mended", found)
            else:
                _log.warning("%s can be used again", self._folder)
        return found

    def explains(self, error: Exception) -> bool:
        """Whether it is the machine's trouble, and no bug: files that may not be used, a broken disk, too few file descriptors.

        Then it is logged in a line, and after a while once more.
        """
        code, known = _code(error)
        if not known:
            return False
        now = self._clock()
        if self._logged.get(code, now - _AGAIN) <= now - _AGAIN:
            self._logged[code] = now
            _log.error("the registry's storage cannot be used: %s; requests that need it are answered with 503", error)
        return True

    def _look(self) -> str:
        if not self._folder.is_dir():
            return f"the registry's folder {self._folder} is gone"
        try:
            inode = self._database.stat().st_ino
        except OSError as error:
            return f"the registry's database {self._database} cannot be used: {error.strerror}"
        if inode != self._inode:
            return f"the registry's database {self._database} is not the one that was opened: restart the server"
        for name in _FOLDERS:
            if not _may_be_used(self._folder / name):
                return f"{self._folder / name} is gone, or this user may not use it"
        for name in _BELOW:
            if (self._folder / name).exists() and not _may_be_used(self._folder / name):
                return f"{self._folder / name} may not be used by this user"
        return ""


def log_failure(log: logging.Logger, what: str, error: Exception) -> None:
    """Log what failed beside all requests, and is tried again: a line for the machine's trouble, with a traceback for a bug."""
    known = isinstance(error, WherryError) or _code(error)[1]
    log.error("%s; it is tried again: %s", what, error, exc_info=None if known else error)


def _may_be_used(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def _code(error: Exception) -> tuple[int, bool]:
    """The number of an error, SQLite's below zero; and whether it is the machine's."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY  # some are the driver's own, and have none
        return -code, code in _DATABASE
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno, error.errno in _SYSTEM
    return 0, False
