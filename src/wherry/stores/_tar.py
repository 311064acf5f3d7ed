"""A tar that is read without unpacking it: what is in it is looked up once, and its bytes are read from where they are.

Nothing of it is ever written to a disk, so a member's path can do no harm; links are followed inside of the tar only. What
two readers could take for different things is refused: a name that is there twice, a sparse file.

Written by whoever wants to, so nothing in it is believed: headers are bounded, and what they promise must be there.
"""

import gzip
import io
import os
import posixpath
import stat
import tarfile
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from msgspec import Struct

from wherry.oci.errors import StoreError

__all__ = ["BLOCK", "END", "Extent", "Identity", "Tar", "header", "identity_of", "padding"]

BLOCK = 512
END = bytes(2 * BLOCK)
"""What a tar ends with."""
_PIECE = 1024 * 1024
_LONGEST_HEADER = 1024 * 1024
"""Bytes of a header that says what does not fit into a block: a long path, say."""
_MOST_MEMBERS = 1_000_000
_MOST_LINKS = 8
_GZIP = b"\x1f\x8b"
_COMPRESSED = {b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2"}
_MALFORMED = (tarfile.TarError, ValueError, ArithmeticError, LookupError, RecursionError, EOFError)
"""What `tarfile` raises when it meets what no tar has."""


class Extent(Struct, frozen=True):
    """Where a file's bytes are in a tar."""

    offset: int
    size: int


class Identity(Struct, frozen=True):
    """What changes when a file is replaced, or written to."""

    device: int
    inode: int
    size: int
    modified: int


class Tar:
    """The tar at `path`, as it is now: it stays readable when another file takes its place.

    A gzipped one is decompressed once, into a file without a name: what is inside is wanted at random.

    Raises:
        FileNotFoundError: there is none.
        StoreError: it is none, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = _opened(path)
        self.identity = identity_of(os.fstat(descriptor))
        start = os.pread(descriptor, 6, 0)
        self.is_compressed = start.startswith(_GZIP)
        if self.is_compressed:
            descriptor = _decompressed(descriptor, path)
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        _refuse_other(start, path)
        self._size = os.fstat(descriptor).st_size
        self._files: dict[str, Extent] = {}
        self._links: dict[str, str] = {}
        self._repeated: set[str] = set()
        self._look()

    def __str__(self) -> str:
        return str(self.path)

    def names(self) -> Iterator[str]:
        """The names of all files and links."""
        yield from self._files
        yield from self._links

    def find(self, name: str) -> Extent | None:
        """Where a file is, by way of links if need be; None if there is none.

        Raises:
            StoreError: it is there more than once, or a link leads out of the tar or in circles.
        """
        for _ in range(_MOST_LINKS):
            if name in self._repeated:
                raise StoreError(f"{self}: has {name!r} more than once")
            if name not in self._links:
                return self._files.get(name)
            target = _normal(self._links[name])
            if target is None:
                raise StoreError(f"{self}: {name!r} is a link that leads out of the archive, to {self._links[name]!r}")
            name = target
        raise StoreError(f"{self}: {name!r} is a link to a link, and so on: more than {_MOST_LINKS}")

    def read(self, extent: Extent, offset: int = 0, most: int = _PIECE) -> bytes:
        """The bytes of a file from `offset` on, `most` of them."""
        return os.pread(self.descriptor, max(0, min(most, extent.size - offset)), extent.offset + offset)

    def content(self, name: str, *, most: int) -> bytes | None:
        """A small file, whole; None if there is none.

        Raises:
            StoreError: it is larger than `most` bytes.
        """
        extent = self.find(name)
        if extent is None:
            return None
        if extent.size > most:
            raise StoreError(f"{self}: {name!r} has {extent.size} bytes, and more than {most} are not read")
        return self.read(extent, most=most)

    def _look(self) -> None:
        try:
            with tarfile.open(fileobj=_Bounded(self.descriptor), mode="r:") as archive:
                end = self._members(archive)
        except _MALFORMED as error:
            raise StoreError(f"{self}: is not a tar, or a damaged one: {error}") from None
        if os.pread(self.descriptor, BLOCK, end) != bytes(BLOCK):
            raise StoreError(f"{self}: is a tar that was cut short, or is damaged: it does not end after {end} bytes")

    def _members(self, archive: tarfile.TarFile) -> int:
        """Note every member; where they end."""
        seen, before = 0, -1
        while (member := archive.next()) is not None:
            # or they would be kept, which takes a kilobyte for each
            archive.members.clear()  # type: ignore[attr-defined]  # documented, in spite of typeshed
            seen += 1
            if seen > _MOST_MEMBERS:
                raise StoreError(f"{self}: has more than {_MOST_MEMBERS} files, so it is no image's")
            if member.offset_data <= before:
                raise StoreError(f"{self}: is a damaged tar: it leads back to byte {member.offset_data}")
            before = member.offset_data
            self._note(member)
        return archive.offset

    def _note(self, member: tarfile.TarInfo) -> None:
        name = _normal(member.name)
        if name is None:
            return  # nothing asks for it: paths that leave the tar cannot be named
        if name in self._files or name in self._links:
            self._repeated.add(name)
        if member.issym():
            self._links[name] = posixpath.join(posixpath.dirname(name), member.linkname)
        elif member.islnk():
            self._links[name] = member.linkname
        elif member.isreg() and not member.issparse():
            if member.size < 0 or member.offset_data + member.size > self._size:
                raise StoreError(f"{self}: is a tar that was cut short: {name!r} is not all there")
            self._files[name] = Extent(member.offset_data, member.size)


class _Bounded(io.RawIOBase):
    """A file as `tarfile` reads it: by headers, which have bounds."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        piece = os.pread(self._descriptor, size, self._position)
        self._position += len(piece)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or offset < 0:
            raise tarfile.ReadError("it leads to before its beginning")
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position


def header(name: str, size: int) -> bytes:
    """The header of a file: the same for the same name and size, whoever writes it, and when."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    """What stands behind so many bytes, so that the next header is where a block begins."""
    return bytes(-size % BLOCK)


def identity_of(found: os.stat_result) -> Identity:
    """The identity of a file, by what `stat` says."""
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _opened(path: Path) -> int:
    """Open a file; a pipe that nobody writes to would never open, and nothing can be looked up in it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise StoreError(f"{path}: is a folder, and an archive is a file", hint=f"for an OCI layout: oci:{path}")
    raise StoreError(
        f"{path}: is no regular file",
        hint="an archive is read and written here and there, not from one end to the other: use a file on a disk",
    )


def _refuse_other(start: bytes, path: Path) -> None:
    for magic, program in _COMPRESSED.items():
        if start.startswith(magic):
            raise StoreError(
                f"{path}: is compressed with {program}, and only tar and gzipped tar are read",
                hint=f"decompress it first: {program} -dk {path}",
            )


def _decompressed(descriptor: int, path: Path) -> int:
    """A file without a name, beside the archive (where there is room for such files) or else where temporary files go."""
    with os.fdopen(descriptor, "rb") as compressed, _nameless(Path(os.path.realpath(path)).parent) as plain:
        try:
            with gzip.GzipFile(fileobj=compressed) as source:
                while piece := source.read(_PIECE):
                    plain.write(piece)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise StoreError(f"{path}: is gzipped, and damaged: {error}") from None
        plain.flush()
        return os.dup(plain.fileno())


def _nameless(folder: Path) -> IO[bytes]:
    try:
        return tempfile.TemporaryFile(dir=folder)
    except OSError:  # the folder may be only read
        return tempfile.TemporaryFile()


def _normal(name: str) -> str | None:
    """A path as others would write it; None if it leads out of the archive."""
    path = posixpath.normpath(name)
    return None if path.startswith(("/", "../")) or path == ".." else path
