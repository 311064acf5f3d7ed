"""`Link` headers: where the next page of tags, repositories or referrers is (RFC 8288)."""

import re
from collections.abc import Iterable

__all__ = ["next_link", "write_next_link"]

_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"[^"]*"|[^\s;,"]*))?)*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)


def next_link(headers: Iterable[str]) -> str | None:
    """The target of the `rel="next"` link, relative or absolute as it was sent; None on the last page."""
    for header in headers:
        for target, parameters in _LINK.findall(header):
            if any("next" in (quoted or bare).lower().split() for quoted, bare in _REL.findall(parameters)):
                return str(target)
    return None


def write_next_link(target: str) -> str:
    """The header value that points at the next page."""
    return f'<{target}>; rel="next"'
