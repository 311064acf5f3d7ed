"""A line to one server: what is the same for all requests that are sent to it, worked out once.

pyreqwest's own read timeout counts from the start of a request until its answer, so it would cut long uploads. Silence is
measured here instead: from the last byte that was handed over, or asked for.
"""

import asyncio
import atexit
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from pyreqwest.client import Client as Pool
from pyreqwest.exceptions import ClientClosedError, PyreqwestError
from pyreqwest.http import Url
from pyreqwest.request import RequestBuilder

from wherry.oci.errors import Unreachable
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.bucket import Bucket
from wherry.stores.remote.cancels import cancels, heed
from wherry.stores.remote.failures import SelfSigned, self_signed, unknown_to_proxy, unreachable
from wherry.stores.remote.reach import authority

if TYPE_CHECKING:
    from wherry.stores.remote.relay import Relay

__all__ = ["Body", "Limits", "Line", "in_clear", "let_go"]

_PROXY_WANTS_TO_KNOW = 407
_LETTING_GO = 0.02
"""Seconds, after uploads. pyreqwest's threads let go of a streamed body's Python objects only when its client is closed already;
where the interpreter ends at that moment, the process aborts (8 of 75 runs that ended at once; 0 of 30 that waited this long)."""


class Body(Protocol):
    """A request's body that is streamed; `size` is in bytes."""

    size: int

    def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, once."""


class Limits:
    """How long is waited, in seconds, and how fast bytes may pass: the same for all lines of a client."""

    __slots__ = ("connecting", "read", "sent", "silence", "whole")

    def __init__(self, connecting: float, silence: float, read: Bucket | None, sent: Bucket | None) -> None:
        self.connecting = connecting
        self.silence = silence
        self.whole = timedelta(seconds=silence)
        self.read = read
        self.sent = sent


class Line:
    """Sends requests to one server. `place` is the registry, and `via` the same with the way to it: both for messages.

    Args:
        detour: makes a line by way of a relay, for a certificate that the HTTP library takes from nobody; None if that cannot be.
        relay: what this line goes through; it speaks TLS in the HTTP library's place.
    """

    __slots__ = ("_detour", "_limits", "_place", "_pool", "_relay", "_relayed", "_via")

    def __init__(  # noqa: PLR0917  # made in one place
        self,
        pool: Pool,
        limits: Limits,
        place: str,
        via: str,
        detour: "Callable[[], Line | None] | None" = None,
        relay: "Relay | None" = None,
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._place = place
        self._via = via
        self._detour = detour
        self._relay = relay
        self._relayed: Line | None = None

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | Body | None) -> Answer:
        """Send one request; the caller closes the answer, which frees the connection.

        Raises:
            Unreachable: no answer came.
        """
        if self._relayed is not None:
            return await self._relayed.send(method, url, headers, body)
        try:
            return await self._sent(method, url, headers, body)
        except SelfSigned:
            if self._detour is None:
                raise
            line = self._detour()
            if line is None:
                raise
            answer = await line.send(method, url, headers, body)  # nothing has been sent yet: the handshake comes first
            self._relayed = line
            return answer

    async def _sent(self, method: str, url: str, headers: Mapping[str, str], body: bytes | Body | None) -> Answer:
        if self._relay is None:
            builder = self._pool.request(method, url).headers(headers)
        else:
            target, host = in_clear(url)
            builder = self._pool.request(method, target).headers({**headers, "Host": host})
        if method == "HEAD":
            # What answers it has no body: so the library's limit for the whole means the same, and costs less than ours.
            return await self._answered(builder.timeout(self._limits.whole), url)
        patience = asyncio.timeout(self._limits.silence)
        if isinstance(body, bytes):
            # also where it is 0, which pyreqwest leaves out and proxies answer with 411
            builder = builder.header("Content-Length", str(len(body))).body_bytes(body)
        elif body is not None:
            atexit.unregister(let_go)
            atexit.register(let_go)
            builder = builder.header("Content-Length", str(body.size))
            builder = builder.body_stream(
                _patiently(body.pieces(), patience, self._limits.silence, self._limits.sent),
            )
        try:
            async with patience:
                return await self._answered(builder, url)
        except TimeoutError as error:
            raise self._unreachable(error) from error

    async def _answered(self, builder: RequestBuilder, url: str) -> Answer:
        request, limits, before = builder.build_streamed(), self._limits, cancels()
        try:
            response = await request.__aenter__()
        except ClientClosedError as error:
            raise RuntimeError(f"{self._place}: the client was closed already") from error
        except PyreqwestError as error:  # its timeouts are TimeoutErrors too
            raise self._unreachable(error) from error
        answer = Answer(request, url, response, self._place, limits.silence, limits.read)
        if cancels() > before:
            await answer.close()
            heed(before)
        if response.status == _PROXY_WANTS_TO_KNOW:
            await answer.close()
            raise unknown_to_proxy(self._via)
        return answer

    def _unreachable(self, error: BaseException) -> Unreachable:
        if self._relay is not None and self._relay.refusal:
            return self_signed(self._via, self._relay.refusal)
        return unreachable(error, self._via, connecting=self._limits.connecting, silence=self._limits.silence)


def in_clear(url: str) -> tuple[str, str]:
    """An https URL as one that leads to the same port in plain HTTP, and the `Host` that belongs to it."""
    parsed = Url(url)
    return str(parsed.with_scheme("http").with_port(parsed.port_or_known_default)), authority(parsed)


def let_go() -> None:
    """Give the library's threads a moment before the interpreter is taken down."""
    time.sleep(_LETTING_GO)


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
