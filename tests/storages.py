"""Folders as other registries leave them, made by hand; what a test does to them afterwards is its own."""

import os
from pathlib import Path

from tests.content import Content
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.stores.distribution import StorageFolder, StoredRepository

__all__ = ["DistributionFolder", "snapshot"]


class DistributionFolder:
    """The storage of distribution, in `path`, written as that program writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = path / "docker" / "registry" / "v2"

    def put(self, content: Content, repository: str, *tags: str) -> None:
        """A push of everything, with these tags."""
        for blob in content.all_blobs().values():
            if blob.content is not None:
                self._write(blob.descriptor.digest, blob.content)
                _link(self.layer(repository, blob.descriptor).parent, blob.descriptor.digest)
        for manifest in content.all_manifests().values():
            self._write(manifest.digest, manifest.content)
            _link(self.revision(repository, manifest.digest).parent, manifest.digest)
        for tag in tags:
            folder = self.tag(repository, tag).parent.parent
            digest = content.digest
            _link(folder / "current", digest)
            _link(folder / "index" / digest.algorithm / digest.encoded, digest)

    def data(self, digest: Digest) -> Path:
        return self.root / "blobs" / digest.algorithm / digest.encoded[:2] / digest.encoded / "data"

    def layer(self, repository: str, blob: Descriptor) -> Path:
        return self._of(repository) / "_layers" / blob.digest.algorithm / blob.digest.encoded / "link"

    def revision(self, repository: str, digest: Digest) -> Path:
        return self._of(repository) / "_manifests" / "revisions" / digest.algorithm / digest.encoded / "link"

    def tag(self, repository: str, tag: str) -> Path:
        return self._of(repository) / "_manifests" / "tags" / tag / "current" / "link"

    def repository(self, name: str) -> StoredRepository:
        storage = StorageFolder.find(self.path)
        assert storage is not None
        return storage.repository(name)

    def _of(self, repository: str) -> Path:
        return self.root / "repositories" / repository

    def _write(self, digest: Digest, content: bytes) -> None:
        path = self.data(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything in a folder: each file and folder with its mode, the time of its last change, and its content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = os.lstat(path)
        found[str(path.relative_to(folder))] = (
            status.st_mode,
            status.st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
    return found


def _link(folder: Path, digest: Digest) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(str(digest))
