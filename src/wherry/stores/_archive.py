"""An archive as plain calls that may block: an OCI layout in a tar, read where it lies, replaced as a whole.

What is to be new is collected in another file beside it (`_staged`), behind which everything that the archive has is put in
the end; then the one takes the other's place. If somebody else has replaced it meanwhile, that last step is done again
with what they have made of it: edits are kept as functions of the list of names, and nobody's tags are lost.
"""

import os
import stat
import threading
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUnknown, ManifestInvalid, NameUnknown, StoreError
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference, Tag
from wherry.stores._archive_form import Contents, Form
from wherry.stores._archive_whole import begun, check_needs, complete, take_over
from wherry.stores._listed import (
    LARGEST_KEPT,
    by_subject,
    check_whole,
    digest_of,
    find,
    has_bytes,
    only,
    referrers,
    tags,
)
from wherry.stores._names import Names
from wherry.stores._staged import Slot, Staged, blob_name
from wherry.stores._tar import Extent, Identity, Tar, identity_of
from wherry.stores.verify import Check

__all__ = ["PIECE", "ArchiveFile"]

PIECE = 1024 * 1024
"""Bytes that are read, hashed and written in one go."""

Result = TypeVar("Result")
Edit = Callable[[Names], Names | None]
"""What is to become of the list; None: the list that is there does not allow it."""


class _Known(Struct, frozen=True):
    """`Held` in the file as it was when somebody looked last."""

    content: Callable[[Digest], bytes | None]
    has: Callable[[Descriptor], bool]


