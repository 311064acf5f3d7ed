"""Which list a folder of drafts was made for: several references can mean the same folder, and docker's files do not say.

So who changes a draft with wherry notes its name, in a file beside docker's folders. Docker may remove a draft and make
another one in its place, at once with the same inode. Then all that is there is younger than the note: that is how a
note is known to be of another draft. (Docker writes an image's file in place, and the folder changes only when it gains
one. Where docker has done both, and left nothing as it was, the name is forgotten: never a wrong one believed.)
"""

import os
import re
from contextlib import suppress
from pathlib import Path

from wherry.oci.dockerdraft import DraftImage, file_name
from wherry.oci.errors import WherryError
from wherry.oci.reference import Reference, Tag

__all__ = ["Names", "certain_name", "likely_name"]

_UNAMBIGUOUS = re.compile(r"([a-z0-9.]+)-([A-Za-z0-9.][A-Za-z0-9._]*)")


class Names:
    """The notes. Who writes them holds the lock on drafts."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes

    def owner(self, folder: Path) -> str | None:
        """The list that a folder is known to be of."""
        note = self._notes / folder.name
        with suppress(OSError, ValueError):  # no note, or none that can be read
            inode, _, owner = note.read_text().strip().partition(" ")
            if int(inode) == folder.stat().st_ino and _oldest(folder) <= note.stat().st_mtime_ns:
                return owner
        return None

    def write(self, name: Reference, folder: Path) -> None:
        """Note that `folder` is of this list, in its place or on its way there.

        Raises:
            OSError: it cannot be noted.
        """
        self._notes.mkdir(exist_ok=True)
        staged = self._notes / ".new"
        staged.write_text(f"{folder.stat().st_ino} {name}\n")
        staged.rename(self._notes / file_name(name))

    def confirm(self, folder: Path) -> None:
        """Say that the note is still true, after a change."""
        os.utime(self._notes / folder.name)

    def forget(self, folder: Path) -> None:
        """Drop the note of a folder that is gone."""
        (self._notes / folder.name).unlink(missing_ok=True)


def certain_name(folder: Path, images: tuple[DraftImage, ...]) -> str | None:
    """The name of a draft that nothing notes, if the folder's name can mean no other at the registry of one of its images."""
    for image in images:
        registry = Reference.parse(image.reference).registry
        rest = folder.name.removeprefix(f"{file_name(registry)}_")
        match = _UNAMBIGUOUS.fullmatch(rest)
        if rest != folder.name and match is not None:
            name = f"{registry}/{match[1]}:{match[2]}"
            with suppress(WherryError):  # no name after all
                return name if str(Reference.parse(name)) == name else None
    return None


def likely_name(folder: Path, images: tuple[DraftImage, ...]) -> str | None:
    """What a draft that nothing notes may be called: a tag of the repository of one of its images."""
    for image in images:
        context = Reference.parse(image.reference).context
        tag = folder.name.removeprefix(f"{file_name(context)}-")
        if tag != folder.name:
            with suppress(WherryError):  # what is left of the folder's name is no tag
                return f"{context}:{Tag(tag)}"
    return None


def _oldest(folder: Path) -> int:
    """When what has not changed for longest did, in nanoseconds since 1970."""
    return min(each.lstat().st_mtime_ns for each in (folder, *folder.iterdir()))
