"""Blob uploads: content on its way into a remote repository.

Three ways, the cheapest first; what a registry turns out not to do is remembered and not tried again:

1. small blobs: one POST with `digest` and the bytes. A 202 instead of a 201 opens an upload: go on with 2.
2. POST opens an upload, one PUT at its `Location` streams all bytes and closes it. Large ones from another registry a thread may bring (`through`).
3. where that PUT is refused (413 and the like, by a proxy mostly): PATCH chunk by chunk, and a PUT that closes.

An upload that fails is cancelled, unless a later process can go on with it. The registry compares the digest when an upload closes, and
what differs is not kept: so large content is only counted here, and not hashed once more.

Spec: distribution-spec 1.1, "Pushing blobs", "Mounting a blob from another repository".
"""

from collections.abc import AsyncIterable

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import RegistryError, Unreachable
from wherry.oci.reference import Reference
from wherry.stores.remote.interrupted import NOTEWORTHY, Interrupted
from wherry.stores.remote.retrying import Trying
from wherry.stores.remote.session import Session
from wherry.stores.remote.streamed import LeftOver, Streamed, is_worth_going_on, left_over
from wherry.stores.remote.supply import Supply
from wherry.stores.remote.upload import Upload, UploadRequests
from wherry.stores.verify import verified

__all__ = ["LARGE", "SMALL", "Uploads"]

SMALL = 256 * 1024
"""Bytes: blobs of up to so many travel in one request, where the registry takes that."""

LARGE = 8 * 1024 * 1024
"""Bytes from which on a thread and two connections of its own are worth it for a blob that comes from another registry."""

_NO_SINGLE_POST = frozenset((400, 404, 405, 411, 413, 415, 501))


class Uploads:
    """Uploads into one repository. A mount that was declined leaves an upload open, which the next push of it uses."""

    def __init__(
        self, session: Session, reference: Reference, *, chunked: bool = False, interrupted: Interrupted | None = None
    ) -> None:
        self._session = session
        self._reference = reference
        self._chunked = chunked
        self._interrupted = interrupted
        self._requests = UploadRequests(session, reference)
        self._opened: dict[Digest, Upload] = {}

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        """Write a blob."""
        opened = self._opened.pop(blob.digest, None)
        if blob.size <= SMALL:
            await self._push_small(blob, await _whole(content, blob, self._reference.context), opened)
        else:
            await self._push_large(blob, content, opened)

    async def mount(self, blob: Descriptor, origin: Reference) -> bool:
        """Take a blob from another repository of this registry, if the registry agrees."""
        try:
            opened = await self._requests.mount(blob, origin)
        except RegistryError as error:
            if error.status < 500:  # noqa: PLR2004  # whatever it minds: the bytes can still be pushed
                return False
            raise
        self._session.learnt.saw_mount(granted=opened is None)
        if opened is not None:
            self._opened[blob.digest] = opened
        return opened is None

    async def _push_small(self, blob: Descriptor, content: bytes, opened: Upload | None) -> None:
        upload = opened or await self._posted(blob, content)
        trying: Trying | None = None
        while upload is not None:
            try:
                await self._closed(upload, blob, content)
            except (RegistryError, Unreachable) as error:
                if not is_worth_going_on(self._session, error):
                    raise
                trying = trying or self._session.direct.trying()
                await trying.after(error)
                upload = await self._requests.begin(blob)
            else:
                return

    async def _closed(self, upload: Upload, blob: Descriptor, content: bytes) -> None:
        try:
            await self._requests.close(upload, blob, content)
        except BaseException:
            await self._requests.cancel(upload)
            raise

    async def _posted(self, blob: Descriptor, content: bytes) -> Upload | None:
        """Push with one POST; the upload to go on with if that did not do it."""
        learnt = self._session.learnt
        if learnt.single_post is False:
            return await self._requests.begin(blob)
        try:
            upload = await self._requests.whole(blob, content)
        except RegistryError as error:
            if error.status not in _NO_SINGLE_POST:
                raise
            upload = await self._requests.begin(blob)
            learnt.single_post = False  # else it is the repository that the registry minds
            return upload
        learnt.single_post = upload is None
        return upload

    async def _push_large(self, blob: Descriptor, content: AsyncIterable[bytes], opened: Upload | None) -> None:
        # Where there is one, the upload that a declined mount may have opened is left for the registry to forget.
        left = await left_over(self._interrupted, self._requests, self._reference, blob, content)
        if left is None and blob.size >= LARGE and not self._chunked:
            from wherry.stores.remote.through import Through  # noqa: PLC0415  # most commands push nothing large

            through = await Through.of(self._session, self._requests, blob, content)
            if through is not None:
                left = await through.go(self._noted(blob, opened or await self._requests.begin(blob)))
                if left is None:
                    return
        start = 0 if left is None else left.arrived
        async with Supply(blob, content, self._reference.context, start) as supply:
            if left is None:
                left = self._noted(blob, opened or await self._requests.begin(blob))
            await Streamed(self._session, self._requests, blob, supply, left, chunked=self._chunked).go()

    def _noted(self, blob: Descriptor, upload: Upload) -> LeftOver:
        if self._interrupted is None or blob.size < NOTEWORTHY:
            return LeftOver(upload)
        return LeftOver(upload, self._interrupted.begin(self._reference, blob.digest, upload.location))


async def _whole(content: AsyncIterable[bytes], blob: Descriptor, place: str) -> bytes:
    return b"".join([piece async for piece in verified(content, blob, place)])
