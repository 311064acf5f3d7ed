"""The folder that a registry lives in: made, marked, and held by one server at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from wherry.oci.errors import StoreError

__all__ = ["FolderInUse", "held_folder", "thrown_away_folder"]


class FolderInUse(StoreError):
    """Another server holds the folder."""


@contextmanager
def held_folder(path: Path) -> Iterator[Path]:
    """Make a registry's folder if need be, and keep other servers out of it.

    Raises:
        StoreError: it cannot be used.
        FolderInUse: another server uses it.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be used as a registry's folder: {error.strerror}", hint="choose a folder that is writable"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderInUse(
            f"{path} is in use by another wherry server", hint="stop that one, or choose another folder"
        ) from None
    try:
        yield path
    finally:
        os.close(descriptor)  # lets go of the lock; the file stays, so that nobody locks one that is gone


@contextmanager
def thrown_away_folder() -> Iterator[Path]:
    """A folder that is gone afterwards, with everything in it."""
    with TemporaryDirectory(prefix="wherry-", ignore_cleanup_errors=True) as path:
        yield Path(path)
