"""Bytes by digest: one small protocol, so that an object store is a second class.

What arrives is *incoming* until its digest is known; then it is *kept*, and can be found. Nothing here knows about
repositories.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from wherry.oci.digest import Digest, Hasher
from wherry.oci.wire.ranges import Span

__all__ = ["Arrived", "Blobs", "Incoming", "LocalFile", "Stray"]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A kept blob that can be sent from a file."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """How many bytes of an upload or a blob are there, and when it last got some (seconds since the epoch)."""

    size: int
    touched: float


@dataclass(frozen=True, slots=True)
class Stray:
    """Something among the bytes that is neither a blob nor an upload: where, what, and when it was last changed."""

    place: str
    what: str
    touched: float


class Incoming(Protocol):
    """The bytes of an upload so far. Its user sees to it that no two calls overlap."""

    @property
    def size(self) -> int:
        """Bytes that are there."""

    async def append(self, pieces: Sequence[bytes], hasher: Hasher) -> None:
        """Write pieces behind what is there, and feed them to `hasher`; when the first fails, the second may have happened."""

    async def truncate(self, size: int) -> None:
        """Forget what is behind `size`."""

    async def digest(self, hasher: Hasher, *, start: int = 0) -> None:
        """Feed what is there, from byte `start` on, to `hasher`."""

    def claim(self) -> bool:
        """Keep other processes from writing, until `pause`; False if one writes right now."""

    def written(self) -> int:
        """How many bytes are there now, if others write, too."""

    async def look_again(self) -> None:
        """Go on behind what others have written."""

    async def complete(self, pieces: Sequence[bytes], hasher: Hasher, digest: Digest) -> Digest:
        """`append`, and `keep` if what `hasher` has seen then is `digest`; returns what it is. `size` tells whether they were written."""

    async def keep(self, digest: Digest) -> None:
        """Make it the blob of that digest, which the caller has checked, as durably as the policy promises.

        May be called again, should the blob be collected before anybody knows of it; so `discard` comes when it is known.
        """

    async def pause(self) -> None:
        """Let go of what is held open, until the next call."""

    async def discard(self) -> None:
        """Throw it away."""


class Blobs(Protocol):
    """All the bytes of a registry."""

    async def find(self, digest: Digest) -> LocalFile | None:
        """A kept blob that can be read."""

    async def obstacle(self, digest: Digest) -> str:
        """Why a blob that is not found cannot be read, in a few words; empty if nothing is there."""

    async def at_hand(self, digest: Digest, size: int) -> bytes | None:
        """The content of a small kept blob of that size, if it can be had without waiting."""

    async def parts(self, digest: Digest, spans: Sequence[Span]) -> list[bytes] | None:
        """Some spans of a kept blob; None if it has not all of them."""

    async def keep(self, digest: Digest, content: bytes) -> None:
        """Keep a small blob at once; the caller has checked its digest."""

    def stored(self, digest: Digest, size: int) -> bool:
        """Whether a blob of that size is kept. Asked in a transaction: it waits for nothing."""

    async def digest(self, digest: Digest) -> Digest | None:
        """The digest that a kept blob's bytes have in truth; None if it is not there.

        Raises:
            StoreError: something else is in its place.
            OSError: it cannot be read.
        """

    def listed(self) -> AsyncGenerator[tuple[Digest, Arrived]]:
        """All kept blobs, in no order."""

    def strays(self) -> AsyncIterator[Stray]:
        """What is neither a blob nor an upload, and where nobody can look."""

    def set_apart(self, digest: Digest) -> None:
        """The same as `set_aside` for bytes that are damaged: nobody deletes them."""

    def set_aside(self, digest: Digest) -> None:
        """Take a blob away, if it is there, so that it cannot be found, and can be pushed anew. Done in a transaction, too."""

    async def clear_aside(self) -> int:
        """Delete for good what was set aside; how many bytes that were."""

    async def begin(self, identifier: str) -> Incoming:
        """A new upload, empty."""

    async def resume(self, identifier: str) -> Incoming:
        """An upload that an earlier process began; empty, if nothing of it is there."""

    async def incoming(self) -> dict[str, Arrived]:
        """All uploads that have bytes, by their identifiers."""

    async def discard(self, identifier: str) -> None:
        """Throw an upload away, if it is there."""

    async def close(self) -> None:
        """Finish what was begun."""
