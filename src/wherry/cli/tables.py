"""Text for people: columns, and values that others wrote."""

import re
from collections.abc import Sequence

__all__ = ["columns", "one_line", "printable"]

_LINE_BREAKS = re.compile(r"\s*[\n\r\v\f\x85\u2028\u2029]\s*")


def columns(rows: Sequence[Sequence[str]], *, indent: int = 0) -> list[str]:
    """Lines in which the cells of a column stand below each other, two spaces apart."""
    widths = [max(len(row[position]) for row in rows) for position in range(len(rows[0]))] if rows else []
    margin = " " * indent
    return [(margin + "  ".join(map(str.ljust, row, widths))).rstrip() for row in rows]


def printable(text: str) -> str:
    """A text that somebody else wrote, with what would move the cursor or colour the screen made visible."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def one_line(text: str) -> str:
    """The same for what is told in one line: line breaks, and the spaces around them, become a space."""
    return printable(_LINE_BREAKS.sub(" ", text.strip()))
