"""Floor 5: the command line. Thin: a command parses, calls one operation, prints."""

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `wherry` with these arguments (those of the process by default) and return its exit code."""
    from wherry.cli.root import run  # noqa: PLC0415  # click is imported when a command line is parsed, not before

    return run(sys.argv[1:] if arguments is None else list(arguments))
