"""Text for people: columns, and values that others wrote."""

from collections.abc import Sequence

__all__ = ["columns", "printable"]


def columns(rows: Sequence[Sequence[str]], *, indent: int = 0) -> list[str]:
    """Lines in which the cells of a column stand below each other, two spaces apart."""
    widths = [max(len(row[position]) for row in rows) for position in range(len(rows[0]))] if rows else []
    margin = " " * indent
    return [(margin + "  ".join(map(str.ljust, row, widths))).rstrip() for row in rows]


def printable(text: str) -> str:
    """A text that somebody else wrote, with what would move the cursor or colour the screen made visible."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
