"""An OCI image layout: a folder with `oci-layout`, `index.json`, and blobs and manifests under `blobs/ALGORITHM/`.

Made on the first write. A blob is written under another name, fsynced and renamed; `index.json` is replaced under a
lock: a reader, or a machine that lost power, finds a layout that is whole. Tags are the names in `index.json`
(`org.opencontainers.image.ref.name`). A manifest that is pushed without a tag is listed without one, until an index that
names it is pushed: so everything is reachable from the list, and the list has roots only.

Spec: image-spec 1.1, image-layout.md.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import aclosing
from pathlib import Path

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ContentMismatch
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Tag
from wherry.stores._audit import is_sound
from wherry.stores._durable import DurableFile
from wherry.stores._folder import PIECE, Folder
from wherry.stores._gathered import gathered
from wherry.stores.rewinding import Rewindable, is_worth_keeping
from wherry.stores.verify import Check

__all__ = ["NOTEWORTHY", "Layout"]

NOTEWORTHY = 4 * 1024 * 1024
"""Bytes of a blob from which on a part that was cut short is kept for the next writer, for a day."""


class Layout:
    """The layout in a folder, which need not exist yet. Several may be open on one folder, in several processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = Folder(path)

    def __str__(self) -> str:
        return f"oci:{self.path}"

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        manifest = await self.manifest(name)
        return manifest.descriptor

    async def manifest(self, name: Tag | Digest) -> Manifest:
        return await asyncio.to_thread(self._folder.manifest, name)

    async def listed(self, name: Tag | Digest) -> Digest:
        return await asyncio.to_thread(self._folder.listed, name)

    async def only(self) -> Tag | Digest:
        """What is meant when nothing is named: the one manifest that is listed, or the one that is called `latest`.

        Raises:
            ManifestUnknown: there is none, or there are several; the hint lists them.
        """
        return await asyncio.to_thread(self._folder.only)

    async def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
        check = Check(blob, str(self)) if offset == 0 else None
        while piece := await asyncio.to_thread(self._folder.read, blob, offset, check):
            yield piece
            offset += len(piece)
        if check:
            check.finish()

    async def size(self, blob: Digest) -> int:
        return await asyncio.to_thread(self._folder.size, blob)

    async def exists(self, content: Descriptor) -> bool:
        return await asyncio.to_thread(self._folder.has, content)

    async def audit(self, content: Descriptor) -> bool:
        return await is_sound(self, content, self._folder.distrust)

    async def tags(self) -> AsyncIterator[Tag]:
        for tag in await asyncio.to_thread(self._folder.tags):
            yield tag

    async def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
        for referrer in await asyncio.to_thread(self._folder.referrers, subject, artifact_type):
            yield referrer

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        if await self.exists(blob):
            return
        await asyncio.to_thread(self._folder.create, blob.digest.algorithm)
        again = content if blob.size >= NOTEWORTHY and isinstance(content, Rewindable) else None
        file = DurableFile(self.path, part_of=None if again is None else str(blob.digest))
        try:
            if again is None:
                await self._write(blob, content, Check(blob, str(self)), file)
            else:
                await self._go_on(blob, again, file)
        except BaseException as error:
            if again is not None and is_worth_keeping(error):
                file.leave()
            raise
        finally:
            file.abandon()

    async def _go_on(self, blob: Descriptor, content: Rewindable, file: DurableFile) -> None:
        """Write a large blob, behind what a writer who is no more has left of it: that is hashed, and not fetched again."""
        check = Check(blob, str(self))
        start = await asyncio.to_thread(_seen, file, check, blob.size)
        try:
            async with aclosing(content.from_byte(start)) as rest:
                await self._write(blob, rest, check, file)
        except ContentMismatch:
            if not start:
                raise
            await asyncio.to_thread(file.truncate, 0)  # what was left was not the blob's beginning
            async with aclosing(content.from_byte(0)) as whole:
                await self._write(blob, whole, Check(blob, str(self)), file)

    async def _write(self, blob: Descriptor, content: AsyncIterable[bytes], check: Check, file: DurableFile) -> None:
        async for pieces in gathered(content):
            await asyncio.to_thread(_write, file, check, pieces)
        check.finish()
        await asyncio.to_thread(file.commit, self._folder.path_of(blob.digest))
        self._folder.trust(blob.digest)

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        await asyncio.to_thread(self._folder.push_manifest, manifest, tags)

    async def swap(self, manifest: Manifest, tag: Tag, before: Digest | None) -> bool:
        return await asyncio.to_thread(self._folder.swap, manifest, tag, before)

    async def tag(self, manifest: Descriptor, tag: Tag) -> None:
        await asyncio.to_thread(self._folder.tag, manifest, tag)

    async def delete(self, name: Tag | Digest) -> None:
        await asyncio.to_thread(self._folder.delete, name)


def _write(file: DurableFile, check: Check, pieces: list[bytes]) -> None:
    for piece in pieces:
        check.see(piece)
    file.write(*pieces)


def _seen(file: DurableFile, check: Check, size: int) -> int:
    """Hash what is there of a blob, which has `size` bytes in all; returns how much that is."""
    part = file.part
    if part > size:
        file.truncate(0)
        return 0
    for position in range(0, part, PIECE):
        check.see(file.read_at(position, min(PIECE, part - position)))
    return part
