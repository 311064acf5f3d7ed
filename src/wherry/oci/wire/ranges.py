"""Ranges: which bytes of a blob are asked for, sent, or already there.

`Range: bytes=a-b` of a download is RFC 9110, 14.2. `Content-Range: a-b` of an upload's chunk and `Range: 0-b` of its
answer have no unit and are the distribution specification's own ("Pushing a blob in chunks"). All ends are inclusive
on the wire; here a span is `start` and `stop`, and `stop` is exclusive.
"""

import re
from collections.abc import Iterable

from msgspec import Struct

from wherry.oci.errors import RangeInvalid

__all__ = [
    "Span",
    "read_chunk_range",
    "read_download_ranges",
    "read_upload_range",
    "write_parts",
    "write_upload_range",
]

_DOWNLOAD = re.compile(r"\s*bytes\s*=(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)
_RANGE = re.compile(r"\s*(?:(\d{1,19})\s*-\s*(\d{1,19})?|-\s*(\d{1,19}))\s*", re.ASCII)
_MOST_RANGES = 1024  # as many as clients that pull parts of layers ask for at once
_CHUNK = re.compile(r"\s*(?:bytes[ =])?\s*(\d{1,19})-(\d{1,19})(?:/(?:\d+|\*))?\s*", re.ASCII)
_LARGEST = 2**63 - 1
"""No file has more bytes, and Python counts no further."""


class Span(Struct, frozen=True):
    """Bytes from `start` up to, and not including, `stop`."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def of(self, size: int) -> str:
        """As `Content-Range` says it of content of `size` bytes."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def read_download_ranges(header: str | None, size: int) -> tuple[Span, ...]:
    """What a `Range` header asks for, of content of `size` bytes, in its order; nothing means all of it.

    A header that is malformed, or asks for too many ranges or for more than there is, is ignored (RFC 9110, 14.2).

    Raises:
        RangeInvalid: it is well-formed, and no byte of what it asks for exists.
    """
    listed = _DOWNLOAD.fullmatch(header or "")
    ranges = listed[1].split(",") if listed else []
    found = [each for each in map(_RANGE.fullmatch, ranges) if each]
    if len(found) < len(ranges) or len(found) > _MOST_RANGES:
        return ()
    spans, failure = [], None
    for each in found:
        try:
            spans.append(_span(each, size))
        except RangeInvalid as error:
            failure = failure or error
    if failure and not spans:
        raise failure
    return tuple(spans) if sum(map(len, spans)) <= size else ()


def _span(found: re.Match[str], size: int) -> Span:
    first, last, suffix = found.groups()
    if suffix is not None:
        if int(suffix) == 0 or size == 0:
            raise RangeInvalid(f"the last {suffix} bytes of {size} are no range")
        return Span(max(0, size - int(suffix)), size)
    start = int(first)
    stop = size if last is None else min(int(last) + 1, size)
    if start >= stop:
        raise RangeInvalid(f"range {first}-{last or ''} is not within the {size} bytes of the blob")
    return Span(start, stop)


def write_parts(parts: Iterable[tuple[Span, bytes]], size: int, media_type: str, boundary: str) -> bytes:
    """Several ranges of content of `size` bytes in one body (RFC 9110, 14.6); none may have the boundary in it."""
    pieces = []
    for span, content in parts:
        head = f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {span.of(size)}\r\n\r\n"
        pieces += [head.encode(), content, b"\r\n"]
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()])


def read_chunk_range(header: str) -> Span:
    """Where a chunk goes, from the `Content-Range` of a PATCH or of the last PUT.

    Raises:
        RangeInvalid: not of the form `start-end`.
    """
    found = _CHUNK.fullmatch(header)
    if not found or not int(found[1]) <= int(found[2]) < _LARGEST:
        raise RangeInvalid(
            f"Content-Range {header!r} is not of the form start-end", hint="for example 0-1023, both ends included"
        )
    return Span(int(found[1]), int(found[2]) + 1)


def write_upload_range(stored: int) -> str:
    """How an upload of `stored` bytes says what it has: `0-0` for nothing, as all registries do."""
    return f"0-{max(0, stored - 1)}"


def read_upload_range(header: str | None) -> int | None:
    """How many bytes an upload's `Range` says it has; None if it does not say.

    `0-0` is ambiguous (no byte or one); it is read as none, and the registry's own check decides.
    """
    found = _CHUNK.fullmatch(header or "")
    if not found:
        return None
    last = int(found[2])
    return last + 1 if last else 0
