"""An OCI layout's folder as plain calls that may block: what `Layout` runs in threads.

Several may work on one folder, in several processes. Readers take no lock: every file is replaced as a whole.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUnknown, ManifestInvalid, NameUnknown, StoreError
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Tag
from wherry.stores._durable import locked, replace, sweep
from wherry.stores._listed import (
    LARGEST_KEPT,
    by_subject,
    check_version,
    check_whole,
    digest_of,
    find,
    has_bytes,
    only,
    referrers,
    tags,
)
from wherry.stores._names import Names
from wherry.stores._wishes import Wish, Wishes
from wherry.stores.regular import open_regular
from wherry.stores.verify import Check

__all__ = ["PIECE", "Folder"]

PIECE = 1024 * 1024
"""Bytes that are read, hashed and written in one go."""


class Folder:
    """The folder at `path`, which need not exist yet."""

    absent = "there is no such folder"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._swept = False
        self._wishes = Wishes(self._carry_out)
        self._read_last: tuple[bytes | None, Names] = (None, Names.empty())
        self._damaged: set[Digest] = set()
        self._reading = threading.Lock()
        self._subjects: dict[Digest, list[Manifest]] = {}
        self._subjects_at: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        return f"oci:{self.path}"

    def manifest(self, name: Tag | Digest) -> Manifest:
        return find(self, name)

    def listed(self, name: Tag | Digest) -> Digest:
        return digest_of(self, name)

    def only(self) -> Tag | Digest:
        return only(self)

    def tags(self) -> list[Tag]:
        names = self.names()
        if names is None:
            raise NameUnknown(f"{self}: {self.absent}")
        return tags(self, names)

    def name_of(self, tag: Tag) -> str:
        return str(tag)

    def tags_in(self, names: Names) -> Iterable[Tag]:
        return names.tags()

    def written(self, tag: Tag) -> str:
        return f"{self}:{tag}"

    def names(self) -> Names | None:
        """The list; None if there is no folder, an empty list if it has just been made."""
        if not self._is_layout():
            return None if not self.path.exists() else Names.empty()
        path = self.path / "index.json"
        try:
            content = _read(path)
        except FileNotFoundError:
            return Names.empty()
        known, names = self._read_last
        if content != known:  # of thousands of entries, comparing takes a hundredth of the time of parsing
            names = Names.parse(content, str(path))
            self._read_last = (content, names)
        return names

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
            marker = self.path / "oci-layout"
            check_version(_read(marker), str(marker))
        elif names and "index.json" not in names:
            raise StoreError(
                f"{self.path}: is no OCI layout: it has other files, and neither oci-layout nor index.json",
                hint="name a folder that is empty or does not exist yet",
            )
        return bool(names)

    def create(self, algorithm: str) -> None:
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

    def has(self, content: Descriptor) -> bool:
        """Size is looked at too: other tools may have been killed while they wrote under the final name."""
        if content.digest in self._damaged:
            return False
        try:
            return self.path_of(content.digest).stat().st_size == content.size
        except (FileNotFoundError, NotADirectoryError):
            return False

    def distrust(self, digest: Digest) -> None:
        """Say that the bytes of something are wrong: from now on it is not there."""
        self._damaged.add(digest)

    def trust(self, digest: Digest) -> None:
        """Say that something has been written anew."""
        self._damaged.discard(digest)

    def size(self, blob: Digest) -> int:
        try:
            return self.path_of(blob).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            raise BlobUnknown(f"{self}: no blob {blob}") from None

    def read(self, blob: Descriptor, offset: int, check: Check | None) -> bytes:
        """One piece. The file is opened for each: an open one would be lost when the reader is cancelled meanwhile."""
        try:
            with open_regular(self.path_of(blob.digest)) as file:
                file.seek(offset)
                piece = file.read(PIECE)
        except (FileNotFoundError, NotADirectoryError):
            raise BlobUnknown(f"{self}: no blob {blob.digest}") from None
        if check:
            check.see(piece)
        return piece

    def content(self, digest: Digest) -> bytes | None:
        path = self.path_of(digest)
        try:
            with open_regular(path) as file:
                content = file.read(LARGEST_KEPT + 1)
        except FileNotFoundError:
            return None
        if len(content) > LARGEST_KEPT:
            raise ManifestInvalid(f"{path}: larger than {LARGEST_KEPT} bytes, so no manifest")
        return content

    def push_manifest(
        self, manifest: Manifest, tags: tuple[Tag, ...], allowed: Callable[[Names], bool] = lambda _: True
    ) -> bool:
        """Write a manifest and list it under its tags; False if `allowed` then says no to the list that is there."""
        check_whole(self, manifest)
        if not has_bytes(self, manifest):
            self.create(manifest.digest.algorithm)
            replace(self.path_of(manifest.digest), manifest.content, self.path)
            self.trust(manifest.digest)
        children = {child.digest for child in manifest.view.manifests}

        def edit(names: Names) -> Names:
            names = names.without_children(children) if children else names
            for tag in tags:
                names = names.tagged(manifest.descriptor, tag)
            return names if tags else names.listed(manifest.descriptor)

        return self._edit(edit, allowed)

    def swap(self, manifest: Manifest, tag: Tag, before: Digest | None) -> bool:
        def is_still(names: Names) -> bool:
            there = names.find(tag)
            return (None if there is None else there.digest) == before

        return self.push_manifest(manifest, (tag,), is_still)

    def tag(self, manifest: Descriptor, tag: Tag) -> None:
        found = self.manifest(manifest.digest).descriptor
        self._edit(lambda names: names.tagged(found, tag))

    def delete(self, name: Tag | Digest) -> None:
        digest = digest_of(self, name)
        self._edit(lambda names: names.without(name))
        if isinstance(name, Digest):
            self.path_of(digest).unlink(missing_ok=True)

    def _edit(self, edit: Callable[[Names], Names], allowed: Callable[[Names], bool] = lambda _: True) -> bool:
        """Replace the list by what `edit` makes of it, with no other writer between reading and writing."""
        return self._wishes.fulfil(lambda names: edit(names) if allowed(names) else None)

    def _carry_out(self, wishes: Sequence[Wish]) -> None:
        """Make several changes of the list, and write it once."""
        blobs = self.path / "blobs"
        blobs.mkdir(exist_ok=True)  # who has lost all blobs may still put the list in order
        with locked(blobs):
            names = before = self.names() or Names.empty()
            for wish in wishes:
                changed = wish.change(names)
                wish.granted = changed is not None
                names = names if changed is None else changed
            if any(wish.granted for wish in wishes) and (names != before or not before.entries):
                content = names.encode()
                replace(self.path / "index.json", content, self.path)
                self._read_last = (content, names)

    def referrers(self, subject: Digest, artifact_type: str | None) -> list[Descriptor]:
        """All manifests are read for the first one who asks, and again when the list is another."""
        with self._reading:
            state = self._state()
            if state is None or state != self._subjects_at:
                self._subjects, self._subjects_at = by_subject(self), state
            return referrers(self._subjects.get(subject, ()), subject, artifact_type)

    def _state(self) -> tuple[int, int, int] | None:
        """What changes when the list does; None if there is none."""
        try:
            found = (self.path / "index.json").stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def where(self, digest: Digest) -> str:
        return str(self.path_of(digest))

    def path_of(self, digest: Digest) -> Path:
        return self.path / "blobs" / digest.algorithm / digest.encoded


def _read(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read()
