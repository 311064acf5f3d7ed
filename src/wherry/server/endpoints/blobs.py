"""`/v2/<name>/blobs/<digest>`. Spec: distribution-spec 1.1, "Pulling blobs", "Deleting Blobs"."""

import logging
from collections.abc import Sequence
from secrets import token_hex

from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUnknown, RangeInvalid
from wherry.oci.manifest import LARGEST_MANIFEST
from wherry.oci.mediatype import OCTET_STREAM
from wherry.oci.wire.ranges import Span, read_download_ranges, write_parts
from wherry.server.answers import Answer, FileAnswer, Headers, refusal
from wherry.server.blobs.protocol import LocalFile
from wherry.server.endpoints.conditions import asked_range, demanded, held, matches_etag
from wherry.server.registry import Registry
from wherry.server.request import Request

__all__ = ["delete_blob", "show_blob"]

_SMALL = 64 * 1024
"""Bytes that are sent from here; what is larger is a file, which the HTTP server reads by itself."""

_MOST_AT_ONCE = LARGEST_MANIFEST
"""Bytes of several ranges, which are sent from here: the HTTP server would keep as much in memory as the client does not take."""

_TYPE = ("content-type", OCTET_STREAM)

_log = logging.getLogger("wherry.server")


async def show_blob(registry: Registry, request: Request) -> Answer | FileAnswer:
    """A blob, or ranges of it."""
    digest = request.route.digest
    assert digest is not None  # noqa: S101  # the route of this endpoint has one
    size = await _held_size(registry, request, digest)
    text = str(digest)
    headers: Headers = [
        ("docker-content-digest", text),
        ("etag", f'"{text}"'),
        ("cache-control", "max-age=31536000"),
        ("accept-ranges", "bytes"),
    ]
    if matches_etag(request, text, digest):
        return Answer(304, headers)
    try:
        spans = read_download_ranges(asked_range(request, text), size)
    except RangeInvalid as failure:
        return refusal(failure, [("content-range", f"bytes */{size}")])
    if not spans and size <= _SMALL:
        content = await registry.blobs.at_hand(digest, size)
        if content is not None:
            return Answer(200, [*headers, _TYPE], content)
    blob = await _undamaged(registry, request.route.name, digest, size)
    if len(spans) > 1 and sum(map(len, spans)) <= _MOST_AT_ONCE:
        return await _several(registry, digest, size, spans, headers)
    if len(spans) != 1:
        return FileAnswer(200, [*headers, _TYPE], blob.path, blob.size)
    (span,) = spans
    return FileAnswer(206, [*headers, _TYPE, ("content-range", span.of(size))], blob.path, blob.size, span)


async def _several(registry: Registry, digest: Digest, size: int, spans: Sequence[Span], headers: Headers) -> Answer:
    """Clients that pull a layer by its files ask for many ranges at once, and would get the whole layer each time."""
    parts = await registry.blobs.parts(digest, spans)
    if parts is None:
        raise BlobUnknown("the blob went away while it was read", detail={"digest": str(digest)})
    boundary = token_hex(16)
    body = write_parts(zip(spans, parts, strict=True), size, OCTET_STREAM, boundary)
    return Answer(206, [*headers, ("content-type", f"multipart/byteranges; boundary={boundary}")], body)


async def delete_blob(registry: Registry, request: Request) -> Answer:
    """Take a blob away from a repository. Its bytes stay for others, and for the collector."""
    digest = request.route.digest
    assert digest is not None  # noqa: S101  # the route of this endpoint has one
    condition = demanded(request)
    if condition is not None and not condition.holds(digest):  # nothing else is ever there
        await _held_size(registry, request, digest)
        condition.check(str(digest), digest)
    await registry.metadata.unlink_blob(request.route.name, digest)
    return Answer(202, held(condition))


async def _held_size(registry: Registry, request: Request, digest: Digest) -> int:
    """A client that asks with HEAD wants to know what it need not push: so it must stay."""
    repository = request.route.name
    find = registry.metadata.hold_blob if request.method == "HEAD" else registry.metadata.blob_size
    size = await find(repository, digest)
    if size is None:
        raise _unknown(repository, digest)
    return size


async def _undamaged(registry: Registry, repository: str, digest: Digest, size: int) -> LocalFile:
    """The file of a blob; if it is lost or cut, the blob is unknown, and then a new push brings it back."""
    blob = await registry.blobs.find(digest)
    if blob is not None and blob.size == size:
        return blob
    _log.error("blob %s of %s is damaged: %s where %d bytes should be", digest, repository, blob, size)
    raise _unknown(repository, digest)


def _unknown(repository: str, digest: Digest) -> BlobUnknown:
    return BlobUnknown("the repository does not hold this blob", detail={"name": repository, "digest": str(digest)})
