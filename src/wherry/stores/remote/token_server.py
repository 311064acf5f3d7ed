"""Requests to the token server that a registry names, tried again as requests to the registry itself are.

Where it has moved, it is followed: never down to plain HTTP, and what proves who asks goes along on the same host alone.
"""

from collections.abc import Callable, Mapping

from pyreqwest.http import Url

from wherry.oci.errors import RegistryError, UnexpectedResponse, Unreachable
from wherry.oci.wire.errors import read_errors
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.authorisation import Told
from wherry.stores.remote.outgoing import Outgoing
from wherry.stores.remote.reach import same_host
from wherry.stores.remote.redirects import MOST_REDIRECTS, REDIRECTS
from wherry.stores.remote.refusals import refusal, words_of
from wherry.stores.remote.retrying import Trying, is_worth_another_try
from wherry.stores.remote.session import exchange_of

__all__ = ["TokenServer"]

_TROUBLE = frozenset((408, 429))
_SEE_OTHER = 303
_SERVER_ERROR = 500
_LARGEST_TOKEN = 256 * 1024


class TokenServer:
    """Asks for tokens; `trying` begins the tries of one request."""

    def __init__(self, registry: str, outgoing: Outgoing, trying: Callable[[], Trying]) -> None:
        self._registry = registry
        self._outgoing = outgoing
        self._trying = trying

    async def ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Told:
        """Send one request; give the answer, whatever it says of our rights.

        Raises:
            RegistryError, Unreachable: the server has trouble of its own, and goes on having it.
        """
        trying: Trying | None = None
        while True:
            try:
                return await self._told(method, url, headers, body)
            except (RegistryError, Unreachable) as error:
                if isinstance(error, Unreachable):
                    error.message = f"{self._registry}: its token server: {error.message}"
                if not is_worth_another_try(error, known=True):
                    raise
                trying = trying or self._trying()
                await trying.after(error)

    async def _told(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Told:
        for _ in range(MOST_REDIRECTS + 1):
            at_home = self._outgoing.is_home(Url(url))
            answer = await self._outgoing.send(method, url, headers, body or None, at_home=at_home)
            try:
                moved = _moved(answer, method)
                if moved is None:
                    return await self._read(answer, method)
            finally:
                await answer.close()
            if not same_host(Url(url), moved):
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            url = str(moved)
        raise UnexpectedResponse(
            f"{self._registry}: its token server: more than {MOST_REDIRECTS} redirects",
            request=exchange_of(method, answer.url),
            status=answer.status,
        )

    async def _read(self, answer: Answer, method: str) -> Told:
        exchange = exchange_of(method, answer.url)
        if answer.status in _TROUBLE or answer.status >= _SERVER_ERROR:
            raise await refusal(answer, exchange, f"{self._registry}: its token server")
        content = await answer.body(_LARGEST_TOKEN) or b""
        errors = read_errors(content)
        return Told(exchange, answer.status, content, words_of(errors[0] if errors else None)[0])


def _moved(answer: Answer, method: str) -> Url | None:
    """Where to ask instead; None if this is the answer, or nowhere that may be followed."""
    location = answer.header("Location") if answer.status in REDIRECTS else None
    if not location:
        return None
    asked = Url(answer.url)
    try:
        moved = asked.join(location)
    except ValueError:
        return None
    if moved.scheme not in {"http", "https"} or (asked.scheme == "https" and moved.scheme == "http"):
        return None
    if method == "POST" and (answer.status == _SEE_OTHER or not same_host(asked, moved)):
        return None  # the body is a secret
    return moved
