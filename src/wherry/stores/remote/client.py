"""The registry client: connections, credentials and what was learnt of each registry; one for many registries."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from wherry.oci.errors import WherryError
from wherry.oci.reference import Reference
from wherry.stores.remote.credentials import Credentials
from wherry.stores.remote.direct import Direct
from wherry.stores.remote.hosts import API, Endpoint, Host, Hosts, NoHosts
from wherry.stores.remote.interrupted import Interrupted
from wherry.stores.remote.notes import Note, Notes
from wherry.stores.remote.proxies import NO_PROXIES, Proxies
from wherry.stores.remote.reach import Loopback, Policy
from wherry.stores.remote.registry import Registry
from wherry.stores.remote.repository import Repository
from wherry.stores.remote.retrying import WALL_CLOCK, Clock, Patience
from wherry.stores.remote.routed import Mirror, Notify, Routed
from wherry.stores.remote.session import Session
from wherry.stores.remote.transport import Transport
from wherry.stores.remote.wide import Width

__all__ = ["Client", "Mirrored"]


class Client:
    """Opens registries and repositories. An async context manager; what it opened is of no use after it is closed.

    Args:
        credentials: where to find them; None asks anonymously everywhere.
        insecure: registries (`host[:port]`) that may have certificates nobody vouches for, or speak plain HTTP;
            True for all. HTTPS is tried first.
        loopback: `"plain"`: loopback hosts may speak plain HTTP without being covered by `insecure`. `"tls"`: they may
            not (docker's rule when it reads); their certificates are not checked either way.
        chunked: send large blobs in chunks, also where a registry would take them whole.
        proxies: the proxies to go through; never to loopback hosts.
        hosts: where registries are really spoken to: their certificates, other locations, mirrors. None: as they are named.
        notify: is told, in a line for people, what went wrong without standing in the way: a mirror that does not work.
        connect_timeout: seconds until a connection must stand.
        patience: how often, and how long, what may go well the next time is tried again.
        limit_rate: bytes a second that may be read, and sent, over all transfers; None: as fast as it goes.
        clock: what tells the time between tries.
        silence: seconds that a registry may be silent, while it is its turn to send or to take something.
        notes: a folder for what registries do not do, and for large uploads that are cut short: later clients go on from there. None: nothing is
            noted. It is a cache: where it cannot be read or written, nobody is told.
    """

    def __init__(
        self,
        *,
        credentials: Credentials | None = None,
        insecure: bool | Collection[str] = False,
        loopback: Loopback = "plain",
        chunked: bool = False,
        proxies: Proxies = NO_PROXIES,
        hosts: Hosts | None = None,
        notify: Notify | None = None,
        connect_timeout: float = 10.0,
        silence: float = 60.0,
        patience: Patience | None = None,
        limit_rate: int | None = None,
        clock: Clock = WALL_CLOCK,
        notes: Path | None = None,
    ) -> None:
        self._notes = None if notes is None else Notes(notes)
        self._interrupted = None if notes is None else Interrupted(notes)
        self._credentials = credentials
        if isinstance(insecure, str):
            raise TypeError(f"insecure are several registries: insecure=[{insecure!r}]")
        self._policy = Policy(insecure if isinstance(insecure, bool) else frozenset(insecure), loopback)
        self._chunked = chunked
        self._transport = Transport(
            connect_timeout=connect_timeout, silence=silence, proxies=proxies, limit_rate=limit_rate, clock=clock
        )
        self._patience = patience or Patience()
        self._clock = clock
        self._hosts = hosts or NoHosts()
        self._notify = notify
        self._sessions: dict[Host, Direct] = {}
        self._is_limited = limit_rate is not None
        self._widths: dict[Host, Width] = {}
        self._mirrors: dict[Endpoint, Mirror] = {}
        self._failures: dict[Endpoint | Host, WherryError] = {}

    def repository(self, reference: Reference) -> Repository:
        """The repository that a reference is in, to be read and written; its tag and digest do not matter.

        Raises:
            RouteError: a file that says how it is reached cannot be used, or blocks it.
        """
        return self._opened(reference, ())

    @property
    def mirrored(self) -> "Mirrored":
        """Opens repositories that are only read: their mirrors are asked first."""
        return Mirrored(self)

    def registry(self, host: str) -> Registry:
        """The registry `host[:port]`.

        Raises:
            RouteError: a file that says how it is reached cannot be used, or blocks it.
        """
        return Registry(self.direct(self._hosts.route(host).home.host), host)

    def itself(self, host: str) -> Registry:
        """The registry `host[:port]`, whatever else stands for it when content is read or written: to log in to.

        Raises:
            RouteError: a file that says how it is reached cannot be used, or blocks it.
        """
        home = self._hosts.route(host).home.host
        own = home if home.name == host else Host(host, trust=self._hosts.trust(host))
        return Registry(self.direct(own), host)

    def noted(self, host: str) -> Mapping[str, Note]:
        """What earlier clients have noted of the registry `host[:port]`."""
        return {} if self._notes is None else self._notes.known(self._noted_name(host))

    def forget(self, host: str) -> bool:
        """Drop what is noted of the registry `host[:port]`; whether there was something.

        Raises:
            OSError: it cannot be dropped.
        """
        return self._notes is not None and self._notes.forget(self._noted_name(host))

    def _noted_name(self, host: str) -> str:
        return _noted_as(self._hosts.route(host).home.host)

    def _read_only(self, reference: Reference) -> Repository:
        mirrors = self._hosts.route(reference.registry, reference.repository).mirrors
        for endpoint in mirrors:
            if endpoint not in self._mirrors:
                session = self.direct(endpoint.host)
                self._mirrors[endpoint] = Mirror(endpoint, session, self._failures)
        return self._opened(reference, [self._mirrors[endpoint] for endpoint in mirrors])

    def _opened(self, reference: Reference, mirrors: Sequence[Mirror]) -> Repository:
        home = self._hosts.route(reference.registry, reference.repository).home
        direct = self.direct(home.host)
        session: Session = direct
        if mirrors or home.repository is not None or home.host.api != API:
            session = Routed(reference.repository, home, direct, mirrors, self._notify)
        width = self._widths.setdefault(home.host, Width(is_vain=self._is_limited))
        return Repository(session, reference, chunked=self._chunked, interrupted=self._interrupted, width=width)

    def direct(self, host: Host) -> Direct:
        """The session with a host; one for all that is asked of it."""
        session = self._sessions.get(host)
        if session is None:
            session = self._sessions[host] = Direct(
                host.name,
                self._transport,
                self._credentials,
                self._policy,
                host=host,
                hosts=self._hosts,
                patience=self._patience,
                clock=self._clock,
            )
            if self._notes is not None:
                session.learnt = self._notes.learnt(_noted_as(host))
        return session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections, and note what was learnt."""
        try:
            await self._transport.close()
        finally:
            if self._notes is not None:
                for host, session in self._sessions.items():
                    self._notes.keep(_noted_as(host), session.learnt)


def _noted_as(host: Host) -> str:
    """What the notes about a host are kept under."""
    return f"{host.name}{host.api.removesuffix(API)}"


class Mirrored:
    """Opens repositories of a client that are only read. Made by `Client.mirrored`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def repository(self, reference: Reference) -> Repository:
        """The repository that a reference is in, by way of its mirrors; its tag and digest do not matter.

        Raises:
            RouteError: a file that says how it is reached cannot be used, or blocks it.
        """
        return self._client._read_only(reference)  # noqa: SLF001  # the same class, but for what may be done with it
