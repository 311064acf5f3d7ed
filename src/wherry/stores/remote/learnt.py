"""What a registry turned out to do, and not to do: found out by requests that are made anyway, and not tried twice in vain.

From earlier processes (`notes`) come only refusals and sizes. That a registry *does* something saves nobody a request, and would
be believed at the wrong moment: when it does no longer.
"""

from collections.abc import Mapping

from msgspec import Struct, field

__all__ = ["SMALLEST_CHUNK", "Learnt"]

SMALLEST_CHUNK = 64 * 1024
"""Bytes: a body of so few that is refused as too large is not refused for its own size."""


class Learnt(Struct):
    """None is: not known yet."""

    single_post: bool | None = None
    """Whether a blob can come with the POST."""
    whole_put: bool | None = None
    """Whether a large blob can come in one PUT."""
    too_large: int | None = None
    """Bytes of the smallest body that was refused for its size, by the registry or a proxy before it."""
    mount: bool | None = None
    """Whether a mount was ever granted. False: one was declined, and none was granted."""
    referrers: bool | None = None
    """Whether there is a referrers API."""
    blob_head: bool | None = None
    manifest_head: bool | None = None
    """Whether HEAD is answered where GET is."""
    page: int | None = None
    """How many entries of a list to ask for, where the registry's own pages are shorter; 0: it takes no other number."""
    noted: Mapping[str, bool | int] = field(default_factory=dict)
    """What was known when this process began."""
    unsure: set[str] = field(default_factory=set)
    """The names of what is only noted, and must be found out anew before it is relied on."""

    def found(self, name: str, value: bool | int) -> None:  # noqa: FBT001  # a field's value
        """Note that something has shown itself."""
        setattr(self, name, value)
        self.unsure.discard(name)

    def refused(self, size: int) -> None:
        """A body of this size was too large."""
        self.too_large = size if self.too_large is None else min(size, self.too_large)

    def saw_mount(self, *, granted: bool) -> None:
        """A mount was granted, or declined: that may be about one blob, so a single grant counts more."""
        self.mount = granted or bool(self.mount)
