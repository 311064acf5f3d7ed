"""Blob uploads: content on its way into a remote repository.

Three ways, the cheapest first; what a registry turns out not to do is remembered and not tried again:

1. small blobs: one POST with `digest` and the bytes. A 202 instead of a 201 opens an upload: go on with 2.
2. POST opens an upload, one PUT at its `Location` streams all bytes and closes it.
3. where that PUT is refused (413 and the like, by a proxy mostly): PATCH chunk by chunk, and a PUT that closes.

Every answer may move the upload to a new `Location`, relative or absolute, with a query of its own. An upload that fails
is cancelled. The registry compares the digest when an upload closes, and what differs is not kept: so large content is
only counted here, and not hashed once more.

Spec: distribution-spec 1.1, "Pushing blobs", "Mounting a blob from another repository".
"""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import (
    BlobUploadUnknown,
    DigestInvalid,
    DigestMismatch,
    NotFound,
    RegistryError,
    UnexpectedResponse,
    WherryError,
)
from wherry.oci.mediatype import OCTET_STREAM
from wherry.oci.reference import Reference
from wherry.stores.remote import blobs
from wherry.stores.remote.reach import resolved
from wherry.stores.remote.refusals import Missing
from wherry.stores.remote.scopes import Scopes, pull, push
from wherry.stores.remote.session import Request, Session, exchange_of
from wherry.stores.remote.supply import Part, Supply
from wherry.stores.remote.transport import Answer, Body
from wherry.stores.verify import verified

__all__ = ["CHUNK", "SMALL", "Uploads"]

SMALL = 256 * 1024
"""Blobs of up to so many bytes travel in one request, where the registry takes that."""
CHUNK = 16 * 1024 * 1024
"""Bytes of a chunk, where uploads go in chunks and the registry asks for no more."""

_CANCEL_WITHIN = 5.0  # seconds
_CREATED, _ACCEPTED, _NO_CONTENT = 201, 202, 204
_NO_SINGLE_POST = frozenset((400, 404, 405, 411, 413, 415, 501))
_NO_WHOLE_PUT = frozenset((411, 413, 501))
_BYTES: Mapping[str, str] = MappingProxyType({"Content-Type": OCTET_STREAM})
_NONE: Mapping[str, str] = MappingProxyType({})
_LOST = Missing(BlobUploadUnknown, "the registry does not know this upload, or takes none for this repository")
_SIZE = re.compile(r"\d{1,12}", re.ASCII)


@dataclass(slots=True)
class _Upload:
    """An open upload; each answer may change where it goes on."""

    location: str
    place: str
    smallest_chunk: int = 0


