"""`/v2/<name>/blobs/uploads/…`: how blobs come in. Spec: distribution-spec 1.1, "Pushing Blobs", and its main branch for
cancelling an upload and for `digest-algorithm`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wherry.oci.digest import ALGORITHMS, Digest
from wherry.oci.errors import (
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    InvalidName,
    PayloadTooLarge,
    RangeInvalid,
    SizeInvalid,
    UnsupportedAlgorithm,
)
from wherry.oci.reference import check_name
from wherry.oci.wire.ranges import Span, read_chunk_range, write_upload_range
from wherry.server.answers import Answer, Headers, refusal
from wherry.server.registry import Registry
from wherry.server.request import Request
from wherry.server.session import LARGEST_END, Session, other_digest

__all__ = ["begin_upload", "cancel_upload", "continue_upload", "finish_upload", "show_upload"]

_SMALL = 64 * 1024
"""Bytes that are taken whole into memory and hashed where they are."""


async def begin_upload(registry: Registry, request: Request) -> Answer:
    """POST: mount a blob from elsewhere, or take it whole, or open a session; the first of these that is possible."""
    name = request.route.name
    mount, whole = _digest(request, "mount"), _digest(request, "digest")
    if mount is not None and await _mounted(registry, request, mount):
        return _created(name, mount)
    # Without a body the digest announces an upload, unless it is the digest of nothing.
    if whole is not None and (request.content_length != 0 or whole.matches(b"")):
        return await _take_whole(registry, request, whole)
    named = whole or mount
    algorithm = request.parameter("digest-algorithm") or (named.algorithm if named else "sha256")
    if algorithm not in ALGORITHMS:
        known = " and ".join(ALGORITHMS)
        raise UnsupportedAlgorithm(algorithm, f"the algorithm is not supported ({known} are)")
    session = await registry.sessions.begin(name, algorithm)
    return Answer(202, _state(name, session))


async def continue_upload(registry: Registry, request: Request) -> Answer:
    """PATCH: more bytes, at the end of what is there."""
    name, identifier = request.route.name, request.route.upload
    span = _span(request)
    try:
        async with registry.sessions.held(name, identifier) as session:
            await registry.sessions.remember(session)
            async with _limited(registry, request, session):
                await session.append(request, span)
            return Answer(202, _state(name, session))
    except RangeInvalid as failure:
        return await _out_of_order(registry, request, failure)


async def finish_upload(registry: Registry, request: Request) -> Answer:
    """PUT: the last bytes, if any, and the digest of them all."""
    name, identifier = request.route.name, request.route.upload
    digest = _digest(request, "digest")
    if digest is None:
        raise DigestInvalid("the digest of the whole blob is missing", hint="PUT <location>?digest=sha256:…")
    span = _span(request)
    try:
        async with registry.sessions.held(name, identifier) as session:
            if request.content_length is None or request.content_length > LARGEST_END:
                await registry.sessions.remember(session)
            try:
                async with _limited(registry, request, session):
                    tail = await session.receive_last(request, span)
            except (SizeInvalid, BlobUploadInvalid):  # it broke off: with what came the client may go on
                await registry.sessions.remember(session)
                raise
            await registry.sessions.finish(session, tail, digest)
    except BlobUploadUnknown:
        # A client that did not hear the answer asks again (and again has the right to hear it).
        if await registry.sessions.finished(name, identifier) != digest:
            raise
    except RangeInvalid as failure:
        return await _out_of_order(registry, request, failure)
    return _created(name, digest)


async def show_upload(registry: Registry, request: Request) -> Answer:
    """GET: how far it is."""
    session = await registry.sessions.find(request.route.name, request.route.upload)
    return Answer(204, _state(request.route.name, session))


async def cancel_upload(registry: Registry, request: Request) -> Answer:
    """DELETE: throw it away, even while bytes come in."""
    async with registry.sessions.held(request.route.name, request.route.upload, to_cancel=True) as session:
        await registry.sessions.cancel(session)
    return Answer(204)


async def _mounted(registry: Registry, request: Request, digest: Digest) -> bool:
    origin = request.parameter("from") or None
    try:
        if origin is not None:
            check_name(origin)
    except (
        InvalidName
    ):  # nothing can be mounted from there: the client may upload, as from any repository without the blob
        return False
    if await registry.blobs.find(digest) is None:
        return False
    return await registry.metadata.mount_blob(request.route.name, digest, origin)


async def _take_whole(registry: Registry, request: Request, digest: Digest) -> Answer:
    """One request, one blob: nothing of it stays if anything is wrong."""
    name = request.route.name
    length = request.content_length
    if length is not None and length <= _SMALL:
        content = await request.body(min(_SMALL, registry.policy.largest_blob or _SMALL))
        found = Digest.of(content, digest.algorithm)
        if found != digest:
            raise other_digest(found, digest, length)
        await _keep(registry, name, digest, content)
        return _created(name, digest)
    session = await registry.sessions.begin_alone(name, digest.algorithm)
    try:
        async with _limited(registry, request, session):
            tail = await session.receive_last(request, None)
        await registry.sessions.finish(session, tail, digest)
    except BaseException:
        if not session.over:
            await registry.sessions.cancel(session)
        raise
    return _created(name, digest)


@asynccontextmanager
async def _limited(registry: Registry, request: Request, session: Session) -> AsyncIterator[None]:
    """Take a body; an upload that becomes larger than any blob may be is thrown away."""
    largest = registry.policy.largest_blob
    if largest is not None:
        request.limit = largest - session.offset
    try:
        yield
    except PayloadTooLarge:
        await registry.sessions.cancel(session)
        raise


async def _keep(registry: Registry, name: str, digest: Digest, content: bytes) -> None:
    """The bytes first, then the row; and again, if the collector took the bytes in between."""
    size = len(content)
    while True:
        await registry.blobs.keep(digest, content)
        if await registry.metadata.link_blob(name, digest, size, stored=lambda: registry.blobs.stored(digest, size)):
            return


def _digest(request: Request, parameter: str) -> Digest | None:
    text = request.parameter(parameter)
    return None if text is None else Digest.parse(text)


def _span(request: Request) -> Span | None:
    header = request.header("content-range")
    return None if header is None else read_chunk_range(header)


def _location(name: str, session: Session) -> str:
    return f"/v2/{name}/blobs/uploads/{session.record.id}"


def _state(name: str, session: Session) -> Headers:
    return [
        ("location", _location(name, session)),
        ("range", write_upload_range(session.written)),
        ("docker-upload-uuid", session.record.id),
    ]


def _created(name: str, digest: Digest) -> Answer:
    return Answer(201, [("location", f"/v2/{name}/blobs/{digest}"), ("docker-content-digest", str(digest))])


async def _out_of_order(registry: Registry, request: Request, failure: RangeInvalid) -> Answer:
    session = await registry.sessions.find(request.route.name, request.route.upload)
    return refusal(failure, _state(request.route.name, session))
