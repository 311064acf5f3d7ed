"""A repository of the registry's own storage as a store: so that `ops` works on it without a request.

It does what the endpoints do, in the same transactions: a server may run on the same folder meanwhile. Whoever has this
object may read and write everything in the registry; nobody is asked for a password here.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from uuid import uuid4

from wherry.oci.descriptor import Descriptor
from wherry.oci.diagnosis import too_large
from wherry.oci.digest import Digest
from wherry.oci.document import decode
from wherry.oci.errors import BlobUnknown, DigestMismatch, ManifestUnknown, NameUnknown
from wherry.oci.manifest import LARGEST_MANIFEST, Manifest
from wherry.oci.reference import Tag, check_name
from wherry.server.admission import admit, needs
from wherry.server.blobs.protocol import Incoming
from wherry.server.metadata.protocol import Push
from wherry.server.refusals import Refusals
from wherry.server.registry import Registry
from wherry.stores.protocol import Source
from wherry.stores.verify import Check

__all__ = ["RegistryStore"]

_PIECE = 1024 * 1024
_SMALL = 64 * 1024  # bytes that are kept in one go, without a file that grows
_PAGE = 1000


class RegistryStore:
    """One repository. It comes into being with what is pushed first; the registry stays open as long as this is used."""

    def __init__(self, registry: Registry, name: str) -> None:
        self.name = check_name(name)
        self._registry = registry

    def __str__(self) -> str:
        return self.name

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        return (await self.manifest(name)).descriptor

    async def manifest(self, name: Tag | Digest) -> Manifest:
        stored = await self._registry.metadata.manifest(self.name, name)
        if stored is None:
            raise ManifestUnknown(f"{self}: no manifest {name}")
        manifest = Manifest(stored.content, stored.media_type, algorithm=stored.digest.algorithm)
        if manifest.digest != stored.digest:
            raise DigestMismatch(f"{self}: manifest {stored.digest} has bytes of digest {manifest.digest}")
        return manifest

    async def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
        if await self._registry.metadata.blob_size(self.name, blob.digest) is None:
            raise self._unknown(blob)
        found = await self._registry.blobs.find(blob.digest)
        if found is None:
            raise self._unknown(blob)
        check = Check(blob, str(self)) if offset == 0 else None
        while piece := await asyncio.to_thread(_read, found.path, offset, check):
            yield piece
            offset += len(piece)
        if check:
            check.finish()

    async def exists(self, content: Descriptor) -> bool:
        """What is there stays for the time of a lease: whoever asks wants to build on the answer."""
        metadata = self._registry.metadata
        if content.is_manifest:
            return await metadata.hold_manifest(self.name, content.digest)
        size = await metadata.hold_blob(self.name, content.digest)
        return size == content.size and self.has_bytes(content)

    async def tags(self) -> AsyncIterator[Tag]:
        after = ""
        while True:
            page = await self._registry.metadata.tags(self.name, after, _PAGE)
            if page is None:
                raise NameUnknown(f"{self}: there is no such repository")
            for name in page:
                yield Tag(name)
            if len(page) < _PAGE:
                return
            after = page[-1]

    async def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
        after = 0
        while True:
            page = await self._registry.metadata.referrers(self.name, subject, artifact_type, after, _PAGE)
            for referrer in page:
                yield Descriptor.from_json(decode(referrer.descriptor), "referrer")
            if len(page) < _PAGE:
                return
            after = page[-1].position

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        check = Check(blob, str(self))
        if blob.size <= _SMALL:
            await self._push_small(blob, content, check)
            return
        incoming = await self._registry.blobs.begin(str(uuid4()))
        try:
            await _receive(incoming, content, check)
            check.finish()
            kept = False
            while not kept:  # and again, if the collector took the bytes before the row was there
                await incoming.keep(blob.digest)
                kept = await self._link(blob)
        finally:
            await incoming.discard()

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        if len(manifest.content) > LARGEST_MANIFEST:
            raise too_large(len(manifest.content))
        admitted = admit(manifest.content, manifest.media_type, manifest.digest)
        push = Push(admitted, needs(admitted, self._registry.policy.sparse), tags)
        try:
            await self._registry.metadata.push_manifest(self.name, push)
        except Refusals as error:
            raise error.failures[0] from error

    async def tag(self, manifest: Descriptor, tag: Tag) -> None:
        await self.push_manifest(await self.manifest(manifest.digest), tag)

    async def delete(self, name: Tag | Digest) -> None:
        if isinstance(name, Digest):
            await self._registry.metadata.delete_manifest(self.name, name)
        else:
            await self._registry.metadata.delete_tag(self.name, name)

    def is_beside(self, origin: Source) -> bool:
        """Whether `origin` is another repository of this registry."""
        return isinstance(origin, RegistryStore) and origin._registry is self._registry  # noqa: SLF001  # the same class

    async def mount(self, blob: Descriptor, origin: Source) -> bool:
        """Take a blob that another repository of this registry holds."""
        if not isinstance(origin, RegistryStore) or not RegistryStore.is_beside(self, origin):
            return False
        return self.has_bytes(blob) and await self.take(blob, origin.name)

    def has_bytes(self, blob: Descriptor) -> bool:
        """Whether the registry has the bytes of a blob, for whichever repository."""
        return self._registry.blobs.stored(blob.digest, blob.size)

    async def take(self, blob: Descriptor, origin: str | None = None) -> bool:
        """Take a blob that the repository `origin` holds (None: that any holds); False if it does not."""
        return await self._registry.metadata.mount_blob(self.name, blob.digest, origin)

    async def _push_small(self, blob: Descriptor, content: AsyncIterable[bytes], check: Check) -> None:
        pieces = []
        async for piece in content:
            check.see(piece)
            pieces.append(piece)
        check.finish()
        kept = False
        while not kept:
            await self._registry.blobs.keep(blob.digest, b"".join(pieces))
            kept = await self._link(blob)

    async def _link(self, blob: Descriptor) -> bool:
        blobs = self._registry.blobs
        return await self._registry.metadata.link_blob(
            self.name, blob.digest, blob.size, stored=lambda: blobs.stored(blob.digest, blob.size)
        )

    def _unknown(self, blob: Descriptor) -> BlobUnknown:
        return BlobUnknown(f"{self}: no blob {blob.digest}")


async def _receive(incoming: Incoming, content: AsyncIterable[bytes], check: Check) -> None:
    """Write pieces, some together: each call costs a thread's time to wake up. The hash is taken on the way."""
    waiting: list[bytes] = []
    size = 0
    async for piece in content:
        check.count(piece)
        waiting.append(piece)
        size += len(piece)
        if size >= _PIECE:
            await incoming.append(waiting, check.hasher)
            waiting, size = [], 0
    if waiting:
        await incoming.append(waiting, check.hasher)


def _read(path: str, offset: int, check: Check | None) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # a string, as blobs are named here
        file.seek(offset)
        piece = file.read(_PIECE)
    if check:
        check.see(piece)
    return piece
