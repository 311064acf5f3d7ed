"""A request as endpoints see it: headers, query and body, each read in one way only."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import cached_property
from urllib.parse import parse_qs

from wherry.oci.errors import BlobUploadInvalid, PayloadTooLarge, SizeInvalid
from wherry.server.policy import Policy
from wherry.server.routes import Endpoint, Route
from wherry.server.rsgi import HTTPProtocol, Scope

__all__ = ["Request"]


class Request:
    """One request. Header names are asked for in lower case. The application sets `route` before it runs an endpoint.

    `received` counts the bytes of the body that have come; `limit` is how many an endpoint takes, None for any number.
    """

    route = Route(Endpoint.UNKNOWN)

    def __init__(self, scope: Scope, protocol: HTTPProtocol, policy: Policy) -> None:
        self.method = scope.method
        self.path = scope.path
        self.query_string = scope.query_string
        self.received = 0
        self.limit: int | None = None
        self._scope = scope
        self._headers = scope.headers
        self._protocol = protocol
        self._policy = policy
        self._deadline: float | None = None
        self._body: AsyncIterator[bytes] | None = None
        self._ended = False  # a body in chunks, with its last one

    @property
    def client(self) -> str:
        """Who asks: `host:port` of the connection's other end."""
        return self._scope.client

    def header(self, name: str) -> str | None:
        """The value of a header; of the first, if it was sent several times."""
        return self._headers.get(name)

    def headers(self, name: str) -> list[str]:
        """All values of a header, in their order."""
        return self._headers.get_all(name)

    def has(self, name: str) -> bool:
        """Whether a header was sent, readable or not."""
        return name in self._headers

    @cached_property
    def query(self) -> Mapping[str, list[str]]:
        """The parameters of the query, percent-decoded; blank ones are kept."""
        if not self.query_string:
            return {}
        return parse_qs(self.query_string, keep_blank_values=True)

    def parameter(self, name: str) -> str | None:
        """A parameter of the query; the last, if it was sent several times."""
        values = self.query.get(name)
        return values[-1] if values else None

    @property
    def content_length(self) -> int | None:
        """Bytes of the body; None if it comes in chunks. The HTTP server has refused everything else."""
        text = self.header("content-length")
        if text is not None:
            return int(text)
        return None if self.header("transfer-encoding") else 0

    async def body(self, limit: int) -> bytes:
        """The whole body. It is not read when it says that it is too long.

        Raises:
            PayloadTooLarge: more than `limit` bytes.
            SizeInvalid: it ended too early.
        """
        length = self.content_length
        if length is not None and length > limit:
            raise PayloadTooLarge(f"{length} bytes where at most {limit} are taken")
        pieces = []
        size = 0
        async for piece in self.pieces():
            size += len(piece)
            if size > limit:
                raise PayloadTooLarge(f"more than the {limit} bytes that are taken")
            pieces.append(piece)
        return b"".join(pieces)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, or the rest of it, as it arrives.

        The HTTP server ends a body silently when the client has gone, so its length is checked here. For a body in
        chunks it gives one empty piece at the end, and one more before it where the framing broke off or is wrong. It
        does so for trailer fields, too; no client of registries sends any, so these are refused rather than trusted.

        Raises:
            SizeInvalid: it ended too early.
            PayloadTooLarge: there is more of it than `limit`.
            BlobUploadInvalid: the client was silent for too long, or the whole took too long.
        """
        length = self.content_length
        if self.limit is not None and (length or 0) > self.limit:
            raise PayloadTooLarge(f"the body has {length} bytes, and at most {self.limit} more are taken")
        if self.received == length:
            return
        if self._body is None:
            self._body = aiter(self._protocol)  # once: granian refuses a second time
        empty = 0
        while self.received != length and (piece := await self._next_piece(self._body)) is not None:
            if not piece:
                empty += 1
                continue
            self.received += len(piece)
            if self.limit is not None and self.received > self.limit:
                raise PayloadTooLarge(f"more than the {self.limit} bytes that are taken")
            yield piece
        if length is not None and self.received != length:
            raise SizeInvalid(f"the body ended after {self.received} of {length} bytes")
        if length is None and empty > 1:
            raise SizeInvalid(
                f"the body came in chunks, and broke off after {self.received} bytes: its last chunk is missing"
            )
        self._ended = True

    async def spend_rest(self, limit: int) -> bool:
        """Read what nobody wanted of the body, if it is no more than `limit`; False: something of it is left."""
        length = self.content_length
        if self._ended or length == self.received:
            return True
        if length is None or length - self.received > limit or self.header("expect"):
            return False
        self.limit = None
        try:
            async for _ in self.pieces():
                pass
        except (SizeInvalid, BlobUploadInvalid):
            return False
        return True

    async def _next_piece(self, body: AsyncIterator[bytes]) -> bytes | None:
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            self._deadline = now + self._policy.longest_body
        try:
            async with asyncio.timeout_at(min(now + self._policy.body_timeout, self._deadline)):
                return await anext(body)  # no default: `anext(body, None)` crashes the interpreter (granian 2.8)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            raise BlobUploadInvalid(self._too_slow(), status=408) from None

    def _too_slow(self) -> str:
        if asyncio.get_running_loop().time() >= (self._deadline or 0):
            return f"the body took longer than {self._policy.longest_body:.0f} seconds"
        return f"nothing came for {self._policy.body_timeout:.0f} seconds"