class Uploads:
    """Uploads into one repository. A mount that was declined leaves an upload open, which the next push of it uses."""

    def __init__(self, session: Session, reference: Reference, *, chunked: bool = False) -> None:
        self._session = session
        self._reference = reference
        self._chunked = chunked
        self._opened: dict[Digest, _Upload] = {}

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        """Write a blob."""
        place = self._place(blob)
        opened = self._opened.pop(blob.digest, None)
        if blob.size <= SMALL:
            await self._push_small(blob, await _whole(content, blob, self._reference.context), opened, place)
        else:
            async with Supply(blob, content, self._reference.context) as supply:
                await self._push_large(blob, supply, opened, place)

    async def mount(self, blob: Descriptor, origin: Reference) -> bool:
        """Take a blob from another repository of this registry, if the registry agrees."""
        request = self._request(
            "POST",
            f"{self._start}?mount={blob.digest}&from={origin.repository}",
            self._place(blob),
            expected=(_CREATED, _ACCEPTED),
            scopes=push(self._reference.repository) | pull(origin.repository),
        )
        try:
            answer, _ = await self._session.ask(request)
        except RegistryError as error:
            if error.status < 500:  # noqa: PLR2004  # whatever it minds: the bytes can still be pushed
                return False
            raise
        if answer.status == _CREATED:
            return True
        # 202: declined, but an upload is now open; use it ("Mounting a blob from another repository")
        self._opened[blob.digest] = _Upload(_location(answer, request.place), request.place)
        return False

    async def _push_small(self, blob: Descriptor, content: bytes, opened: _Upload | None, place: str) -> None:
        upload = opened or await self._posted(blob, content, place)
        if upload is not None:
            async with self._cancelled_if_it_fails(upload):
                await self._close(upload, blob, content)

    async def _posted(self, blob: Descriptor, content: bytes, place: str) -> _Upload | None:
        """Push with one POST; the upload to go on with if that did not do it."""
        learnt = self._session.learnt
        if learnt.single_post is False:
            return await self._open(place)
        request = self._request(
            "POST",
            f"{self._start}?digest={blob.digest}",
            place,
            expected=(_CREATED, _ACCEPTED),
            body=content,
            headers=_BYTES,
        )
        try:
            answer, _ = await self._session.ask(request)
        except RegistryError as error:
            if error.status not in _NO_SINGLE_POST:
                raise
            learnt.single_post = False
            return await self._open(place)
        learnt.single_post = answer.status == _CREATED
        return None if learnt.single_post else _Upload(_location(answer, place), place)

    async def _push_large(self, blob: Descriptor, supply: Supply, opened: _Upload | None, place: str) -> None:
        upload = opened or await self._open(place)
        if not self._chunked and self._session.learnt.whole_put is not False:
            try:
                async with self._cancelled_if_it_fails(upload):
                    await self._close(upload, blob, Part(supply, blob.size))
            except RegistryError as error:
                if error.status not in _NO_WHOLE_PUT or not supply.can_rewind:
                    raise
            else:
                return
            self._session.learnt.whole_put = False
            supply.rewind()
            upload = await self._open(place)
        async with self._cancelled_if_it_fails(upload):
            await self._send_chunks(upload, blob, supply)

    async def _open(self, place: str) -> _Upload:
        answer, _ = await self._session.ask(self._request("POST", self._start, place, expected=(_ACCEPTED,), body=b""))
        minimum = answer.header("OCI-Chunk-Min-Length") or ""
        return _Upload(_location(answer, place), place, int(minimum) if _SIZE.fullmatch(minimum) else 0)

    async def _send_chunks(self, upload: _Upload, blob: Descriptor, supply: Supply) -> None:
        """Send what is left of `supply`, all chunks of one size but the last, as registries on object stores need it."""
        chunk = max(CHUNK, upload.smallest_chunk)
        while supply.position < blob.size:
            start = supply.position
            stop = min(start + chunk, blob.size)
            headers = {**_BYTES, "Content-Range": f"{start}-{stop - 1}"}
            request = self._request(
                "PATCH", upload.location, upload.place, expected=(_ACCEPTED, _NO_CONTENT), body=Part(supply, stop - start),
                headers=headers,
            )  # fmt: skip
            answer, _ = await self._session.ask(request)
            upload.location = _location(answer, upload.place)
        await self._close(upload, blob, b"")

    async def _close(self, upload: _Upload, blob: Descriptor, body: bytes | Body) -> None:
        """Send the last bytes, or all, and have the registry compare the digest."""
        target = f"{upload.location}{'&' if '?' in upload.location else '?'}digest={blob.digest}"
        request = self._request(
            "PUT", target, upload.place, expected=(_CREATED, 200, _NO_CONTENT), body=body, headers=_BYTES
        )
        try:
            await self._session.ask(request)
        except DigestInvalid as error:
            raise DigestMismatch(f"{error.message}: the bytes that arrived there are others") from error
        except NotFound:
            # The answer to an earlier try may have been lost on its way: then the upload is closed, and the blob there.
            if not await blobs.exists(self._session, self._reference, blob):
                raise

    @asynccontextmanager
    async def _cancelled_if_it_fails(self, upload: _Upload) -> AsyncIterator[None]:
        try:
            yield
        except BaseException:
            with suppress(WherryError, TimeoutError):  # the registry forgets abandoned uploads by itself, only later
                async with asyncio.timeout(_CANCEL_WITHIN):
                    await self._session.ask(
                        self._request("DELETE", upload.location, upload.place, expected=(_NO_CONTENT,))
                    )
            raise

    @property
    def _start(self) -> str:
        return f"/v2/{self._reference.repository}/blobs/uploads/"

    def _place(self, blob: Descriptor) -> str:
        return f"{self._reference.context}@{blob.digest}"

    def _request(
        self,
        method: str,
        target: str,
        place: str,
        *,
        expected: tuple[int, ...],
        scopes: Scopes | None = None,
        body: bytes | Body | None = None,
        headers: Mapping[str, str] = _NONE,
    ) -> Request:
        scopes = scopes or push(self._reference.repository)
        return Request(method, target, place, scopes, headers, body, expected, _LOST)


def _location(answer: Answer, place: str) -> str:
    """Where an upload goes on."""
    location = answer.header("Location")
    try:
        if location:
            return str(resolved(answer.url, location))
        problem = "no Location"
    except ValueError as error:
        problem = f"a Location that is no URL: {location!r} ({error})"
    raise UnexpectedResponse(
        f"{place}: the answer has {problem}", request=exchange_of("POST", answer.url), status=answer.status
    )


async def _whole(content: AsyncIterable[bytes], blob: Descriptor, place: str) -> bytes:
    return b"".join([piece async for piece in verified(content, blob, place)])
