"""Blobs of a remote repository, read. Spec: distribution-spec 1.1, "Pulling blobs"; RFC 9110, 14 (ranges)."""

from collections.abc import AsyncIterator

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import BlobUnknown, NotFound, RegistryError, SizeMismatch, UnexpectedResponse
from wherry.oci.reference import Reference
from wherry.stores.remote.refusals import Missing
from wherry.stores.remote.scopes import pull
from wherry.stores.remote.session import Request, Session, exchange_of
from wherry.stores.remote.transport import Answer
from wherry.stores.verify import verified

__all__ = ["exists", "fetch"]

_PARTIAL = 206
_NO_HEAD = frozenset((400, 405, 501))


async def exists(session: Session, reference: Reference, blob: Descriptor) -> bool:
    """Whether the repository has a blob."""
    try:
        async with session.open(_request(reference, blob, "HEAD")):
            return True
    except NotFound:
        return False  # also where that is doubtful: the blob is pushed again, and does no harm
    except RegistryError as error:
        if error.status not in _NO_HEAD:
            raise
    try:
        async with session.open(_request(reference, blob, "GET")):
            return True  # the body is not read: the connection is closed
    except NotFound:
        return False


async def fetch(session: Session, reference: Reference, blob: Descriptor, offset: int) -> AsyncIterator[bytes]:
    """The bytes of a blob from `offset` on, verified as they pass."""
    if offset >= blob.size > 0:
        return
    async with session.open(_request(reference, blob, "GET", offset)) as answer:
        length = None if offset else answer.length
        if length not in {None, blob.size}:
            raise SizeMismatch(
                f"{reference.context}: blob {blob.digest} comes with {length} bytes; its descriptor says {blob.size}"
            )
        pieces = _rest(answer, blob, offset, reference.context) if offset else _pieces(answer)
        checked = pieces if offset else verified(pieces, blob, reference.context)
        async for piece in checked:
            yield piece


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
                f"{place}: blob {blob.digest} was asked for from byte {offset} on, and Content-Range is {said!r}",
                request=exchange_of("GET", answer.url),
                status=answer.status,
            )
    while (piece := await answer.read()) is not None:
        start, position = position, position + len(piece)
        if position > blob.size:
            raise SizeMismatch(f"{place}: blob {blob.digest} is longer than the {blob.size} bytes of its descriptor")
        if position > offset:
            yield piece[max(0, offset - start) :]
    if position < blob.size:
        raise SizeMismatch(f"{place}: blob {blob.digest} ended after {position} of {blob.size} bytes")
