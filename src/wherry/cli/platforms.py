"""Platforms as options: read where the command line is parsed, so that a wrong one is a wrong command line."""

import click

from wherry.oci.errors import InvalidPlatform
from wherry.oci.platform import Platform

__all__ = ["read_platform", "read_platforms"]


def read_platform(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Platform | None:
    """The callback of an option that is a platform."""
    return None if value is None else _read(value)


def read_platforms(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[Platform, ...]:
    """The callback of an option that is a platform, and may be repeated."""
    return tuple(map(_read, values))


def _read(text: str) -> Platform:
    try:
        return Platform.parse(text)
    except InvalidPlatform as error:
        raise click.BadParameter(f"{text!r} is {error.reason}, for example linux/arm64/v8") from None
