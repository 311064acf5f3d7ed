"""HTTP servers that do exactly what a test says: answers of any shape, cut, silent, or a front of a real registry.

`stub` answers with a function of the test's; `front` hands on to a registry what that function leaves alone. Both record
what they were asked.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Asked", "Reply", "Stub", "front", "json_reply", "listening", "refused", "stub"]


@dataclass(frozen=True)
class Asked:
    """A request; header names are lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def line(self) -> str:
        return f"{self.method} {self.target}"


@dataclass(frozen=True)
class Reply:
    """An answer. `raw` is sent instead of anything else; `cut` closes the connection after that many bytes of the body.

    With `endless` the body is sent again and again, until the client leaves.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes | None = None
    cut: int | None = None
    endless: bool = False
    close: bool = False


Answer = Callable[[Asked], "Reply | Awaitable[Reply | None] | None"]


@dataclass
class Stub:
    """A running server; `asked` is what came, in order. `early` may answer before a body is read."""

    answer: Answer
    early: Answer | None = None
    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    greeted: int = 0
    """How many connections were made."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether a client has left while it was answered."""

    def lines(self, *, pings: bool = False) -> list[str]:
        """The requests' first lines; without the client's first `GET /v2/`, unless asked for."""
        return [each.line for each in self.asked if pings or each.line != "GET /v2/"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.greeted += 1
        try:
            while (head := await _head(reader)) is not None:
                reply = await _called(self.early, head) if self.early else None
                asked = head
                if reply is None:
                    asked = Asked(head.method, head.target, head.headers, await _body(reader, head))
                    reply = await _called(self.answer, asked)
                self.asked.append(asked)
                assert reply is not None, f"the stub has no answer to {asked.line}"
                await _send(writer, asked, reply)
                if reply.close:
                    await _lingering(reader, writer)
                if reply.raw is not None or reply.cut is not None or reply.close:
                    break
        except ConnectionError:
            self.left.set()
            raise
        finally:
            if not self.asked:
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")  # to whoever greets with TLS, as HTTP servers do
            writer.close()


@asynccontextmanager
async def stub(
    answer: Answer, *, early: Answer | None = None, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Stub]:
    """Serve `answer` on a free loopback port."""
    running = Stub(answer, early)
    async with listening(running.serve, tls=tls, host=host) as running.address:
        yield running


@asynccontextmanager
async def listening(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[str]:
    """Have each connection to a free loopback port served by `talk`; all are broken off at the end. Gives the address."""
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections[task] = writer
        try:
            await talk(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has left: some tests want that

    server = await asyncio.start_server(connected, host, 0, ssl=tls)
    try:
        yield f"{host}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task, writer in connections.items():
            if not writer.is_closing():  # Debian's Python 3.11.2 fails on a TLS connection that was closed twice
                writer.transport.abort()
            task.cancel()
        if connections:
            await asyncio.wait(connections)
        await server.wait_closed()


@asynccontextmanager
async def front(
    registry: str, answer: Answer = lambda _: None, *, early: Answer | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Stub]:
    """Stand in front of a registry: what `answer` gives None for goes there, and the registry's answer comes back."""

    async def handed_on(asked: Asked) -> Reply:
        return await _called(answer, asked) or await _fetched(registry, asked)

    async with stub(handed_on, early=early, tls=tls) as running:
        yield running


def json_reply(document: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer; header names are given with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": "application/json"} | named, json.dumps(document).encode())


def refused(status: int, code: str, message: str = "", detail: Any = None, **headers: str) -> Reply:
    """A registry's error."""
    return json_reply({"errors": [{"code": code, "message": message, "detail": detail}]}, status, **headers)


async def _called(answer: Answer, asked: Asked) -> Reply | None:
    reply = answer(asked)
    return await reply if isinstance(reply, Awaitable) else reply


async def _head(reader: asyncio.StreamReader) -> Asked | None:
    """The next request; None if the client has left, or greets with TLS."""
    first_byte = await reader.read(1)
    if first_byte in {b"", b"\x16"}:
        return None
    head = (first_byte + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    pairs = (line.split(":", 1) for line in lines)
    return Asked(method, target, {name.lower(): value.strip() for name, value in pairs})


async def _body(reader: asyncio.StreamReader, head: Asked) -> bytes:
    if "chunked" in head.headers.get("transfer-encoding", ""):
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return body
    return await reader.readexactly(int(head.headers.get("content-length", "0")))


async def _lingering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let the client read an answer that came before its body was read: who closes at once takes the answer away."""
    writer.write_eof()
    while await reader.read(65536):
        pass


async def _send(writer: asyncio.StreamWriter, asked: Asked, reply: Reply) -> None:
    if reply.raw is not None:
        writer.write(reply.raw)
        await writer.drain()
        return
    headers = dict(reply.headers)
    if not reply.endless:
        headers.setdefault("Content-Length", str(len(reply.body)))
    lines = [f"HTTP/1.1 {reply.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    writer.write("\r\n".join(lines).encode("latin-1"))
    if asked.method != "HEAD":
        writer.write(reply.body if reply.cut is None else reply.body[: reply.cut])
        while reply.endless:
            await writer.drain()
            writer.write(reply.body)
    await writer.drain()


async def _fetched(registry: str, asked: Asked) -> Reply:
    host, _, port = registry.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        headers = dict(asked.headers) | {"connection": "close", "content-length": str(len(asked.body))}
        headers.pop("transfer-encoding", None)
        lines = [f"{asked.method} {asked.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + asked.body)
        await writer.drain()
        first = await reader.readline()
        found: dict[str, str] = {}
        while (line := (await reader.readline()).decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            earlier = found.get(name.lower())
            found[name.lower()] = f"{earlier}, {value.strip()}" if earlier else value.strip()
        status = int(first.split()[1])
        nothing = asked.method == "HEAD" or status in {204, 304}
        body = b"" if nothing else await _answer_body(reader, found)
        for name in ("transfer-encoding", "connection"):
            found.pop(name, None)
        return Reply(status, found if nothing else found | {"content-length": str(len(body))}, body)
    finally:
        writer.close()


async def _answer_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", ""):
        return await _body(reader, Asked("", "", headers))
    length = headers.get("content-length")
    return await reader.read() if length is None else await reader.readexactly(int(length))
