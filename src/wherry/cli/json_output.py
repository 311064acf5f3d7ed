"""Documents as JSON on the standard output, for programs."""

from typing import Any

import click
import msgspec

__all__ = ["encoded", "print_json"]


def print_json(document: Any) -> None:
    """Print a document over several lines."""
    click.echo(msgspec.json.format(encoded(document), indent=2))


def encoded(document: Any) -> bytes:
    """A document in one line. A file's name that is not UTF-8, which JSON cannot have, gets U+FFFD where it is not."""
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        return msgspec.json.encode(_readable(msgspec.to_builtins(document)))


def _readable(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="surrogateescape").decode(errors="replace")
        case dict():
            return {_readable(name): _readable(each) for name, each in value.items()}
        case list() | tuple():
            return [_readable(each) for each in value]
    return value
