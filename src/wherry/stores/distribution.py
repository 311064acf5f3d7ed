"""The storage folder of a distribution registry (`registry:2`, `registry:3`), to be read: nothing in it is ever written.

    docker/registry/v2/blobs/ALGORITHM/HH/HEX/data                                   all bytes, manifests too
    docker/registry/v2/repositories/NAME/_layers/ALGORITHM/HEX/link                  which blobs a repository holds
    docker/registry/v2/repositories/NAME/_manifests/revisions/ALGORITHM/HEX/link     which manifests it has
    docker/registry/v2/repositories/NAME/_manifests/tags/TAG/current/link            what a tag points at

A link is a file with a digest in it. What was deleted has lost its link, while its folder and its bytes may still be there;
so the link is what counts. The media type of a manifest is not stored: its bytes say it, as they say it to that registry.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import ALGORITHMS, Digest
from wherry.oci.errors import (
    BlobUnknown,
    DigestMismatch,
    InvalidDigest,
    InvalidTag,
    ManifestInvalid,
    ManifestUnknown,
    NameUnknown,
    StoreError,
)
from wherry.oci.manifest import LARGEST_MANIFEST, Manifest, sniff
from wherry.oci.reference import Tag
from wherry.stores.referring import as_referrer, refers
from wherry.stores.regular import open_regular
from wherry.stores.verify import Check

__all__ = ["StorageFolder", "StoredRepository"]

_BELOW = (Path("docker/registry/v2"), Path("registry/v2"), Path("v2"), Path())
_PIECE = 1024 * 1024
_LONGEST_LINK = 1024  # bytes; a digest has far less
_LARGEST_KEPT = 8 * LARGEST_MANIFEST


class StorageFolder:
    """The folder `rootdirectory` of a registry's configuration, or one on the way from there to `v2`. Its calls may block."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def find(cls, path: Path) -> "StorageFolder | None":
        """The storage in a folder; None if that is something else."""
        found = (path / below for below in _BELOW if (path / below / "repositories").is_dir())
        return next((cls(each) for each in found), None)

    def names(self) -> Iterator[str]:
        """All repositories, in byte order of the folders; a name may be one that no registry should have."""
        root = self.path / "repositories"
        for folder, below, files in os.walk(root, onerror=_fail):
            if any(name in below or name in files for name in ("_manifests", "_layers")):
                yield os.path.relpath(folder, root)
            below[:] = sorted(name for name in below if not name.startswith("_"))

    def repository(self, name: str) -> "StoredRepository":
        """One of them; it need not be there."""
        return StoredRepository(self.path, name)


