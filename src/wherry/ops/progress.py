"""What a copy tells while it runs: values, for whoever wants to draw them."""

from collections.abc import Callable

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import WherryError
from wherry.ops.errand import Copied, Errand, Tally

__all__ = [
    "Arrived",
    "Dropped",
    "Ended",
    "Event",
    "Expected",
    "Failed",
    "Passed",
    "Planned",
    "Progress",
    "Tally",
    "ignore",
]


class Planned(Struct, frozen=True):
    """A walk is done: these blobs are missing at the destination (and may be mounted), those are there.

    Of many copies each has its own. A copy that looks again, closer, has another.
    """

    missing: Tally
    skipped: Tally


class Passed(Struct, frozen=True):
    """So many bytes more of a blob were handed to the destination."""

    blob: Descriptor
    bytes: int


class Ended(Struct, frozen=True):
    """A blob is at the destination; `mounted` if none of its bytes passed through here."""

    blob: Descriptor
    mounted: bool


class Dropped(Struct, frozen=True):
    """A blob that was on its way has been given up; another copy may bring it yet."""

    blob: Descriptor


class Expected(Struct, frozen=True):
    """There are so many copies to do."""

    copies: int


class Arrived(Struct, frozen=True):
    """One of many copies is done."""

    errand: Errand
    copied: Copied


class Failed(Struct, frozen=True):
    """One of many copies has failed, and the others go on."""

    errand: Errand
    error: WherryError | OSError


Event = Planned | Passed | Ended | Dropped | Expected | Arrived | Failed
Progress = Callable[[Event], None]
"""Called on the event loop, often: it must be quick."""


def ignore(event: Event) -> None:
    """Draw nothing."""
    _ = event
