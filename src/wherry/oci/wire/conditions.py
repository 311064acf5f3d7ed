"""Conditional requests: `If-Match` and `If-None-Match`. The ETag of all content in a registry is its digest, in quotes.

Spec: RFC 9110, 8.8.3 and 13.1.
"""

from typing import Self

from msgspec import Struct

from wherry.oci.digest import Digest

__all__ = ["ANY", "HONOURED", "Condition"]

ANY = "*"
HONOURED = "Wherry-Condition"
"""The header by which a wherry registry tells that it looked at a push's condition. Others ignore it, and nothing says so."""


class Condition(Struct, frozen=True):
    """What a client demands of that which is there now; None where it demands nothing."""

    match: frozenset[str] | None = None
    none_match: frozenset[str] | None = None

    @classmethod
    def read(cls, match: str | None, none_match: str | None) -> Self | None:
        """The condition that the two headers make; None without any."""
        if match is None and none_match is None:
            return None
        return cls(None if match is None else _tags(match), None if none_match is None else _tags(none_match))

    @classmethod
    def still(cls, digest: Digest | None) -> Self:
        """That a name leads to `digest`; None: to nothing."""
        return cls(none_match=frozenset((ANY,))) if digest is None else cls(match=frozenset((str(digest),)))

    def headers(self) -> dict[str, str]:
        """The condition as a request's headers."""
        both = {"If-Match": self.match, "If-None-Match": self.none_match}
        return {name: ", ".join(map(_quoted, sorted(tags))) for name, tags in both.items() if tags is not None}

    def holds(self, digest: Digest | None) -> bool:
        """Whether it holds where `digest` is; None: where nothing is."""
        there = set() if digest is None else {ANY, str(digest)}
        if self.match is not None and not self.match & there:
            return False
        return self.none_match is None or not self.none_match & there


def _tags(header: str) -> frozenset[str]:
    return frozenset(tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))


def _quoted(tag: str) -> str:
    return tag if tag == ANY else f'"{tag}"'
