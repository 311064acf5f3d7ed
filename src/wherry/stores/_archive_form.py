"""What a kind of archive has to say of itself, so that one module writes them all: what is in a tar, and how names are told."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.reference import Reference, Tag
from wherry.stores._names import Names
from wherry.stores._tar import Extent, Tar

__all__ = ["Contents", "Form", "Held"]


class Contents(Struct, frozen=True):
    """What an archive has: the list, the blobs by digest (those that were made up for it as bytes), and other files."""

    names: Names
    blobs: Mapping[Digest, Extent | bytes]
    others: Mapping[str, Extent]


class Held(Protocol):
    """What a form looks into when it writes its lists."""

    def content(self, digest: Digest) -> bytes | None:
        """The bytes of a manifest; None if there are none."""

    def has(self, content: Descriptor) -> bool:
        """Whether content of that digest and size is there."""


class Form(Protocol):
    """The kind of archive. `str()` is its prefix."""

    def read(self, tar: Tar) -> Contents:
        """What is in a tar.

        Raises:
            StoreError: it is no archive of that kind, or damaged.
        """

    def lists(self, names: Names, held: Held) -> Mapping[str, bytes]:
        """The files that say what is in it, by name."""

    def check(self, place: str, names: Names) -> None:
        """Look whether it is clear which repository is meant.

        Raises:
            ManifestUnknown: it is not.
        """

    def missing(self, place: str, names: Names) -> None:
        """Look whether the repository that is meant is there, though it has no tags.

        Raises:
            NameUnknown: it is not.
        """

    def concerned(self, place: str, names: Names) -> Names:
        """The part of a list that can be meant where nothing but the place is named.

        Raises:
            NameUnknown: the repository that is meant has nothing in it.
        """

    def own_name(self, names: Names) -> Reference | None:
        """The repository that is meant; None if it is not clear which, or there are no repositories."""

    def written(self, place: str, tag: Tag, names: Names) -> str:
        """How a user writes a tag that is there."""

    def name_of(self, place: str, tag: Tag, names: Names) -> str:
        """The name that a tag has in the list, or is to have.

        Raises:
            StoreError: it can have none.
            ManifestUnknown: it is not clear which repository is meant.
        """

    def tags_in(self, names: Names) -> Iterable[Tag]:
        """The tags that names are in the repository that is meant."""
