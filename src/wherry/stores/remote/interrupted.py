"""Large uploads that were cut short, so that the next process which has the same blob for the same repository goes on with them.

Where an upload is (`Location`, whose query is the registry's own) is written into a file of its own before the bytes go
out. The file is locked by its writer for as long as that lives, and the kernel unlocks it whatever ends the process: so an
upload that is free to be taken over is told from one that somebody is busy with, without asking for process numbers.

How far an upload is, is not written down: the registry knows. Whoever knows a `Location` can add to the upload, given the right to
push, so the files are for their owner alone. Like all notes (`notes`) they are a cache, and what is wrong with them is not told.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from wherry.oci.digest import Digest
from wherry.oci.reference import Reference

__all__ = ["NOTEWORTHY", "Claim", "Interrupted"]

NOTEWORTHY = 4 * 1024 * 1024
"""Bytes of a blob from which on it is noted where its upload is."""
_DAY = 86_400.0
"""Seconds after which registries have mostly forgotten an upload, ours too."""
_LARGEST = 64 * 1024  # bytes


class _File(Struct):
    what: str
    location: str
    at: float


class Claim:
    """An upload's file, while it is ours. One of `leave` and `drop` ends it."""

    def __init__(self, file: Path, descriptor: int, what: str, location: str, now: Callable[[], float]) -> None:
        self.location = location
        self._file = file
        self._descriptor = descriptor
        self._what = what
        self._now = now

    def move(self, location: str) -> None:
        """The upload goes on elsewhere."""
        if location != self.location:
            self.location = location
            self._write()

    def leave(self) -> None:
        """Leave the upload to whoever comes next."""
        self._write()
        os.close(self._descriptor)  # which unlocks

    def drop(self) -> None:
        """There is nothing left to go on with."""
        with suppress(OSError):
            self._file.unlink()
        os.close(self._descriptor)

    def _write(self) -> None:
        content = msgspec.json.encode(_File(self._what, self.location, self._now()))
        with suppress(OSError):  # what is only half written is damaged, and as good as none
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, content, 0)


class Interrupted:
    """The uploads that are noted in a folder, which need not exist yet."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder / "uploads"
        self._now = now
        self._is_swept = False

    def begin(self, repository: Reference, digest: Digest, location: str) -> Claim | None:
        """Note where an upload is; None where that cannot be noted, or somebody else's upload of the same is."""
        file, what = self._place(repository, digest)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()
            descriptor = _locked(file, create=True)
        except OSError:
            return None
        if descriptor is None:
            return None
        claim = Claim(file, descriptor, what, "", self._now)
        claim.move(location)
        return claim

    def take(self, repository: Reference, digest: Digest) -> Claim | None:
        """Take over the upload of a blob that was cut short; None if there is none."""
        file, what = self._place(repository, digest)
        try:
            descriptor = _locked(file, create=False)
        except OSError:
            return None
        if descriptor is None:
            return None
        found = _read(descriptor)
        location = found.location if found is not None and self._is_about(found, what) else ""
        claim = Claim(file, descriptor, what, location, self._now)
        if not location:
            claim.drop()
            return None
        return claim

    def _is_about(self, found: _File, what: str) -> bool:
        return found.what == what and self._now() - _DAY < found.at <= self._now()

    def _place(self, repository: Reference, digest: Digest) -> tuple[Path, str]:
        what = f"{repository.context}@{digest}"
        return self._folder / f"{hashlib.sha256(what.encode()).hexdigest()[:32]}.json", what

    def _sweep(self) -> None:
        """Remove what nobody will go on with, once."""
        if self._is_swept:
            return
        self._is_swept = True
        for file in self._folder.iterdir():
            with suppress(OSError):
                if (
                    file.stat().st_mtime < self._now() - _DAY
                    and (descriptor := _locked(file, create=False)) is not None
                ):
                    file.unlink()
                    os.close(descriptor)


def _locked(file: Path, *, create: bool) -> int | None:
    """Open and lock a file; None if somebody else has it.

    Raises:
        OSError: it cannot be opened.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
    descriptor = os.open(file, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = os.fstat(descriptor).st_ino == file.stat().st_ino  # else its owner has just dropped it
    except OSError:  # somebody else has it, or has dropped it; or locks are not to be had here
        is_ours = False
    if not is_ours:
        os.close(descriptor)
    return descriptor if is_ours else None


def _read(descriptor: int) -> _File | None:
    try:
        return msgspec.json.decode(os.pread(descriptor, _LARGEST, 0), type=_File)
    except (OSError, ValueError, RecursionError):  # also msgspec's errors
        return None
