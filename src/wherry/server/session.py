"""One upload that goes on: its bytes so far, their running hash, and whose turn it is to write.

Spec: distribution-spec 1.1, "Pushing a blob in chunks".
"""

import asyncio
import hashlib
from collections.abc import Sequence

from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUploadUnknown, DigestInvalid, RangeInvalid, SizeInvalid, Unavailable
from wherry.oci.wire.ranges import Span
from wherry.server.blobs.protocol import Incoming
from wherry.server.metadata.protocol import UploadRecord
from wherry.server.request import Request

__all__ = ["LARGEST_END", "Session", "other_digest"]

LARGEST_END = 1024 * 1024
"""Bytes of a body that are held in memory, and not yet written, when the upload ends with it."""


class Session:
    """An upload that goes on. Only its `Sessions` makes one; write to it while you hold it."""

    known = False
    """Whether the database has a row of it."""

    def __init__(self, record: UploadRecord, incoming: Incoming, *, begun: float) -> None:
        self.record = record
        self.begun = begun
        self.incoming = incoming
        self.hasher = hashlib.new(record.algorithm)
        self.turn = asyncio.Lock()
        self.wanted = 0
        """How many hold it, or wait for their turn."""
        self.unwanted = 0
        """How many wait to cancel it."""
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
            await self.hash_again()
        else:
            await self.incoming.digest(self.hasher, start=before)

    async def append(self, request: Request, span: Span | None) -> None:
        """Write a request's body behind what is there. `span` is where the client said that it goes.

        Raises:
            RangeInvalid: that is not where it would go.
            SizeInvalid: the body is not as long as the span, and was taken back; or the connection broke, and what
                came is kept.
            BlobUploadUnknown: somebody waits to cancel it.
        """
        start, before = self.offset, self.hasher.copy()
        if span is not None:
            self._check_span(span, request.content_length)
        try:
            tail = await self._receive(request)
            if tail:
                await self.incoming.append(tail, self.hasher)
        except (Unavailable, OSError):
            await self.hash_again()
            raise
        if span is not None and self.offset != span.stop:
            came = self.offset - start
            await self.incoming.truncate(start)
            self.hasher = before
            raise SizeInvalid(f"the body has {came} bytes, its Content-Range has {len(span)}")

    async def receive_last(self, request: Request, span: Span | None) -> list[bytes]:
        """The same for the body that ends the upload; what is returned is not yet written, and is for `keep`."""
        if span is None:
            try:
                return await self._receive(request)
            except (Unavailable, OSError):
                await self.hash_again()
                raise
        await self.append(request, span)
        return []

    async def keep(self, tail: Sequence[bytes], digest: Digest) -> None:
        """Write the end, and make the whole a blob, if it has that digest.

        Raises:
            DigestInvalid: it has not.
        """
        if digest.algorithm == self.record.algorithm and not self._shared:
            found = await self.incoming.complete(tail, self.hasher, digest)
            if found != digest:
                raise other_digest(found, digest, self.offset)
            return
        if tail:
            await self.incoming.append(tail, self.hasher)
        await self._check(digest)
        await self.incoming.keep(digest)

    def _check_span(self, span: Span, length: int | None) -> None:
        if span.start != self.offset:
            raise RangeInvalid(f"the upload goes on at byte {self.offset}, not at byte {span.start}")
        if length is not None and length != len(span):
            raise SizeInvalid(f"the body has {length} bytes, its Content-Range has {len(span)}")

    def _check_wanted(self) -> None:
        if self.unwanted:
            raise BlobUploadUnknown("the upload was cancelled meanwhile")

    async def _receive(self, request: Request) -> list[bytes]:
        """Write a body as it comes, all but its end, which is returned; if it breaks off, all that came is written.

        One batch is being hashed and written while the next one arrives; so two of them are in memory at most.
        """
        batch: list[bytes] = []
        size = 0
        writing: asyncio.Task[None] | None = None
        try:
            async for piece in request.pieces():
                self._check_wanted()
                batch.append(piece)
                size += len(piece)
                if size > LARGEST_END:
                    if writing is not None:
                        await writing
                    writing = asyncio.create_task(self.incoming.append(batch, self.hasher))
                    batch, size = [], 0
        except BaseException:
            if writing is not None:
                await writing
            if batch:
                await self.incoming.append(batch, self.hasher)
            raise
        if writing is not None:
            await writing
        return batch

    async def hash_again(self) -> None:
        """The disk has failed: the running hash has perhaps seen more than was written."""
        self.hasher = hashlib.new(self.record.algorithm)
        await self.incoming.digest(self.hasher)

    async def _check(self, digest: Digest) -> None:
        """Whether the bytes are those of `digest`; an algorithm that was not foreseen costs one reading of the file."""
        hasher = self.hasher
        if digest.algorithm != self.record.algorithm:
            hasher = hashlib.new(digest.algorithm)
            await self.incoming.digest(hasher)
        found = Digest.taken_from(hasher, digest.algorithm)
        if found != digest and self._shared:  # one that took bytes back may have written as many others
            await self.hash_again()
            hasher, self._shared = self.hasher, False
            if digest.algorithm == self.record.algorithm:
                found = Digest.taken_from(hasher, digest.algorithm)
        if found != digest:
            raise other_digest(found, digest, self.offset)


def other_digest(found: Digest, digest: Digest, size: int) -> DigestInvalid:
    """The error for the `size` bytes of an upload that are not what their digest says."""
    again = "start the upload again, and send exactly the bytes that the digest was made of"
    how = "no byte came at all" if size == 0 else "curl -T FILE does; -d and -F change them"
    return DigestInvalid(
        f"the {size} bytes that came have digest {found}, not {digest}",
        detail={"expected": str(digest), "actual": str(found), "size": size},
        hint=f"{again} ({how})",
    )
