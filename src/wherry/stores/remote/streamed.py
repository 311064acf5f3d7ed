"""A large blob on its way into an upload: whole, or in chunks where the registry takes no body so large, and on from wherever it broke.

An upload that breaks off in the middle is not begun again: the registry is asked how much of it has arrived, and the rest follows in
one PATCH. Where it has lost the upload, or does not say, it starts anew, if its content can be had again. The same is done with
what an earlier process has left (`interrupted`), before a byte is read.

Of what was resumed only the registry sees the whole: it compares the digest when the upload closes, and does not keep what differs.
Then what it said of the upload was not true, or the first part had come from elsewhere, and all is sent once more.
"""

from collections.abc import AsyncIterable

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import (
    BlobUploadUnknown,
    DigestMismatch,
    RangeInvalid,
    RegistryError,
    Unreachable,
    WherryError,
)
from wherry.oci.reference import Reference
from wherry.stores.remote.interrupted import NOTEWORTHY, Claim, Interrupted
from wherry.stores.remote.learnt import SMALLEST_CHUNK
from wherry.stores.remote.retrying import Trying
from wherry.stores.remote.session import Session
from wherry.stores.remote.supply import Part, Supply
from wherry.stores.remote.upload import Upload, UploadRequests
from wherry.stores.rewinding import Rewindable, is_worth_keeping

__all__ = ["CHUNK", "LeftOver", "Streamed", "given_up", "is_worth_going_on", "left_over"]

CHUNK = 16 * 1024 * 1024
"""Bytes of a chunk, where uploads go in chunks and the registry asks for no more."""

_PROGRESS = 1024 * 1024
"""Bytes after which an upload has got on, so that its patience begins anew."""
_TOO_LARGE = 413
_NO_WHOLE_PUT = frozenset((411, 501))


class LeftOver(Struct, frozen=True):
    """An open upload, the note of where it is, and how many bytes of it the registry has."""

    upload: Upload
    claim: Claim | None = None
    arrived: int = 0


