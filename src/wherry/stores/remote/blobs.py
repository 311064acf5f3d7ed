"""Blobs of a remote repository, read. Spec: distribution-spec 1.1, "Pulling blobs"; RFC 9110, 14 (ranges)."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import (
    BlobUnknown,
    ConnectionFailed,
    ContentMismatch,
    NotFound,
    RegistryError,
    SizeMismatch,
    TimedOut,
    Unavailable,
    UnexpectedResponse,
)
from wherry.oci.reference import Reference
from wherry.stores.remote.refusals import Missing
from wherry.stores.remote.retrying import Trying
from wherry.stores.remote.scopes import pull
from wherry.stores.remote.session import Request, Session, exchange_of
from wherry.stores.remote.transport import Answer
from wherry.stores.verify import verified

__all__ = ["body_of", "exists", "fetch"]

_PARTIAL = 206
_LIE = "the registry, or something between here and there, sends other content than was asked for: do not use it"
_PROGRESS = 1024 * 1024
"""Bytes after which a download has got on, so that its patience begins anew."""
_NO_HEAD = frozenset((400, 405, 501))


async def exists(session: Session, reference: Reference, blob: Descriptor) -> bool:
    """Whether the repository has a blob."""
    learnt = session.learnt
    is_refused = False
    try:
        if learnt.blob_head is not False:
            async with session.open(_request(reference, blob, "HEAD")):
                return True
    except NotFound:
        return False  # also where that is doubtful: the blob is pushed again, and does no harm
    except RegistryError as error:
        is_refused = error.status in _NO_HEAD
        if not is_refused and not isinstance(error, Unavailable):
            raise
    try:
        async with session.open(_request(reference, blob, "GET")):
            learnt.blob_head = False if is_refused else learnt.blob_head
            return True  # the body is not read: the connection is closed
    except NotFound:
        return False


async def fetch(session: Session, reference: Reference, blob: Descriptor, offset: int) -> AsyncIterator[bytes]:
    """The bytes of a blob from `offset` on, verified as they pass."""
    if offset >= blob.size > 0:
        return
    pieces = _going_on(session, reference, blob, offset)
    async with aclosing(pieces if offset else verified(pieces, blob, reference.context)) as checked, aclosing(pieces):
        try:
            async for piece in checked:
                yield piece
        except ContentMismatch as error:
            session.mistrust(_request(reference, blob, "GET"), error)
            raise


async def _going_on(
    session: Session, reference: Reference, blob: Descriptor, offset: int
) -> AsyncGenerator[bytes, None]:
    """The bytes from `offset` on; where the connection breaks, the next one goes on from there.

    Whoever hashes them does not notice, so that in the end the whole is verified, whichever servers its parts came from:
    that is why no `If-Range` is needed.
    """
    place = f"{reference.context}: blob {blob.digest}"
    position, last = offset, offset
    trying: Trying | None = None
    while True:
        was_opened = False
        try:
            async with session.open(_request(reference, blob, "GET", position)) as answer:
                was_opened = True
                async for piece in body_of(answer, blob, position, place):
                    position += len(piece)
                    yield piece
                if position < blob.size:
                    raise _ended(answer, session.registry, f"{place} ended after {position} of {blob.size} bytes")
                return
        except (ConnectionFailed, TimedOut) as error:
            if not was_opened or position >= blob.size:  # `open` has been patient already
                raise
            error.message = f"{error.message}, after {position} of the {blob.size} bytes of blob {blob.digest}"
            if trying is None or position - last >= _PROGRESS:
                trying, last = session.direct.trying(), position
            await trying.after(error)


def _ended(answer: Answer, registry: str, problem: str) -> ConnectionFailed | SizeMismatch:
    """The error for a body that is too short: without a length, a server that goes away looks like one that has ended."""
    return ConnectionFailed(problem, registry=registry) if answer.length is None else SizeMismatch(problem, hint=_LIE)


def body_of(answer: Answer, blob: Descriptor, offset: int, place: str) -> AsyncIterator[bytes]:
    """The bytes of a blob from `offset` on, of an answer that has them, or all; `place` is for messages."""
    if offset:
        return _rest(answer, blob, offset, place)
    if answer.length not in {None, blob.size}:
        raise SizeMismatch(f"{place} comes with {answer.length} bytes; its descriptor says {blob.size}", hint=_LIE)
    return _pieces(answer)


def _request(reference: Reference, blob: Descriptor, method: str, offset: int = 0) -> Request:
    return Request(
        method,
        f"/v2/{reference.repository}/blobs/{blob.digest}",
        f"{reference.context}@{blob.digest}",
        pull(reference.repository),
        headers={"Range": f"bytes={offset}-"} if offset else {},
        expected=(200, _PARTIAL) if offset else (200,),
        missing=Missing(BlobUnknown, "no such blob"),
    )


async def _pieces(answer: Answer) -> AsyncIterator[bytes]:
    while (piece := await answer.read()) is not None:
        yield piece


async def _rest(answer: Answer, blob: Descriptor, offset: int, place: str) -> AsyncIterator[bytes]:
    """The bytes from `offset` on, counted. A registry that ignores `Range` sends all, and what is too much is skipped."""
    position = 0
    if answer.status == _PARTIAL:
        position = offset
        said = answer.header("Content-Range") or ""
        if not said.replace(" ", "").lower().startswith(f"bytes{offset}-"):
            raise UnexpectedResponse(
                f"{place} was asked for from byte {offset} on, and Content-Range is {said!r}",
                request=exchange_of("GET", answer.url),
                status=answer.status,
            )
    while (piece := await answer.read()) is not None:
        start, position = position, position + len(piece)
        if position > blob.size:
            raise SizeMismatch(f"{place} is longer than the {blob.size} bytes of its descriptor")
        if position > offset:
            yield piece[max(0, offset - start) :]
