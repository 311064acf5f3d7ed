"""An HTTP answer, as it arrives: status and headers are there, the body is still to be read."""

import asyncio
from collections.abc import Iterator

from pyreqwest.exceptions import PyreqwestError
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from wherry.oci.errors import TimedOut
from wherry.oci.wire.challenge import Challenge, read_challenges
from wherry.stores.remote.bucket import Bucket
from wherry.stores.remote.cancels import cancels, heed
from wherry.stores.remote.failures import broken_off

__all__ = ["PIECE", "Answer"]

PIECE = 512 * 1024
"""How many bytes of a body travel as one piece, where the connection is quick."""
_SMALLEST = 64 * 1024


class Answer:
    """An HTTP answer whose body is still to be read."""

    __slots__ = ("_amount", "_bucket", "_place", "_request", "_response", "_silence", "status", "url")

    def __init__(  # noqa: PLR0917  # made in one place, for each request
        self,
        request: StreamRequest,
        url: str,
        response: Response,
        place: str,
        silence: float,
        bucket: Bucket | None = None,
    ) -> None:
        self._request = request
        self.url = url
        self._response = response
        self._place = place
        self._silence = silence
        self._amount = _SMALLEST
        self._bucket = bucket
        self.status: int = response.status

    def header(self, name: str) -> str | None:
        """The first header of that name; None if there is none, or it is not text."""
        try:
            return self._response.get_header(name)
        except ValueError:
            return None

    def headers(self, name: str) -> list[str]:
        """All headers of that name that are text."""
        try:
            return self._response.get_header_all(name)
        except ValueError:
            return [text for text in self._each(name) if text is not None]

    @property
    def challenges(self) -> tuple[Challenge, ...]:
        """How the server wants to be shown who asks.

        One with words beyond ASCII cannot be read, and is taken for `Basic`, whose realm is written for people.
        """
        found = read_challenges(self.headers("WWW-Authenticate"))
        is_there = found or "WWW-Authenticate" not in self._response.headers
        return found if is_there or None not in self._each("WWW-Authenticate") else (Challenge("basic"),)

    def _each(self, name: str) -> Iterator[str | None]:
        """All headers of that name, with None for what is no text."""
        names, values = self._response.headers.keys(), iter(self._response.headers.values())
        for each in names:
            try:
                value = next(values)
            except ValueError:
                value = None
            if each == name.lower():
                yield value

    @property
    def length(self) -> int | None:
        """What `Content-Length` says."""
        text = self.header("Content-Length") or ""
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None  # noqa: PLR2004  # 2**63 has 19 digits

    async def read(self) -> bytes | None:
        """The next piece of the body, up to `PIECE` long; None after the last.

        pyreqwest waits until it has as many bytes as it was asked for. So a slow connection is asked for few at a time:
        it must not be taken for a silent one.
        """
        now = asyncio.get_running_loop().time
        started, before = now(), cancels()
        try:
            async with asyncio.timeout_at(started + self._silence):
                piece = await self._response.body_reader.read(self._amount)
                heed(before)
        except TimeoutError:
            raise TimedOut(f"{self._place}: silent for {self._silence:g} s", registry=self._place) from None
        except PyreqwestError as error:
            raise broken_off(error, self._place) from error
        is_quick = now() - started < self._silence / 8
        self._amount = min(PIECE, self._amount * 2) if is_quick else _SMALLEST
        if piece is None:
            return None
        if self._bucket is not None:
            await self._bucket.take(len(piece))
        return piece.to_bytes()

    async def close(self) -> None:
        """Free the connection: for the next request if the body was read to its end."""
        await self._request.__aexit__(None, None, None)

    async def body(self, limit: int) -> bytes | None:
        """The whole body; None if it is longer than `limit` bytes."""
        length = self.length
        if length is not None and length > limit:
            return None
        pieces, size = [], 0
        while (
            size != length and (piece := await self.read()) is not None
        ):  # what has its length is not asked for its end
            size += len(piece)
            if size > limit:
                return None
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