class Streamed:
    """Sends `blob` from `supply` into an upload that is open."""

    def __init__(
        self,
        session: Session,
        requests: UploadRequests,
        blob: Descriptor,
        supply: Supply,
        begun: LeftOver,
        *,
        chunked: bool,
    ) -> None:
        self._session = session
        self._requests = requests
        self._blob = blob
        self._supply = supply
        self._upload = begun.upload
        self._claim = begun.claim
        self._chunked = chunked
        self._resumed_at = begun.arrived
        """Where the upload was gone on with last; 0: it has not been."""
        self._may_resume = True
        self._body = 0
        """Bytes of the body that is being sent, or was sent last."""
        self._has_passed = False
        """Whether a body of that size was taken: then a refusal is about the whole blob."""
        self._refused: int | None = None
        """Bytes of the smallest body that was refused for its size. Whether that is the registry's limit, or it takes none
        of this blob, shows when a smaller one is taken."""

    async def go(self) -> None:
        """Send it. An upload that fails is cancelled, or left to the next process if that can make something of it."""
        try:
            await self._go()
        except BaseException as error:
            await given_up(self._requests, self._upload, self._claim, error, has_sent=self._supply.position > 0)
            raise
        if self._claim is not None:
            self._claim.drop()

    async def _go(self) -> None:
        trying: Trying | None = None
        reached = self._supply.position
        while True:
            try:
                await self._send()
            except (RegistryError, Unreachable) as error:
                if error is self._supply.failure:
                    raise
                if self._learn_from(error):
                    await self._begin_anew()
                    continue
                if not is_worth_going_on(self._session, error):
                    await self._mistrust(error)
                    continue
                trying = trying or self._session.direct.trying()
                await trying.after(error)
                if await self._is_there_after_all(error):
                    return
                if self._supply.position >= reached + _PROGRESS:
                    trying, reached = None, self._supply.position
            except DigestMismatch as error:
                await self._mistrust(error)
            else:
                return

    async def _send(self) -> None:
        """Send what is left, and close the upload."""
        supply, size = self._supply, self._blob.size
        chunk = self._chunk(size - supply.position)
        if supply.position == 0 and chunk == size:
            self._body = size
            await self._requests.close(self._upload, self._blob, Part(supply, size))
            self._session.learnt.whole_put = True
            return
        # All chunks of one size but the last, as registries on object stores need it.
        while supply.position < size:
            start = supply.position
            self._body = min(chunk, size - start)
            await self._requests.append(self._upload, Part(supply, self._body), start)
            self._has_passed = True
            if self._refused is not None:
                self._session.learnt.refused(self._refused)
            if self._claim is not None:
                self._claim.move(self._upload.location)
        await self._requests.close(self._upload, self._blob, b"")

    def _chunk(self, left: int) -> int:
        """How many bytes to send in one body, where so many are left."""
        learnt = self._session.learnt
        too_large = min((each for each in (learnt.too_large, self._refused) if each is not None), default=None)
        if not self._chunked and learnt.whole_put is not False and (too_large is None or left < too_large):
            return left
        most = CHUNK if too_large is None else min(CHUNK, too_large // 2)
        return max(most, self._upload.smallest_chunk)

    def _learn_from(self, error: RegistryError | Unreachable) -> bool:
        """Whether the registry has refused the form alone in which the blob came, and there is another."""
        if not isinstance(error, RegistryError) or not self._supply.can_begin_at(0):
            return False
        learnt = self._session.learnt
        if error.status in _NO_WHOLE_PUT and learnt.whole_put is not False and not self._chunked:
            learnt.whole_put = False
            return True
        if error.status == _TOO_LARGE and self._body > SMALLEST_CHUNK and not self._has_passed:
            self._refused = self._body
            return self._chunk(self._blob.size) < self._body
        return False

    async def _is_there_after_all(self, error: RegistryError | Unreachable) -> bool:
        """Get ready to go on where the registry says that the upload is, or from the beginning; True: it is done.

        Raises:
            RegistryError, Unreachable: `error`, if the bytes that are needed cannot be had again.
        """
        offset = await self._requests.arrived(self._upload) if self._may_resume else 0
        if offset and offset == self._resumed_at and _is_lost(error):
            offset, self._may_resume = 0, False  # it says so, and does not take what comes next
        if offset is None and await self._requests.is_there(self._blob):
            return True  # the answer was lost on its way, and nothing else
        if offset and offset <= self._blob.size and self._supply.can_begin_at(offset):
            self._resumed_at = offset
            await self._supply.begin_at(offset)
        elif self._supply.can_begin_at(0):
            await self._begin_anew()
        else:
            raise error
        return False

    async def _mistrust(self, error: DigestMismatch | RegistryError | Unreachable) -> None:
        """Begin an upload anew if it was resumed: what the registry said of it was not true, or it does not take the rest.

        Raises:
            DigestMismatch, RegistryError, Unreachable: `error`, if it was not.
        """
        if isinstance(error, Unreachable) or not self._resumed_at or not self._supply.can_begin_at(0):
            raise error
        self._may_resume = False
        await self._begin_anew()

    async def _begin_anew(self) -> None:
        await self._requests.cancel(self._upload)
        self._upload = await self._requests.begin(self._blob)
        self._resumed_at = 0
        if self._claim is not None:
            self._claim.move(self._upload.location)
        await self._supply.begin_at(0)


async def given_up(
    requests: UploadRequests, upload: Upload, claim: Claim | None, error: BaseException, *, has_sent: bool
) -> None:
    """Leave an upload that failed to the next process, if that can make something of it; else cancel it."""
    if claim is not None and has_sent and is_worth_keeping(error):
        claim.leave()
        return
    if claim is not None:
        claim.drop()
    await requests.cancel(upload)


async def left_over(
    interrupted: Interrupted | None,
    requests: UploadRequests,
    reference: Reference,
    blob: Descriptor,
    content: AsyncIterable[bytes],
) -> LeftOver | None:
    """The upload of this blob that an earlier process has left; None if there is none, or it is of no use."""
    if interrupted is None or blob.size < NOTEWORTHY or not isinstance(content, Rewindable):
        return None
    claim = interrupted.take(reference, blob.digest)
    if claim is None:
        return None
    upload = Upload(claim.location, requests.place(blob))
    try:
        arrived = await requests.arrived(upload, patient=False)
    except WherryError:
        arrived = None  # whatever it is: a new upload can be opened, or shows what is wrong
    except BaseException:
        claim.leave()
        raise
    if not arrived or arrived > blob.size:
        claim.drop()
        return None
    claim.move(upload.location)
    return LeftOver(upload, claim, arrived)


def is_worth_going_on(session: Session, error: RegistryError | Unreachable) -> bool:
    """Whether an upload that has failed is to be gone on with, or begun anew."""
    return _is_lost(error) or session.direct.is_worth_another_try(error)


def _is_lost(error: RegistryError | Unreachable) -> bool:
    return isinstance(error, BlobUploadUnknown | RangeInvalid)
