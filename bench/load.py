"""Many small requests over a few kept connections: by `wrk` where it is, else by a generator of our own.

Ours is one Python loop over epoll that only counts bytes: some tens of thousands of answers a second on one core. A fast
registry is then held back by the generator, and the report says which of the two was used.
"""

import re
import select
import socket
import subprocess
import time

from bench.programs import Program

_HEAD_ENDS = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def requests_per_second(
    wrk: Program | None, address: str, path: str, *, accept: str, connections: int, seconds: float
) -> float:
    """Ask for one path as often as possible for `seconds`; every answer must be a 200."""
    if wrk is None:
        return _by_ourselves(address, path, accept=accept, connections=connections, seconds=seconds)
    return _by_wrk(wrk, address, path, accept=accept, connections=connections, seconds=seconds)


def _by_wrk(wrk: Program, address: str, path: str, *, accept: str, connections: int, seconds: float) -> float:
    told = subprocess.run(
        [
            str(wrk.path),
            "--threads=2",
            f"--connections={connections}",
            f"--duration={max(1, round(seconds))}s",
            f"--header=Accept: {accept}",
            f"http://{address}{path}",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(f"bench: wrk met errors at {address}{path}:\n{told}")
    rate = re.search(r"Requests/sec: *([\d.]+)", told)
    if rate is None:
        raise SystemExit(f"bench: wrk says something new:\n{told}")
    return float(rate[1])


def _by_ourselves(address: str, path: str, *, accept: str, connections: int, seconds: float) -> float:
    request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n".encode()
    host, _, port = address.rpartition(":")
    open_ones = [socket.create_connection((host, int(port))) for _ in range(connections)]
    try:
        return _drive({each.fileno(): each for each in open_ones}, request, seconds)
    finally:
        for each in open_ones:
            each.close()


def _drive(connections: dict[int, socket.socket], request: bytes, seconds: float) -> float:
    """Keep one request in flight on each connection; returns the answers a second."""
    poll = select.epoll()
    missing = dict.fromkeys(connections, 0)  # bytes of the body still to come, where an answer has begun
    for number, connection in connections.items():
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poll.register(number, select.EPOLLIN)
        connection.sendall(request)
    answers = 0
    began = time.perf_counter()
    ends = began + seconds
    while time.perf_counter() < ends:
        for number, _ in poll.poll(1):
            content = connections[number].recv(65536)
            left = missing[number] - len(content) if missing[number] else _left_of(content)
            missing[number] = left
            if left == 0:
                answers += 1
                connections[number].sendall(request)
    poll.close()
    return answers / (time.perf_counter() - began)


def _left_of(content: bytes) -> int:
    """How much of an answer is missing after its first piece, which has the whole head (they are short, and come at once)."""
    head_end = content.find(_HEAD_ENDS)
    length = _LENGTH.search(content, 0, head_end + 2)
    if not content.startswith(b"HTTP/1.1 200") or head_end < 0 or length is None:
        raise SystemExit(f"bench: not the answer that was expected: {content[:200]!r}")
    return int(length[1]) - (len(content) - head_end - len(_HEAD_ENDS))
