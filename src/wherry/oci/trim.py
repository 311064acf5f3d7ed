"""A JSON document without some items of one of its lists, and otherwise the same bytes.

For manifests that are made smaller: whoever compares the two finds what was left out, and nothing else. White space, the
order of fields, escapes and numbers stay as their author wrote them, which no decoding and encoding again would keep.
"""

import json
import re
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct

from wherry.oci.document import NotJSON

__all__ = ["without_items"]

_SPACE = re.compile(r"[ \t\n\r]*")
_decoder = json.JSONDecoder(strict=False)


class _Item(Struct, frozen=True):
    """Where an item stands in the text, and where the white space before it begins."""

    space: int
    start: int
    stop: int


def without_items(content: bytes, name: str, gone: Collection[int]) -> bytes:
    """Leave the items at these positions out of the list `name` of the outermost object.

    Raises:
        NotJSON: it is no JSON object with such a list.
    """
    try:
        text = content.decode()
        start, stop = _place(text, name)
        items = tuple(_items(text, start))
    except (ValueError, IndexError, RecursionError) as error:
        raise NotJSON(str(error)) from None
    kept = [item for position, item in enumerate(items) if position not in gone]
    if len(kept) == len(items):
        return content
    return f"{text[:start]}[{_joined(text, items, kept, stop)}]{text[stop:]}".encode()


def _joined(text: str, items: Sequence[_Item], kept: Sequence[_Item], stop: int) -> str:
    """The items that stay, each with the space before it; what stood around the first and the last item stays there."""
    if not kept:
        return ""
    spaces = [text[item.space : item.start] for item in (items[0], *kept[1:])]
    behind = text[items[-1].stop : stop - 1]
    return ",".join(space + text[item.start : item.stop] for space, item in zip(spaces, kept, strict=True)) + behind


def _place(text: str, name: str) -> tuple[int, int]:
    """Where the list begins and ends. Of fields with one name the last one counts, as for every decoder."""
    found = None
    for key, start, stop in _fields(text):
        if key == name:
            found = (start, stop)
    if found is None or text[found[0]] != "[":
        raise NotJSON(f"has no list {name!r}")
    return found


def _fields(text: str) -> Iterator[tuple[str, int, int]]:
    """The fields of the outermost object: name, and where the value begins and ends."""
    position = _skip(text, 0)
    if text[position] != "{":
        raise NotJSON("is no object")
    position = _skip(text, position + 1)
    while text[position] != "}":
        key, position = _decoder.raw_decode(text, position)
        start = _skip(text, _skip(text, position) + 1)  # behind the colon
        _, stop = _decoder.raw_decode(text, start)
        yield str(key), start, stop
        position = _skip(text, stop)
        position = _skip(text, position + 1) if text[position] == "," else position


def _items(text: str, start: int) -> Iterator[_Item]:
    space = start + 1
    position = _skip(text, space)
    while text[position] != "]":
        _, stop = _decoder.raw_decode(text, position)
        yield _Item(space, position, stop)
        space = _skip(text, stop)
        if text[space] == ",":
            space += 1
        position = _skip(text, space)


def _skip(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position
