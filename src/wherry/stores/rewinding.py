"""Content that can be had again: what lets a push that broke off in the middle go on where it was."""

from collections.abc import AsyncGenerator
from typing import Protocol, runtime_checkable

__all__ = ["Rewindable"]


@runtime_checkable
class Rewindable(Protocol):
    """An optional power of the `content` that `Store.push` is given, beside being an `AsyncIterable[bytes]`."""

    def from_byte(self, offset: int) -> AsyncGenerator[bytes, None]:
        """The same bytes once more, from `offset` on. Whoever asks closes what was asked for before."""
