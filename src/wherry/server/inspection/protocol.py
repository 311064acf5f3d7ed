"""What an inspection asks of the metadata, and what it finds."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from wherry.oci.digest import Digest

__all__ = ["BlobRow", "Finding", "Inspection", "ManifestRow", "Problem"]


class Problem(Enum):
    """What is wrong. The last four lose nothing: a crash may leave the first two of them, a policy the third, other hands the last."""

    DATABASE = "database"
    LOST = "lost"
    """A blob has a row and no bytes."""
    UNREADABLE = "unreadable"
    """A blob's bytes cannot be read, or something else is in their place."""
    SIZE = "size"
    BYTES = "bytes"
    DAMAGED = "damaged"
    """A blob was found damaged before, and nobody has pushed it since."""
    MANIFEST = "manifest"
    """A manifest's bytes are not those of its digest."""
    ORPHAN = "orphan"
    """A file that no row knows."""
    UNREVIEWED = "unreviewed"
    """Nothing needs it, and the collector does not know."""
    INCOMPLETE = "incomplete"
    """A manifest needs what its repository does not have; `--allow-sparse` lets it be."""
    STRAY = "stray"
    """A file under a name that is none of ours, or a folder that cannot be looked at."""

    @property
    def damage(self) -> bool:
        """Whether somebody who asks for it does not get what was promised."""
        return self not in (Problem.ORPHAN, Problem.UNREVIEWED, Problem.INCOMPLETE, Problem.STRAY)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be; `repaired` when it was mended, as far as that can be done."""

    problem: Problem
    what: str
    digest: Digest | None = None
    repository: str | None = None
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class BlobRow:
    """A blob as the database has it."""

    digest: Digest
    size: int
    epoch: int
    damaged: bool


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A manifest as the database has it; `position` orders them."""

    position: int
    repository: str
    digest: Digest
    content: bytes


class Inspection(Protocol):
    """Reads block nobody; each change is one transaction, which looks again whether it is still right."""

    async def trouble(self) -> Sequence[str]:
        """What the database says of itself, if it is not well."""

    async def empty_since(self) -> float | None:
        """When the database was made, in seconds since the epoch, if it has never had a repository; 0 if that is not known."""

    async def blobs(self, after: Digest | None, limit: int) -> Sequence[BlobRow]:
        """Blobs behind `after`, without those that are being deleted."""

    async def unchanged(self, row: BlobRow) -> bool:
        """Whether a blob is still as it was: then nobody has pushed it since, or begun to delete it."""

    async def known(self, digests: Collection[Digest]) -> Collection[Digest]:
        """Which of the blobs have a row, in whatever state."""

    async def manifests(self, after: int, limit: int) -> Sequence[ManifestRow]:
        """Manifests behind a position."""

    async def incomplete(self) -> Sequence[Finding]:
        """Manifests whose blobs or children are not in their repository; layers that are foreign do not count."""

    async def unreviewed(self, *, ask: bool) -> Sequence[Finding]:
        """What nothing needs and no review waits for; with `ask` one does from now on."""

    async def mark_damaged(self, row: BlobRow, set_apart: Callable[[], None]) -> bool:
        """Let nobody have a blob until it is pushed again; False if that has happened. `set_apart` moves its bytes away."""

    async def drop_orphan(self, digest: Digest, set_aside: Callable[[], None]) -> bool:
        """Take away a file that no row knows; False if one does by now."""
