"""Uploads that go on over several requests.

An upload is a row (which repository, which algorithm), a file with the bytes so far, and a running hash. The file's
length is the upload's offset, and the only truth about it: whatever cuts a request short, what was written counts. The
running hash lives in this process, since CPython cannot save one; after a restart the file is read once to get it back.

One request at a time writes to an upload. A second one waits its turn, and then finds that the offset has moved from
where it wanted to write: RANGE_INVALID, with the range that is there, so that its client can go on from that. Who cancels
the upload waits, too, but does not care for the offset; and whoever writes to it in this process ends with the next bytes that come.

All of that holds for several processes, too: whoever writes has a lock on the file, and whoever gets it looks first
whether the file is longer than it was, and reads what others have written in between.

Where one process serves the folder alone, the row comes with the first bytes that outlive a request: most uploads are a POST
and one PUT, and they get theirs in the transaction that ends them. A POST then costs no write at all.

What is at hand of uploads that nobody writes to has a limit, since anybody may begin them. Of those beyond it, the oldest first,
this process keeps no more than the row and the file, as if another process had begun them.

An upload that became a blob is remembered for a while, so that a client who did not hear the answer can ask again.

Spec: distribution-spec 1.1, "Pushing a blob in chunks".
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUploadUnknown, DigestInvalid, RangeInvalid, Unavailable
from wherry.server.blobs.protocol import Blobs
from wherry.server.metadata.protocol import Metadata, UploadRecord
from wherry.server.session import Session

__all__ = ["Sessions"]

_OTHERS = 0.02  # seconds between two looks whether another process still writes to an upload
_AT_HAND = 4096  # uploads; each takes 1.4 KB


class Sessions:
    """All uploads of a registry; `alone`: no other process is asked for those that are begun here. `close` it."""

    def __init__(
        self, metadata: Metadata, blobs: Blobs, *, alone: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._alone = alone
        self._clock = clock
        self._live: dict[str, Session] = {}

    async def begin(self, repository: str, algorithm: str) -> Session:
        """A new upload, empty."""
        record = UploadRecord(str(uuid4()), repository, algorithm)
        session = Session(record, await self._blobs.begin(record.id), begun=self._clock())
        if not self._alone:
            await self.remember(session)
        self._live[record.id] = session
        await self._make_room()
        return session

    async def remember(self, session: Session) -> None:
        """Before it gets bytes that outlive a request: from now on a restart does not end the upload."""
        if not session.known:
            await self._metadata.begin_upload(session.record)
            session.known = True

    async def begin_alone(self, repository: str, algorithm: str) -> Session:
        """A new upload that a single request brings: no row, since nobody else will ever ask for it. It is held."""
        record = UploadRecord(str(uuid4()), repository, algorithm)
        return Session(record, await self._blobs.begin(record.id), begun=self._clock())

    async def find(self, repository: str, identifier: str) -> Session:
        """An upload that goes on.

        Raises:
            BlobUploadUnknown: there is none of that name in that repository, or it is over.
        """
        session = await self._current(identifier)
        if session is None or session.record.repository != repository:
            raise BlobUploadUnknown(
                "no such upload: it was finished or cancelled, or it has lain too long",
                detail={"name": repository, "upload": identifier},
                hint="start the upload again",
            )
        return session

    async def count(self) -> int:
        """How many go on."""
        return len(await self._metadata.uploads()) + sum(not each.known for each in self._live.values())

    async def finished(self, repository: str, identifier: str) -> Digest | None:
        """The digest of the blob that an upload became, if it did."""
        record = await self._metadata.upload(identifier)
        return record.finished if record is not None and record.repository == repository else None

    @asynccontextmanager
    async def held(self, repository: str, identifier: str, *, to_cancel: bool = False) -> AsyncIterator[Session]:
        """An upload that nobody else writes to meanwhile; `to_cancel`: and that nobody needs to go on with.

        Raises:
            BlobUploadUnknown: there is none, or it was over when our turn came.
            RangeInvalid: somebody else wrote to it while we waited, and it is not to be cancelled.
        """
        session = await self.find(repository, identifier)
        offset = session.written
        session.wanted += 1
        session.unwanted += to_cancel
        try:
            async with session.turn:
                try:
                    if not session.over:
                        await self._claim(session)
                    if session.over:
                        raise BlobUploadUnknown("the upload was finished or cancelled meanwhile")
                    if session.offset != offset and not to_cancel:
                        raise RangeInvalid("another request has written to this upload meanwhile")
                    yield session
                finally:
                    await session.incoming.pause()
        finally:
            session.wanted -= 1
            session.unwanted -= to_cancel

    async def _claim(self, session: Session) -> None:
        """Wait until no other process writes to an upload, and take in what it has written."""
        while not session.incoming.claim():  # noqa: ASYNC110  # the other process can set no event of ours
            await asyncio.sleep(_OTHERS)
        if await self._current(session.record.id) is not session:  # finished, cancelled or swept by another process
            self._end(session)
            await session.incoming.discard()
            return
        await session.catch_up()

    async def finish(self, session: Session, tail: Sequence[bytes], digest: Digest) -> None:
        """Make an upload that is held, with what came last, the blob of `digest`; if its bytes are others, it is thrown away.

        Raises:
            DigestInvalid: they are.
        """
        size, goes_on = session.offset + sum(map(len, tail)), False
        try:
            await session.keep(tail, digest)
            await self._link(session, digest)
        except DigestInvalid:
            await self.cancel(session)
            raise
        except (Unavailable, OSError):
            goes_on = session.offset < size  # the end was not written: it may be sent again
            if goes_on:
                await session.hash_again()
            raise
        finally:
            if not goes_on:
                self._end(session)
                await session.incoming.discard()

    async def _link(self, session: Session, digest: Digest) -> None:
        """The bytes are kept, now the row; and again, if the collector took the bytes in between."""
        size, record = session.offset, session.record
        while not await self._metadata.link_blob(
            record.repository,
            digest,
            size,
            stored=lambda: self._blobs.stored(digest, size),
            upload=record if record.id in self._live else None,
        ):
            await session.incoming.keep(digest)

    async def cancel(self, session: Session) -> None:
        """Throw away an upload that is held."""
        if session.known:  # first, or who asks meanwhile would find the row, and take the upload up again
            await self._metadata.forget_uploads([session.record.id])
        self._end(session)
        await session.incoming.discard()

    async def sweep(self, lifetime: float) -> int:
        """Throw away what has lain untouched for `lifetime` seconds, and files that no row knows; say how many."""
        limit = self._clock() - lifetime
        files = await self._blobs.incoming()
        stale = {name for name in await self._metadata.uploads_before(limit) if name not in files}
        stale |= {name for name, arrived in files.items() if arrived.touched < limit}
        stale |= {name for name, each in self._live.items() if each.begun < limit and name not in files}
        stale = {name for name in stale if name not in self._live or not self._live[name].wanted}
        for name in stale:
            session = self._live.get(name)
            if session is not None:
                self._end(session)
                await session.incoming.pause()
            await self._blobs.discard(name)
        await self._metadata.forget_uploads(sorted(stale))
        for session in [each for each in self._live.values() if not each.wanted]:
            await self._current(session.record.id)  # another process may have finished it
        return len(stale)

    async def close(self) -> None:
        """See to it that those go on elsewhere that have begun here."""
        for session in list(self._live.values()):
            await self.remember(session)

    async def _current(self, identifier: str) -> Session | None:
        """An upload that goes on, as far as the database knows."""
        session = self._live.get(identifier)
        if session is not None and not session.known:
            return session
        record = await self._metadata.upload(identifier)
        if record is None or record.finished is not None:
            if session is not None and not session.wanted:
                self._end(session)
            return None
        return self._live.get(identifier) or await self._resumed(record)

    async def _make_room(self) -> None:
        """Let go of an upload that has begun long ago, and that nobody writes to; it goes on when somebody asks for it."""
        idle = next((each for each in self._live.values() if not each.wanted), None)
        if len(self._live) <= _AT_HAND or idle is None:
            return
        idle.wanted += 1
        try:
            async with idle.turn:
                if not idle.over:
                    await self.remember(idle)
        finally:
            idle.wanted -= 1
        if not idle.wanted:
            self._live.pop(idle.record.id, None)

    async def _resumed(self, record: UploadRecord) -> Session:
        """An upload that another process began."""
        session = Session(record, await self._blobs.resume(record.id), begun=self._clock())
        session.known = True
        if record.id in self._live:
            return self._live[record.id]
        self._live[record.id] = session  # before the next wait, so that a second request finds this one
        session.wanted += 1
        try:
            async with session.turn:
                await session.incoming.digest(session.hasher)
                await session.incoming.pause()
            await self._make_room()
        finally:
            session.wanted -= 1
        return session

    def _end(self, session: Session) -> None:
        session.over = True
        self._live.pop(session.record.id, None)
