"""The parts of RSGI that we use, as types; granian's own are not exported.

Spec: RSGI 1.5 (granian, docs/spec/RSGI.md).
"""

from collections.abc import AsyncIterator
from typing import Protocol

__all__ = ["HTTPProtocol", "RSGIHeaders", "Scope"]


class RSGIHeaders(Protocol):
    """Names are lower-case. Values that are not text are left out by granian; that a header is there it tells all the same."""

    def __contains__(self, key: str, /) -> bool: ...
    def get(self, key: str, default: str | None = None, /) -> str | None: ...
    def get_all(self, key: str, /) -> list[str]: ...


class Scope(Protocol):
    """A request's head. `path` is percent-decoded, once; bytes that are no UTF-8 have become U+FFFD. `client` is `host:port`.

    `http_version` is `1` or `1.1`.
    """

    client: str
    http_version: str
    method: str
    path: str
    query_string: str
    headers: RSGIHeaders


class HTTPProtocol(Protocol):
    """A request's body, and its answer. The body ends silently when the client has gone."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def response_empty(self, status: int, headers: list[tuple[str, str]], /) -> None: ...
    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes, /) -> None: ...
    def response_file(self, status: int, headers: list[tuple[str, str]], file: str, /) -> None: ...
    def response_file_range(
        self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int, /
    ) -> None: ...
