"""Content is verified while it streams: size at once, digest at the end."""

from collections.abc import AsyncIterable, AsyncIterator

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import DigestMismatch, SizeMismatch
from wherry.oci.manifest import Manifest

__all__ = ["verified", "verified_manifest"]


async def verified(content: AsyncIterable[bytes], blob: Descriptor, place: str) -> AsyncIterator[bytes]:
    """Hand on `content` piece by piece and fail as soon as it cannot be `blob` any more; `place` is for the message.

    Raises:
        SizeMismatch: too many bytes, or too few.
        DigestMismatch: the bytes are others.
    """
    hasher = blob.digest.hasher()
    size = 0
    async for piece in content:
        size += len(piece)
        if size > blob.size:
            raise SizeMismatch(f"{place}: blob {blob.digest} is longer than the {blob.size} bytes of its descriptor")
        hasher.update(piece)
        yield piece
    if size < blob.size:
        raise SizeMismatch(f"{place}: blob {blob.digest} ended after {size} of {blob.size} bytes")
    if hasher.hexdigest() != blob.digest.encoded:
        raise DigestMismatch(
            f"{place}: blob {blob.digest} has bytes of digest {blob.digest.algorithm}:{hasher.hexdigest()}",
            hint="the content is damaged where it was read: do not use it",
        )


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
