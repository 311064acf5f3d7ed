"""JSON from outside: decoded once, and asked for its fields with words for what is wrong.

`dict[str, Any]` stops in the modules that import this one.
"""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from wherry.oci.errors import InvalidDescriptor

__all__ = ["NotJSON", "decode", "encode", "integer_at", "list_at", "object_at", "text_at", "texts_at"]

_decoder = msgspec.json.Decoder()


class NotJSON(ValueError):
    """The bytes are not a JSON document; the message says what the parser met, and where."""


def decode(content: bytes) -> Any:
    """Decode a JSON document of any shape.

    Raises:
        NotJSON: it is none, or it is nested too deeply to be one that means well.
    """
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJSON(str(error)) from None
    except RecursionError:
        raise NotJSON("JSON is nested too deeply") from None


def encode(document: object) -> bytes:
    """Encode compactly, in the order of the fields."""
    return msgspec.json.encode(document)


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
