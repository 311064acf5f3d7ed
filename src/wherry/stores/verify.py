"""Content is verified while it streams: size at once, digest at the end."""

from collections.abc import AsyncGenerator, AsyncIterable

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import DigestMismatch, SizeMismatch
from wherry.oci.manifest import Manifest
from wherry.stores._beside import Beside

__all__ = ["Check", "verified", "verified_manifest"]

_LARGE = 4 * 1024 * 1024  # bytes of a blob from which on hashing has a thread of its own


class Check:
    """Looks at the bytes of one blob as they pass; fails as soon as they cannot be `blob` any more.

    `place` is for the message. Plain calls, so that a store may make them in the thread that reads or writes.
    """

    def __init__(self, blob: Descriptor, place: str) -> None:
        self._blob = blob
        self._place = place
        self.hasher = blob.digest.hasher()
        self._size = 0

    def see(self, piece: bytes | memoryview) -> None:
        """Look at the next bytes.

        Raises:
            SizeMismatch: that is too many.
        """
        self.count(piece)
        self.hasher.update(piece)

    def count(self, piece: bytes | memoryview) -> None:
        """Look at how many the next bytes are; somebody else feeds them to `hasher`.

        Raises:
            SizeMismatch: that is too many.
        """
        self._size += len(piece)
        if self._size > self._blob.size:
            raise SizeMismatch(
                f"{self._place}: blob {self._blob.digest} is longer than the {self._blob.size} bytes of its descriptor",
                hint="the content is not what its descriptor says where it was read: do not use it",
            )

    def finish(self) -> None:
        """Look at the whole.

        Raises:
            SizeMismatch: bytes are missing.
            DigestMismatch: the bytes are others.
        """
        digest, size = self._blob.digest, self._blob.size
        if self._size < size:
            raise SizeMismatch(f"{self._place}: blob {digest} ended after {self._size} of {size} bytes")
        found = self.hasher.hexdigest()
        if found != digest.encoded:
            raise DigestMismatch(
                f"{self._place}: blob {digest} has bytes of digest {digest.algorithm}:{found}",
                hint="the content is damaged where it was read: do not use it",
            )


async def verified(content: AsyncIterable[bytes], blob: Descriptor, place: str) -> AsyncGenerator[bytes, None]:
    """Hand on `content` piece by piece and fail as soon as it cannot be `blob` any more; `place` is for the message.

    Raises:
        SizeMismatch: too many bytes, or too few.
        DigestMismatch: the bytes are others.
    """
    check = Check(blob, place)
    if blob.size < _LARGE:
        async for piece in content:
            check.see(piece)
            yield piece
        check.finish()
        return
    beside = Beside(check.hasher)
    try:
        async for piece in content:
            check.count(piece)
            await beside.update(piece)
            yield piece
        await beside.finish()
        check.finish()
    finally:
        beside.end()


def verified_manifest(manifest: Manifest, expected: Descriptor, place: str) -> Manifest:
    """Return `manifest` if it is what `expected` says.

    Raises:
        ContentMismatch: it is not.
    """
    if manifest.digest != expected.digest and not expected.digest.matches(manifest.content):
        raise DigestMismatch(f"{place}: manifest {expected.digest} has bytes of digest {manifest.digest}")
    if len(manifest.content) != expected.size:
        raise SizeMismatch(
            f"{place}: manifest {expected.digest} has {len(manifest.content)} bytes, its descriptor says {expected.size}"
        )
    return manifest
