"""Blob uploads: content on its way into a remote repository.

Three ways, the cheapest first; what a registry turns out not to do is remembered and not tried again:

1. small blobs: one POST with `digest` and the bytes. A 202 instead of a 201 opens an upload: go on with 2.
2. POST opens an upload, one PUT at its `Location` streams all bytes and closes it.
3. where that PUT is refused (413 and the like, by a proxy mostly): PATCH chunk by chunk, and a PUT that closes.

A large upload that breaks off in the middle is not begun again: the registry is asked how much of it has arrived, and the
rest follows in one PATCH. Where it has lost the upload, or does not say, it starts anew, if its content can be had again.

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
    RangeInvalid,
    RegistryError,
    UnexpectedResponse,
    Unreachable,
    WherryError,
)
from wherry.oci.mediatype import OCTET_STREAM
from wherry.oci.reference import Reference
from wherry.oci.wire.ranges import read_upload_range
from wherry.stores.remote import blobs
from wherry.stores.remote.reach import resolved
from wherry.stores.remote.refusals import Missing
from wherry.stores.remote.retrying import Trying
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

_PROGRESS = 1024 * 1024
"""Bytes after which an upload has got on, so that its patience begins anew."""

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
    was_resumed: bool = False
    may_resume: bool = True


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
        trying: Trying | None = None
        while upload is not None:
            try:
                async with self._cancelled_if_it_fails(upload):
                    await self._close(upload, blob, content)
            except (RegistryError, Unreachable) as error:
                if not self._is_worth_going_on(error):
                    raise
                trying = trying or self._session.direct.trying()
                await trying.after(error)
                upload = await self._open(place)
            else:
                return

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
        trying: Trying | None = None
        reached = 0
        async with self._cancelled_if_it_fails(upload):
            while True:
                try:
                    await self._send(upload, blob, supply)
                except (RegistryError, Unreachable) as error:
                    if error is supply.failure:
                        raise
                    if self._sends_whole and error.status in _NO_WHOLE_PUT and supply.can_begin_at(0):
                        self._session.learnt.whole_put = False
                        await self._begin_anew(upload, supply)
                        continue
                    if not self._is_worth_going_on(error):
                        raise
                    trying = trying or self._session.direct.trying()
                    await trying.after(error)
                    if await self._is_there_after_all(upload, blob, supply, error):
                        return
                    if supply.position >= reached + _PROGRESS:
                        trying, reached = None, supply.position
                except DigestMismatch as error:
                    await self._mistrust(upload, supply, error)
                else:
                    return

    @property
    def _sends_whole(self) -> bool:
        return not self._chunked and self._session.learnt.whole_put is not False

    def _is_worth_going_on(self, error: RegistryError | Unreachable) -> bool:
        """Whether an upload that has failed is to be gone on with, or begun anew."""
        is_lost = isinstance(error, BlobUploadUnknown | RangeInvalid)
        return is_lost or self._session.direct.is_worth_another_try(error)

    async def _is_there_after_all(
        self, upload: _Upload, blob: Descriptor, supply: Supply, error: RegistryError | Unreachable
    ) -> bool:
        """Get ready to go on where the registry says that the upload is, or from the beginning; True: it is done.

        Raises:
            RegistryError, Unreachable: `error`, if the bytes that are needed cannot be had again.
        """
        offset = await self._arrived(upload) if upload.may_resume else 0
        if offset is None and await blobs.exists(self._session, self._reference, blob):
            return True  # the answer was lost on its way, and nothing else
        if offset and offset <= blob.size and supply.can_begin_at(offset):
            upload.was_resumed = True
            await supply.begin_at(offset)
        elif supply.can_begin_at(0):
            await self._begin_anew(upload, supply)
        else:
            raise error
        return False

    async def _mistrust(self, upload: _Upload, supply: Supply, error: DigestMismatch) -> None:
        """Begin an upload anew if it was resumed: what the registry said of it was not true.

        Raises:
            DigestMismatch: `error`, if it was not.
        """
        if not upload.was_resumed or not supply.can_begin_at(0):
            raise error
        upload.may_resume = False
        await self._begin_anew(upload, supply)

    async def _arrived(self, upload: _Upload) -> int | None:
        """How many bytes of an upload the registry has; None if it has lost the upload, or does not say."""
        request = self._request("GET", upload.location, upload.place, expected=(_NO_CONTENT, 200, _ACCEPTED))
        try:
            answer, _ = await self._session.ask(request)
        except RegistryError:
            return None
        if answer.header("Location"):
            upload.location = _location(answer, upload.place)
        return read_upload_range(answer.header("Range"))

    async def _begin_anew(self, upload: _Upload, supply: Supply) -> None:
        await self._cancel(upload)
        opened = await self._open(upload.place)
        upload.location, upload.smallest_chunk, upload.was_resumed = opened.location, opened.smallest_chunk, False
        await supply.begin_at(0)

    async def _send(self, upload: _Upload, blob: Descriptor, supply: Supply) -> None:
        """Send what is left, and close the upload."""
        if self._sends_whole and supply.position == 0:
            await self._close(upload, blob, Part(supply, blob.size))
        else:
            chunk = blob.size if self._sends_whole else max(CHUNK, upload.smallest_chunk)
            await self._send_chunks(upload, blob, supply, chunk)

    async def _open(self, place: str) -> _Upload:
        answer, _ = await self._session.ask(self._request("POST", self._start, place, expected=(_ACCEPTED,), body=b""))
        minimum = answer.header("OCI-Chunk-Min-Length") or ""
        return _Upload(_location(answer, place), place, int(minimum) if _SIZE.fullmatch(minimum) else 0)

    async def _send_chunks(self, upload: _Upload, blob: Descriptor, supply: Supply, chunk: int) -> None:
        """Send what is left of `supply`, all chunks of one size but the last, as registries on object stores need it."""
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
            "PUT",
            target,
            upload.place,
            expected=(_CREATED, 200, _NO_CONTENT),
            body=body,
            headers=_BYTES,
            patient=body == b"",  # a registry may have got some of the bytes already, and would append them again
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
            await self._cancel(upload)
            raise

    async def _cancel(self, upload: _Upload) -> None:
        request = self._request("DELETE", upload.location, upload.place, expected=(_NO_CONTENT,), patient=False)
        with suppress(WherryError, TimeoutError):  # the registry forgets abandoned uploads by itself, only later
            async with asyncio.timeout(_CANCEL_WITHIN):
                await self._session.ask(request)

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
        problem = f"a Location that is no URL: {location!r} ({error})"
    raise UnexpectedResponse(
        f"{place}: the answer has {problem}", request=exchange_of("POST", answer.url), status=answer.status
    )


async def _whole(content: AsyncIterable[bytes], blob: Descriptor, place: str) -> bytes:
    return b"".join([piece async for piece in verified(content, blob, place)])
