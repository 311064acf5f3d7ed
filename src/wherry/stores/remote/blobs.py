"""Blobs of a remote repository, read. Spec: distribution-spec 1.1, "Pulling blobs"; RFC 9110, 14 (ranges)."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import ContentMismatch, NotFound, RegistryError, Unavailable
from wherry.oci.reference import Reference
from wherry.stores.remote.download import Download, blob_request
from wherry.stores.remote.refusals import NO_HEAD
from wherry.stores.remote.session import Session
from wherry.stores.remote.wide import Width
from wherry.stores.verify import verified

__all__ = ["exists", "fetch"]


async def exists(session: Session, reference: Reference, blob: Descriptor) -> bool:
    """Whether the repository has a blob."""
    learnt = session.learnt
    is_refused = False
    try:
        if learnt.blob_head is not False:
            async with session.open(blob_request(reference, blob, "HEAD")):
                return True
    except NotFound:
        return False  # also where that is doubtful: the blob is pushed again, and does no harm
    except RegistryError as error:
        is_refused = error.status in NO_HEAD
        if not is_refused and not isinstance(error, Unavailable):
            raise
    try:
        async with session.open(blob_request(reference, blob, "GET")):
            learnt.blob_head = False if is_refused else learnt.blob_head
            return True  # the body is not read: the connection is closed
    except NotFound:
        return False


async def fetch(
    session: Session, reference: Reference, blob: Descriptor, offset: int, width: Width
) -> AsyncIterator[bytes]:
    """The bytes of a blob from `offset` on, verified as they pass."""
    if offset >= blob.size > 0:
        return
    pieces = Download(session, reference, blob, offset, width).pieces()
    async with aclosing(pieces if offset else verified(pieces, blob, reference.context)) as checked, aclosing(pieces):
        try:
            async for piece in checked:
                yield piece
        except ContentMismatch as error:
            session.mistrust(blob_request(reference, blob, "GET"), error)
            raise
