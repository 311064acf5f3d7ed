"""An OCI image layout: a folder with `oci-layout`, `index.json`, and blobs and manifests under `blobs/ALGORITHM/`.

Made on the first write. A blob is written under another name, fsynced and renamed; `index.json` is replaced under the
a lock: a reader, or a machine that lost power, finds a layout that is whole. Tags are the names in `index.json`
(`org.opencontainers.image.ref.name`). A manifest that is pushed without a tag is listed without one, until an index that
names it is pushed: so everything is reachable from the list, and the list has roots only.

Spec: image-spec 1.1, image-layout.md.
"""

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from pathlib import Path

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.document import NotJSON, decode
from wherry.oci.errors import (
    BlobUnknown,
    DigestMismatch,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameUnknown,
    StoreError,
)
from wherry.oci.manifest import LARGEST_MANIFEST, Manifest, sniff, successors
from wherry.oci.mediatype import Kind
from wherry.oci.reference import LATEST, Tag
from wherry.stores._durable import DurableFile, locked, replace, sweep
from wherry.stores._names import Names
from wherry.stores.referring import as_referrer, refers
from wherry.stores.verify import Check, verified_manifest

__all__ = ["Layout"]

PIECE = 1024 * 1024
"""Bytes that are read, hashed and written in one go, in a thread."""
_VERSION = "1.0.0"
_LARGEST_KEPT = 8 * LARGEST_MANIFEST
"""Registries take manifests of 4 MiB; a layout may come from elsewhere, but what is larger than this is no manifest."""


