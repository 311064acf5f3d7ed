"""What the time is in a transaction, and which moments to come follow from it."""

from dataclasses import dataclass

__all__ = ["Keeping", "Moment"]


@dataclass(frozen=True, slots=True)
class Moment:
    """The time of a change, and until when what it touches is kept; whole seconds since the epoch."""

    now: int
    leased: int
    """Until then nothing is collected that is pushed, mounted or confirmed now."""
    reviewed: int
    """From then on what loses its last user now may go."""
    untagged: int | None
    """From then on a manifest may go that loses its last tag now; None if it stays for ever."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long things are kept that nothing needs, in seconds."""

    lease: float
    grace: float
    untagged: float | None = None

    def at(self, now: float) -> Moment:
        """The moments that follow from `now`; rounded so that nothing goes too early."""
        second = int(now)
        leased, reviewed = (second + 1 + int(each) for each in (self.lease, self.grace))
        untagged = None if self.untagged is None else max(second + 1 + int(self.untagged), reviewed)
        return Moment(second, leased, reviewed, untagged)
