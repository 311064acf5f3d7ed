"""What the operator of a registry decides."""

from dataclasses import dataclass
from enum import Enum

from wherry.oci.manifest import LARGEST_MANIFEST

__all__ = ["Durability", "Policy", "Sparse"]


class Sparse(Enum):
    """Which of the things that a manifest names may be missing when it is pushed."""

    NONE = "none"
    INDEX = "index"
    """Children of an index: images for some platforms only."""
    ALL = "all"
    """Everything."""


class Durability(Enum):
    """What a 201 promises: that it survives a power cut, or only that it survives the death of the process."""

    FULL = "full"
    RELAXED = "relaxed"


@dataclass(frozen=True, slots=True)
class Policy:
    """Sizes are bytes, times are seconds."""

    sparse: Sparse = Sparse.NONE
    durability: Durability = Durability.FULL
    largest_page: int = 10_000
    """Tags, repositories or referrers in one answer; what is more comes with the next page."""
    upload_lifetime: float = 24 * 3600.0
    """How long an upload may lie untouched before it is thrown away."""
    lease: float = 24 * 3600.0
    """How long content stays that was pushed, mounted or confirmed, until a manifest must need it: longer than any push takes."""
    grace: float = 3600.0
    """How long content stays that lost what needed it."""
    delete_untagged_after: float | None = None
    """How long a manifest stays without a tag, an index or a subject; None for ever."""
    collect_every: float = 60.0
    """How long the collector rests when there is nothing to do."""
    body_timeout: float = 60.0
    """How long a client may be silent in the middle of a body."""
    longest_body: float = 6 * 3600.0
    """How long the body of one request may take."""
    largest_manifest: int = LARGEST_MANIFEST
    largest_blob: int | None = None
    most_uploads: int = 1000
    """How many bodies of blobs may come in at once, over all processes."""
