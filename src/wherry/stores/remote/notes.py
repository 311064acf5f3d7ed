"""Notes from one process to the next: what registries do not do, so that it is not tried again each time.

A file for each registry, replaced as a whole, under a lock, with what an other process has noted meanwhile. A fact is believed for a
week, and then found out anew; on loopback, where ports change hands, for ten minutes. Nothing here is a secret, and nothing
is believed that could change a result: a note that is wrong costs a request.

It is a cache: a file that is damaged, or cannot be read or written, is as good as none, and nobody is told. Reading takes 0.05 ms,
writing 0.3 ms, and only where there is news: so neither leaves the event loop.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct, field

from wherry.stores.remote.learnt import SMALLEST_CHUNK, Learnt
from wherry.stores.remote.reach import is_loopback

__all__ = ["Note", "Notes", "write_private"]

_WEEK, _MINUTES = 7 * 86_400.0, 600.0  # seconds
_LARGEST = 64 * 1024  # bytes
_TRIES, _INTERVAL = 20, 0.005  # for a lock, in seconds
_LONGEST_PAGE = 100_000
_REFUSALS = frozenset(("single_post", "whole_put", "mount", "referrers", "blob_head", "manifest_head"))
_UNSURE = frozenset(("referrers",))
"""What is found out anew before it is relied on: who believes that there is no API does not see what only the API lists."""
_NUMBERS: Mapping[str, range] = {"too_large": range(SMALLEST_CHUNK + 1, 1 << 62), "page": range(_LONGEST_PAGE + 1)}


class Note(Struct, frozen=True):
    """A fact, and when it showed itself, in seconds since 1970."""

    value: bool | int
    at: float


class _File(Struct):
    registry: str
    notes: dict[str, Note] = field(default_factory=dict)


class Notes:
    """The notes in a folder, which need not exist yet."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder / "registries"
        self._now = now

    def learnt(self, registry: str) -> Learnt:
        """What earlier processes have found out about a registry, as far as it may be believed."""
        noted = {name: note.value for name, note in self.known(registry).items()}
        believed: dict[str, Any] = {name: value for name, value in noted.items() if name in _NUMBERS or value is False}
        return Learnt(**believed, noted=noted, unsure=set(_UNSURE & believed.keys()))

    def known(self, registry: str) -> dict[str, Note]:
        """Every fact that is noted of a registry, and not too old."""
        try:
            with self.place(registry).open("rb") as file:
                found = msgspec.json.decode(file.read(_LARGEST), type=_File)
        except (OSError, ValueError, RecursionError):  # also msgspec's errors
            return {}
        oldest = self._now() - _lifetime(registry)
        return {
            name: note
            for name, note in found.notes.items()
            if found.registry == registry and oldest < note.at <= self._now() and _makes_sense(name, note.value)
        }

    def keep(self, registry: str, learnt: Learnt) -> None:
        """Note what this process has found out, if that is something new."""
        found = {name: getattr(learnt, name) for name in (*_REFUSALS, *_NUMBERS) if name not in learnt.unsure}
        news = {name: value for name, value in found.items() if value not in {None, learnt.noted.get(name)}}
        if not news:
            return
        with suppress(OSError), self._locked():
            self._sweep()
            noted = self.known(registry) | {name: Note(value, self._now()) for name, value in news.items()}
            write_private(self.place(registry), msgspec.json.encode(_File(registry, noted)))

    def forget(self, registry: str) -> bool:
        """Drop what is noted of a registry; whether there was something.

        Raises:
            OSError: it cannot be dropped.
        """
        try:
            self.place(registry).unlink()
        except FileNotFoundError:
            return False
        return True

    def place(self, registry: str) -> Path:
        """The file about a registry."""
        return self._folder / f"{quote(registry, safe='')[:200]}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Nobody else writes meanwhile.

        Raises:
            BlockingIOError: somebody does, and for long.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)  # which unlocks

    def _sweep(self) -> None:
        """Remove what is too old to be believed."""
        for file in self._folder.iterdir():
            with suppress(OSError):
                if file.stat().st_mtime < self._now() - _lifetime(unquote(file.stem)):
                    file.unlink()


def _lifetime(registry: str) -> float:
    """Seconds for which a note is believed."""
    return _MINUTES if is_loopback(registry) else _WEEK


def write_private(file: Path, content: bytes) -> None:
    """Put content in a file's place, for its owner alone; that it may not survive a power cut does no harm."""
    temporary = file.with_name(f".{file.name}.{os.urandom(4).hex()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as opened:  # noqa: PTH123  # a descriptor
            opened.write(content)
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _makes_sense(name: str, value: bool | int) -> bool:  # noqa: FBT001  # what stands in a file
    if name in _REFUSALS:
        return isinstance(value, bool)
    return name in _NUMBERS and not isinstance(value, bool) and value in _NUMBERS[name]


def _lock(descriptor: int) -> None:
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_INTERVAL)
        else:
            return
    raise BlockingIOError("somebody else is writing")
