"""`python -m bench.proxy SECONDS ADDRESS…`: registries as if they were far away, and what was asked of them.

Bytes come out at the other end in order, half of SECONDS after they went in, both ways: so a request and its answer take
SECONDS more than they would, requests on one connection may follow each other without waiting, and a large body is late
once, not slow. Opening a connection costs nothing more; a TLS greeting to a registry that speaks plain HTTP costs its turn.

The first line on standard output is a JSON list of the addresses to use instead. Each line on standard input is answered
by a JSON object: how many requests there were since the last one, by method and kind.
"""

import asyncio
import json
import re
import sys
from collections import Counter, deque
from functools import partial
from typing import cast

import uvloop

_MOST_WAITING = 16 * 1024 * 1024  # bytes on their way in one direction of one connection
_TLS_GREETING = 0x16
_KINDS = (
    (re.compile(r"/v2/?$"), "ping"),
    (re.compile(r"/manifests/[^/]+$"), "manifests"),
    (re.compile(r"/blobs/uploads/"), "uploads"),
    (re.compile(r"/blobs/[^/]+$"), "blobs"),
    (re.compile(r"/tags/list$"), "tags"),
)


class Requests:
    """Counts the requests in what a client sends, by reading their heads and leaving out their bodies."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._head = bytearray()  # of a request, or of a chunk, that has not wholly come
        self._left = 0  # bytes of a body, or of a chunk with its line end, still to come
        self._chunked = False
        self._opaque = False

    def see(self, data: bytes) -> None:
        """Look at the next bytes."""
        position = 0
        if not self._head and not self._left and data[0] == _TLS_GREETING and not self._opaque:
            self._opaque = True
            self._counts["TLS greeting"] += 1
        while position < len(data) and not self._opaque:
            if self._left:
                step = min(self._left, len(data) - position)
                self._left -= step
                position += step
            else:
                position = self._read_head(data, position)

    def _read_head(self, data: bytes, position: int) -> int:
        """Go on with a head; returns where what follows it begins."""
        ends = b"\r\n" if self._chunked else b"\r\n\r\n"
        before = len(self._head)
        self._head += data[position : position + 65536]
        found = self._head.find(ends, max(0, before - len(ends)))
        if found < 0:
            return position + len(self._head) - before
        head = bytes(self._head[:found])
        self._head.clear()
        if self._chunked:
            self._begin_chunk(head)
        else:
            self._begin_body(head.decode("latin-1"))
        return position + found + len(ends) - before

    def _begin_chunk(self, head: bytes) -> None:
        size = int(head.partition(b";")[0] or b"0", 16)
        self._left = size + 2  # with the empty line behind it; nobody here sends trailers
        self._chunked = size > 0

    def _begin_body(self, head: str) -> None:
        request, _, fields = head.partition("\r\n")
        method, _, rest = request.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        kind = next((name for pattern, name in _KINDS if pattern.search(path)), "other")
        self._counts[f"{method} {kind}"] += 1
        length = re.search(r"(?im)^content-length: *(\d+)", fields)
        self._left = int(length[1]) if length else 0
        self._chunked = re.search(r"(?im)^transfer-encoding: *chunked", fields) is not None


class Way(asyncio.Protocol):
    """One end of a connection, and what came from it and is on its way to the other end."""

    def __init__(self, delay: float, requests: Requests | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay = delay
        self._requests = requests
        self._waiting: deque[tuple[float, bytes | None]] = deque()
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self.held = False  # the other end does not take more
        self._lost = False
        self.ended = False
        self.other: Way | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one, and does not say so

    def data_received(self, data: bytes) -> None:
        if self._requests is not None:
            self._requests.see(data)
        self._size += len(data)
        if self._size > _MOST_WAITING and self.transport is not None:
            self.transport.pause_reading()
        self._send_on(data)

    def eof_received(self) -> bool:
        self._send_on(None)
        return True  # the other direction may go on

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self._lost = True
        self._send_on(None)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.held = True

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.held = False
            self.other.hand_over()

    def _send_on(self, data: bytes | None) -> None:
        self._waiting.append((self._loop.time() + self._delay, data))
        if self._timer is None:
            self._timer = self._loop.call_later(self._delay, self.hand_over)

    def hand_over(self) -> None:
        """Give the other end all that is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        target = self.other.transport if self.other is not None else None
        now = self._loop.time() + 0.0005
        while self._waiting and target is not None and not self.held and self._waiting[0][0] <= now:
            _, data = self._waiting.popleft()
            if data is not None:
                self._size -= len(data)
                target.write(data)
            else:
                self._end(target)
        if self.transport is not None and self._size <= _MOST_WAITING // 2 and not self.transport.is_closing():
            self.transport.resume_reading()
        if self._waiting and not self.held:
            self._timer = self._loop.call_later(max(0.0, self._waiting[0][0] - self._loop.time()), self.hand_over)

    def _end(self, target: asyncio.Transport) -> None:
        """Tell the other end that nothing more comes; when neither end has more to say, it is over."""
        self.ended = True
        if self._lost or (self.other is not None and self.other.ended):
            target.close()
            if self.transport is not None:
                self.transport.close()
        elif not target.is_closing():
            target.write_eof()


async def main(seconds: float, addresses: list[str]) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    counts: Counter[str] = Counter()
    tasks: set[asyncio.Task[None]] = set()

    def accept(host: str, port: int) -> Way:
        near = Way(seconds / 2, Requests(counts))
        task = loop.create_task(connect(near, host, port))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return near

    async def connect(near: Way, host: str, port: int) -> None:
        far = Way(seconds / 2, None)
        far.other = near
        try:
            await loop.create_connection(lambda: far, host, port)
        except OSError:  # nobody is there: that is how it looks from here, too
            if near.transport is not None:
                near.transport.abort()
            return
        near.other = far
        near.hand_over()

    servers = []
    for address in addresses:
        host, _, port = address.rpartition(":")
        servers.append(await loop.create_server(partial(accept, host, int(port)), "127.0.0.1", 0))
    print(json.dumps([f"127.0.0.1:{server.sockets[0].getsockname()[1]}" for server in servers]), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(counts), flush=True)
        counts.clear()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(float(sys.argv[1]), sys.argv[2:]))
