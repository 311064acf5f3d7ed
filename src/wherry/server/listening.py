"""The HTTP server: granian, on a socket of ours, in this process and on this event loop.

We open the socket ourselves. Granian would bind it with SO_REUSEPORT, where a port that is taken is no error, and would
not tell which port it got for 0; and connections wait in our socket's queue from the first moment.
"""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from wherry.oci.errors import WherryError
from wherry.server.application import Application

__all__ = [
    "USUAL",
    "CannotListen",
    "Limits",
    "Patience",
    "address_of",
    "listen",
    "most_connections",
    "serving",
    "url_of",
]

_BACKLOG = 2048
_LEAST_HEADER = 8192  # bytes; hyper takes no less
_LAST = 1.0  # seconds to write the last answers
_SPARE = 100  # file descriptors for what is always open: the database, its log, pipes
_FEWEST, _MANY = 64, 1_000_000  # connections


@dataclass(frozen=True, slots=True)
class Patience:
    """How a server ends: for `delay` seconds it goes on, but says that it is not ready; then requests get `patience` seconds."""

    patience: float
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take of connections; times are seconds, sizes bytes.

    `header_time` begins when a connection is idle. A proxy that keeps connections for longer than we do sends a request into
    one that we close this moment, and tells its client 502: nginx and AWS keep them for 60 seconds, Go's proxies for 90.
    `header_size` is also how much of a body is read at once. A connection is given up when its client takes nothing of
    what is sent to it for the time of `stalled`.
    """

    header_time: float = 120.0
    header_size: int = 8192 + 4096 * 100
    stalled: float = 300.0


USUAL = Limits()


class CannotListen(WherryError):
    """The address cannot be listened on: it is taken, or not ours."""


def listen(host: str, port: int, limits: Limits = USUAL) -> socket.socket:
    """A socket that clients can connect to; port 0 takes a free one.

    Raises:
        CannotListen: the port is taken, or is not for us; or the host is not this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host has such a name"
        raise CannotListen(f"cannot listen on {host!r}: {reason}", hint="name an address of this machine") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. A file is sent as head and body; without it the body waits 40 ms for the head's ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _give_up_stalled_clients(listener, limits.stalled)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        reason, hint = _REASONS.get(error.errno or 0, (error.strerror, None))
        raise CannotListen(f"cannot listen on {host}:{port}: {reason}", hint=hint) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Where a socket listens: `host:port`, as in a reference."""
    host, port, *_ = listener.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_of(listener: socket.socket) -> str:
    """The same as a URL."""
    return f"http://{address_of(listener)}"


def most_connections() -> int:
    """How many connections are taken at once; more wait until one ends. Each may need a file beside its own descriptor.

    Granian would take 2,048, idle ones too, and behind these nobody gets an answer; and where descriptors run out before,
    it tries to accept the next one for ever, without a rest.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY if limit == resource.RLIM_INFINITY else max(_FEWEST, min((limit - _SPARE) // 2, _MANY))


def _give_up_stalled_clients(listener: socket.socket, seconds: float) -> None:
    """Connections take these options over from the socket that they were accepted on."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


_REASONS = {
    EADDRINUSE: ("the port is taken", "choose another port, or 0 for any that is free"),
    EACCES: ("this user may not listen on that port", "choose a port above 1023"),
    EADDRNOTAVAIL: ("this machine does not have that address", "use 127.0.0.1, or 0.0.0.0 for all addresses"),
}


@asynccontextmanager
async def serving(
    application: Application,
    listener: socket.socket,
    *,
    ending: Patience,
    limits: Limits,
    hurry: asyncio.Event,
    probe: str = "/v2/",
) -> AsyncIterator[None]:
    """Answer requests until the block ends; then drain: take no new connections, and let what runs finish.

    It answers when the block begins: `probe` is a path that was asked for.

    Requests that take longer than `ending` allows then, or go on when `hurry` is set, are refused, and connections
    that take longer still are left to end with the process. The socket is closed at the end.
    """
    server = _Server(application, listener, limits)
    address = listener.getsockname()
    task = asyncio.create_task(server.serve())
    try:
        await _first_answer(address, probe, task)
        yield
    finally:
        application.drain()
        hurried = asyncio.create_task(hurry.wait())
        if ending.delay:
            await asyncio.wait([task, hurried], timeout=ending.delay, return_when=asyncio.FIRST_COMPLETED)
        server.interrupt()
        await asyncio.wait([task, hurried], timeout=ending.patience, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not task.done():
            application.abandon()
        if not await _ended(task, _LAST):  # a client that does not read what it asked for
            server.kill()
            task.cancel()
            await asyncio.wait([task])
        elif not task.cancelled():
            task.result()


async def _first_answer(address: tuple[str, int], path: str, server: asyncio.Task[None]) -> None:
    """Wait until the server answers; raise what it raises if it ends instead."""
    probe = asyncio.create_task(_ask(*address[:2], path))
    await asyncio.wait([probe, server], return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        probe.cancel()
        server.result()
    await probe


async def _ask(host: str, port: int, path: str) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % path.encode())
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def _ended(task: asyncio.Task[None], seconds: float) -> bool:
    done, _ = await asyncio.wait([task], timeout=seconds)
    return bool(done)


class _Server(Server):
    """Granian's server inside a program, made to use a socket that is open already."""

    def __init__(self, application: Application, listener: socket.socket, limits: Limits) -> None:
        super().__init__(
            application,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(limits.header_time * 1000),
                max_buffer_size=max(limits.header_size, _LEAST_HEADER),
            ),
            websockets=False,
            backlog=_BACKLOG,
            backpressure=most_connections(),
            log_enabled=False,  # it would set up the program's logging, and warn that embedding is new
        )
        self._listener = listener

    def interrupt(self) -> None:
        """Stop accepting, and end `serve` when all requests are answered."""
        self.interrupt_signal = True
        self.main_loop_interrupt.set()

    def kill(self) -> None:
        """Wait for no connection any more."""
        workers: list[Any] = self.wrks
        for worker in workers:
            worker.kill()

    def _init_shared_socket(self) -> None:
        # Granian's workers own the file descriptor from here on, and close it.
        self._ssp = None
        socket_holder: Any = SocketHolder  # its stub leaves the constructor out
        self._shd = socket_holder(self._listener.detach(), False, _BACKLOG)
