"""The load generator: processes of their own, each with one connection, that do what they were told as fast as it is answered.

Everything that costs time and is not the registry's is done before the clock starts: random bytes, digests, manifests, names.
What is left is a few dozen microseconds a request, and the kernel's copying. Each run says how much processor the generator
took, so that nobody has to believe that it was not in the way.
"""

import multiprocessing
import resource
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from statistics import quantiles
from threading import BrokenBarrierError

from bench.report import shown

_ROOM = 1024 * 1024
_KEPT = 64 * 1024  # bytes of a body that somebody may want to look at
_GIVE_UP = 600.0  # seconds
_STOPPED = "another worker has failed"


Piece = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Answer:
    """`content` is the body, if it was short; else nothing of it was kept."""

    status: int
    head: bytes
    content: bytes

    def header(self, name: bytes) -> bytes:
        """A header's value; its name in lower case. It must be there."""
        start = self.head.lower().index(b"\r\n" + name + b":") + len(name) + 3
        return self.head[start : self.head.find(b"\r\n", start)].strip()


class Line:
    """One kept connection. Takes HTTP/1.1 as registries speak it, and no more of it than that."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._place = (host, int(port))
        self._host = f"Host: {address}\r\n".encode()
        self._room = memoryview(bytearray(_ROOM))
        self._socket = self._connected()

    def _connected(self) -> socket.socket:
        connection = socket.create_connection(self._place, timeout=_GIVE_UP)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def close(self) -> None:
        self._socket.close()

    def ask(
        self,
        method: str,
        path: str,
        expected: int,
        *,
        headers: str = "",
        body: Sequence[Piece] = (),
        length: int | None = None,
    ) -> Answer:
        """Send a request and read its answer. Without `length` a body must already be in chunks.

        Raises:
            SystemExit: the status is not the one that is expected.
        """
        said = "" if length is None else f"Content-Length: {length}\r\n"
        head = b"%b %b HTTP/1.1\r\n%b%b%b\r\n" % (
            method.encode(),
            path.encode(),
            self._host,
            said.encode(),
            headers.encode(),
        )
        if body and length is not None and length <= _ROOM // 16:
            self._socket.sendall(b"".join((head, *body)))
        else:
            self._socket.sendall(head)
            for piece in body:
                self._socket.sendall(piece)
        answer = self._read(bodiless=method == "HEAD")
        if answer.status != expected:
            raise SystemExit(
                f"{method} {path}: {answer.status} where {expected} was expected: {answer.content[:300]!r}"
            )
        return answer

    def _read(self, *, bodiless: bool) -> Answer:
        come = b""
        while (end := come.find(b"\r\n\r\n")) < 0:
            count = self._socket.recv_into(self._room)
            if not count:
                raise SystemExit(f"the registry hung up in the middle of an answer: {come!r}")
            come += self._room[:count]
        head, rest = come[: end + 2], come[end + 4 :]
        small = head.lower()
        content = b""
        if not bodiless and not small.startswith((b"http/1.1 204", b"http/1.1 304")):
            content = self._read_body(small, rest)
        if b"\r\nconnection: close" in small:
            self._socket.close()
            self._socket = self._connected()
        return Answer(int(head[9:12]), head, content)

    def _read_body(self, head: bytes, content: bytes) -> bytes:
        at = head.find(b"\r\ncontent-length:")
        if at < 0:
            return self._read_chunks(content)
        left = int(head[at + 17 : head.find(b"\r\n", at + 17)]) - len(content)
        kept = left <= _KEPT
        while left > 0:
            count = self._socket.recv_into(self._room, min(left, _ROOM))
            if not count:
                raise SystemExit("the registry hung up in the middle of a body")
            left -= count
            if kept:
                content += self._room[:count]
        return content if kept else b""

    def _read_chunks(self, content: bytes) -> bytes:
        """Still in its chunks: lists are sent so, and only their end is looked for."""
        pieces = [content]
        while not content.endswith(b"0\r\n\r\n"):
            count = self._socket.recv_into(self._room)
            if not count:
                raise SystemExit("the registry hung up in the middle of a chunk")
            pieces.append(bytes(self._room[:count]))
            content = (content + pieces[-1])[-16:]
        return b"".join(pieces)


Step = Callable[[Line], None]
"""One unit of work, whose time counts."""
Prepare = Callable[[Line, int], Sequence[Step]]
"""What a worker (by its number) does before the clock starts; gives the steps that it does then."""


@dataclass(frozen=True, slots=True)
class Driven:
    """What came out. Times are seconds; `generator` is the processor time that the generator took."""

    latencies: list[float]
    seconds: float
    generator: float

    @property
    def rate(self) -> float:
        """Steps a second."""
        return len(self.latencies) / self.seconds

    @property
    def note(self) -> str:
        cuts = quantiles(self.latencies, n=100, method="inclusive") if len(self.latencies) > 1 else self.latencies * 99
        share = self.generator / self.seconds
        return f"p50 {shown(cuts[49] * 1000)} ms, p99 {shown(cuts[98] * 1000)} ms; generator {share:.0%} of a processor"


def drive(address: str, prepare: Prepare, *, workers: int) -> Driven:
    """Let some workers do their steps at the same time.

    Raises:
        SystemExit: one of them did not get what it expected.
    """
    context = multiprocessing.get_context("fork")  # what is prepared by our caller is shared with all workers
    barrier = context.Barrier(workers)
    results: Queue[_Result] = context.Queue()
    processes = [
        context.Process(target=_work, args=(address, prepare, number, barrier, results), daemon=True)
        for number in range(workers)
    ]
    for each in processes:
        each.start()
    try:
        done = [results.get(timeout=2 * _GIVE_UP) for _ in processes]
        if failures := sorted((each.failure for each in done if each.failure), key=lambda each: each == _STOPPED):
            raise SystemExit(f"bench: {failures[0]}")
    finally:
        for each in processes:
            each.kill()
            each.join()
    return Driven(
        [latency for each in done for latency in each.latencies],
        max(each.ended for each in done) - min(each.began for each in done),
        sum(each.processor for each in done),
    )


@dataclass(frozen=True, slots=True)
class _Result:
    latencies: list[float]
    began: float = 0.0
    ended: float = 0.0
    processor: float = 0.0
    failure: str = ""


def _work(address: str, prepare: Prepare, number: int, barrier: Barrier, results: "Queue[_Result]") -> None:
    try:
        results.put(_timed(address, prepare, number, barrier))
    except SystemExit as error:
        barrier.abort()
        results.put(_Result([], failure=str(error)))
    except BrokenBarrierError:
        results.put(_Result([], failure=_STOPPED))
    except BaseException as error:  # noqa: BLE001  # whatever it is: the parent tells it, and does not wait for us in vain
        barrier.abort()
        traceback.print_exc(file=sys.stderr)
        results.put(_Result([], failure=f"{type(error).__name__}: {error}"))


def _timed(address: str, prepare: Prepare, number: int, barrier: Barrier) -> _Result:
    line = Line(address)
    steps = prepare(line, number)
    latencies = []
    barrier.wait(_GIVE_UP)
    used = _processor()
    began = before = time.perf_counter()
    for step in steps:
        step(line)
        now = time.perf_counter()
        latencies.append(now - before)
        before = now
    used = _processor() - used
    line.close()
    return _Result(latencies, began, before, used)


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
