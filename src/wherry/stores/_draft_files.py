"""Reading and removing the files of drafts: what is damaged is named, and what is damaged can go.

Docker and people change these folders without our lock: what is gone between two looks is no damage.
"""

import os
from contextlib import suppress
from pathlib import Path

from wherry.oci.dockerdraft import DraftImage, InvalidDraft
from wherry.oci.errors import StoreError

__all__ = ["changed", "images_in", "read", "remove", "unusable"]


def images_in(folder: Path) -> tuple[DraftImage, ...]:
    """The images of a draft, in the order in which a push lists them.

    Raises:
        FileNotFoundError: there is no such folder.
        StoreError: it cannot be read, or is damaged; the message names the file.
    """
    while True:
        files = _files(folder)
        try:
            return tuple(sorted((read(each) for each in files), key=lambda image: image.order))
        except FileNotFoundError:
            continue  # somebody removes files, or all of the draft: look again what there is


def read(path: Path) -> DraftImage:
    """The image in a file of a draft.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: it cannot be read, or is damaged.
    """
    try:
        if os.path.lexists(path) and not path.is_file():  # a folder, a link to nothing, a pipe that would never end
            raise _damaged(path, "not a file")
        return DraftImage.parse(path.read_bytes())
    except FileNotFoundError:
        raise
    except InvalidDraft as error:
        raise _damaged(path, error.reason) from error
    except OSError as error:
        raise unusable(path, error) from error


def changed(folder: Path) -> float:
    """When a draft or one of its files last changed, in seconds since 1970; links count themselves.

    Raises:
        FileNotFoundError: there is no such folder.
        StoreError: it cannot be looked at.
    """
    try:
        return max([folder.stat().st_mtime, *_times(folder)])
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unusable(folder, error) from error


def remove(path: Path) -> None:
    """A file or a folder with all that is in it; nothing outside of it, wherever links lead."""
    if path.is_dir() and not path.is_symlink():
        for each in path.iterdir():
            remove(each)
        path.rmdir()
    else:
        path.unlink()


def unusable(path: Path, error: OSError) -> StoreError:
    """What the system says of drafts that it does not let us use."""
    return StoreError(
        f"{error.filename or path}: {error.strerror or error}",
        hint="drafts live in docker's configuration folder; set DOCKER_CONFIG to one that can be written",
    )


def _files(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if not each.name.startswith(".")]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unusable(folder, error) from error


def _times(folder: Path) -> list[float]:
    times = []
    try:
        for each in folder.iterdir():
            with suppress(FileNotFoundError):  # removed since it was listed
                times.append(each.lstat().st_mtime)
    except PermissionError:
        return []  # who reads its images is told; its own time is known all the same
    return times


def _damaged(path: Path, reason: str) -> StoreError:
    return StoreError(f"draft {path} is damaged: {reason}", hint="`wherry manifest rm` removes the whole draft")
