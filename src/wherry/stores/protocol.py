"""What a place with content can do: small protocols, by capability.

A store is one repository: a scope in which tags point at manifests and manifests name blobs. Manifests are small and
travel whole, as values that know their media type; blobs are large and travel as streams. So the two have verbs of
their own, where a descriptor alone would do: pushing a manifest under its tags is one step (and one request), and no
store ever has to read back what it was given a moment ago.

Whoever reads verifies: `manifest` and `fetch` check size and digest before the last byte is handed out, in every store.
"""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference, Tag

__all__ = [
    "Auditor",
    "Chooser",
    "Follower",
    "Gatherer",
    "Lister",
    "Measurer",
    "Mounter",
    "Reluctant",
    "SelfNamed",
    "Source",
    "Store",
    "Swapper",
]


@runtime_checkable
class Source(Protocol):
    """The reading half of a store."""

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        """The descriptor of the manifest that a tag or digest leads to.

        Raises:
            ManifestUnknown: it leads nowhere.
        """

    async def manifest(self, name: Tag | Digest) -> Manifest:
        """The manifest that a tag or digest leads to, whole and verified.

        Raises:
            ManifestUnknown: it leads nowhere.
            DigestMismatch: the store's bytes are not those of the digest that was asked for.
        """

    def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
        """The bytes of a blob from `offset` on, in pieces of the store's choosing.

        Size and digest are checked as the bytes pass (the digest only from offset 0 on: who resumes checks the whole).

        Raises:
            BlobUnknown: the store does not have it.
            ContentMismatch: what was read is not the blob; raised at the latest when the last byte was handed out.
        """

    async def exists(self, content: Descriptor) -> bool:
        """Whether the store has this blob or manifest (the media type says which)."""

    def tags(self) -> AsyncIterator[Tag]:
        """All tags, in byte order.

        Raises:
            NameUnknown: the repository does not exist.
        """

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
        """Descriptors of the manifests whose subject this is, with their `artifact_type` and annotations."""


@runtime_checkable
class Store(Source, Protocol):
    """And the writing half. What is there already is not written again, and is no error."""

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        """Write a blob. Nothing of it is visible before all of it is there and has the right digest.

        Raises:
            ContentMismatch: `content` is not what `blob` says.
        """

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        """Write a manifest, then point `tags` at it. What it needs must be there first.

        Raises:
            ManifestBlobUnknown: something that it names is missing, and the store minds.
            ManifestInvalid: the store refuses it.
        """

    async def tag(self, manifest: Descriptor, tag: Tag) -> None:
        """Point a tag at a manifest that is there.

        Raises:
            ManifestUnknown: it is not there.
        """

    async def delete(self, name: Tag | Digest) -> None:
        """Remove a tag alone, or a manifest and every tag on it.

        Raises:
            ManifestUnknown: nothing of that name is there.
            Unsupported: the store does not delete.
        """


@runtime_checkable
class Mounter(Protocol):
    """A store that can take a blob from another repository without its bytes passing through us."""

    def is_beside(self, origin: Source) -> bool:
        """Whether both are in one registry, so that it is worth asking for a mount."""

    async def mount(self, blob: Descriptor, origin: Source) -> bool:
        """Take `blob` from `origin` if both are in one registry; False means: it did not work, push it."""


@runtime_checkable
class Reluctant(Protocol):
    """A `Mounter` that may know beforehand that it will not be able to."""

    @property
    def declines_mounts(self) -> bool:
        """Whether mounts have been declined so far: then it is better first asked whether it has a blob."""


@runtime_checkable
class Swapper(Protocol):
    """A store that can move a tag on condition that nobody else has moved it since."""

    async def swap(self, manifest: Manifest, tag: Tag, before: Digest | None) -> bool | None:
        """Write a manifest and point `tag` at it if the tag still leads to `before` (None: to nothing).

        True: that is done, and nobody was in between. False: the tag leads elsewhere, and nothing was done. None: it is
        done, and the store does not look whether somebody else was quicker.

        Raises:
            ManifestBlobUnknown, ManifestInvalid: as `push_manifest`.
        """


@runtime_checkable
class Gatherer(Protocol):
    """A store that is written as a whole, so that many changes cost as much as one: an archive."""

    def together(self) -> AbstractAsyncContextManager[None]:
        """What is changed inside is written at the end, all of it; and nothing of it if the end is a failure.

        Several may be open at once, one in the other or side by side: it is written when the last one ends.
        """


@runtime_checkable
class Chooser(Protocol):
    """A store that may have one image only, so that nobody needs to name it: a layout, an archive."""

    async def only(self) -> Tag | Digest:
        """What is meant when nothing is named: the one manifest that is listed, or the one that is called `latest`.

        Raises:
            ManifestUnknown: there is none, or there are several; the hint names one.
        """


@runtime_checkable
class Lister(Protocol):
    """A store with a list of what is in it, which tells where a tag leads whatever has become of that: a layout, an archive."""

    async def listed(self, name: Tag | Digest) -> Digest:
        """The digest of the manifest that is meant, which may be missing or damaged.

        Raises:
            ManifestUnknown: `name` leads nowhere.
        """


@runtime_checkable
class SelfNamed(Protocol):
    """A store that knows by itself which repository it is: a docker archive, where names are whole."""

    async def own_name(self) -> Reference | None:
        """The repository, without tag; None if there are several, or none."""


@runtime_checkable
class Follower(Protocol):
    """A store that can fetch blobs from outside of it, too: one that speaks HTTP."""

    def follow(self, blob: Descriptor, url: str) -> AsyncIterator[bytes]:
        """The bytes of a blob from an URL of its descriptor, verified as they pass; no credentials go there.

        Raises:
            BlobUnknown: it is not there.
            ContentMismatch: something else is there.
            Unreachable: nobody answers.
        """


@runtime_checkable
class Auditor(Protocol):
    """A store that can read its own content without anybody's network: on this machine."""

    async def audit(self, content: Descriptor) -> bool:
        """Whether the store has this blob or manifest and all its bytes are right: they are read, and hashed.

        What is not right is missing from then on, to this object: `exists` says so, and `push` replaces it.
        """


@runtime_checkable
class Measurer(Protocol):
    """A store that can tell how large a blob is of which only the digest is known: schema 1 names layers so."""

    async def size(self, blob: Digest) -> int:
        """The bytes of a blob.

        Raises:
            BlobUnknown: it is not there.
        """
