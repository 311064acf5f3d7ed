"""Paging, as tags, repositories and referrers have it: `n` how many, `last` where the page before ended.

Spec: distribution-spec 1.1, "Listing Tags"; Docker's catalogue has the same.
"""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode

from wherry.oci.errors import PageSizeInvalid
from wherry.oci.wire.link import write_next_link
from wherry.server.answers import Headers
from wherry.server.request import Request

__all__ = ["Page"]

_MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Page:
    """`size` entries behind `last`."""

    size: int
    last: str

    @classmethod
    def of(cls, request: Request, largest: int) -> Self:
        """The page that a request asks for; who asks for more than `largest` gets that many, and a link to the rest.

        Raises:
            PageSizeInvalid: `n` is not a number.
        """
        text = request.parameter("n")
        if text is None:
            size = largest
        elif text.isascii() and text.isdigit():
            size = min(int(text[:_MOST_DIGITS]), largest)
        else:
            raise PageSizeInvalid(f"n={text[:40]!r} is not a number of entries", detail={"n": text[:40]})
        return cls(size, request.parameter("last") or "")

    def link(self, path: str, last: str, **others: str | None) -> Headers:
        """The header that leads from this page, which ended with `last`, to the next one."""
        parameters = {name: value for name, value in others.items() if value is not None}
        return [("link", write_next_link(f"{path}?{urlencode({'n': self.size, 'last': last} | parameters)}"))]
