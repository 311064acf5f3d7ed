"""Content negotiation: which media types an `Accept` header takes (RFC 9110, 12.5.1)."""

import re
from collections.abc import Iterable
from typing import Self

from msgspec import Struct

__all__ = ["Accept"]

_TOKEN = r"[!#$%&'*+.^_`|~0-9a-z-]+"
_RANGE = re.compile(rf"{_TOKEN}/{_TOKEN}")
_QUALITY = re.compile(r"0?\.\d*|[01](?:\.\d*)?", re.ASCII)  # some clients leave the leading 0 out


class Accept(Struct, frozen=True):
    """What a client takes. With no header, or an empty one, it takes everything."""

    ranges: tuple[tuple[str, float], ...]

    @classmethod
    def parse(cls, headers: Iterable[str]) -> Self:
        """Read all `Accept` headers of a request together; malformed parts are passed over, as RFC 9110 bids."""
        ranges = []
        for part in ",".join(headers).split(","):
            media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
            if _RANGE.fullmatch(media_range):
                ranges.append((media_range, _quality(parameters)))
        return cls(tuple(ranges))

    def takes(self, media_type: str) -> bool:
        """Whether a body of this type may be sent."""
        if not self.ranges:
            return True
        family = media_type.partition("/")[0] + "/*"
        for wanted in (media_type, family, "*/*"):  # the most specific range decides, whatever the order
            qualities = [quality for media_range, quality in self.ranges if media_range == wanted]
            if qualities:
                return max(qualities) > 0
        return False

    def names(self, media_type: str) -> bool:
        """Whether this very type is listed: how old clients tell that they know a kind of manifest."""
        return any(media_range == media_type and quality > 0 for media_range, quality in self.ranges)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            text = value.strip()
            return float(f"0{text}") if _QUALITY.fullmatch(text) else 1.0
    return 1.0
