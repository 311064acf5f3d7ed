"""What the registry remembers beside the blobs' bytes: one small protocol, so that a second database is a second class.

A repository comes into being with the first content that is committed in it. Everything that changes what a client can
see happens in one transaction, and the call returns when that transaction is as durable as the policy promises.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Tag
from wherry.oci.wire.conditions import Condition

__all__ = ["Metadata", "Need", "Push", "Referrer", "Role", "StoredManifest", "UploadRecord", "UploadState"]


class Role(Enum):
    """How a manifest needs some content; the first three are blobs, a child is a manifest."""

    CONFIG = "config"
    LAYER = "layer"
    LISTED = "listed"
    """A blob among the entries of an index: build caches are such."""
    CHILD = "child"


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a manifest names. Unless `demanded`, it may be missing."""

    descriptor: Descriptor
    role: Role
    demanded: bool


@dataclass(frozen=True, slots=True)
class Push:
    """A manifest that is about to be stored, with the tags that will point at it."""

    manifest: Manifest
    needs: tuple[Need, ...]
    tags: tuple[Tag, ...] = ()
    condition: Condition | None = None
    """What the first tag, or without tags the manifest, must be when it is pushed."""


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it was pushed."""

    digest: Digest
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Referrer:
    """`descriptor` is the JSON object for the list of referrers; `position` orders them, and starts the next page."""

    position: int
    descriptor: bytes


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An upload that was begun. `finished` is the digest of the blob that it became, kept for a client who asks twice."""

    id: str
    repository: str
    algorithm: str
    finished: Digest | None = None


@dataclass(frozen=True, slots=True)
class UploadState:
    """An upload that goes on, and when it was begun (seconds since the epoch)."""

    record: UploadRecord
    begun: int


class Metadata(Protocol):
    """Reads see everything that was committed before they were called. Times are seconds since the epoch."""

    async def manifest(self, repository: str, name: Tag | Digest) -> StoredManifest | None:
        """What a tag or digest leads to."""

    async def blob_size(self, repository: str, digest: Digest) -> int | None:
        """The size of a blob that the repository holds."""

    async def hold_blob(self, repository: str, digest: Digest) -> int | None:
        """The same for a client that may rely on it: then it is kept for the time of a lease, needed or not."""

    async def hold_manifest(self, repository: str, digest: Digest) -> bool:
        """Keep a manifest for the time of a lease, tagged or not; False if it is not there."""

    async def tags(self, repository: str, after: str, limit: int) -> list[str] | None:
        """Tags behind `after` in byte order; None if there is no such repository."""

    async def repositories(self, after: str, limit: int) -> list[str]:
        """Names of repositories behind `after` in byte order."""

    async def referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, after: int, limit: int
    ) -> list[Referrer]:
        """Manifests with this subject, the first pushed first, behind position `after`."""

    async def link_blob(
        self,
        repository: str,
        digest: Digest,
        size: int,
        *,
        stored: Callable[[], bool],
        upload: UploadRecord | None = None,
    ) -> bool:
        """Give a blob, whose bytes are stored, to a repository; `upload` brought it, and is remembered as finished.

        `stored` is asked in the transaction whether the bytes are there. If not, the collector has taken them in the
        meantime: then nothing happens, and the answer is False.
        """

    async def mount_blob(self, repository: str, digest: Digest, origin: str | None) -> bool:
        """Give a repository a blob that `origin` holds (None: that any repository holds); False if it does not."""

    async def unlink_blob(self, repository: str, digest: Digest) -> None:
        """Take a blob away from a repository.

        Raises:
            BlobUnknown: the repository does not hold it.
            Denied: a manifest there needs it.
        """

    async def push_manifest(self, repository: str, push: Push) -> None:
        """Store a manifest with its edges, and move its tags to it.

        Raises:
            Refusals: things that it demands are not in the repository, or have another size.
            PreconditionFailed: its condition does not hold.
        """

    async def delete_manifest(self, repository: str, digest: Digest, condition: Condition | None = None) -> None:
        """Remove a manifest and every tag on it.

        Raises:
            ManifestUnknown: the repository does not hold it.
            PreconditionFailed: it does, and `condition` does not hold.
            Denied: an index there has it as a child.
        """

    async def delete_tag(self, repository: str, tag: Tag, condition: Condition | None = None) -> None:
        """Remove a tag, and nothing else.

        Raises:
            ManifestUnknown: there is no such tag.
            PreconditionFailed: it leads to something for which `condition` does not hold.
        """

    async def upload(self, identifier: str) -> UploadRecord | None:
        """An upload that was begun."""

    async def begin_upload(self, record: UploadRecord) -> None:
        """Remember an upload. Not promised: it may be forgotten with a power cut."""

    async def forget_uploads(self, identifiers: Sequence[str]) -> None:
        """Forget uploads, finished or not."""

    async def uploads_before(self, moment: float) -> list[str]:
        """Uploads that were begun, or finished, before a moment."""

    async def uploads(self) -> list[UploadState]:
        """Uploads that are not finished, the first begun first."""

    async def close(self) -> None:
        """Finish what was begun, and let go of the database."""
