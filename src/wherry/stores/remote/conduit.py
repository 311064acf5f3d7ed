"""A large blob from one registry to another, carried by one thread over two plain connections.

The ordinary way hands each piece from a connection to the event loop, to the thread that hashes, and to the other connection. Between
two registries of one machine, or of one rack, that is what takes the time. Here a thread reads, hashes and sends, out of one buffer:
half of the processor time for each byte, and less memory (docs/design/copy.md, "Numbers").

It knows the simple case alone: plain HTTP, nobody in between, no limit of the rate, a 200 with the blob's length, and a registry that
takes all bytes in one PUT. Whatever else happens is left to the ordinary way, which asks how much has arrived and goes on from there, with
its patience, its words, and what it knows of registries as they are. Content is verified here as there: the last bytes leave when the whole
has the right digest. TLS stays with pyreqwest, whose certificates, keys and messages a second client would have to have as well.

Spec: distribution-spec 1.1, "Pulling blobs", "Pushing blobs".
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing, suppress
from struct import pack
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.stores.remote.wide import Meter, Width
from wherry.stores.verify import Check

if TYPE_CHECKING:
    from http.client import HTTPConnection

__all__ = ["Conduit", "End", "Tap", "Tapped"]

_SMALLEST, _LARGEST = 64 * 1024, 2 * 1024 * 1024
"""Bytes that are read before they are sent on: few of a slow connection, so that the other one need not wait."""
_QUICK, _SLOW = 0.1, 0.5
"""Seconds for them: then it may be more, and less."""
_FAREWELL = 1.0
"""Seconds for the thread to notice that nobody wants its work any more; it may be opening a connection."""
_OK, _CREATED, _PARTIAL = 200, 201, 206


class End(Struct, frozen=True):
    """A request over a connection of its own. The times are in seconds: until it stands, and of the other side's silence."""

    method: str
    host: str
    port: int
    target: str
    headers: Mapping[str, str]
    connecting: float
    silence: float


class Tap(Struct, frozen=True):
    """Where a thread gets a blob's bytes. `refused` is called if they are not to be had so."""

    end: End
    place: str
    width: Width
    refused: Callable[[], None]


@runtime_checkable
class Tapped(Protocol):
    """A source whose blobs a thread may be able to read."""

    async def tap(self, blob: Descriptor) -> Tap | None:
        """Where a thread gets a blob; None if it has to come the ordinary way."""


