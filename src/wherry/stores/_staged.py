"""A tar that grows, and that takes the place of another when it is whole.

The size of a blob is known before its bytes are. So each gets its place at once, and several may come at the same time. A
blob that does not come to its end leaves a gap; a tar with gaps is not shown to anybody, but copied without them.
"""

import threading
from pathlib import Path

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.stores._durable import DurableFile
from wherry.stores._tar import END, Extent, header, padding

__all__ = ["Slot", "Staged", "blob_name"]


class Staged:
    """The tar, under another name in the folder where it is to be; nobody else sees it before `commit`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = DurableFile(folder)
        self.end = 0
        self.blobs: dict[Digest, Extent] = {}
        self._coming = 0
        self._gaps = 0
        self._lock = threading.Lock()

    @property
    def is_whole(self) -> bool:
        """Whether everything that was begun has come to its end."""
        return self._coming == 0 and self._gaps == 0

    @property
    def is_busy(self) -> bool:
        """Whether something is still coming."""
        return self._coming > 0

    def begin(self, blob: Descriptor) -> "Slot":
        """A place for a blob."""
        with self._lock:
            self._coming += 1
            return Slot(self, blob.digest, self._place(blob_name(blob.digest), blob.size))

    def ended(self, digest: Digest, extent: Extent, *, is_whole: bool) -> None:
        """A blob has come to its end, or has been given up."""
        with self._lock:
            self._coming -= 1
            if is_whole:
                self.blobs[digest] = extent
            else:
                self._gaps += 1

    def add(self, name: str, content: bytes) -> None:
        """A small file."""
        with self._lock:
            self.file.write_at(self._place(name, len(content)).offset, content)

    def add_from(self, name: str, origin: int, extent: Extent) -> None:
        """A file out of another tar, which `origin` is open on."""
        with self._lock:
            place = self._place(name, extent.size)
            self.file.copy_from(origin, extent.offset, extent.size, place.offset)

    def close(self) -> None:
        """Write what a tar ends with."""
        self.file.write_at(self.end, END)

    def rewind(self, end: int) -> None:
        """Drop what was added behind this byte."""
        self.file.truncate(end)
        self.end = end

    def _place(self, name: str, size: int) -> Extent:
        head = header(name, size)
        self.file.write_at(self.end, head)
        place = Extent(self.end + len(head), size)
        self.end = place.offset + size + len(padding(size))
        return place


class Slot:
    """The place of a blob that comes piece by piece."""

    def __init__(self, staged: Staged, digest: Digest, extent: Extent) -> None:
        self._staged = staged
        self._digest = digest
        self._extent = extent
        self._written = 0
        self._has_ended = False

    def write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._staged.file.write_at(self._extent.offset + self._written, piece)
            self._written += len(piece)

    def finish(self) -> None:
        """All of it is there, and is what it should be."""
        self._end(is_whole=True)

    def give_up(self) -> None:
        """No more will come. Does nothing after `finish`."""
        self._end(is_whole=False)

    def _end(self, *, is_whole: bool) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._staged.ended(self._digest, self._extent, is_whole=is_whole)


def blob_name(digest: Digest) -> str:
    """The path of a blob (image-spec 1.1, image-layout.md)."""
    return f"blobs/{digest.algorithm}/{digest.encoded}"
