"""Connections: the one place where bytes leave and answers arrive, through pyreqwest.

HTTP/1.1, no automatic decompression (it would change the bytes), no automatic redirects (they would carry credentials
along: see `session`), one pool of connections for each way of checking certificates.

pyreqwest's own read timeout counts from the start of a request until its answer, so it would cut long uploads. Silence is
measured here instead: from the last byte that was handed over, or asked for.
"""

import asyncio
import atexit
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Protocol

from pyreqwest.client import Client as Pool
from pyreqwest.client import ClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.http import Url
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from wherry._version import __version__
from wherry.oci.errors import TimedOut
from wherry.stores.remote.bucket import Bucket
from wherry.stores.remote.failures import broken_off, unreachable, unusable
from wherry.stores.remote.proxies import NO_PROXIES, Proxies
from wherry.stores.remote.reach import authority
from wherry.stores.remote.retrying import WALL_CLOCK, Clock
from wherry.stores.remote.trust import SYSTEM, Trust

__all__ = ["PIECE", "Answer", "Body", "Transport", "let_go"]

PIECE = 512 * 1024
"""How many bytes of a body travel as one piece, where the connection is quick."""
_SMALLEST = 64 * 1024

_LONGEST_FAREWELL = 50
_IDLE = timedelta(seconds=20)  # less than what servers and load balancers wait before they close an idle connection
_KEEPALIVE = timedelta(seconds=30)
_LETTING_GO = 0.02
"""Seconds, after uploads. pyreqwest's threads let go of a streamed body's Python objects only when its client is closed already;
where the interpreter ends at that moment, the process aborts (8 of 75 runs that ended at once; 0 of 30 that waited this long)."""


class Body(Protocol):
    """A request's body that is streamed; `size` is in bytes."""

    size: int

    def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, once."""


class Answer:
    """An HTTP answer whose body is still to be read."""

    __slots__ = ("_amount", "_bucket", "_place", "_request", "_response", "_silence", "status", "url")

    def __init__(  # noqa: PLR0917  # made in one place, for each request
        self,
        request: StreamRequest,
        url: str,
        response: Response,
        place: str,
        silence: float,
        bucket: Bucket | None = None,
    ) -> None:
        self._request = request
        self.url = url
        self._response = response
        self._place = place
        self._silence = silence
        self._amount = _SMALLEST
        self._bucket = bucket
        self.status: int = response.status

    def header(self, name: str) -> str | None:
        """The first header of that name; None if there is none, or it is not text."""
        try:
            return self._response.get_header(name)
        except ValueError:
            return None

    def headers(self, name: str) -> list[str]:
        """All headers of that name that are text."""
        try:
            return self._response.get_header_all(name)
        except ValueError:
            return []

    @property
    def length(self) -> int | None:
        """What `Content-Length` says."""
        text = self.header("Content-Length") or ""
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None  # noqa: PLR2004  # 2**63 has 19 digits

    async def read(self) -> bytes | None:
        """The next piece of the body, up to `PIECE` long; None after the last.

        pyreqwest waits until it has as many bytes as it was asked for. So a slow connection is asked for few at a time:
        it must not be taken for a silent one.
        """
        now = asyncio.get_running_loop().time
        started = now()
        try:
            async with asyncio.timeout_at(started + self._silence):
                piece = await self._response.body_reader.read(self._amount)
        except TimeoutError:
            raise TimedOut(f"{self._place}: silent for {self._silence:g} s", registry=self._place) from None
        except PyreqwestError as error:
            raise broken_off(error, self._place) from error
        is_quick = now() - started < self._silence / 8
        self._amount = min(PIECE, self._amount * 2) if is_quick else _SMALLEST
        if piece is None:
            return None
        if self._bucket is not None:
            await self._bucket.take(len(piece))
        return piece.to_bytes()

    async def close(self) -> None:
        """Free the connection: for the next request if the body was read to its end."""
        await self._request.__aexit__(None, None, None)

    async def body(self, limit: int) -> bytes | None:
        """The whole body; None if it is longer than `limit` bytes."""
        length = self.length
        if length is not None and length > limit:
            return None
        pieces, size = [], 0
        while (piece := await self.read()) is not None:
            size += len(piece)
            if size > limit:
                return None
            pieces.append(piece)
        return b"".join(pieces)


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
        self._silence = silence
        self._proxies = proxies
        self._pools: dict[tuple[bool, Trust, str], Pool] = {}
        self._read = None if limit_rate is None else Bucket(limit_rate, clock)
        self._sent = None if limit_rate is None else Bucket(limit_rate, clock)

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
        """Send one request; the caller closes the answer, which frees the connection.

        Args:
            place: the registry, for messages.
            verify: whether the server's certificate must be trusted.
            trust: whose certificates count beside the system's, and ours to show.
        Raises:
            Unreachable: no answer came.
            RouteError: a certificate or a proxy's URL cannot be used.
        """
        proxy = self._proxies.for_url(Url(url))
        via = place if proxy is None else f"{place}, by way of the proxy {authority(proxy)}"
        if proxy is None and url.startswith("http://"):
            verify, trust = False, SYSTEM  # reading the system's certificates takes 7 ms, and nobody shows one here
        builder = self._pool(verify=verify, trust=trust, proxy=proxy).request(method, url).headers(headers)
        patience = asyncio.timeout(self._silence)
        if isinstance(body, bytes):
            # also where it is 0, which pyreqwest leaves out and proxies answer with 411
            builder = builder.header("Content-Length", str(len(body))).body_bytes(body)
        elif body is not None:
            atexit.unregister(let_go)
            atexit.register(let_go)
            builder = builder.header("Content-Length", str(body.size))
            builder = builder.body_stream(_patiently(body.pieces(), patience, self._silence, self._sent))
        request = builder.build_streamed()
        try:
            async with patience:
                return Answer(request, url, await request.__aenter__(), place, self._silence, self._read)
        except PyreqwestError as error:  # its timeouts are TimeoutErrors too
            raise unreachable(error, via, self._connect_timeout.total_seconds()) from error
        except TimeoutError as error:
            raise unreachable(error, via, self._silence) from error

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
        await _threads_left()


def let_go() -> None:
    """Give the library's threads a moment before the interpreter is taken down."""
    time.sleep(_LETTING_GO)


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


async def _patiently(
    pieces: AsyncIterator[bytes], patience: asyncio.Timeout, silence: float, bucket: Bucket | None
) -> AsyncIterator[bytes]:
    """Hand pieces to the connection; the other side's silence counts only while it is its turn."""
    now = asyncio.get_running_loop().time
    answered = False

    def wait_until(deadline: float | None) -> None:
        nonlocal answered
        try:
            if not answered:
                patience.reschedule(deadline)
        except RuntimeError:  # the answer came before the body was read to its end
            answered = True

    wait_until(None)
    async for piece in pieces:
        if bucket is not None:
            await bucket.take(len(piece))
        wait_until(now() + silence)
        yield piece
        wait_until(None)
    wait_until(now() + silence)
