"""Files that may be something else: what is read from a folder that others write to is looked at first."""

import os
import stat
from io import FileIO
from pathlib import Path

from wherry.oci.errors import StoreError

__all__ = ["open_regular"]


def open_regular(path: str | Path) -> FileIO:
    """Open a file to read, unbuffered; a pipe that nobody writes to would never open, nor let us be interrupted.

    Raises:
        StoreError: it is no regular file.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return open(descriptor, "rb", buffering=0)  # noqa: PTH123  # a descriptor
    os.close(descriptor)
    raise StoreError(f"{path}: is no regular file")