class ArchiveFile:
    """The archive at `path`, which need not exist yet; `written` is how a user writes it."""

    def __init__(self, path: Path, form: Form, written: str) -> None:
        self.path = path
        self._form = form
        self._written = written
        self._lock = threading.RLock()
        self._tar: Tar | None = None
        self._contents = Contents(Names.empty(), {}, {})
        self._staged: Staged | None = None
        self._out: Staged | None = None  # what is about to take the file's place
        self._edits: list[Edit] = []
        self._view = Names.empty()  # what they make of the list
        self._pushed: list[Manifest] = []
        self._removed: set[Digest] = set()
        self._damaged: set[Digest] = set()  # in the file as it is
        self._subjects: dict[Digest, list[Manifest]] = {}
        self._subjects_of: Names | None = None  # the list that this is about
        self._batches = 0
        self._era = 0

    def __str__(self) -> str:
        return self._written

    @property
    def absent(self) -> str:
        return "the file is empty" if self.path.exists() else "there is no such file"

    # Reading

    def manifest(self, name: Tag | Digest) -> Manifest:
        with self._lock:
            if isinstance(name, Tag):
                self.name_of(name)  # also where there is no file yet: what can have no name is to be told so at once
            return find(self, name)

    def listed(self, name: Tag | Digest) -> Digest:
        with self._lock:
            return digest_of(self, name)

    def only(self) -> Tag | Digest:
        with self._lock:
            names = self.names()
            if names is None:
                return only(self)
            self._form.check(self._written, names)
            return only(self, self._form.concerned(self._written, names))

    def tags(self) -> list[Tag]:
        with self._lock:
            names = self.names()
            if names is None:
                raise NameUnknown(f"{self}: {self.absent}")
            self._form.check(self._written, names)
            found = tags(self, names)
            if not found:
                self._form.missing(self._written, names)
            return found

    def referrers(self, subject: Digest, artifact_type: str | None) -> list[Descriptor]:
        with self._lock:
            names = self.names()
            if names is None or names is not self._subjects_of:
                self._subjects, self._subjects_of = by_subject(self), names
            return referrers(self._subjects.get(subject, ()), subject, artifact_type)

    def names(self) -> Names | None:
        """The list as it will be; None if there is no file, and nothing to put into it."""
        self._look()
        if self._tar is None and not self._edits and not (self._staged and self._staged.blobs):
            return None
        return self._view

    def name_of(self, tag: Tag) -> str:
        return self._form.name_of(self._written, tag, self.names() or Names.empty())

    def tags_in(self, names: Names) -> Iterable[Tag]:
        return self._form.tags_in(names)

    def own_name(self) -> Reference | None:
        with self._lock:
            return self._form.own_name(self.names() or Names.empty())

    def written(self, tag: Tag) -> str:
        return self._form.written(self._written, tag, self.names() or Names.empty())

    def has(self, content: Descriptor) -> bool:
        with self._lock:
            self._look()
            return self._has(content)

    def distrust(self, digest: Digest) -> None:
        """Say that the bytes of something in the file are wrong: as long as that is the same file, it is not there."""
        with self._lock:
            self._damaged.add(digest)

    def size(self, blob: Digest) -> int:
        with self._lock:
            self._look()
            found = self._find(blob)
        if found is None:
            raise BlobUnknown(f"{self}: no blob {blob}")
        return _size(found)

    def content(self, digest: Digest) -> bytes | None:
        found = self._find(digest)
        if found is None:
            return None
        if _size(found) > LARGEST_KEPT:
            raise ManifestInvalid(f"{self.where(digest)}: larger than {LARGEST_KEPT} bytes, so no manifest")
        return self._bytes(digest, found, 0, LARGEST_KEPT)

    def read(self, blob: Descriptor, offset: int, check: Check | None) -> bytes:
        """One piece of a blob."""
        with self._lock:
            self._look()
            found = self._find(blob.digest)
            tar = self._tar
            if found is None:
                raise BlobUnknown(f"{self}: no blob {blob.digest}")
            is_new = tar is None or isinstance(found, bytes) or self._is_staged(blob.digest, found)
            piece = self._bytes(blob.digest, found, offset, PIECE) if is_new else b""
        if tar and not is_new and isinstance(found, Extent):
            piece = tar.read(found, offset, PIECE)  # not one after the other: an open tar stays as it is
        if check:
            check.see(piece)
        return piece

    def where(self, digest: Digest) -> str:
        return f"{self.path}: {blob_name(digest)}"

    # Writing

    @property
    def era(self) -> int:
        """How often what was not shown yet has been forgotten."""
        return self._era

    def change(self, era: int, work: Callable[..., Result], *arguments: Any) -> Result:
        """Do some writing, if nothing has been forgotten since `era`.

        A thread cannot be cancelled: whoever asked for this may have given up, and nobody would clean up after it.
        """
        with self._lock:
            if era != self._era:
                raise StoreError(f"{self}: what was to be written together with other things was given up with them")
            return work(*arguments)

    def begin(self, blob: Descriptor) -> Slot:
        """A place for a blob that is coming."""
        with self._lock:
            return self._stage().begin(blob)

    def push_manifest(
        self, manifest: Manifest, tags: tuple[Tag, ...], before: Callable[[Names], bool] | None = None
    ) -> bool:
        """Write a manifest and list it under its tags; False if `before` then says no to the list that is there."""
        with self._lock:
            check_whole(self, manifest)
            named = [self.name_of(tag) for tag in tags]
            self._write(manifest)
            children = {child.digest for child in manifest.view.manifests}

            def edit(names: Names) -> Names | None:
                if before and not before(names):
                    return None
                names = names.without_children(children) if children else names
                for name in named:
                    names = names.tagged(manifest.descriptor, name)
                return names if named else names.listed(manifest.descriptor)

            self._pushed.append(manifest)
            return self._edit(edit)

    def swap(self, manifest: Manifest, tag: Tag, before: Digest | None) -> bool:
        with self._lock:
            name = self.name_of(tag)

            def is_still(names: Names) -> bool:
                there = names.find(name)
                return (None if there is None else there.digest) == before

            return self.push_manifest(manifest, (tag,), is_still)

    def tag(self, manifest: Descriptor, tag: Tag) -> None:
        with self._lock:
            found = find(self, manifest.digest).descriptor
            name = self.name_of(tag)
            self._edit(lambda names: names.tagged(found, name))

    def delete(self, name: Tag | Digest) -> None:
        with self._lock:
            digest = digest_of(self, name)
            written = name if isinstance(name, Digest) else self.name_of(name)
            if isinstance(name, Digest):
                self._removed.add(digest)
            self._edit(lambda names: names.without(written))

    def open_batch(self) -> None:
        with self._lock:
            self._batches += 1

    def close_batch(self, *, failed: bool) -> None:
        """What was changed since the first of the open ones is shown with the last, or dropped if that failed."""
        with self._lock:
            self._batches -= 1
            if self._batches:
                return
            mended = self._tar is not None and self._staged is not None and bool(self._staged.blobs)
            if not failed and (self._edits or mended):
                self._commit()
            else:
                self.discard()

    def give_up(self) -> None:
        """End what is being put together, as soon as that can be: nobody waits for it any more. Never waits itself."""
        for staged in (self._staged, self._out):
            if staged:
                staged.file.abandon()

    def discard(self) -> None:
        """Forget what was not shown yet."""
        with self._lock:
            if self._staged:
                self._staged.file.abandon()
            self._staged, self._edits, self._pushed, self._removed = None, [], [], set()
            self._era += 1
            self._view = self._contents.names

    # Inside

    def _look(self) -> None:
        """See whether the file is still the one that we know."""
        identity = self._identity()
        if identity == (self._tar.identity if self._tar else None):
            return
        self._tar, self._contents = None, Contents(Names.empty(), {}, {})
        self._damaged = set()
        if identity is not None:
            tar = Tar(self.path)
            self._contents = self._form.read(tar)
            self._tar = tar
        self._view = self._contents.names
        for edit in self._edits:
            self._view = edit(self._view) or self._view

    def _identity(self) -> Identity | None:
        """What the file is now; None if it is yet to be written: `mktemp` makes an empty one."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return identity_of(found) if found.st_size or not stat.S_ISREG(found.st_mode) else None

    def _has(self, content: Descriptor) -> bool:
        found = self._find(content.digest)
        return found is not None and _size(found) == content.size

    def _find(self, digest: Digest) -> Extent | bytes | None:
        if digest in self._removed:
            return None
        staged = self._staged.blobs.get(digest) if self._staged else None
        return staged or (None if digest in self._damaged else self._contents.blobs.get(digest))

    def _bytes(self, digest: Digest, found: Extent | bytes, offset: int, most: int) -> bytes:
        if isinstance(found, bytes):
            return found[offset : offset + most]
        if self._staged and self._is_staged(digest, found):
            return self._staged.file.read_at(found.offset + offset, max(0, min(most, found.size - offset)))
        assert self._tar is not None  # noqa: S101  # it has the extent
        return self._tar.read(found, offset, most)

    def _is_staged(self, digest: Digest, found: Extent) -> bool:
        return self._staged is not None and self._staged.blobs.get(digest) is found

    def _stage(self) -> Staged:
        if self._staged is None:
            self._look()
            if self._tar and self._tar.is_compressed:
                raise StoreError(
                    f"{self.path}: is compressed, and only a plain tar can be added to",
                    hint=f"decompress it first: gunzip {self.path}",
                )
            self._staged = self._new_staged()
        return self._staged

    def _new_staged(self) -> Staged:
        staged = begun(self.path)
        weakref.finalize(self, staged.file.abandon)
        return staged

    def _write(self, manifest: Manifest) -> None:
        if not has_bytes(self, manifest):
            slot = self._stage().begin(manifest.descriptor)
            slot.write(manifest.content)
            slot.finish()
        self._removed.discard(manifest.digest)

    def _edit(self, edit: Edit) -> bool:
        """Note a change of the list; show it at once, unless it is one of many."""
        before = self.names() or Names.empty()
        after = edit(before)
        if after is None:
            return False
        is_known = after == before and not self._removed and not (self._staged and self._staged.blobs)
        if is_known and self._tar is not None:
            return True
        self._edits.append(edit)
        self._view = after
        return True if self._batches else self._commit()

    def _commit(self) -> bool:
        try:
            while (done := self._attempt()) is None:
                self._look()
        except BaseException:
            self.discard()
            raise
        return done

    def _attempt(self) -> bool | None:
        """Put everything together and into place. False: the list does not allow it; None: somebody was quicker.

        All of it is made of the one file that is known: nobody looks whether it is still there before `commit` does.
        """
        staged = self._stage()
        identity = self._tar.identity if self._tar else None
        names = self._contents.names
        for edit in self._edits:
            edited = edit(names)
            if edited is None:
                self.discard()
                return False
            names = edited
        target = Path(os.path.realpath(self.path))
        gone = staged.blobs.keys() & self._removed
        out = staged if staged.is_whole and not gone else self._new_staged()
        self._out = out
        try:
            if out is not staged:
                take_over(out, staged, self._removed)
            end = out.end
            check_needs(out, self._contents, self._pushed, self._removed, self.path)
            lists = self._form.lists(names, _Known(self.content, self._has))
            complete(out, self._contents, self._tar, lists, self._removed)
            mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
            done = out.file.commit(target, still=lambda: self._identity() == identity, mode=mode)
        finally:
            self._out = None
            if out is not staged:
                out.file.abandon()
        if not done:
            staged.rewind(end) if out is staged else None
            return None
        self._edits, self._pushed, self._removed = [], [], set()
        if out is staged:
            self._staged = None
        elif not staged.is_busy:
            staged.file.abandon()
            self._staged = None
        return True


def _size(found: Extent | bytes) -> int:
    return len(found) if isinstance(found, bytes) else found.size
