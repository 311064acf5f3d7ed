"""How the values of settings are read from texts, each with its bounds; ValueError says what is wanted.

What is above a bound would fail only later, in the kernel, the database or the HTTP server, and without the setting's name.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = [
    "address",
    "address_or_none",
    "folder",
    "number",
    "one_of",
    "place",
    "seconds",
    "seconds_of_connection",
    "seconds_or_none",
    "size_or_none",
    "size_up_to",
    "some_seconds",
    "switch",
]

_LARGEST_PORT = 65535
_LONGEST_PORT = 10  # digits, with zeros at the start
_DAY = 86400
_LONGEST = 36500 * _DAY  # seconds
_LONGEST_OF_CONNECTION = 24 * _DAY  # the kernel counts milliseconds, in 31 bits
_SHORTEST_OF_CONNECTION = 0.001
_TIMES = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": _DAY}
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_LARGEST = 2**63 - 1  # bytes; no file is larger


def address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, an IPv6 address in brackets."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not bare or (":" in bare and bare == host):
        raise ValueError(f"{text!r} is not of the form HOST:PORT, for example 127.0.0.1:5000")
    if not (port.isascii() and port.isdigit() and len(port) < _LONGEST_PORT and int(port) <= _LARGEST_PORT):
        raise ValueError(f"{port!r} is not a port: a number from 0 to {_LARGEST_PORT}")
    return bare, int(port)


def address_or_none(text: str) -> tuple[str, int] | None:
    """The same, or `none`."""
    return None if text == "none" else address(text)


def folder(text: str) -> Path:
    """A folder, there or not."""
    if not text:  # a variable of a script that is not set, most likely; it would become the current folder
        raise ValueError("it names no folder")
    path = Path(_path(text))
    try:
        is_file = path.is_file()
    except OSError as error:
        raise ValueError(f"{text!r} cannot be used: {error.strerror}") from None
    if is_file:
        raise ValueError(f"{text!r} is a file, and a folder is wanted")
    return path


def _path(text: str) -> str:
    try:
        raw = os.fsencode(text)
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} is no text, and no path") from None
    if b"\0" in raw:
        raise ValueError(f"{text!r} has a NUL in it, as no path has")
    return text


def switch(text: str) -> bool:
    """Yes or no."""
    if text.lower() not in _SWITCH:
        raise ValueError(f"{text!r} is neither true nor false")
    return _SWITCH[text.lower()]


_SWITCH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def one_of(kind: type[Any]) -> Callable[[str], Any]:
    """A value of an enumeration."""

    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            known = ", ".join(repr(each.value) for each in kind)
            raise ValueError(f"{text!r} is not one of {known}") from None

    return read


def place(text: str) -> str:
    """A file, or a word in its place."""
    if not text:
        raise ValueError("it names no file; `off` writes no log")
    return _path(text)


def number(least: int, most: int) -> Callable[[str], int]:
    """A number within bounds."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return read


def size_up_to(most: int) -> Callable[[str], int]:
    """Bytes, up to `most`."""

    def read(text: str) -> int:
        found = re.fullmatch(r"([0-9]{1,15})([KMGT]?)(?:i?B)?", text)
        if not found:
            raise ValueError(f"{text!r} is not a size, for example 4M (K, M, G and T are powers of 1,024)")
        size = int(found[1]) * _UNITS[found[2]]
        if size > most:
            raise ValueError(f"{text!r} is more than the {most} bytes that it can be")
        return size

    return read


def size_or_none(text: str) -> int | None:
    """Bytes, as many as a file can have; or `none`."""
    return None if text == "none" else size_up_to(_LARGEST)(text)


def seconds(text: str, most: int = _LONGEST) -> float:
    """A time in seconds, 0 or more."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)?", text)
    if not found:
        raise ValueError(f"{text!r} is not a time, for example 30s (ms, s, m, h and d are known)")
    found_seconds = float(found[1]) * _TIMES[found[2] or "s"]
    if found_seconds > most:
        raise ValueError(f"{text!r} is more than the {most // _DAY} days that it can be")
    return found_seconds


def some_seconds(text: str) -> float:
    """A time that is not 0."""
    some = seconds(text)
    if some <= 0:
        raise ValueError(f"{text!r} is no time that anything could be done in")
    return some


def seconds_of_connection(text: str) -> float:
    """A time that the HTTP server or the kernel counts in milliseconds, where 0 is no limit."""
    some = seconds(text, _LONGEST_OF_CONNECTION)
    if some < _SHORTEST_OF_CONNECTION:
        raise ValueError(f"{text!r} is no time that anything could be done in")
    return some


def seconds_or_none(text: str) -> float | None:
    """A time, or `none`."""
    return None if text == "none" else seconds(text)
