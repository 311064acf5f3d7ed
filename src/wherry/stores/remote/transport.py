"""Connections: the one place where bytes leave and answers arrive, through pyreqwest.

HTTP/1.1, no automatic decompression (it would change the bytes), no automatic redirects (they would carry credentials
along: see `redirects`), one pool of connections for each way of checking certificates.
"""

import asyncio
import sys
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from pyreqwest.client import Client as Pool
from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.http import Url
from pyreqwest.proxy import ProxyBuilder

from wherry._version import __version__
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.bucket import Bucket
from wherry.stores.remote.failures import unusable
from wherry.stores.remote.line import Body, Limits, Line
from wherry.stores.remote.proxies import NO_PROXIES, Proxies
from wherry.stores.remote.reach import authority
from wherry.stores.remote.retrying import WALL_CLOCK, Clock
from wherry.stores.remote.trust import SYSTEM, Trust

if TYPE_CHECKING:
    from wherry.stores.remote.relay import Relay

__all__ = ["Transport"]

_LONGEST_FAREWELL = 50
_IDLE = timedelta(seconds=20)  # less than what servers and load balancers wait before they close an idle connection
_KEEPALIVE = timedelta(seconds=30)


class Transport:
    """Pools of connections; everything that a client's registries share."""

    def __init__(
        self,
        *,
        connect_timeout: float,
        silence: float,
        proxies: Proxies = NO_PROXIES,
        limit_rate: int | None = None,
        clock: Clock = WALL_CLOCK,
    ) -> None:
        self._connect_timeout = timedelta(seconds=connect_timeout)
        self._proxies = proxies
        self._pools: dict[tuple[bool, Trust, str], Pool] = {}
        self._relays: dict[tuple[str, Trust], Relay] = {}
        read, sent = (None if limit_rate is None else Bucket(limit_rate, clock) for _ in range(2))
        self.limits = Limits(connect_timeout, silence, read, sent)

    def has_proxy(self, url: Url) -> bool:
        """Whether a URL is reached by way of a proxy.

        Raises:
            RouteError: what is set is no proxy's URL.
        """
        return self._proxies.for_url(url) is not None

    def line(self, origin: Url, *, place: str, verify: bool, trust: Trust = SYSTEM) -> Line:
        """What sends requests to the server behind a URL.

        Args:
            place: the registry, for messages.
            verify: whether the server's certificate must be trusted.
            trust: whose certificates count beside the system's, and ours to show.
        Raises:
            RouteError: a certificate or a proxy's URL cannot be used.
        """
        proxy = self._proxies.for_url(origin)
        via = place if proxy is None else f"{place}, by way of the proxy {authority(proxy)}"
        if proxy is None and origin.scheme == "http":
            verify, trust = False, SYSTEM  # reading the system's certificates takes 7 ms, and nobody shows one here
        detour = (lambda: self._relayed(authority(origin), place, trust)) if proxy is None and verify else None
        return Line(self._pool(verify=verify, trust=trust, proxy=proxy), self.limits, place, via, detour)

    def _relayed(self, host: str, place: str, trust: Trust) -> Line | None:
        from wherry.stores.remote.relay import Relay  # noqa: PLC0415  # 10 ms with ssl, and hardly any host needs it

        relay = self._relays.get((host, trust))
        if relay is None:
            try:
                relay = self._relays[host, trust] = Relay(trust, self.limits.connecting)
            except OSError:  # also where our own certificate cannot be used
                return None
        pool = self._pool(verify=False, trust=SYSTEM, proxy=Url(relay.url))
        return Line(pool, self.limits, place, place, relay=relay)

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | Body | None,
        *,
        place: str,
        verify: bool,
        trust: Trust = SYSTEM,
    ) -> Answer:
        """Send one request over a line of its own; the caller closes the answer.

        Raises:
            Unreachable: no answer came.
            RouteError: as `line`.
        """
        return await self.line(Url(url), place=place, verify=verify, trust=trust).send(method, url, headers, body)

    def _pool(self, *, verify: bool, trust: Trust, proxy: Url | None) -> Pool:
        key = (verify, trust, "" if proxy is None else str(proxy))
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = self._built(verify=verify, trust=trust, proxy=proxy)
        return pool

    def _built(self, *, verify: bool, trust: Trust, proxy: Url | None) -> Pool:
        builder = (
            ClientBuilder()
            .user_agent(f"wherry/{__version__}")
            .http1_only()
            .gzip(False)
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .referer(False)
            .follow_redirects(False)
            .connect_timeout(self._connect_timeout)
            .pool_idle_timeout(_IDLE)
            .tcp_keepalive(_KEEPALIVE)
        )
        builder = builder.no_proxy() if proxy is None else builder.proxy(ProxyBuilder.all(proxy))
        if not verify:
            builder = builder.danger_accept_invalid_certs(True)
        try:
            for authority in trust.authorities:
                builder = builder.add_root_certificate_pem(authority)
            if trust.identity:
                builder = builder.identity_pem(trust.identity)
            return builder.build()
        except (PyreqwestError, ValueError) as error:
            raise unusable(error, trust) from error

    async def close(self) -> None:
        """Close every connection."""
        if not self._pools:
            return
        while self._pools:
            await self._pools.popitem()[1].close()
        while self._relays:
            await self._relays.popitem()[1].close()
        await _threads_left()


async def _threads_left() -> None:
    """Wait until no thread of pyreqwest's is inside the interpreter any more.

    It hands an answer over with `call_soon_threadsafe`, which wakes us before it has returned. A program that ends at once
    takes the interpreter down around that thread, and aborts: 6 of 100 did (Python 3.11, pyreqwest 0.15). Other foreign
    threads may be busy there for reasons of their own (a server in this process), so we do not wait for ever.
    """
    for _ in range(_LONGEST_FAREWELL):
        ours = {thread.ident for thread in threading.enumerate()}
        if sys._current_frames().keys() <= ours:  # noqa: SLF001  # documented, in spite of its name
            return
        await asyncio.sleep(0.001)
