"""The registry client: connections, credentials and what was learnt of each registry; one for many registries."""

from collections.abc import Collection
from types import TracebackType
from typing import Self

from wherry.oci.reference import Reference
from wherry.stores.remote.credentials import Credentials
from wherry.stores.remote.reach import Loopback, Policy
from wherry.stores.remote.registry import Registry
from wherry.stores.remote.repository import Repository
from wherry.stores.remote.session import Session
from wherry.stores.remote.transport import Transport

__all__ = ["Client"]


class Client:
    """Opens registries and repositories. An async context manager; what it opened is of no use after it is closed.

    Args:
        credentials: where to find them; None asks anonymously everywhere.
        insecure: registries (`host[:port]`) that may have certificates nobody vouches for, or speak plain HTTP;
            True for all. HTTPS is tried first.
        loopback: `"plain"`: loopback hosts may speak plain HTTP without being covered by `insecure`. `"tls"`: they may
            not (docker's rule when it reads); their certificates are not checked either way.
        chunked: send large blobs in chunks, also where a registry would take them whole.
        environment_proxies: go through the proxies that `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name; never to
            loopback hosts.
        connect_timeout: seconds until a connection must stand.
        silence: seconds that a registry may be silent, while it is its turn to send or to take something.
    """

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        insecure: bool | Collection[str] = False,
        loopback: Loopback = "plain",
        chunked: bool = False,
        environment_proxies: bool = False,
        connect_timeout: float = 10.0,
        silence: float = 60.0,
    ) -> None:
        self._credentials = credentials
        self._policy = Policy(insecure if isinstance(insecure, bool) else frozenset(insecure), loopback)
        self._chunked = chunked
        self._transport = Transport(connect_timeout=connect_timeout, silence=silence, proxies=environment_proxies)
        self._sessions: dict[str, Session] = {}

    def repository(self, reference: Reference) -> Repository:
        """The repository that a reference is in; its tag and digest do not matter."""
        return Repository(self._session(reference.registry), reference, chunked=self._chunked)

    def registry(self, host: str) -> Registry:
        """The registry `host[:port]`."""
        return Registry(self._session(host), host)

    def _session(self, host: str) -> Session:
        session = self._sessions.get(host)
        if session is None:
            session = self._sessions[host] = Session(host, self._transport, self._credentials, self._policy)
        return session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()
