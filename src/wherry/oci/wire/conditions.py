"""Conditional requests: `If-Match` and `If-None-Match`. The ETag of all content in a registry is its digest, in quotes.

Spec: RFC 9110, 5.3, 8.8.3 and 13.1.
"""

import re
from collections.abc import Iterable
from typing import Self

from msgspec import Struct

from wherry.oci.digest import Digest
from wherry.oci.errors import PreconditionFailed

__all__ = ["ANY", "HONOURED", "Condition"]

ANY = "*"
HONOURED = "Wherry-Condition"
"""The header by which a wherry registry tells that it looked at the condition of a push or a deletion. Others ignore it, and nothing says so."""

_TAG = re.compile(r'(?P<weak>W/)?"(?P<opaque>[^"]*)"|(?P<bare>[^,\s][^,]*)')


class Condition(Struct, frozen=True):
    """What a client demands of that which is there now; None where it demands nothing."""

    match: frozenset[str] | None = None
    none_match: frozenset[str] | None = None

    @classmethod
    def read(cls, match: Iterable[str] | None, none_match: Iterable[str] | None) -> Self | None:
        """The condition that the lines of the two headers make; None where a header is not there.

        `If-Match` wants the strong comparison, in which a weak tag is like no other.
        """
        if match is None and none_match is None:
            return None
        return cls(
            None if match is None else _tags(match, weak=False),
            None if none_match is None else _tags(none_match, weak=True),
        )

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

    def check(self, name: str, digest: Digest | None) -> None:
        """The same for what `name` leads to.

        Raises:
            PreconditionFailed: it does not hold.
        """
        if not self.holds(digest):
            raise PreconditionFailed(
                f"{name} {f'leads to {digest}' if digest else 'leads nowhere'}, which is not what the request expects",
                detail={"reference": name, "digest": None if digest is None else str(digest)},
                hint="read it again, and decide anew",
            )


def _tags(lines: Iterable[str], *, weak: bool) -> frozenset[str]:
    """The tags of a list; one without quotes counts as it is. In quotes, a star is a tag like any other, and matches nothing."""
    found = (each for line in lines for each in _TAG.finditer(line) if weak or not each["weak"])
    tags = ((each["opaque"], each["bare"]) for each in found)
    return frozenset(opaque if bare is None else bare.strip() for opaque, bare in tags if opaque != ANY)


def _quoted(tag: str) -> str:
    return tag if tag == ANY else f'"{tag}"'
