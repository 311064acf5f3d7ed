"""Requests to a registry without a socket: the whole application, and nothing of the HTTP server."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from tests.server.asking import Answer
from wherry.server.application import Application
from wherry.server.health import Health
from wherry.server.registry import Registry


class _Headers:
    def __init__(self, headers: Sequence[tuple[str, str]]) -> None:
        self._headers = [(name.lower(), value) for name, value in headers]

    def __contains__(self, key: str) -> bool:
        return bool(self.get_all(key))

    def get(self, key: str, default: str | None = None) -> str | None:
        return next(iter(self.get_all(key)), default)

    def get_all(self, key: str) -> list[str]:
        return [value for name, value in self._headers if name == key]


@dataclass
class _Scope:
    method: str
    path: str
    query_string: str
    headers: _Headers
    http_version: str = "1"  # which needs no Host


class _Protocol:
    """What the application answers; a file is read at that moment, and one that has gone is a 404, as with granian."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.answer: Answer | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._body:
            yield self._body

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.answer = Answer(status, headers, b"")

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answer = Answer(status, headers, body)

    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None:
        try:
            self.answer = Answer(status, headers, Path(file).read_bytes())
        except FileNotFoundError:
            self.answer = Answer(404, [], b"")

    def response_file_range(self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int) -> None:
        self.answer = Answer(status, headers, Path(file).read_bytes()[start:end])


class Inside:
    """Asks a registry in a folder, which is open in this process."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self._application = Application(registry, Health(folder))

    async def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """One request and its answer."""
        plain, _, query = path.partition("?")
        length = [] if body is None else [("content-length", str(len(body)))]
        protocol = _Protocol(body or b"")
        await self._application.__rsgi__(_Scope(method, unquote(plain), query, _Headers([*headers, *length])), protocol)
        assert protocol.answer is not None
        return protocol.answer
