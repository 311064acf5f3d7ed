"""A registry itself: is it one, and which repositories does it list."""

from collections.abc import AsyncIterator

from wherry.oci.errors import InvalidName, NotFound, Unsupported
from wherry.oci.reference import check_name
from wherry.stores.remote.direct import Direct
from wherry.stores.remote.listing import bad_list, pages, texts
from wherry.stores.remote.refusals import is_page, page
from wherry.stores.remote.scopes import CATALOGUE
from wherry.stores.remote.session import LoggedIn, Request, exchange_of

__all__ = ["Registry"]


class Registry:
    """The registry `host`. Made by `Client.registry`."""

    def __init__(self, session: Direct, host: str) -> None:
        self.host = host
        self._session = session

    async def ping(self) -> None:
        """Check that it is a registry, and that it lets us in.

        Raises:
            RegistryError, Unreachable: it is none, refuses, or cannot be reached.
        """
        answer, body = await self._session.ask(Request("GET", f"{self._session.host.api}/", self.host))
        if is_page(answer, body):
            raise page(answer, exchange_of("GET", answer.url), self.host)

    async def log_in(self) -> LoggedIn:
        """Have the registry check the client's credential for it; the result is what to keep of it.

        Raises:
            Unauthorized: it refuses.
            RegistryError, Unreachable: it is no registry, or cannot be reached.
        """
        return await self._session.log_in()

    async def repositories(self) -> AsyncIterator[str]:
        """The names of all repositories that the registry shows us, in its order.

        Raises:
            Unsupported: it has no catalogue; many large ones have none.
        """
        request = Request("GET", f"{self._session.host.api}/_catalog", self.host, CATALOGUE)
        try:
            async for answer, document in pages(self._session, request, "repositories"):
                for name in texts(answer, document, "repositories", self.host):
                    try:
                        yield check_name(name)
                    except InvalidName as error:
                        raise bad_list(answer, self.host, f"has a {error.message}") from error
        except NotFound as error:
            raise Unsupported(
                f"{self.host}: the registry does not list its repositories",
                request=error.request,
                status=error.status,
                words=error.words,
                detail=error.detail,
            ) from error

    def __repr__(self) -> str:
        return f"Registry({self.host})"
