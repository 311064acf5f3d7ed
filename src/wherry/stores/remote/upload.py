"""The requests of one upload: open it, or take a blob from elsewhere instead; add to it; ask where it is; close it, or cancel it.

Every answer may move the upload to a new `Location`, relative or absolute, with a query of its own.

Spec: distribution-spec 1.1, "Pushing blobs", "Mounting a blob from another repository".
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
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
from wherry.oci.wire.ranges import read_upload_range
from wherry.stores.remote import blobs
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.line import Body
from wherry.stores.remote.reach import resolved
from wherry.stores.remote.refusals import Missing
from wherry.stores.remote.scopes import Scopes, pull, push
from wherry.stores.remote.session import Request, Session, exchange_of
from wherry.stores.remote.supply import Part

__all__ = ["Upload", "UploadRequests"]

_CANCEL_WITHIN = 5.0  # seconds
_CREATED, _ACCEPTED, _NO_CONTENT = 201, 202, 204
_BYTES: Mapping[str, str] = MappingProxyType({"Content-Type": OCTET_STREAM})
_NONE: Mapping[str, str] = MappingProxyType({})
_LOST = Missing(BlobUploadUnknown, "the registry does not know this upload, or takes none for this repository")
_SHOWN = 100  # characters of a Location
_SIZE = re.compile(r"\d{1,12}", re.ASCII)


class Upload(Struct):
    """An open upload: where it goes on, and how many bytes the registry wants in a chunk at least. `place` is for messages."""

    location: str
    place: str
    smallest_chunk: int = 0


class UploadRequests:
    """Sends them, for one repository."""

    def __init__(self, session: Session, reference: Reference) -> None:
        self._session = session
        self._reference = reference

    def place(self, blob: Descriptor) -> str:
        """What an upload is about, for messages."""
        return f"{self._reference.context}@{blob.digest}"

    async def begin(self, blob: Descriptor) -> Upload:
        """POST: open an upload."""
        place = self.place(blob)
        answer, _ = await self._session.ask(self._request("POST", self._start, place, expected=(_ACCEPTED,), body=b""))
        minimum = answer.header("OCI-Chunk-Min-Length") or ""
        return Upload(_location(answer, place), place, int(minimum) if _SIZE.fullmatch(minimum) else 0)

    async def whole(self, blob: Descriptor, content: bytes) -> Upload | None:
        """POST with the bytes; the upload that the registry has opened instead, if it has not taken them."""
        target = f"{self._start}?digest={blob.digest}"
        return await self._created(blob, target, push(self._reference.repository), content, _BYTES)

    async def mount(self, blob: Descriptor, origin: Reference) -> Upload | None:
        """POST with `mount`; the upload that the registry has opened instead, if it has declined."""
        target = f"{self._start}?mount={blob.digest}&from={origin.repository}"
        scopes = push(self._reference.repository) | pull(origin.repository)
        return await self._created(blob, target, scopes)

    async def append(self, upload: Upload, part: Part, start: int) -> None:
        """PATCH: add bytes, from `start` on."""
        headers = {**_BYTES, "Content-Range": f"{start}-{start + part.size - 1}"}
        expected = (_ACCEPTED, _NO_CONTENT)
        answer, _ = await self._session.ask(
            self._request("PATCH", upload.location, upload.place, expected=expected, body=part, headers=headers)
        )
        if answer.header("Location"):  # without one it stays where it is, as docker and regctl see it
            upload.location = _location(answer, upload.place)

    async def close(self, upload: Upload, blob: Descriptor, body: bytes | Body) -> None:
        """PUT: send the last bytes, or all, and have the registry compare the digest.

        Raises:
            DigestMismatch: it is another.
            UnexpectedResponse: the answer sounds well, is not the one that the specification has, and the blob is not there.
        """
        try:
            answer, _ = await self._session.ask(self.closing(upload, blob, body))
            if answer.status != _CREATED and not await self.is_there(blob):  # a page of somebody on the way, perhaps
                problem = "the answer is not 201 Created, and the blob is not there"
                exchange = exchange_of("PUT", answer.url)
                raise UnexpectedResponse(f"{upload.place}: {problem}", request=exchange, status=answer.status)
        except DigestInvalid as error:
            raise DigestMismatch(f"{error.message}: the bytes that arrived there are others") from error
        except NotFound:
            # The answer to an earlier try may have been lost on its way: then the upload is closed, and the blob there.
            if not await self.is_there(blob):
                raise

    def closing(self, upload: Upload, blob: Descriptor, body: bytes | Body) -> Request:
        """The request that closes an upload."""
        return self._request(
            "PUT",
            f"{upload.location}{'&' if '?' in upload.location else '?'}digest={blob.digest}",
            upload.place,
            expected=(_CREATED, 200, _NO_CONTENT),
            body=body,
            headers=_BYTES,
            patient=body == b"",  # a registry may have got some of the bytes already, and would append them again
        )

    async def is_there(self, blob: Descriptor) -> bool:
        """Whether the repository has the blob."""
        return await blobs.exists(self._session, self._reference, blob)

    async def arrived(self, upload: Upload, *, patient: bool = True) -> int | None:
        """GET: how many bytes of an upload the registry has; None if it has lost the upload, or does not say."""
        expected = (_NO_CONTENT, 200, _ACCEPTED)
        request = self._request("GET", upload.location, upload.place, expected=expected, patient=patient)
        try:
            answer, _ = await self._session.ask(request)
            if answer.header("Location"):
                upload.location = _location(answer, upload.place)
        except RegistryError:
            return None
        return read_upload_range(answer.header("Range"))

    async def cancel(self, upload: Upload) -> None:
        """DELETE: throw it away, if that can be done at once."""
        request = self._request("DELETE", upload.location, upload.place, expected=(_NO_CONTENT,), patient=False)
        with suppress(WherryError, TimeoutError):  # the registry forgets abandoned uploads by itself, only later
            async with asyncio.timeout(_CANCEL_WITHIN):
                await self._session.ask(request)

    @property
    def _start(self) -> str:
        return f"/v2/{self._reference.repository}/blobs/uploads/"

    async def _created(
        self,
        blob: Descriptor,
        target: str,
        scopes: Scopes,
        body: bytes | None = None,
        headers: Mapping[str, str] = _NONE,
    ) -> Upload | None:
        place = self.place(blob)
        expected = (_CREATED, _ACCEPTED)
        request = self._request("POST", target, place, expected=expected, scopes=scopes, body=body, headers=headers)
        answer, _ = await self._session.ask(request)
        # 202: not that way, but an upload is now open; use it ("Mounting a blob from another repository")
        return None if answer.status == _CREATED else Upload(_location(answer, place), place)

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
        patient: bool = True,
    ) -> Request:
        scopes = scopes or push(self._reference.repository)
        return Request(method, target, place, scopes, headers, body, expected, _LOST, patient)


def _location(answer: Answer, place: str) -> str:
    """Where an upload goes on."""
    location = answer.header("Location")
    try:
        if location:
            return str(resolved(answer.url, location))
        problem = "no Location"
    except ValueError as error:
        shown, _, _ = (location or "").partition("?")  # what follows may be a secret
        problem = f"a Location that is no URL: {shown[:_SHOWN]!r} ({error})"
    raise UnexpectedResponse(
        f"{place}: the answer has {problem}", request=exchange_of("POST", answer.url), status=answer.status
    )
