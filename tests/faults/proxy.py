"""A proxy that breaks things on purpose: it stands in front of a registry, on a real socket, and does to some requests what networks,
load balancers and registries do to them.

A `Fault` says to which requests, how often, and what. It may answer by itself, lose the request in the middle of its body,
lose the answer, cut it at some byte, change it, or fall silent.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.stores.remote.stub import Asked, _body, _head, listening

__all__ = ["FOREVER", "Fault", "Proxy", "answered", "changed", "cut", "lost", "proxy", "silent", "stalled", "swallowed"]

FOREVER = 1_000_000
_STEP = 64 * 1024

Act = Callable[["Proxy", Asked, asyncio.StreamReader, asyncio.StreamWriter], "asyncio.Future[None]"]


@dataclass
class Fault:
    """`act` happens to the next `times` requests that `to` picks."""

    to: Callable[[Asked], bool]
    act: Callable
    times: int = 1
    done: int = 0


@dataclass
class Proxy:
    """A running proxy. `asked` is what came, in order, without bodies."""

    upstream: str
    faults: list[Fault]
    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    tokens: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (head := await _head(reader)) is not None:
                self.asked.append(head)
                fault = next((each for each in self.faults if each.done < each.times and each.to(head)), None)
                if fault is not None:
                    fault.done += 1
                    await fault.act(self, head, reader, writer)
                    return
                asked = Asked(head.method, head.target, head.headers, await _body(reader, head))
                writer.write(self.own(asked) or await self.passed_on(asked))
                await writer.drain()
        finally:
            writer.close()

    def own(self, asked: Asked) -> bytes | None:
        """What the proxy says itself as a token server, and as one who wants tokens."""
        if not self.tokens:
            return None
        if asked.path == "/token":
            return _raw(200, json.dumps({"token": "t", "expires_in": 300}).encode())
        if asked.headers.get("authorization") != "Bearer t":
            challenge = f'WWW-Authenticate: Bearer realm="http://{self.address}/token",service="here"'
            return _raw(401, b"{}", challenge)
        return None

    async def passed_on(self, asked: Asked) -> bytes:
        """The registry's answer, as it came."""
        host, _, port = self.upstream.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            headers = dict(asked.headers) | {"content-length": str(len(asked.body)), "connection": "close"}
            headers.pop("transfer-encoding", None)
            lines = [
                f"{asked.method} {asked.target} HTTP/1.1",
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode() + asked.body)
            await writer.drain()
            answer = await reader.read()
            return answer.replace(b"connection: close\r\n", b"", 1)
        finally:
            writer.close()

    async def beginning(self, head: Asked, reader: asyncio.StreamReader, amount: int) -> None:
        """Pass the first `amount` bytes of a request's body on to the registry, and then break off on both sides."""
        host, _, port = self.upstream.rpartition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        lines = [f"{head.method} {head.target} HTTP/1.1", *(f"{name}: {value}" for name, value in head.headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        left = amount
        while left and (piece := await reader.read(min(left, _STEP))):
            writer.write(piece)
            await writer.drain()
            left -= len(piece)
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def proxy(upstream: str, *faults: Fault, tokens: bool = False) -> AsyncIterator[Proxy]:
    """Stand in front of a registry."""
    running = Proxy(upstream, list(faults), tokens=tokens)
    async with listening(running.serve) as running.address:
        yield running


def answered(status: int, *headers: str, body: bytes = b'{"errors": []}'):
    """The registry is not even asked."""

    async def act(_proxy: Proxy, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _body(reader, asked)
        writer.write(_raw(status, b"" if asked.method == "HEAD" else body, "Connection: close", *headers))
        await writer.drain()

    return act


def lost(amount: int):
    """The connection breaks when the registry has got the first `amount` bytes of the body."""

    async def act(running: Proxy, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await running.beginning(asked, reader, min(amount, int(asked.headers.get("content-length", "0"))))
        writer.transport.abort()

    return act


def swallowed():
    """The registry does what it is asked for, and its answer is lost."""

    async def act(running: Proxy, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = Asked(asked.method, asked.target, asked.headers, await _body(reader, asked))
        assert await running.passed_on(whole)
        writer.transport.abort()

    return act


def cut(where: Callable[[int, int], int]):
    """The answer ends at the byte that `where` gives for its length up to the body, and its whole length."""

    async def act(running: Proxy, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await running.passed_on(Asked(asked.method, asked.target, asked.headers, await _body(reader, asked)))
        body = answer.index(b"\r\n\r\n") + 4
        writer.write(answer[: where(body, len(answer))])
        await writer.drain()

    return act


def changed(change: Callable[[bytes, bytes], bytes], *, endless: bool = False):
    """The answer is what `change` makes of its head and its body; with `endless`, its end is sent again and again."""

    async def act(running: Proxy, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = Asked(asked.method, asked.target, asked.headers, await _body(reader, asked))
        head, _, body = (running.own(whole) or await running.passed_on(whole)).partition(b"\r\n\r\n")
        writer.write(change(head, body))
        while endless:
            await writer.drain()
            writer.write(b" " * _STEP)
        await writer.drain()

    return act


def stalled():
    """Half of the answer comes, and then nothing more."""

    async def act(running: Proxy, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await running.passed_on(Asked(asked.method, asked.target, asked.headers, await _body(reader, asked)))
        body = answer.index(b"\r\n\r\n") + 4
        writer.write(answer[: (body + len(answer)) // 2])
        await reader.read()  # until the client has had enough

    return act


def silent():
    """Nothing is answered."""

    async def act(_proxy: Proxy, asked: Asked, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await _body(reader, asked)
        await reader.read()

    return act


def _raw(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