class Conduit:
    """Carries `blob`, once. `passed` is called on the event loop with the number of bytes that were sent.

    `sent` counts them. `has_begun` is whether the destination has heard of it, `is_refused` whether it said no.
    """

    def __init__(self, blob: Descriptor, tap: Tap, destination: End, passed: Callable[[int], None]) -> None:
        self.sent = 0
        self.has_begun = False
        self.is_refused = False
        self._blob = blob
        self._tap = tap
        self._destination = destination
        self._passed = passed
        self._sockets: list[socket.socket] = []
        self._is_over = False
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[bool] = self._loop.create_future()

    async def carry(self) -> bool:
        """Carry it; whether it is there now.

        Raises:
            ContentMismatch: what was read is not the blob; the destination did not get all of it.
        """
        thread = Thread(target=self._work, name="wherry-conduit", daemon=True)
        with self._tap.width.coming():
            thread.start()
            try:
                return await asyncio.shield(self._done)
            finally:
                await self._end()

    async def _end(self) -> None:
        self._is_over = True
        for each in self._sockets:
            with suppress(OSError):  # the thread has closed it
                each.shutdown(socket.SHUT_RDWR)
        await asyncio.wait([self._done], timeout=_FAREWELL)
        if self._done.done() and not self._done.cancelled():
            self._done.exception()  # looked at, so that asyncio does not complain

    def _work(self) -> None:
        from http.client import HTTPException  # noqa: PLC0415  # 16 ms, and most commands carry nothing large

        done, failure = False, None
        try:
            done = self._through()
        except (OSError, HTTPException, ValueError):
            pass  # the ordinary way finds out what it is, and whether it lasts
        except BaseException as error:  # noqa: BLE001  # it is raised again where it is waited for
            failure = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_settle, self._done, done, failure)

    def _through(self) -> bool:
        with ExitStack() as stack:
            body = self._body(stack, 0)
            if body is None:
                self._loop.call_soon_threadsafe(self._tap.refused)
                return False
            self.has_begun = True
            destination = self._opened(self._destination, stack)
            _block(destination.sock, self._destination.silence)
            if not self._carried(body, destination.sock, stack):
                return False
            destination.sock.settimeout(self._destination.silence)
            self.is_refused = destination.getresponse().status != _CREATED
            return not self.is_refused

    def _body(self, stack: ExitStack, start: int) -> "_Body | None":
        """The blob's bytes from `start` on; None if something else is the answer."""
        end = self._tap.end
        if start:
            end = replace(end, headers={**end.headers, "Range": f"bytes={start}-"})
        connection = self._opened(end, stack)
        sock = connection.sock
        answer = stack.enter_context(closing(connection.getresponse()))
        is_right = answer.status == _OK
        if start:
            said = (answer.getheader("Content-Range") or "").replace(" ", "").lower()
            is_right = answer.status == _PARTIAL and said.startswith(f"bytes{start}-")
        if not is_right or answer.length != self._blob.size - start:
            return None
        first = answer.fp.read(len(answer.fp.peek()))  # what has come along with the head
        _block(sock, end.silence)
        return _Body(sock, first)

    def _opened(self, end: End, stack: ExitStack) -> "HTTPConnection":
        """A connection that the request's head was sent over."""
        from http.client import HTTPConnection  # noqa: PLC0415  # see above

        connection = stack.enter_context(closing(HTTPConnection(end.host, end.port, timeout=end.connecting)))
        connection.connect()
        connection.sock.settimeout(end.silence)
        self._sockets.append(connection.sock)
        if self._is_over:
            raise ConnectionAbortedError
        connection.putrequest(end.method, end.target, skip_accept_encoding=True)
        for name, value in end.headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection

    def _carried(self, body: "_Body | None", destination: socket.socket, stack: ExitStack) -> bool:
        """Send all bytes; where the source breaks off, from there on. False if the ordinary way is to go on."""
        blob, width = self._blob, self._tap.width
        check, meter = Check(blob, self._tap.place), Meter(monotonic)
        buffer, amount, opened_at = memoryview(bytearray(_LARGEST)), _SMALLEST, 0
        while body is not None and self.sent < blob.size:
            began = monotonic()
            piece = buffer[: body.read(buffer[: min(amount, blob.size - self.sent)])]
            if not piece:
                is_worthwhile = self.sent - opened_at >= _SMALLEST
                body, opened_at = self._body(stack, self.sent) if is_worthwhile else None, self.sent
                continue
            meter.give(piece)
            check.see(piece)
            if self.sent + len(piece) == blob.size:
                check.finish()
            destination.sendall(piece)
            meter.took()
            self.sent += len(piece)
            amount = _next(amount, monotonic() - began)
            self._loop.call_soon_threadsafe(self._tell, self.sent)
            if self._is_over or width.is_called_for(meter, blob.size - self.sent):
                return False
        return body is not None

    def _tell(self, sent: int) -> None:
        if not self._is_over:
            self._passed(sent)


class _Body:
    """A body that is read from its socket, behind its first bytes, which have been read."""

    def __init__(self, source: socket.socket, first: bytes) -> None:
        self._source = source
        self._first = first

    def read(self, buffer: memoryview) -> int:
        """Fill the buffer, or what can be had of it; 0 if the connection broke."""
        if self._first:
            count = min(len(self._first), len(buffer))
            buffer[:count], self._first = self._first[:count], self._first[count:]
            return count
        try:
            return self._source.recv_into(buffer, 0, socket.MSG_WAITALL)
        except OSError:
            return 0


def _block(sock: socket.socket, silence: float) -> None:
    """Have the kernel wait for whole pieces, and no longer than that: one call, where Python's own timeouts take a dozen."""
    time = pack("ll", *divmod(max(int(silence * 1_000_000), 1), 1_000_000))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, time)
    sock.settimeout(None)


def _next(amount: int, seconds: float) -> int:
    """How many bytes to read at a time after so many took so long."""
    if seconds < _QUICK:
        return min(amount * 2, _LARGEST)
    return max(amount // 2, _SMALLEST) if seconds > _SLOW else amount


def _settle(future: asyncio.Future[bool], done: bool, failure: BaseException | None) -> None:  # noqa: FBT001  # a callback
    if future.done():
        return
    if failure is not None:
        future.set_exception(failure)
    else:
        future.set_result(done)
