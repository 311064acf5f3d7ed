"""An upload whose bytes a thread brings from another registry, where both can be had so (`conduit`); what it leaves undone is gone on with."""

from collections.abc import AsyncIterable

from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import WherryError
from wherry.stores.remote.conduit import Conduit, Tap, Tapped
from wherry.stores.remote.session import Session
from wherry.stores.remote.streamed import LeftOver, given_up
from wherry.stores.remote.upload import UploadRequests
from wherry.stores.rewinding import Rewindable, Traced

__all__ = ["Through"]


class Through:
    """Brings `blob` from `tap` into an upload. `content` is the same blob, for the ordinary way."""

    def __init__(self, session: Session, requests: UploadRequests, blob: Descriptor, content: Traced, tap: Tap) -> None:
        self._session = session
        self._requests = requests
        self._blob = blob
        self._content = content
        self._tap = tap

    @classmethod
    async def of(
        cls, session: Session, requests: UploadRequests, blob: Descriptor, content: AsyncIterable[bytes]
    ) -> "Through | None":
        """None if the blob has to go the ordinary way."""
        learnt = session.learnt
        is_too_large = learnt.too_large is not None and blob.size >= learnt.too_large
        if is_too_large or learnt.whole_put is False or session.direct is not session:
            return None
        if not isinstance(content, Rewindable) or not isinstance(content, Traced):
            return None
        origin = content.origin
        tap = await origin.tap(blob) if isinstance(origin, Tapped) else None
        return None if tap is None else cls(session, requests, blob, content, tap)

    async def go(self, begun: LeftOver) -> LeftOver | None:
        """Bring it into an upload that is open and empty; what is left to do then, if anything is.

        Raises:
            ContentMismatch: what was read is not the blob. The upload is cancelled.
        """
        end = await self._session.direct.end(self._requests.closing(begun.upload, self._blob, b""))
        if end is None:
            return begun
        end = replace(end, headers={**end.headers, "Content-Length": str(self._blob.size)})
        conduit = Conduit(self._blob, self._tap, end, self._content.passed)
        try:
            left = None if await conduit.carry() else await self._left(conduit, begun)
        except BaseException as error:
            await given_up(self._requests, begun.upload, begun.claim, error, has_sent=conduit.sent > 0)
            raise
        if left is None and begun.claim is not None:
            begun.claim.drop()
        return left

    async def _left(self, conduit: Conduit, begun: LeftOver) -> LeftOver | None:
        """What is left to do after it stopped half-way."""
        if conduit.is_refused:
            self._session.direct.is_crooked = True
        if not conduit.has_begun:
            return begun
        if conduit.sent == self._blob.size and await self._requests.is_there(self._blob):
            return None
        upload, claim = begun.upload, begun.claim
        try:
            arrived = await self._requests.arrived(upload, patient=False)
        except WherryError:
            arrived = None  # whatever it is: a new upload can be opened, or shows what is wrong
        if not arrived or arrived > self._blob.size:
            arrived = 0
            await self._requests.cancel(upload)
            upload = await self._requests.begin(self._blob)
        if claim is not None:
            claim.move(upload.location)
        return LeftOver(upload, claim, arrived)
