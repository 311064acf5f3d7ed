"""The moments at which a crash would leave something half done, by name: for tests, which kill or hold us there.

Whoever writes calls `reached(point)` between two steps. By default that does nothing.
"""

from collections.abc import Callable
from enum import Enum

__all__ = ["Point", "Reached", "pass_by"]


class Point(Enum):
    """Between which two steps."""

    ARRIVED = "arrived"
    """Bytes of an upload were written, none is flushed."""
    BLOB_FLUSHED = "blob flushed"
    """The bytes are on the disk, not under the blob's name yet."""
    BLOB_NAMED = "blob named"
    """The file has its name; the folder is not flushed."""
    BLOB_KEPT = "blob kept"
    """The folder is flushed; no row knows of the blob."""
    BEGUN = "transaction begun"
    CHANGED = "transaction changed"
    """All changes of the batch were made, none is committed."""
    COMMITTED = "transaction committed"
    """Nobody has been told."""
    MARKED = "blob marked"
    """A blob is marked as going, and its bytes are there."""
    SET_ASIDE = "blob set aside"
    """Its file has no name of a blob any more, its row is still there."""
    REMOVED = "blob removed"
    """Its row is gone, its file is not yet deleted."""


Reached = Callable[[Point], None]


def pass_by(_: Point) -> None:
    """Go on."""
