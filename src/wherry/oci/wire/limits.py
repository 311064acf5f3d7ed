"""How much may be asked of a registry, in its own words: `RateLimit-*` and `Retry-After`.

`RateLimit-Limit: 100;w=21600` is Docker Hub's form: so many requests in a window of so many seconds. Others send the number
alone, or several limits separated by commas, of which the first is the one that counts.

Spec: RFC 9110, 10.2.3 (`Retry-After`); the IETF's draft on RateLimit header fields, version 3 and before; Docker's documentation
of pull limits.
"""

import calendar
import re

from msgspec import Struct

__all__ = ["RateLimit", "read_rate_limit", "read_retry_after"]

_QUOTA = re.compile(r"\s*(\d{1,12})\s*(?:;([^,]*))?(?:,.*)?", re.ASCII)
_WINDOW = re.compile(r"(?:^|;)\s*w\s*=\s*(\d{1,12})\s*(?:;|$)", re.ASCII)
_SECONDS = re.compile(r"\s*(\d{1,9})\s*", re.ASCII)
_DATE = re.compile(
    r"\s*(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4})"
    r" (\d\d):(\d\d):(\d\d) GMT\s*",
    re.ASCII,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class RateLimit(Struct, frozen=True):
    """How many requests a registry allows in `window` seconds, and how many of them are left.

    `source` is whom it counts by, in its own words (Docker Hub: an address, or a user's number); empty if it does not say.
    """

    limit: int
    remaining: int
    window: float | None = None
    source: str = ""

    @property
    def interval(self) -> float:
        """Seconds in which one more request becomes allowed; 0 if that is not known."""
        return self.window / self.limit if self.window and self.limit else 0.0


def read_rate_limit(limit: str | None, remaining: str | None, source: str | None = None) -> RateLimit | None:
    """What `RateLimit-Limit` and `RateLimit-Remaining` say; None unless both are there and make sense."""
    allowed, left = _QUOTA.fullmatch(limit or ""), _QUOTA.fullmatch(remaining or "")
    if allowed is None or left is None:
        return None
    window = _WINDOW.search(allowed[2] or "") or _WINDOW.search(left[2] or "")
    return RateLimit(int(allowed[1]), int(left[1]), float(window[1]) if window else None, (source or "").strip())


def read_retry_after(header: str | None, now: float) -> float | None:
    """Seconds to wait, as a `Retry-After` of either form says; None if there is none that makes sense.

    `now` is the time in seconds since 1970, to which a date is compared; one that is past means 0.
    """
    text = header or ""
    if seconds := _SECONDS.fullmatch(text):
        return float(seconds[1])
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second = found.groups()
    moment = (int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second))
    try:
        return max(0.0, calendar.timegm(moment) - now)
    except ValueError:  # the 42nd of a month
        return None
