"""Drafts: lists of images that are being assembled on this machine, before they are pushed. Docker's own.

`docker manifest create` keeps a folder a list and in it a file an image, both named after their references. This reads
and writes the same files, so that both programs can work on one list. What docker does not do:

- a new list appears whole (a folder is filled aside, then renamed), and so does every file of a list that is there;
- who changes drafts holds a lock, so that two processes never lose each other's images. Docker itself takes none;
- several references can mean the same folder (`a/b:c` and `a_b:c`): which list a folder was made for is noted in a file
  of ours, because docker's do not say it. A folder that docker made has none until it is changed here, and is taken at
  its word;
- what an image came with, and from which index, is noted, too: docker's `annotate` drops it from the image's file.

Everything of ours is in a folder of its own beside docker's. Nothing here blocks for long: files of a few KB.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path

from msgspec import Struct

from wherry.oci.dockerdraft import DraftImage, file_name
from wherry.oci.errors import ManifestUnknown, StoreError, WherryError
from wherry.oci.reference import Reference
from wherry.stores._draft import Draft
from wherry.stores._draft_files import changed, images_in, read, remove, unusable
from wherry.stores._draft_lock import held, held_in_turn
from wherry.stores._draft_names import Names, certain_name, likely_name
from wherry.stores._draft_notes import restored, write_notes

__all__ = ["AmendRefused", "Draft", "DraftUnknown", "Drafts", "EmptyDraft", "Listed", "NoPlatform"]

_STAGED = ".wherry-"


class DraftUnknown(ManifestUnknown):
    """There is no such draft on this machine, or no such image in it: `name`."""

    def __init__(self, name: Reference | str, message: str | None = None) -> None:
        super().__init__(message or f"No such manifest: {name}")
        self.name = str(name)


class AmendRefused(WherryError):
    """The draft is there already, and is another one."""


class EmptyDraft(WherryError):
    """There is a draft of that name, with nothing in it."""


class NoPlatform(WherryError):
    """An image of a draft says neither in its config nor by annotation what it runs on."""


class Listed(Struct, frozen=True):
    """A draft that is there: `name` is None where docker made it and nothing tells; `changed` is seconds since 1970.

    `likely` is what it may be called then, if its images are of its repository.
    """

    folder: Path
    name: str | None
    changed: float
    likely: str | None = None

    def images(self) -> tuple[DraftImage, ...]:
        """Its images, in the order in which a push lists them; none if it is gone meanwhile.

        Raises:
            StoreError: it cannot be read, or is damaged; the message names the file.
        """
        with suppress(FileNotFoundError):
            return images_in(self.folder)
        return ()


class Drafts:
    """The drafts of one docker configuration folder. Neither it nor anything in it needs to exist.

    `waiting` is called when another process changes drafts for longer than a moment, and this one has to wait.
    """

    def __init__(self, configuration: Path, *, waiting: Callable[[], None] = lambda: None) -> None:
        self.folder = configuration / "manifests"
        self._ours = configuration / "wherry"
        self._names = Names(self._ours / "names")
        self._waiting = waiting

    def images(self, name: Reference) -> tuple[DraftImage, ...]:
        """The images of a list, in the order in which a push lists them.

        Raises:
            DraftUnknown: there is no such draft.
            StoreError: it cannot be read, or is damaged; the message names the file.
        """
        self._check_owner(name)
        try:
            found = images_in(self._place(name))
        except FileNotFoundError:
            raise DraftUnknown(name) from None
        images = self._restored(self._place(name), found)
        return tuple(sorted(images, key=lambda image: image.order))

    def image(self, name: Reference, image: Reference) -> DraftImage:
        """One image of a list.

        Raises:
            DraftUnknown: there is no such draft, or no such image in it.
            StoreError: it cannot be read, or is damaged.
        """
        self._check_owner(name)
        path = self._place(name) / file_name(image)
        try:
            found = read(path)
        except FileNotFoundError:
            raise DraftUnknown(image) from None
        if found.reference != str(image):
            raise DraftUnknown(image)
        [restored_one] = self._restored(path.parent, (found,))
        return restored_one

    def exists(self, name: Reference) -> bool:
        """Whether there is such a draft, even an empty or damaged one."""
        return self._place(name).is_dir() and self._names.owner(self._place(name)) in (None, str(name))

    @contextmanager
    def change(self, name: Reference) -> Iterator[Draft]:
        """Change a list, or make it; nobody else changes any meanwhile. If the block raises, nothing has changed.

        Raises:
            StoreError: it cannot be read or written, or is damaged.
        """
        with self._locked(), self._changing(name) as draft:
            yield draft

    @asynccontextmanager
    async def change_in_turn(self, name: Reference) -> AsyncIterator[Draft]:
        """As `change`; while it waits for others the event loop goes on, and whoever waits can be cancelled."""
        async with held_in_turn(self._lock(), self._waiting):
            self._clear_staged()
            with self._changing(name) as draft:
                yield draft

    @contextmanager
    def _changing(self, name: Reference) -> Iterator[Draft]:
        try:
            draft = Draft(self.images(name), exists=True)
        except DraftUnknown:
            draft = Draft((), exists=False)
        yield draft
        try:
            self._write(name, draft)
        except OSError as error:
            raise unusable(self._place(name), error) from error

    def remove(self, name: Reference) -> None:
        """Remove a list, whatever is in it.

        Raises:
            DraftUnknown: there is none.
            StoreError: it cannot be removed.
        """
        if not os.path.lexists(self._place(name)) or self._names.owner(self._place(name)) not in (None, str(name)):
            raise DraftUnknown(name)
        with self._locked():
            try:
                self._discard(self._place(name))
            except FileNotFoundError:
                raise DraftUnknown(name) from None

    def remove_unchanged(self, name: Reference, images: Sequence[DraftImage]) -> bool:
        """Remove a list if it is still these images, in their order; whether it is gone.

        Raises:
            StoreError: it cannot be read or removed, or is damaged.
        """
        with self._locked(), suppress(DraftUnknown, FileNotFoundError):
            if self.images(name) != tuple(images):
                return False
            self._discard(self._place(name))
        return True

    def listed(self) -> list[Listed]:
        """All drafts there are, in the byte order of their folders.

        Raises:
            StoreError: the folder of drafts cannot be read.
        """
        try:
            folders = sorted(each for each in self.folder.iterdir() if each.is_dir() and not each.name.startswith("."))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise unusable(self.folder, error) from error
        return [listed for each in folders if (listed := self._listed(each)) is not None]

    def remove_listed(self, listed: Listed) -> None:
        """Remove a draft that was listed; one that is gone meanwhile is no error.

        Raises:
            StoreError: it cannot be removed.
        """
        with self._locked(), suppress(FileNotFoundError):
            self._discard(listed.folder)

    def _listed(self, folder: Path) -> Listed | None:
        with suppress(FileNotFoundError):  # removed since the folders were listed
            time, owner = changed(folder), self._names.owner(folder)
            if owner is not None:
                return Listed(folder, owner, time)
            with suppress(StoreError):  # one that is damaged tells nothing; who reads its images is told
                images = images_in(folder)
                name = certain_name(folder, images)
                return Listed(folder, name, time, likely_name(folder, images) if name is None else None)
            return Listed(folder, None, time)
        return None

    def _discard(self, folder: Path) -> None:
        """Remove a draft in one step for whoever reads; if that fails, what is left of it is in its place again."""
        aside = self._stage("old")
        try:
            folder.rename(aside)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unusable(folder, error) from error
        try:
            remove(aside)
        except OSError as error:
            with suppress(OSError):  # docker has made one there meanwhile: the next change clears what is left of ours
                aside.rename(folder)
            raise _stays(folder, aside, error) from error
        self._forget(folder)

    def _place(self, name: Reference) -> Path:
        return self.folder / file_name(name)

    def _write(self, name: Reference, draft: Draft) -> None:
        """Everything that can find no room comes first, and beside the draft; then it is moved into its place."""
        if draft.exists and not draft.put_names and not draft.dropped_names:
            return
        folder, aside = self._place(name), self._stage("new")
        aside.mkdir()
        target = folder if draft.exists else aside
        try:
            for file in sorted(draft.put_names):
                (aside / file).write_bytes(draft.content(file))
            self._names.write(name, target)
            write_notes(self._image_notes(folder), draft.images)
            if draft.exists:
                self._move(draft, aside, folder)
            else:
                aside.rename(folder)
        except OSError:
            with suppress(OSError):  # what is told is why it could not be written
                remove(aside)
                if not draft.exists:
                    self._forget(folder)
            raise

    def _move(self, draft: Draft, aside: Path, folder: Path) -> None:
        for file in sorted(draft.put_names):
            (aside / file).rename(folder / file)
        for file in draft.dropped_names:
            (folder / file).unlink(missing_ok=True)
        aside.rmdir()
        self._names.confirm(folder)

    def _stage(self, purpose: str) -> Path:
        """A place that nothing has: on the same file system, so that a rename is enough."""
        places = (self.folder / f"{_STAGED}{purpose}{number or ''}" for number in count())
        return next(each for each in places if not os.path.lexists(each))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock; what a process that died in it has left behind is cleared away."""
        with held(self._lock(), self._waiting):
            self._clear_staged()
            yield

    def _lock(self) -> Path:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._ours.mkdir(exist_ok=True)
        except OSError as error:
            raise unusable(self.folder, error) from error
        return self._ours / "drafts.lock"

    def _clear_staged(self) -> None:
        for left in self.folder.glob(f"{_STAGED}*"):
            with suppress(OSError):  # what cannot be removed is in nobody's way: `_stage` finds another place
                remove(left)

    def _forget(self, folder: Path) -> None:
        self._names.forget(folder)
        self._image_notes(folder).unlink(missing_ok=True)

    def _restored(self, folder: Path, images: tuple[DraftImage, ...]) -> tuple[DraftImage, ...]:
        return images if self._names.owner(folder) is None else restored(self._image_notes(folder), images)

    def _image_notes(self, folder: Path) -> Path:
        return self._ours / "images" / folder.name

    def _check_owner(self, name: Reference) -> None:
        owner = self._names.owner(self._place(name))
        if owner not in (None, str(name)):
            raise StoreError(
                f"the draft of {owner} stands where that of {name} would: docker names the folders of both"
                f" {file_name(name)}",
                hint=f"wherry manifest push --purge {owner}, or wherry manifest rm {owner}, first",
            )


def _stays(folder: Path, aside: Path, error: OSError) -> StoreError:
    inside = str(error.filename or folder).replace(str(aside), str(folder))
    return StoreError(
        f"draft {folder} cannot be removed: {inside}: {error.strerror or error}",
        hint="what is in it belongs to somebody else, or may not be written: remove it by hand",
    )
