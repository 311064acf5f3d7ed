"""JSON from outside: decoded once, and asked for its fields with words for what is wrong.

`dict[str, Any]` stops in the modules that import this one.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from wherry.oci.errors import InvalidDescriptor

__all__ = [
    "NotJSON",
    "UnreadableJSON",
    "decode",
    "encode",
    "indented",
    "integer_at",
    "list_at",
    "object_at",
    "text_at",
    "texts_at",
]

_decoder = msgspec.json.Decoder()


class NotJSON(ValueError):
    """The bytes are not a JSON document; the message says what the parser met, and where."""


class UnreadableJSON(NotJSON):
    """They are one, with something in it that JSON allows and its readers do not agree on (RFC 7493, 2.1 and 2.2)."""


_OUT_OF_RANGE = "a number is out of range: JSON's readers do not agree on it (RFC 7493, 2.2)"
_NO_TEXT = "a lone surrogate escape (\\ud800 to \\udfff, without its other half) is no text (RFC 7493, 2.1)"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


def decode(content: bytes) -> Any:
    """Decode a JSON document of any shape.

    Raises:
        NotJSON: it is none, or it is nested too deeply to be one that means well.
        UnreadableJSON: a number in it is out of range, or a text is none.
    """
    try:
        return _decoder.decode(content)
    except msgspec.ValidationError:  # of a document of any shape, only numbers can be wrong
        raise UnreadableJSON(_OUT_OF_RANGE) from None
    except UnicodeDecodeError:
        raise NotJSON("a text in it is not UTF-8") from None
    except msgspec.DecodeError as error:
        if _has_lone_surrogate(content, str(error)):
            raise UnreadableJSON(_NO_TEXT) from None
        raise NotJSON(str(error)) from None
    except RecursionError:
        raise NotJSON("JSON is nested too deeply") from None


def _has_lone_surrogate(content: bytes, parser_says: str) -> bool:
    """Half of a pair near the end makes the parser believe that the document is cut off there."""
    if "truncated" not in parser_says:
        return "surrogate" in parser_says
    without, found = _SURROGATE.subn(b"", content)
    try:
        _decoder.decode(without)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return found > 0


def encode(document: object) -> bytes:
    """Encode compactly, in the order of the fields."""
    return msgspec.json.encode(document)


def indented(content: bytes, width: int) -> bytes:
    """A compact document with `width` spaces for each level, and everything else as it is."""
    return msgspec.json.format(content, indent=width)


def text_at(document: Mapping[str, Any], name: str, where: str = "") -> str | None:
    """A string field, or None if absent or null."""
    value = document.get(name)
    if value is None or isinstance(value, str):
        return value
    raise InvalidDescriptor(_path(where, name), f"must be a string, not {_type(value)}")


def integer_at(document: Mapping[str, Any], name: str, where: str = "") -> int | None:
    """An integer field, or None if absent or null."""
    value = document.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise InvalidDescriptor(_path(where, name), f"must be an integer, not {_type(value)}")


def object_at(document: Mapping[str, Any], name: str, where: str = "") -> dict[str, Any] | None:
    """An object field, or None if absent or null."""
    value = document.get(name)
    if value is None or isinstance(value, dict):
        return value
    raise InvalidDescriptor(_path(where, name), f"must be an object, not {_type(value)}")


def list_at(document: Mapping[str, Any], name: str, where: str = "") -> list[Any] | None:
    """A list field, or None if absent or null."""
    value = document.get(name)
    if value is None or isinstance(value, list):
        return value
    raise InvalidDescriptor(_path(where, name), f"must be a list, not {_type(value)}")


def texts_at(document: Mapping[str, Any], name: str, where: str = "") -> dict[str, str] | None:
    """An object field whose values are all strings (annotations), or None if absent or null."""
    value = object_at(document, name, where)
    for key, text in (value or {}).items():
        if not isinstance(text, str):
            raise InvalidDescriptor(f"{_path(where, name)}[{key!r}]", f"must be a string, not {_type(text)}")
    return cast("dict[str, str] | None", value)


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


_NAMES = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}


def _type(value: object) -> str:
    return _NAMES.get(type(value), "null")
