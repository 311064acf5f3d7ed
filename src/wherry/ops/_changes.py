"""What two JSON documents say differently: objects go by the names of their fields, to the bottom; the rest is compared whole.

A manifest's and a config's own habits are here too. What stands in a config as "nothing" (null, false, zero, the empty text,
list or object) is the same as a field that is not there: programs that write configs leave out either or neither. But a label
or a variable may be empty, and a port or volume has nothing but its name, so what is in those maps counts by its name.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import Kind

__all__ = ["Change", "changes", "config_changes", "descriptor_changes", "manifest_changes"]

_COMPARED_ELSEWHERE = {
    Kind.IMAGE: ("mediaType", "config", "layers"),
    Kind.INDEX: ("mediaType", "manifests"),
    Kind.ARTIFACT: ("mediaType", "blobs"),
    Kind.SCHEMA1: ("fsLayers", "signatures"),
}
_SETS = ("Labels", "ExposedPorts", "Volumes")
_DEEPEST = 32
"""Levels that are looked into; what is below is compared whole."""


class Change(Struct, frozen=True):
    """One field that differs: the way to it, and what each side has there; UNSET where a side has nothing."""

    path: tuple[str, ...]
    a: Any = UNSET
    b: Any = UNSET


def changes(a: Any, b: Any, path: tuple[str, ...] = ()) -> Iterator[Change]:
    """The differences between two JSON values, in A's order of fields, then B's.

    An object that only one side has is told field by field, unless it is empty.
    """
    if len(path) < _DEEPEST and _is_object(a, b) and _is_object(b, a):
        one, other = a or {}, b or {}
        for name in {**one, **other}:
            yield from changes(one.get(name, UNSET), other.get(name, UNSET), (*path, name))
    elif not _alike(a, b):
        yield Change(path, a, b)


def manifest_changes(a: Manifest, b: Manifest) -> tuple[Change, ...]:
    """What two manifests say of themselves: media type, artifact type, subject, annotations, and fields that we do not know.

    Config, layers and children are left out: they are compared as what they are.
    """
    return tuple(changes(_own_fields(a), _own_fields(b)))


def descriptor_changes(a: Descriptor, b: Descriptor, path: tuple[str, ...] = ()) -> tuple[Change, ...]:
    """What two descriptors say differently of their content, but for its digest and size."""
    return tuple(changes(_sayings(a), _sayings(b), path))


def config_changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Change, ...]:
    """The differences between two configs of images: variables by name, labels, ports and volumes by key."""
    return tuple(changes(_by_name(a), _by_name(b)))


def _is_object(value: Any, other: Any) -> bool:
    return isinstance(value, dict) or (value is UNSET and isinstance(other, dict) and bool(other))


def _alike(a: Any, b: Any) -> bool:
    """Whether two values are the same JSON: 1, 1.0 and true are not."""
    if a is UNSET or b is UNSET:
        return a is b
    try:
        return msgspec.json.encode(a, order="sorted") == msgspec.json.encode(b, order="sorted")
    except RecursionError:
        return False  # nested so deeply that it could just be read


def _own_fields(manifest: Manifest) -> dict[str, Any]:
    elsewhere, stated = _COMPARED_ELSEWHERE[manifest.kind], manifest.document.items()
    own = {name: value for name, value in stated if name not in elsewhere and value is not None}
    return {"mediaType": manifest.media_type} | own


def _sayings(descriptor: Descriptor) -> dict[str, Any]:
    return {name: value for name, value in descriptor.to_json().items() if name not in ("digest", "size", "data")}


def _by_name(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config without its fields that stand for nothing, and its lists and maps of names as objects."""
    kept = {name: value for name, each in config.items() if (value := _substance(each))}
    settings = config.get("config")
    if not isinstance(settings, dict):
        return kept
    named = {name: settings[name] for name in _SETS if settings.get(name) and isinstance(settings[name], dict)}
    variables = settings.get("Env")
    if variables and isinstance(variables, list) and all(isinstance(each, str) for each in variables):
        named["Env"] = {name: value for name, _, value in (each.partition("=") for each in variables)}
    return kept | ({"config": settled} if (settled := kept.get("config", {}) | named) else {})


def _substance(value: Any, depth: int = 1) -> Any:
    if depth == _DEEPEST or not isinstance(value, dict):
        return value
    return {name: kept for name, each in value.items() if (kept := _substance(each, depth + 1))}
