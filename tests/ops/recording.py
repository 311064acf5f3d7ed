"""A store that watches what is done to it, and one that dies on the way. Both are true stores: they only look, or stop."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest, successors
from wherry.oci.reference import Tag
from wherry.ops.tag_choice import names_a_subject
from wherry.stores.memory import MemoryStore

__all__ = ["Cut", "CutStore", "RecordingStore"]


class RecordingStore(MemoryStore):
    """Notes every write and every read of content, and how many blobs were on their way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pushed: list[Digest] = []
        self.tagged: list[Tag] = []
        self.fetched: list[Digest] = []
        self.read: list[Digest | Tag] = []
        self.asked: list[Digest] = []
        self.busy = 0
        self.busiest = 0

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        try:
            await asyncio.sleep(0)  # lets the others begin
            await super().push(blob, content)
        finally:
            self.busy -= 1
        self.pushed.append(blob.digest)

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        assert all(map(names_a_subject, self.tagged)), "something is pushed after the tags"
        for needed in successors(manifest):
            assert needed.is_foreign or needed.digest in self.pushed or await self.has(needed.digest)
        await super().push_manifest(manifest, *tags)
        self.pushed.append(manifest.digest)
        self.tagged += tags

    async def has(self, digest: Digest) -> bool:
        return digest in self._blobs or digest in self._manifests

    async def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
        self.fetched.append(blob.digest)
        async for piece in super().fetch(blob, offset=offset):
            yield piece

    async def manifest(self, name: Tag | Digest) -> Manifest:
        self.read.append(name)
        return await super().manifest(name)

    async def exists(self, content: Descriptor) -> bool:
        self.asked.append(content.digest)
        return await super().exists(content)

    def forget(self) -> None:
        """Begin a new record."""
        self.pushed, self.tagged, self.fetched, self.read, self.asked = [], [], [], [], []


class Cut(Exception):  # a cut, as in a cut wire
    """The machine stopped here."""


class CutStore(RecordingStore):
    """Fails at its `budget`-th write, in the middle of it."""

    def __init__(self) -> None:
        super().__init__()
        self.budget: int | None = None

    def spend(self) -> None:
        if self.budget is not None:
            self.budget -= 1
            if self.budget < 0:
                raise Cut

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        self.spend()
        await super().push(blob, content)
        self.spend()

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        self.spend()
        await super().push_manifest(manifest, *tags)
