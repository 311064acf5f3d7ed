"""A blob on its way from a registry: on from where it broke off, and over several connections where one is too slow (`wide`).

Whoever hashes the bytes does not notice either, so that in the end the whole is verified, whichever servers its parts came from: that
is why no `If-Range` is needed. Spec: distribution-spec 1.1, "Pulling blobs"; RFC 9110, 14 (ranges).
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import (
    BlobUnknown,
    ConnectionFailed,
    RegistryError,
    SizeMismatch,
    TimedOut,
    UnexpectedResponse,
    Unreachable,
)
from wherry.oci.reference import Reference
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.refusals import Missing
from wherry.stores.remote.retrying import Trying
from wherry.stores.remote.scopes import pull
from wherry.stores.remote.session import Request, Session, exchange_of
from wherry.stores.remote.wide import Meter, Width, striped

__all__ = ["Download", "blob_request", "body_of"]

_PARTIAL = 206
_LIE = "the registry, or something between here and there, sends other content than was asked for: do not use it"
_PROGRESS = 1024 * 1024
"""Bytes after which a download has got on, so that its patience begins anew."""


class Download:
    """The bytes of `blob` from `offset` on, unverified. `width` is what is known of the registry's connections."""

    def __init__(self, session: Session, reference: Reference, blob: Descriptor, offset: int, width: Width) -> None:
        self._session = session
        self._reference = reference
        self._blob = blob
        self._position = offset
        self._width = width
        self._meter = Meter()
        self._has_begun = False
        self._is_open = False
        self._place = f"{reference.context}: blob {blob.digest}"

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The bytes, in pieces; where the connection breaks, the next one goes on from there.

        Raises:
            RegistryError, Unreachable: they are not to be had.
            SizeMismatch: they are too many, or too few.
        """
        last = self._position
        trying: Trying | None = None
        with self._width.coming():
            while not self._is_whole:
                try:
                    for way in (self._on_one, self._on_several):
                        async with aclosing(way()) as pieces:
                            async for piece in pieces:
                                yield piece
                except (ConnectionFailed, TimedOut) as error:
                    if not self._is_open or self._is_whole:  # `open` has been patient already
                        raise
                    size = self._blob.size
                    error.message = (
                        f"{error.message}, after {self._position} of the {size} bytes of blob {self._blob.digest}"
                    )
                    if trying is None or self._position - last >= _PROGRESS:
                        trying, last = self._session.direct.trying(), self._position
                    await trying.after(error)

    @property
    def _is_whole(self) -> bool:
        return self._has_begun and self._position >= self._blob.size

    async def _on_one(self) -> AsyncGenerator[bytes, None]:
        """The bytes over one connection; to the end, or until several are called for."""
        self._is_open, blob = False, self._blob
        meter, start = self._meter, self._position
        async with self._session.open(blob_request(self._reference, blob, "GET", start)) as answer:
            self._is_open = self._has_begun = True
            meter.begin()
            async for piece in body_of(answer, blob, self._position, self._place):
                self._position += len(piece)
                meter.give(piece)
                yield piece
                meter.took()
                if self._width.is_called_for(meter, blob.size - self._position):
                    return
            # A server may send less of a range than was asked for (RFC 9110, 14.2): then the next request goes on.
            is_a_part = answer.status == _PARTIAL and self._position > start
            if self._position < blob.size and not is_a_part:
                problem = f"{self._place} ended after {self._position} of {blob.size} bytes"
                raise _ended(answer, self._session.registry, problem)

    async def _on_several(self) -> AsyncGenerator[bytes, None]:
        """The bytes over several connections, as long as that goes well and is quicker than over one."""
        if self._is_whole:
            return
        stripes = striped(self._stripe, self._position, self._blob.size, self._width, self._meter.rate)
        async with aclosing(stripes):
            try:
                async for piece in stripes:
                    self._position += len(piece)
                    yield piece
            except (RegistryError, Unreachable):
                self._width.is_vain = True  # perhaps it does not like several: one goes on, and shows what is wrong

    async def _stripe(self, start: int, stop: int) -> list[bytes]:
        request = blob_request(self._reference, self._blob, "GET", start, stop)
        async with self._session.open(request) as answer:
            if answer.status != _PARTIAL:
                raise UnexpectedResponse(f"{self._place}: a range was asked for, and all comes", status=answer.status)
            pieces, left = [], stop - start
            async for piece in body_of(answer, self._blob, start, self._place):
                pieces.append(piece)
                left -= len(piece)
                if left < 0:
                    break
        if left:
            raise UnexpectedResponse(f"{self._place}: another range came than was asked for", status=_PARTIAL)
        return pieces


def blob_request(
    reference: Reference, blob: Descriptor, method: str, start: int = 0, stop: int | None = None
) -> Request:
    """The request for a blob, from `start` on, or up to, and not including, `stop`."""
    last = "" if stop is None else stop - 1
    return Request(
        method,
        f"/v2/{reference.repository}/blobs/{blob.digest}",
        f"{reference.context}@{blob.digest}",
        pull(reference.repository),
        headers={"Range": f"bytes={start}-{last}"} if start else {},
        expected=(200, _PARTIAL) if start else (200,),
        missing=Missing(BlobUnknown, "no such blob"),
        patient=stop is None,  # who asks for a part can go on without
    )


def body_of(answer: Answer, blob: Descriptor, offset: int, place: str) -> AsyncIterator[bytes]:
    """The bytes of a blob from `offset` on, of an answer that has them, or all; `place` is for messages."""
    if offset:
        return _rest(answer, blob, offset, place)
    if answer.length not in {None, blob.size}:
        raise SizeMismatch(f"{place} comes with {answer.length} bytes; its descriptor says {blob.size}", hint=_LIE)
    return _pieces(answer)


def _ended(answer: Answer, registry: str, problem: str) -> ConnectionFailed | SizeMismatch:
    """The error for a body that is too short: without a length, a server that goes away looks like one that has ended."""
    return ConnectionFailed(problem, registry=registry) if answer.length is None else SizeMismatch(problem, hint=_LIE)


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
