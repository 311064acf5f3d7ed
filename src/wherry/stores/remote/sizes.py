"""How large a blob is, of which only the digest is known. Spec: distribution-spec 1.1, "Checking if content exists"."""

from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUnknown
from wherry.oci.reference import Reference
from wherry.stores.remote.refusals import NO_HEAD, Missing
from wherry.stores.remote.scopes import pull
from wherry.stores.remote.session import Request, Session

__all__ = ["size_of"]

_OK = 200


async def size_of(session: Session, reference: Reference, blob: Digest) -> int:
    """The bytes of a blob, by what the registry says, or by counting them where it does not.

    Raises:
        BlobUnknown: the repository does not have it.
    """
    async with session.open(_request(reference, blob, "HEAD", (_OK, *NO_HEAD))) as answer:
        if answer.status == _OK and answer.length is not None:
            return answer.length
    async with session.open(_request(reference, blob, "GET", (_OK,))) as answer:
        if answer.length is not None:
            return answer.length
        counted = 0
        while (piece := await answer.read()) is not None:
            counted += len(piece)
        return counted


def _request(reference: Reference, blob: Digest, method: str, expected: tuple[int, ...]) -> Request:
    return Request(
        method,
        f"/v2/{reference.repository}/blobs/{blob}",
        f"{reference.context}@{blob}",
        pull(reference.repository),
        expected=expected,
        missing=Missing(BlobUnknown, "no such blob"),
    )
