"""Quantities as people write them on a command line: durations and rates."""

import re
from collections.abc import Callable
from typing import TypeVar

import click

__all__ = ["duration", "rate", "read_duration", "read_rate"]

Number = TypeVar("Number", int, float)

_PARTS = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", re.ASCII)
_RATE = re.compile(r"(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?(?:/s)?", re.IGNORECASE | re.ASCII)
_ANY = 1e18
"""Bytes a second that nothing reaches, and which are as good as any larger number."""
_UNITS = {"": 1, "K": 1000, "M": 1000**2, "G": 1000**3}


def duration(text: str) -> float:
    """Seconds in `30s`, `5m`, `1h`, `1h30m`, or a bare number.

    Raises:
        ValueError: it is none, or nothing.
    """
    found = _PARTS.fullmatch(text)
    hours, minutes, seconds = (float(part or 0) for part in found.groups()) if found else (0.0, 0.0, 0.0)
    total = hours * 3600 + minutes * 60 + seconds
    if total <= 0:
        raise ValueError(f"{text!r} is no duration: for example 30s, 5m or 1h30m")
    return total


def rate(text: str) -> int:
    """Bytes a second in `500K`, `10M`, `1.5G`, or a bare number; decimal, as networks are.

    Raises:
        ValueError: it is none, or less than one.
    """
    found = _RATE.fullmatch(text)
    total = int(min(float(found[1]) * _UNITS[found[2].upper()], _ANY)) if found else 0
    if total < 1:
        raise ValueError(f"{text!r} is no rate: for example 500K or 10M (bytes a second)")
    return total


def read_duration(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    """The callback of an option that is a duration."""
    return _read(duration, value)


def read_rate(_context: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """The callback of an option that is a rate."""
    return _read(rate, value)


def _read(read: Callable[[str], Number], value: str | None) -> Number | None:
    if value is None:
        return None
    try:
        return read(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
