"""A store in memory: for programs that build content before they send it, and for tests."""

from collections.abc import AsyncIterable, AsyncIterator

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUnknown, ManifestBlobUnknown, ManifestUnknown
from wherry.oci.manifest import Manifest, successors
from wherry.oci.reference import Tag
from wherry.stores.referring import as_referrer, refers
from wherry.stores.verify import verified

__all__ = ["MemoryStore"]

PIECE = 1024 * 1024


class MemoryStore:
    """A repository that lives as long as the object. Like a registry, it refuses a manifest whose blobs are missing."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}
        self._manifests: dict[Digest, Manifest] = {}
        self._tags: dict[Tag, Digest] = {}

    def __str__(self) -> str:
        return "memory"

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        return self._find(name).descriptor

    async def manifest(self, name: Tag | Digest) -> Manifest:
        return self._find(name)

    async def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
        content = self._blobs.get(blob.digest)
        if content is None:
            raise BlobUnknown(f"{self}: no blob {blob.digest}")
        if offset == 0:
            async for piece in verified(_pieces(content), blob, str(self)):
                yield piece
            return
        async for piece in _pieces(content[offset:]):
            yield piece

    async def size(self, blob: Digest) -> int:
        content = self._blobs.get(blob)
        if content is None:
            raise BlobUnknown(f"{self}: no blob {blob}")
        return len(content)

    async def exists(self, content: Descriptor) -> bool:
        return content.digest in (self._manifests if content.is_manifest else self._blobs)

    async def tags(self) -> AsyncIterator[Tag]:
        for tag in sorted(self._tags):
            yield tag

    async def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
        for manifest in list(self._manifests.values()):
            if refers(manifest, subject, artifact_type):
                yield as_referrer(manifest)

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        if blob.digest in self._blobs:
            return
        self._blobs[blob.digest] = b"".join([piece async for piece in verified(content, blob, str(self))])

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        self._check_whole(manifest)
        self._manifests[manifest.digest] = manifest
        self._tags |= dict.fromkeys(tags, manifest.digest)

    async def swap(self, manifest: Manifest, tag: Tag, before: Digest | None) -> bool:
        if self._tags.get(tag) != before:
            return False
        await self.push_manifest(manifest, tag)
        return True

    async def tag(self, manifest: Descriptor, tag: Tag) -> None:
        self._tags[tag] = self._find(manifest.digest).digest

    async def delete(self, name: Tag | Digest) -> None:
        digest = self._find(name).digest
        if isinstance(name, Tag):
            del self._tags[name]
            return
        del self._manifests[digest]
        self._tags = {tag: tagged for tag, tagged in self._tags.items() if tagged != digest}

    def _find(self, name: Tag | Digest) -> Manifest:
        digest = name if isinstance(name, Digest) else self._tags.get(name)
        manifest = None if digest is None else self._manifests.get(digest)
        if manifest is None:
            raise ManifestUnknown(f"{self}: no manifest {name}")
        return manifest

    def _check_whole(self, manifest: Manifest) -> None:
        for needed in successors(manifest):
            there = needed.digest in self._manifests or needed.digest in self._blobs
            if not there and not needed.is_foreign:
                raise ManifestBlobUnknown(
                    f"{self}: manifest {manifest.digest} names {needed.digest}, which is not there",
                    detail=str(needed.digest),
                )


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]
