"""What a copy is told, and what it has done: values."""

from collections.abc import Iterable
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import fields

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.stores.protocol import Source, Store

__all__ = ["Copied", "Errand", "Narrowed", "Options", "Tally"]


class Tally(Struct, frozen=True):
    """How many blobs, and how many bytes they have together."""

    blobs: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, blobs: Iterable[Descriptor]) -> Self:
        sizes = [blob.size for blob in blobs]
        return cls(len(sizes), sum(sizes))

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.blobs + other.blobs, self.bytes + other.bytes)


class Errand(Struct, frozen=True):
    """A copy that is to be done: from where, what, to where, and what to call it there."""

    source: Source
    name: Tag | Digest
    destination: Store
    tags: tuple[Tag, ...] = ()


class Options(Struct, frozen=True):
    """What `copy` and `copy_many` are told; their docstrings explain it."""

    platforms: tuple[Platform, ...] = ()
    sparse: bool = False
    unwrap: bool = False
    referrers: bool = False
    foreign: bool = False
    convert_schema1: bool = False
    recheck: bool = False
    dry_run: bool = False

    @property
    def closely(self) -> bool:
        """Whether images that are there are looked into: they may have been copied without their foreign layers."""
        return self.recheck or self.foreign

    def keywords(self) -> dict[str, Any]:
        """As arguments of `copy` and `copy_many`."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


class Narrowed(Struct, frozen=True):
    """That some platforms were chosen. Attestations are not counted."""

    original: Descriptor
    """What the source has under the name."""
    kept: int
    of: int


class Copied(Struct, frozen=True):
    """What a copy has done. Blobs that one manifest, or many, name several times count once."""

    root: Descriptor
    """Media type, digest and size of what was copied; the same at both ends, unless it was narrowed."""
    tags: tuple[Tag, ...]
    moved: Tally
    mounted: Tally
    skipped: Tally
    """What was there. Blobs of images that were there as a whole were not even counted."""
    foreign: Tally
    """What was left where its `urls` say."""
    manifests: int
    """How many were pushed."""
    trusted: int = 0
    """How many images were there and were taken for whole: their blobs were not looked at."""
    narrowed: Narrowed | None = None
    converted: Descriptor | None = None
    """The schema 1 manifest that the root was made of."""
