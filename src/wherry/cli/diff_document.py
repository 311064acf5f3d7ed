"""A comparison as JSON: the documented form of `wherry diff --json`. What does not apply is left out."""

from typing import Any

from msgspec import UNSET

from wherry.cli.diff_text import Sides
from wherry.ops.compare import Change, Compared, Comparison, Entries, Layers, Pair
from wherry.ops.errand import Tally
from wherry.ops.inspect import Child

__all__ = ["document"]


def document(sides: Sides, found: Compared) -> dict[str, Any]:
    """The whole of it."""
    chosen = {} if found.platform is None else {"platform": str(found.platform)}
    return {
        "same": found.comparison.same,
        "a": {"reference": sides.a} | found.a.to_json(),
        "b": {"reference": sides.b} | found.b.to_json(),
        **chosen,
        "comparison": _comparison(found.comparison),
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    shown: dict[str, Any] = {"same": found.same, "a": found.a.to_json(), "b": found.b.to_json()}
    if found.same:
        return shown
    shown["manifest"] = _changes(found.manifest)
    if found.configs:
        shown["configs"] = {"a": found.configs[0].to_json(), "b": found.configs[1].to_json()}
        shown["config"] = _changes(found.config)
    if found.layers is not None:
        shown["layers"] = _layers(found.layers)
    if found.entries is not None:
        shown["entries"] = _entries(found.entries)
    if found.pull is not None:
        shown["pull"] = {"b": _tally(found.pull[0]), "a": _tally(found.pull[1])}
    return shown | {"problems": list(found.problems)}


def _changes(changes: tuple[Change, ...]) -> list[dict[str, Any]]:
    return [_change(each) for each in changes]


def _change(change: Change) -> dict[str, Any]:
    sides = {name: value for name, value in (("a", change.a), ("b", change.b)) if value is not UNSET}
    return {"path": list(change.path)} | sides


def _layers(layers: Layers) -> dict[str, Any]:
    return {
        "base": layers.base,
        "a": [layer.to_json() for layer in layers.a],
        "b": [layer.to_json() for layer in layers.b],
        "onlyA": [str(layer.digest) for layer in layers.only_a],
        "onlyB": [str(layer.digest) for layer in layers.only_b],
        "repacked": [{"a": str(a), "b": str(b)} for a, b in layers.repacked],
    }


def _entries(entries: Entries) -> dict[str, Any]:
    return {
        "both": [_pair(each) for each in entries.both],
        "onlyA": [_child(each) for each in entries.only_a],
        "onlyB": [_child(each) for each in entries.only_b],
        "reordered": entries.reordered,
    }


def _pair(pair: Pair) -> dict[str, Any]:
    known = pair.platform is not None and pair.platform.known
    shown: dict[str, Any] = {"platform": str(pair.platform) if known else None, "same": pair.same}
    shown |= {"a": _child(pair.a), "b": _child(pair.b), "entry": _changes(pair.entry)}
    return shown if pair.comparison is None else shown | {"comparison": _comparison(pair.comparison)}


def _child(child: Child) -> dict[str, Any]:
    return child.descriptor.to_json() | {"attestations": [each.to_json() for each in child.attestations]}


def _tally(tally: Tally) -> dict[str, int]:
    return {"blobs": tally.blobs, "bytes": tally.bytes}
