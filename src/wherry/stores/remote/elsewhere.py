"""Blobs from outside of registries: foreign layers, from the `urls` that their descriptors have.

Nobody's credentials go there. What breaks off goes on from the byte that it reached, like a download from a registry. What comes is believed only when it has the size and the digest of the descriptor; so plain HTTP
will do. Spec: image-spec 1.1, descriptor.md, "urls".
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from pyreqwest.http import Url

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import BlobUnknown, UnexpectedResponse, WherryError
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.direct import Direct
from wherry.stores.remote.download import body_of
from wherry.stores.remote.retrying import Trying, is_worth_another_try
from wherry.stores.remote.session import exchange_of
from wherry.stores.verify import verified

__all__ = ["follow"]

_OK, _PARTIAL = 200, 206
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_MOST_REDIRECTS = 10


async def follow(session: Direct, blob: Descriptor, url: str) -> AsyncIterator[bytes]:
    """The bytes of a blob from an URL, verified as they pass.

    Raises:
        BlobUnknown: it is not there.
        ContentMismatch: what is there is something else.
        Unreachable: nobody answers.
    """
    pieces = _going_on(session, blob, _checked(url, blob))
    async with aclosing(pieces):
        async for piece in verified(pieces, blob, _shown(url)):
            yield piece


async def _going_on(session: Direct, blob: Descriptor, url: Url) -> AsyncGenerator[bytes, None]:
    position = 0
    trying: Trying | None = None
    while True:
        try:
            async with _opened(session, blob, url, position) as answer:
                async for piece in body_of(answer, blob, position, f"{_shown(answer.url)}: blob {blob.digest}"):
                    position += len(piece)
                    yield piece
        except WherryError as error:
            if not is_worth_another_try(error, known=position > 0):
                raise
            trying = trying or session.trying()
            await trying.after(error)
        else:
            return


@asynccontextmanager
async def _opened(session: Direct, blob: Descriptor, url: Url, offset: int) -> AsyncIterator[Answer]:
    for _ in range(_MOST_REDIRECTS + 1):
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        answer = await session.outgoing.send("GET", str(url), headers, None, at_home=False)
        try:
            if answer.status == _OK or (offset and answer.status == _PARTIAL):
                yield answer
                return
            if answer.status not in _REDIRECTS:
                raise BlobUnknown(
                    f"{_shown(str(url))}: no blob {blob.digest}",
                    request=exchange_of("GET", str(url)),
                    status=answer.status,
                )
            url = _redirected(url, answer.header("Location"), blob)
        finally:
            await answer.close()
    raise UnexpectedResponse(f"{_shown(str(url))}: more than {_MOST_REDIRECTS} redirects")


def _redirected(url: Url, location: str | None, blob: Descriptor) -> Url:
    try:
        return _checked(str(url.join(location or "")), blob)
    except ValueError as error:
        raise UnexpectedResponse(f"{_shown(str(url))}: a redirect to {location!r}: {error}") from None


def _checked(text: str, blob: Descriptor) -> Url:
    try:
        url = Url(text)
    except ValueError as error:
        raise BlobUnknown(f"blob {blob.digest}: {text!r} is no URL: {error}") from None
    if url.scheme not in {"http", "https"} or not url.host_str:
        raise BlobUnknown(f"blob {blob.digest}: {text!r} is no URL of HTTP")
    if url.username or url.password:
        raise BlobUnknown(f"blob {blob.digest}: an URL at {url.host_str} with credentials in it, which is not followed")
    return url


def _shown(url: str) -> str:
    """An URL without what may be secret in it."""
    return exchange_of("GET", url).url
