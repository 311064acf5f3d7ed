"""Uploads that go on over several requests.

An upload is a row (which repository, which algorithm), a file with the bytes so far, and a running hash. The file's
length is the upload's offset, and the only truth about it: whatever cuts a request short, what was written counts. The
running hash lives in this process, since CPython cannot save one; after a restart the file is read once to get it back.

One request at a time writes to an upload. A second one waits its turn, and then finds that the offset has moved from
where it wanted to write: RANGE_INVALID, with the range that is there, so that its client can go on from that.

All of that holds for several processes, too: whoever writes has a lock on the file, and whoever gets it looks first
whether the file is longer than it was, and reads what others have written in between.

An upload that became a blob is remembered for a while, so that a client who did not hear the answer can ask again.

Spec: distribution-spec 1.1, "Pushing a blob in chunks".
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUploadUnknown, DigestInvalid, RangeInvalid, SizeInvalid, Unavailable
from wherry.oci.wire.ranges import Span
from wherry.server.blobs.protocol import Blobs, Incoming
from wherry.server.metadata.protocol import Metadata, UploadRecord
from wherry.server.request import Request

__all__ = ["Session", "Sessions"]

_BATCH = 1024 * 1024
_OTHERS = 0.02  # seconds between two looks whether another process still writes to an upload


class Session:
    """An upload that goes on. Only its `Sessions` makes one; write to it while you hold it."""

    def __init__(self, record: UploadRecord, incoming: Incoming) -> None:
        self.record = record
        self.incoming = incoming
        self.hasher = hashlib.new(record.algorithm)
        self.turn = asyncio.Lock()
        self.over = False
        self._shared = False  # whether others have written to it

    @property
    def offset(self) -> int:
        """Bytes that were there when somebody held it last."""
        return self.incoming.size

    @property
    def written(self) -> int:
        """Bytes that are there now, whoever writes them."""
        return self.incoming.written()

    async def catch_up(self) -> None:
        """Take in what other processes have written; only while it is held."""
        before = self.offset
        if self.incoming.written() == before:
            return
        self._shared = True
        await self.incoming.look_again()
        if self.offset < before:
            await self._hash_again()
        else:
            await self.incoming.digest(self.hasher, start=before)

    async def append(self, request: Request, span: Span | None) -> None:
        """Write a request's body behind what is there. `span` is where the client said that it goes.

        Raises:
            RangeInvalid: that is not where it would go.
            SizeInvalid: the body is not as long as the span, and was taken back; or the connection broke, and what
                came is kept.
        """
        start, before = self.offset, self.hasher.copy()
        if span is not None:
            self._check_span(span, request.content_length)
        try:
            await self._receive(request)
        except (Unavailable, OSError):
            await self._hash_again()
            raise
        if span is not None and self.offset != span.stop:
            came = self.offset - start
            await self.incoming.truncate(start)
            self.hasher = before
            raise SizeInvalid(f"the body has {came} bytes, its Content-Range has {len(span)}")

    def _check_span(self, span: Span, length: int | None) -> None:
        if span.start != self.offset:
            raise RangeInvalid(f"the upload goes on at byte {self.offset}, not at byte {span.start}")
        if length is not None and length != len(span):
            raise SizeInvalid(f"the body has {length} bytes, its Content-Range has {len(span)}")

    async def _receive(self, request: Request) -> None:
        """One batch is being hashed and written while the next one arrives; so two of them are in memory at most."""
        batch: list[bytes] = []
        size = 0
        writing: asyncio.Task[None] | None = None
        try:
            async for piece in request.pieces():
                batch.append(piece)
                size += len(piece)
                if size >= _BATCH:
                    if writing is not None:
                        await writing
                    writing = asyncio.create_task(self.incoming.append(batch, self.hasher))
                    batch, size = [], 0
        finally:
            if writing is not None:
                await writing
            if batch:
                await self.incoming.append(batch, self.hasher)

    async def _hash_again(self) -> None:
        """The disk has failed: the running hash has perhaps seen more than was written."""
        self.hasher = hashlib.new(self.record.algorithm)
        await self.incoming.digest(self.hasher)

    async def check(self, digest: Digest) -> None:
        """Whether the bytes are those of `digest`; an algorithm that was not foreseen costs one reading of the file.

        Raises:
            DigestInvalid: they are not.
        """
        hasher = self.hasher
        if digest.algorithm != self.record.algorithm:
            hasher = hashlib.new(digest.algorithm)
            await self.incoming.digest(hasher)
        found = Digest.taken_from(hasher, digest.algorithm)
        if found != digest and self._shared:  # one that took bytes back may have written as many others
            await self._hash_again()
            hasher, self._shared = self.hasher, False
            if digest.algorithm == self.record.algorithm:
                found = Digest.taken_from(hasher, digest.algorithm)
        if found != digest:
            raise DigestInvalid(
                f"the {self.offset} bytes that came have digest {found}, not {digest}",
                detail={"expected": str(digest), "actual": str(found), "size": self.offset},
                hint="start the upload again",
            )


class Sessions:
    """All uploads of a registry."""

    def __init__(self, metadata: Metadata, blobs: Blobs, *, clock: Callable[[], float] = time.time) -> None:
        self._metadata = metadata
        self._blobs = blobs
        self._clock = clock
        self._live: dict[str, Session] = {}

    async def begin(self, repository: str, algorithm: str) -> Session:
        """A new upload, empty."""
        record = UploadRecord(str(uuid4()), repository, algorithm)
        session = Session(record, await self._blobs.begin(record.id))
        await self._metadata.begin_upload(record)
        self._live[record.id] = session
        return session

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

    async def finished(self, repository: str, identifier: str) -> Digest | None:
        """The digest of the blob that an upload became, if it did."""
        record = await self._metadata.upload(identifier)
        return record.finished if record is not None and record.repository == repository else None

    @asynccontextmanager
    async def held(self, repository: str, identifier: str) -> AsyncIterator[Session]:
        """An upload that nobody else writes to meanwhile.

        Raises:
            BlobUploadUnknown: there is none, or it was over when our turn came.
            RangeInvalid: somebody else wrote to it while we waited.
        """
        session = await self.find(repository, identifier)
        offset = session.written
        async with session.turn:
            try:
                if not session.over:
                    await self._claim(session)
                if session.over:
                    raise BlobUploadUnknown("the upload was finished or cancelled meanwhile")
                if session.offset != offset:
                    raise RangeInvalid("another request has written to this upload meanwhile")
                yield session
            finally:
                await session.incoming.pause()

    async def _claim(self, session: Session) -> None:
        """Wait until no other process writes to an upload, and take in what it has written."""
        while not session.incoming.claim():  # noqa: ASYNC110  # the other process can set no event of ours
            await asyncio.sleep(_OTHERS)
        if await self._current(session.record.id) is not session:  # finished, cancelled or swept by another process
            self._end(session)
            await session.incoming.discard()
            return
        await session.catch_up()

    async def finish(self, session: Session, digest: Digest) -> None:
        """Make an upload that is held the blob of `digest`; if the bytes are others, it is thrown away.

        Raises:
            DigestInvalid: they are.
        """
        try:
            await session.check(digest)
        except DigestInvalid:
            await self.cancel(session)
            raise
        try:
            await self._keep(session, digest)
        finally:
            self._end(session)
            await session.incoming.discard()

    async def _keep(self, session: Session, digest: Digest) -> None:
        """The bytes first, then the row; and again, if the collector took the bytes in between."""
        size = session.offset
        while True:
            await session.incoming.keep(digest)
            if await self._metadata.link_blob(
                session.record.repository,
                digest,
                size,
                stored=lambda: self._blobs.stored(digest, size),
                upload=session.record.id,
            ):
                return

    async def cancel(self, session: Session) -> None:
        """Throw away an upload that is held."""
        self._end(session)
        await session.incoming.discard()
        await self._metadata.forget_uploads([session.record.id])

    async def sweep(self, lifetime: float) -> int:
        """Throw away what has lain untouched for `lifetime` seconds, and files that no row knows; say how many."""
        limit = self._clock() - lifetime
        files = await self._blobs.incoming()
        stale = {name for name in await self._metadata.uploads_before(limit) if name not in files}
        stale |= {name for name, arrived in files.items() if arrived.touched < limit}
        stale = {name for name in stale if name not in self._live or not self._live[name].turn.locked()}
        for name in stale:
            session = self._live.get(name)
            if session is not None:
                self._end(session)
                await session.incoming.pause()
            await self._blobs.discard(name)
        await self._metadata.forget_uploads(sorted(stale))
        for session in [each for each in self._live.values() if not each.turn.locked()]:
            await self._current(session.record.id)  # another process may have finished it
        return len(stale)

    async def _current(self, identifier: str) -> Session | None:
        """An upload that goes on, as far as the database knows."""
        record = await self._metadata.upload(identifier)
        session = self._live.get(identifier)
        if record is None or record.finished is not None:
            if session is not None and not session.turn.locked():
                self._end(session)
            return None
        return session or await self._resumed(record)

    async def _resumed(self, record: UploadRecord) -> Session:
        """An upload that another process began."""
        session = Session(record, await self._blobs.resume(record.id))
        if record.id in self._live:
            return self._live[record.id]
        self._live[record.id] = session  # before the next wait, so that a second request finds this one
        async with session.turn:
            await session.incoming.digest(session.hasher)
            await session.incoming.pause()
        return session

    def _end(self, session: Session) -> None:
        session.over = True
        self._live.pop(session.record.id, None)
