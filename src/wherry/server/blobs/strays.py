"""What lies in the folders of blobs and uploads under a name that is none of ours: nobody reads it, and nobody deletes it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from wherry.oci.digest import ALGORITHMS, Digest
from wherry.oci.errors import InvalidValue
from wherry.server.blobs.protocol import Stray

__all__ = ["find_strays"]

_FIRST = 2  # digits of a digest that name its folder
_FILE_SYSTEM = "lost+found"  # made by it, in the uppermost folder of each


def find_strays(folder: Path) -> Iterator[Stray]:
    """Those in a registry's folder; of a folder with an odd name, itself and not what is in it. Blocks.

    A folder that cannot be read is one, too: nobody knows what is in it.
    """
    for algorithm in _entries(folder, "blobs"):
        if isinstance(algorithm, Stray) or algorithm.name not in ALGORITHMS or not algorithm.is_dir():
            yield from _told(folder, algorithm)
            continue
        for first in _entries(folder, f"blobs/{algorithm.name}"):
            if isinstance(first, Stray) or not _is_first(first.name) or not first.is_dir():
                yield from _told(folder, first)
                continue
            for each in _entries(folder, f"blobs/{algorithm.name}/{first.name}"):
                if isinstance(each, Stray) or not _is_blob(algorithm.name, first.name, each.name):
                    yield from _told(folder, each)
    for each in _entries(folder, "uploads"):
        if isinstance(each, Stray) or not _is_upload(each.name):
            yield from _told(folder, each)


def _entries(folder: Path, below: str) -> list["os.DirEntry[str] | Stray"]:
    try:
        with os.scandir(folder / below) as entries:
            return [*sorted((each for each in entries if each.name != _FILE_SYSTEM), key=lambda each: each.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        return [Stray(below, f"cannot be read: {error.strerror}", 0.0)]


def _told(folder: Path, found: "os.DirEntry[str] | Stray") -> Iterator[Stray]:
    if isinstance(found, Stray):
        yield found
        return
    with suppress(FileNotFoundError):  # it was somebody's for a moment
        status = found.stat(follow_symlinks=False)
        what = "a folder" if found.is_dir(follow_symlinks=False) else f"{status.st_size} bytes"
        yield Stray(os.path.relpath(found.path, folder), f"{what} where the registry puts nothing", status.st_mtime)


def _is_first(name: str) -> bool:
    return len(name) == _FIRST and set(name) <= set("0123456789abcdef")


def _is_blob(algorithm: str, first: str, name: str) -> bool:
    try:
        return Digest.parse(f"{algorithm}:{name}").encoded[:_FIRST] == first
    except InvalidValue:
        return False


def _is_upload(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
