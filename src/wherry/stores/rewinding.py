"""Content that can be had again: what lets a push that broke off in the middle go on where it was."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol, runtime_checkable

from wherry.oci.errors import TooManyRequests, Unavailable, Unreachable

__all__ = ["Rewindable", "Traced", "is_worth_keeping"]


@runtime_checkable
class Rewindable(Protocol):
    """An optional power of the `content` that `Store.push` is given, beside being an `AsyncIterable[bytes]`."""

    def from_byte(self, offset: int) -> AsyncGenerator[bytes, None]:
        """The same bytes once more, from `offset` on. Whoever asks closes what was asked for before."""


@runtime_checkable
class Traced(Protocol):
    """An optional power of the same: a store may have a way of its own to where the content comes from."""

    @property
    def origin(self) -> object:
        """The source; None if the bytes do not come from there."""

    def passed(self, position: int) -> None:
        """Be told that the bytes before `position` have gone that way."""


def is_worth_keeping(error: BaseException) -> bool:
    """Whether the next process may finish what failed so: what has arrived is good, as far as anybody knows."""
    return isinstance(error, asyncio.CancelledError | KeyboardInterrupt | Unreachable | Unavailable | TooManyRequests)
