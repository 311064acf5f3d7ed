"""Archives: an OCI layout in a tar (`oci-archive:`), and what `docker save` and `docker load` understand (`docker-archive:`).

A tar is read where it lies, without unpacking it. It is written as a whole: in a file beside it, which takes its place when
everything is there. So a copy that is cut short leaves an archive as it was, and whoever reads it meanwhile reads the old
one. What is done `together` is written once.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import StoreError
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference, Tag
from wherry.stores._archive import ArchiveFile
from wherry.stores._archive_form import Form
from wherry.stores._audit import is_sound
from wherry.stores._docker_form import DockerForm
from wherry.stores._gathered import gathered
from wherry.stores._oci_form import OCIForm
from wherry.stores._staged import Slot
from wherry.stores.verify import Check

__all__ = ["Archive", "docker_archive", "oci_archive"]

Result = TypeVar("Result")


class Archive:
    """The archive at `path`, which need not exist yet. Made by `oci_archive` and `docker_archive`."""

    def __init__(self, path: Path, form: Form, written: str) -> None:
        self.path = path
        self._written = written
        self._file = ArchiveFile(path, form, written)

    def __str__(self) -> str:
        return self._written

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        return (await self.manifest(name)).descriptor

    async def manifest(self, name: Tag | Digest) -> Manifest:
        return await asyncio.to_thread(self._file.manifest, name)

    async def listed(self, name: Tag | Digest) -> Digest:
        return await asyncio.to_thread(self._file.listed, name)

    async def only(self) -> Tag | Digest:
        """What is meant when nothing is named: the one manifest that is listed, or the one that is called `latest`.

        Raises:
            ManifestUnknown: there is none, or there are several; the hint names one.
        """
        return await asyncio.to_thread(self._file.only)

    async def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
        check = Check(blob, str(self)) if offset == 0 else None
        while piece := await asyncio.to_thread(self._file.read, blob, offset, check):
            yield piece
            offset += len(piece)
        if check:
            check.finish()

    async def own_name(self) -> Reference | None:
        """The repository that it is, or has alone; None if nobody knows. An OCI archive has no names but tags."""
        return await asyncio.to_thread(self._file.own_name)

    async def size(self, blob: Digest) -> int:
        return await asyncio.to_thread(self._file.size, blob)

    async def exists(self, content: Descriptor) -> bool:
        return await asyncio.to_thread(self._file.has, content)

    async def audit(self, content: Descriptor) -> bool:
        return await is_sound(self, content, self._file.distrust)

    async def tags(self) -> AsyncIterator[Tag]:
        for tag in await asyncio.to_thread(self._file.tags):
            yield tag

    async def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
        for referrer in await asyncio.to_thread(self._file.referrers, subject, artifact_type):
            yield referrer

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        if await self.exists(blob):
            return
        slot = await self._change(self._file.begin, blob)
        check = Check(blob, str(self))
        try:
            async for pieces in gathered(content):
                await asyncio.to_thread(_write, slot, check, pieces)
            check.finish()
            slot.finish()
        finally:
            slot.give_up()

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        await self._change(self._file.push_manifest, manifest, tags)

    async def swap(self, manifest: Manifest, tag: Tag, before: Digest | None) -> bool:
        return await self._change(self._file.swap, manifest, tag, before)

    async def tag(self, manifest: Descriptor, tag: Tag) -> None:
        await self._change(self._file.tag, manifest, tag)

    async def delete(self, name: Tag | Digest) -> None:
        await self._change(self._file.delete, name)

    async def _change(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.to_thread(self._file.change, self._file.era, work, *arguments)

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """What is changed inside is written once, at the end; and not at all if that is a failure."""
        failed = True
        self._file.open_batch()
        try:
            yield
            failed = False
        finally:
            closing = asyncio.ensure_future(asyncio.to_thread(self._file.close_batch, failed=failed))
            try:
                await asyncio.shield(closing)
            except asyncio.CancelledError:
                self._file.give_up()
                with suppress(StoreError):
                    await closing
                raise


def oci_archive(path: Path) -> Archive:
    """The OCI layout in the tar at `path`."""
    return Archive(path, OCIForm(), f"oci-archive:{path}")


def docker_archive(path: Path, repository: Reference | None = None) -> Archive:
    """The images of a repository in the docker archive at `path`; None is: of the only repository that is in it."""
    name = f":{repository.familiar}" if repository else ""
    return Archive(path, DockerForm(repository), f"docker-archive:{path}{name}")


def _write(slot: Slot, check: Check, pieces: list[bytes]) -> None:
    for piece in pieces:
        check.see(piece)
    slot.write(*pieces)