class StoredRepository:
    """A repository in a storage folder, as a source."""

    def __init__(self, storage: Path, name: str) -> None:
        self.name = name
        self._blobs = storage / "blobs"
        self._folder = storage / "repositories" / name

    def __str__(self) -> str:
        return str(self._folder)

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        return (await self.manifest(name)).descriptor

    async def manifest(self, name: Tag | Digest) -> Manifest:
        return await asyncio.to_thread(self._manifest, name)

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
        for tag in await asyncio.to_thread(self._tags):
            yield tag

    async def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
        for digest in await self.revisions():
            manifest = await self.manifest(digest)
            if refers(manifest, subject, artifact_type):
                yield as_referrer(manifest)

    async def revisions(self) -> list[Digest]:
        """All manifests, tagged or not, in the order of their digests."""
        return await asyncio.to_thread(lambda: sorted(self._linked()))

    def _manifest(self, name: Tag | Digest) -> Manifest:
        digest = name if isinstance(name, Digest) else self._tagged(name)
        if not self._revision(digest).is_file():
            what = f"tag {name} points at manifest {digest}, which" if isinstance(name, Tag) else f"manifest {digest}"
            raise ManifestUnknown(f"{self}: {what} is not in the repository")
        path = self._data(digest)
        try:
            with open_regular(path) as file:
                content = file.read(_LARGEST_KEPT + 1)
        except FileNotFoundError:
            raise ManifestUnknown(f"{self}: the bytes of manifest {digest} are lost: there is no {path}") from None
        if len(content) > _LARGEST_KEPT:
            raise ManifestInvalid(f"{path}: larger than {_LARGEST_KEPT} bytes, so no manifest")
        if not digest.matches(content):
            raise DigestMismatch(f"{path}: has bytes of digest {Digest.of(content, digest.algorithm)}")
        media_type = sniff(content)
        if media_type is None:
            raise ManifestInvalid(f"{path}: is no manifest of a kind that is known")
        return Manifest(content, media_type, algorithm=digest.algorithm)

    def _tagged(self, tag: Tag) -> Digest:
        link = self._folder / "_manifests" / "tags" / tag / "current" / "link"
        try:
            with open_regular(link) as file:
                text = file.read(_LONGEST_LINK).decode(errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            if os.path.lexists(link.parent.parent):
                raise StoreError(f"{self}: tag {tag} has lost its link: there is no {link}") from None
            raise ManifestUnknown(f"{self}: no such tag: {tag}") from None
        try:
            return Digest.parse(text.strip())
        except InvalidDigest as error:
            raise StoreError(f"{link}: is damaged: {error}") from error

    def _tags(self) -> list[Tag]:
        if not self._folder.is_dir():
            raise NameUnknown(f"{self}: there is no such repository")
        return sorted(self._named_tags())

    def _named_tags(self) -> Iterator[Tag]:
        """All tags, whether their links are there or not: to delete one is to delete its folder."""
        for each in self._below("tags"):
            with suppress(InvalidTag):  # nobody could ask that registry for it either
                yield Tag(each.name)

    def _below(self, name: str) -> Iterator[Path]:
        """What is in a folder of `_manifests`, if that is there.

        Raises:
            StoreError: something else is in the place of one of the two.
        """
        for folder in (self._folder / "_manifests", self._folder / "_manifests" / name):
            if not os.path.lexists(folder):
                return iter(())
            if not folder.is_dir():
                raise StoreError(f"{folder}: is no folder")
        return folder.iterdir()

    def _linked(self) -> Iterator[Digest]:
        """The digests of all manifests that have a link, whatever it is."""
        for algorithm in self._below("revisions"):
            for each in algorithm.iterdir() if algorithm.name in ALGORITHMS else ():
                with suppress(InvalidDigest):
                    if os.path.lexists(each / "link"):
                        yield Digest(algorithm.name, each.name)

    def _has(self, content: Descriptor) -> bool:
        if not self._link(content).is_file():
            return False
        try:
            status = self._data(content.digest).stat()
        except FileNotFoundError:
            return False
        return S_ISREG(status.st_mode) and status.st_size == content.size

    def _read(self, blob: Descriptor, offset: int, check: Check | None) -> bytes:
        """One piece. The file is opened for each: an open one would be lost when the reader is cancelled meanwhile."""
        if not self._link(blob).is_file():
            raise BlobUnknown(f"{self}: the repository does not hold blob {blob.digest}")
        path = self._data(blob.digest)
        try:
            with open_regular(path) as file:
                file.seek(offset)
                piece = file.read(_PIECE)
        except FileNotFoundError:
            raise BlobUnknown(f"{self}: the bytes of blob {blob.digest} are lost: there is no {path}") from None
        if check:
            check.see(piece)
        return piece

    def _link(self, content: Descriptor) -> Path:
        if content.is_manifest:
            return self._revision(content.digest)
        return self._folder / "_layers" / content.digest.algorithm / content.digest.encoded / "link"

    def _revision(self, digest: Digest) -> Path:
        return self._folder / "_manifests" / "revisions" / digest.algorithm / digest.encoded / "link"

    def _data(self, digest: Digest) -> Path:
        return self._blobs / digest.algorithm / digest.encoded[:2] / digest.encoded / "data"


def _fail(error: OSError) -> None:
    """A folder that cannot be read is no folder with nothing in it."""
    raise error
