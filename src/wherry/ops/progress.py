"""What a copy tells while it runs: values, for whoever wants to draw them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from wherry.oci.descriptor import Descriptor

__all__ = ["Ended", "Event", "Passed", "Planned", "Progress", "Tally", "ignore"]


@dataclass(frozen=True, slots=True)
class Tally:
    """How many blobs, and how many bytes they have together."""

    blobs: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, blobs: Iterable[Descriptor]) -> Self:
        sizes = [blob.size for blob in blobs]
        return cls(len(sizes), sum(sizes))

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.blobs + other.blobs, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class Planned:
    """The walk is done: these blobs are missing at the destination (and may be mounted), those are there."""

    missing: Tally
    skipped: Tally


@dataclass(frozen=True, slots=True)
class Passed:
    """So many bytes more of a blob were handed to the destination."""

    blob: Descriptor
    bytes: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A blob is at the destination; `mounted` if none of its bytes passed through here."""

    blob: Descriptor
    mounted: bool


Event = Planned | Passed | Ended
Progress = Callable[[Event], None]
"""Called on the event loop, often: it must be quick."""


def ignore(event: Event) -> None:
    """Draw nothing."""
    _ = event
