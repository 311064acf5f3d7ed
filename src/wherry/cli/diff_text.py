"""A comparison for people: a minus before what only A has, a plus before what only B has, as `diff` does it."""

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, Struct
from msgspec.json import encode

from wherry.cli.sizes import size
from wherry.cli.tables import columns, printable
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.ops.compare import Change, Compared, Comparison, Entries, Layers, Pair
from wherry.ops.errand import Tally
from wherry.ops.inspect import Child

__all__ = ["Sides", "lines"]

_LONGEST = 300
"""Characters of a value that are shown; `--json` has all."""

_COUNTED = ("history", "diff_ids")
"""Lists that are too long to be shown."""


class Sides(Struct, frozen=True):
    """The references that are compared, as they are shown."""

    a: str
    b: str


def lines(sides: Sides, found: Compared) -> list[str]:
    """The whole of it; a single line for what is the same."""
    chosen = _chosen(found)
    if found.comparison.same:
        a, b = (
            f"{name} ({chosen})" if of else name for name, of in zip((sides.a, sides.b), _sides(found), strict=True)
        )
        return [printable(f"{a} and {b} are the same: {found.comparison.a.digest}")]
    shown = columns([("A:", sides.a, str(found.a.digest)), ("B:", sides.b, str(found.b.digest))])
    for name, is_index in zip("AB", _sides(found), strict=True):
        if is_index:
            shown.append(printable(f"{name} is an index: compared is {chosen}"))
    return shown + list(_comparison(found.comparison))


def _sides(found: Compared) -> tuple[bool, bool]:
    """Of which of the two an entry was taken."""
    return found.a.digest != found.comparison.a.digest, found.b.digest != found.comparison.b.digest


def _chosen(found: Compared) -> str:
    on = found.platform
    return f"its image for {on}" if on is not None and on.known else "an image in it"


def _comparison(found: Comparison) -> Iterator[str]:
    if found.is_writing:
        yield from ("", "They say the same in other bytes: the order of fields, spaces, fields that stand for nothing.")
    if found.manifest:
        yield from ("", "Manifest:", *_changes(found.manifest))
    if found.configs and found.configs[0].digest != found.configs[1].digest and not found.problems:
        yield from _config(found.config)
    if found.layers is not None:
        yield from _layers(found.layers)
    if found.entries is not None:
        yield from _entries(found.entries)
    if found.pull is not None:
        to_b, to_a = found.pull
        yield from ("", f"To pull B, having A: {_tally(to_b)}. To pull A, having B: {_tally(to_a)}.")
    if found.problems:
        yield from ("", *(f"Problem: {printable(each)}" for each in found.problems))
    if found.entries is not None:
        for pair in found.entries.both:
            yield from _details(pair)


def _config(changes: tuple[Change, ...]) -> Iterator[str]:
    yield from ("", "Config:")
    yield from _changes(changes, without="config") if changes else ("  it says the same in other bytes",)


def _changes(changes: tuple[Change, ...], *, without: str | None = None) -> Iterator[str]:
    """A line for each side of a change; `without` is left out where names begin with it."""
    for change in changes:
        name = printable(" ".join(change.path[len(change.path) > 1 and change.path[0] == without :]))
        if change.path[-1] in _COUNTED and _is_list(change.a) and _is_list(change.b):
            yield f"! {name}: {_counted(change.a, change.b)}"
            continue
        for sign, value in (("-", change.a), ("+", change.b)):
            if value is not UNSET:
                yield f"{sign} {name}{_value(value)}"


def _is_list(value: Any) -> bool:
    return value is UNSET or isinstance(value, list)


def _counted(a: Any, b: Any) -> str:
    one, other = ([] if side is UNSET else side for side in (a, b))
    pairs = enumerate(zip(one, other, strict=False))
    alike = next((position for position, (x, y) in pairs if x != y), min(len(one), len(other)))
    return f"{len(one)} in A, {len(other)} in B" + (f", the first {alike} the same" if alike else "")


def _value(value: Any) -> str:
    """What stands behind a name; nothing where the name is all (ports, volumes)."""
    if value == {}:
        return ""
    text = printable(value if isinstance(value, str) else encode(value).decode())
    return f": {text if len(text) <= _LONGEST else text[:_LONGEST] + '…'}"


def _layers(layers: Layers) -> Iterator[str]:
    base = layers.a[: layers.base]
    counts = f"{len(layers.a)} in A ({_sum(layers.a)}), {len(layers.b)} in B ({_sum(layers.b)})"
    yield from ("", f"Layers: {counts}, the first {layers.base} shared ({_sum(base)})" if base else f"Layers: {counts}")
    if not layers.differ:
        return
    inside = dict(layers.repacked) | {b: a for a, b in layers.repacked}
    rows = [(" ", each, "") for each in base]
    for sign, rest in (("-", layers.a[layers.base :]), ("+", layers.b[layers.base :])):
        rows += [(sign, layer, _note(layer, layers, inside, "B" if sign == "-" else "A")) for layer in rest]
    yield from columns([(f"{sign} {layer.digest}", size(layer.size), note) for sign, layer, note in rows])


def _note(layer: Descriptor, layers: Layers, inside: dict[Digest, Digest], other: str) -> str:
    if layer.digest in layers.shared:
        return f"in {other} at another place"
    return f"the same inside as {inside[layer.digest]}" if layer.digest in inside else ""


def _entries(entries: Entries) -> Iterator[str]:
    rows = [("PLATFORM", "", "")]
    for pair in entries.both:
        rows.append((f"{' ' if pair.same else '!'} {_platform(pair.a)}", "same" if pair.same else "differs", ""))
        if pair.comparison is not None:
            rows += [(f"- {_platform(pair.a)}", "", str(pair.a.descriptor.digest))]
            rows += [(f"+ {_platform(pair.b)}", "", str(pair.b.descriptor.digest))]
        rows += _attestations(pair)
    for sign, side, alone in (("-", "A", entries.only_a), ("+", "B", entries.only_b)):
        for child in alone:
            rows.append((f"{sign} {_platform(child)}", f"only in {side}", str(child.descriptor.digest)))
            rows += [(f"{sign}   attestation", "", str(each.digest)) for each in child.attestations]
    yield from ("", *columns(rows))
    if entries.reordered:
        yield "They stand in another order in B."


def _attestations(pair: Pair) -> list[tuple[str, str, str]]:
    if pair.a.attestations == pair.b.attestations:
        return []
    a, b = ({each.digest for each in child.attestations} for child in (pair.a, pair.b))
    rows = [("-   attestation", "", str(each.digest)) for each in pair.a.attestations if each.digest not in b]
    return rows + [("+   attestation", "", str(each.digest)) for each in pair.b.attestations if each.digest not in a]


def _details(pair: Pair) -> Iterator[str]:
    if pair.comparison is None and not pair.entry:
        return
    yield from ("", f"== {_platform(pair.a)}")
    if pair.entry:
        yield from ("", "Entry:", *_changes(pair.entry))
    if pair.comparison is not None:
        yield from _comparison(pair.comparison)


def _platform(child: Child) -> str:
    on = child.descriptor.platform
    return printable(str(on)) if on is not None and on.known else printable(child.descriptor.artifact_type or "-")


def _sum(blobs: tuple[Descriptor, ...]) -> str:
    return size(sum(blob.size for blob in blobs))


def _tally(tally: Tally) -> str:
    return f"{tally.blobs} blob{'' if tally.blobs == 1 else 's'}, {size(tally.bytes)}" if tally.blobs else "nothing"
