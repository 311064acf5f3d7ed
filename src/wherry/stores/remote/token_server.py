"""Requests to the token server that a registry names, tried again as requests to the registry itself are."""

from collections.abc import Callable, Mapping

from pyreqwest.http import Url

from wherry.oci.errors import RegistryError, Unreachable
from wherry.oci.wire.errors import read_errors
from wherry.stores.remote.authorisation import Told
from wherry.stores.remote.outgoing import Outgoing
from wherry.stores.remote.refusals import refusal, words_of
from wherry.stores.remote.retrying import Trying, is_worth_another_try
from wherry.stores.remote.session import exchange_of

__all__ = ["TokenServer"]

_TROUBLE = frozenset((408, 429))
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
                if not is_worth_another_try(error, known=True):
                    raise
                trying = trying or self._trying()
                await trying.after(error)

    async def _told(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Told:
        at_home = self._outgoing.is_home(Url(url))
        answer = await self._outgoing.send(method, url, headers, body or None, at_home=at_home)
        try:
            if answer.status in _TROUBLE or answer.status >= _SERVER_ERROR:
                raise await refusal(answer, exchange_of(method, url), f"{self._registry}: its token server")
            content = await answer.body(_LARGEST_TOKEN) or b""
            errors = read_errors(content)
            return Told(exchange_of(method, url), answer.status, content, words_of(errors[0] if errors else None)[0])
        finally:
            await answer.close()