class Layout:
    """The layout in a folder, which need not exist yet. Several may be open on one folder, in several processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._swept = False

    def __str__(self) -> str:
        return f"oci:{self.path}"

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        manifest = await self.manifest(name)
        return manifest.descriptor

    async def manifest(self, name: Tag | Digest) -> Manifest:
        return await asyncio.to_thread(self._manifest, name)

    async def only(self) -> Tag | Digest:
        """What is meant when nothing is named: the one manifest that is listed, or the one that is called `latest`.

        Raises:
            ManifestUnknown: there is none, or there are several; the hint lists them.
        """
        return await asyncio.to_thread(self._only)

    async def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
        check = Check(blob, str(self)) if offset == 0 else None
        while piece := await asyncio.to_thread(self._read, blob, offset, check):
            yield piece
            offset += len(piece)
        if check:
            check.finish()

    async def exists(self, content: Descriptor) -> bool:
        return await asyncio.to_thread(self._has, content)

    async def tags(self) -> AsyncIterator[Tag]:
        names = await asyncio.to_thread(self._names)
        if names is None:
            raise NameUnknown(f"{self}: there is no such folder")
        for tag in names.tags():
            yield tag

    async def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
        for referrer in await asyncio.to_thread(self._referrers, subject, artifact_type):
            yield referrer

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        if await self.exists(blob):
            return
        await asyncio.to_thread(self._create, blob.digest.algorithm)
        check = Check(blob, str(self))
        file = DurableFile(self.path)
        try:
            async for pieces in _gathered(content):
                await asyncio.to_thread(_write, file, check, pieces)
            check.finish()
            await asyncio.to_thread(file.commit, self._path_of(blob.digest))
        finally:
            file.abandon()

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        await asyncio.to_thread(self._push_manifest, manifest, tags)

    async def tag(self, manifest: Descriptor, tag: Tag) -> None:
        await asyncio.to_thread(self._tag, manifest, tag)

    async def delete(self, name: Tag | Digest) -> None:
        await asyncio.to_thread(self._delete, name)

    # What follows may block, and runs in a thread.

    def _manifest(self, name: Tag | Digest) -> Manifest:
        names = self._names()
        if names is None:
            raise ManifestUnknown(f"{self}: there is no such folder")
        listed = names.find(name)
        if listed is None and isinstance(name, Tag):
            known = ", ".join(names.tags())
            raise ManifestUnknown(f"{self}: no such tag: {name}", hint=f"it has {known}" if known else None)
        digest = name if isinstance(name, Digest) else listed.digest if listed else None
        content = None if digest is None else self._content(digest)
        if content is None or digest is None:
            if listed:
                raise StoreError(f"{self._path_of(listed.digest)}: is missing, and index.json lists it")
            raise ManifestUnknown(f"{self}: no manifest {name}")
        if listed is None:
            return self._recognised(digest, content)
        manifest = Manifest(content, listed.media_type, algorithm=digest.algorithm)
        return verified_manifest(manifest, listed, str(self._path_of(digest)))

    def _recognised(self, digest: Digest, content: bytes) -> Manifest:
        """A manifest that the list does not have, so that only its bytes say what it is."""
        media_type = sniff(content)
        manifest = Manifest(content, media_type or "", algorithm=digest.algorithm)
        if manifest.digest != digest:
            raise DigestMismatch(f"{self._path_of(digest)}: has bytes of digest {manifest.digest}")
        try:
            manifest.view  # noqa: B018  # an image's config looks like a manifest until one looks closer
        except ManifestInvalid:
            raise ManifestUnknown(f"{self}: {digest} is a blob, not a manifest") from None
        return manifest

    def _only(self) -> Tag | Digest:
        names = self._names()
        if names is None:
            raise ManifestUnknown(f"{self}: there is no such folder")
        tags = list(names.tags())
        if Tag(LATEST) in tags:
            return Tag(LATEST)
        if len(names.entries) == 1:
            return names.entries[0].tag or names.entries[0].descriptor.digest
        if not names.entries:
            raise ManifestUnknown(f"{self}: nothing is in it")
        hint = f"name one of its tags, for example {self}:{tags[0]}" if tags else "name one by its digest"
        raise ManifestUnknown(f"{self}: has {len(names.entries)} manifests, and none is called {LATEST}", hint=hint)

    def _names(self) -> Names | None:
        """The list; None if there is no folder, an empty list if it has just been made."""
        if not self._is_layout():
            return None if not self.path.exists() else Names.empty()
        path = self.path / "index.json"
        try:
            return Names.parse(path.read_bytes(), str(path))
        except FileNotFoundError:
            return Names.empty()

    def _is_layout(self) -> bool:
        """Whether the folder is one. False if nothing is there, or nothing is in it.

        Raises:
            StoreError: something else is there.
        """
        try:
            names = {name for name in os.listdir(self.path) if not name.startswith(".")}  # noqa: PTH208  # names are wanted
        except FileNotFoundError:
            return False
        except NotADirectoryError:
            raise StoreError(f"{self.path}: is a file, and an OCI layout is a folder") from None
        if "oci-layout" in names:
            self._check_version(self.path / "oci-layout")
        elif names and "index.json" not in names:
            raise StoreError(
                f"{self.path}: is no OCI layout: it has other files, and neither oci-layout nor index.json",
                hint="name a folder that is empty or does not exist yet",
            )
        return bool(names)

    def _check_version(self, path: Path) -> None:
        try:
            document = decode(path.read_bytes())
        except NotJSON as error:
            raise StoreError(f"{path}: is not JSON: {error}") from None
        version = document.get("imageLayoutVersion") if isinstance(document, dict) else None
        if version != _VERSION:
            raise StoreError(f"{path}: says version {version!r}, and {_VERSION} is the only one there is")

    def _create(self, algorithm: str) -> None:
        """Make what is missing of the folder, so that content by this algorithm can be written."""
        self._is_layout()
        self.path.mkdir(parents=True, exist_ok=True)
        marker = self.path / "oci-layout"
        if not marker.exists():  # first of all: without it the rest is not a layout that was begun
            replace(marker, b'{"imageLayoutVersion":"1.0.0"}', self.path)
        (self.path / "blobs" / algorithm).mkdir(parents=True, exist_ok=True)
        if not self._swept:
            sweep(self.path)
            self._swept = True

    def _has(self, content: Descriptor) -> bool:
        """Size is looked at too: other tools may have been killed while they wrote under the final name."""
        try:
            return self._path_of(content.digest).stat().st_size == content.size
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _read(self, blob: Descriptor, offset: int, check: Check | None) -> bytes:
        """One piece. The file is opened for each: an open one would be lost when the reader is cancelled meanwhile."""
        try:
            with self._path_of(blob.digest).open("rb", buffering=0) as file:
                file.seek(offset)
                piece = file.read(PIECE)
        except (FileNotFoundError, NotADirectoryError):
            raise BlobUnknown(f"{self}: no blob {blob.digest}") from None
        if check:
            check.see(piece)
        return piece

    def _content(self, digest: Digest) -> bytes | None:
        path = self._path_of(digest)
        try:
            with path.open("rb") as file:
                content = file.read(_LARGEST_KEPT + 1)
        except FileNotFoundError:
            return None
        if len(content) > _LARGEST_KEPT:
            raise ManifestInvalid(f"{path}: larger than {_LARGEST_KEPT} bytes, so no manifest")
        return content

    def _push_manifest(self, manifest: Manifest, tags: tuple[Tag, ...]) -> None:
        self._check_whole(manifest)
        if not self._has(manifest.descriptor):
            self._create(manifest.digest.algorithm)
            replace(self._path_of(manifest.digest), manifest.content, self.path)
        children = {child.digest for child in manifest.view.manifests}

        def edit(names: Names) -> Names:
            names = names.without_children(children) if children else names
            for tag in tags:
                names = names.tagged(manifest.descriptor, tag)
            return names if tags else names.listed(manifest.descriptor)

        self._edit(edit)

    def _check_whole(self, manifest: Manifest) -> None:
        for needed in successors(manifest):
            if not needed.is_foreign and not self._has(needed):
                raise ManifestBlobUnknown(
                    f"{self}: manifest {manifest.digest} names {needed.digest}, which is not there",
                    detail=str(needed.digest),
                )

    def _tag(self, manifest: Descriptor, tag: Tag) -> None:
        found = self._manifest(manifest.digest).descriptor
        self._edit(lambda names: names.tagged(found, tag))

    def _delete(self, name: Tag | Digest) -> None:
        digest = self._manifest(name).digest
        self._edit(lambda names: names.without(name))
        if isinstance(name, Digest):
            self._path_of(digest).unlink(missing_ok=True)

    def _edit(self, edit: Callable[[Names], Names]) -> None:
        """Replace the list by what `edit` makes of it, with no other writer between reading and writing."""
        with locked(self.path / "blobs"):
            before = self._names() or Names.empty()
            after = edit(before)
            if after != before or not before.entries:
                replace(self.path / "index.json", after.encode(), self.path)

    def _referrers(self, subject: Digest, artifact_type: str | None) -> list[Descriptor]:
        return [as_referrer(each) for each in self._reachable() if refers(each, subject, artifact_type)]

    def _reachable(self) -> Iterator[Manifest]:
        """Every manifest that the list leads to, each once."""
        names = self._names() or Names.empty()
        waiting = [entry.descriptor.digest for entry in names.entries]
        seen: set[Digest] = set()
        while waiting:
            digest = waiting.pop()
            if digest in seen:
                continue
            seen.add(digest)
            manifest = self._manifest(digest)
            if manifest.kind is Kind.INDEX:
                waiting += [child.digest for child in manifest.view.manifests if self._has(child)]
            yield manifest

    def _path_of(self, digest: Digest) -> Path:
        return self.path / "blobs" / digest.algorithm / digest.encoded


async def _gathered(content: AsyncIterable[bytes]) -> AsyncIterator[list[bytes]]:
    """Small pieces together, so that a thread is asked once for many."""
    waiting: list[bytes] = []
    size = 0
    async for piece in content:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE:
            yield waiting
            waiting, size = [], 0
    if waiting:
        yield waiting


def _write(file: DurableFile, check: Check, pieces: list[bytes]) -> None:
    for piece in pieces:
        check.see(piece)
    file.write(*pieces)
