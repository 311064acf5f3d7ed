"""Which entry of one index is which of another: by platform, from the most exact likeness to the least.

Two entries are a pair when the first of these holds that holds for any: same platform and same digest; same platform to the
letter; same platform with the usual variant spelled out (arm64 is arm64/v8); and on Windows the same release of another
revision (10.0.17763.2458 and 10.0.17763.2565), because every update changes that; at last, same digest. Entries that say not
what they run on are paired by their digest, then by what kind of thing they are. What is alike is paired in order.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.mediatype import kind_of
from wherry.oci.platform import Platform
from wherry.ops.inspect import Child

__all__ = ["Paired", "pair"]

_RELEASE_PARTS = 3


class Paired(Struct, frozen=True):
    """`both` is in A's order; the others are in their index's."""

    both: tuple[tuple[Child, Child], ...]
    only_a: tuple[Child, ...]
    only_b: tuple[Child, ...]
    reordered: bool
    """Whether pairs stand in another order in B."""


def pair(a: tuple[Child, ...], b: tuple[Child, ...]) -> Paired:
    """Find for each entry its counterpart. Swapping `a` and `b` swaps the sides, and nothing else."""
    counterparts: dict[int, int] = {}
    left = dict(enumerate(b))
    for key in _KEYS:
        waiting: defaultdict[Hashable, deque[int]] = defaultdict(deque)
        for position, child in left.items():
            waiting[key(child.descriptor)].append(position)
        for position, child in enumerate(a):
            if position not in counterparts and (found := waiting.get(key(child.descriptor))):
                counterparts[position] = found.popleft()
                del left[counterparts[position]]
    return Paired(
        tuple((child, b[counterparts[position]]) for position, child in enumerate(a) if position in counterparts),
        tuple(child for position, child in enumerate(a) if position not in counterparts),
        tuple(left.values()),
        reordered=(order := [counterparts[position] for position in sorted(counterparts)]) != sorted(order),
    )


def _known(entry: Descriptor) -> Platform | None:
    return entry.platform if entry.platform is not None and entry.platform.known else None


def _exact(entry: Descriptor) -> Hashable:
    return _known(entry) or (kind_of(entry.media_type), entry.artifact_type)


def _written_out(entry: Descriptor) -> Hashable:
    on = _known(entry)
    return _exact(entry) if on is None else on.identity


def _release(entry: Descriptor) -> Hashable:
    on = _known(entry)
    if on is None:
        return _exact(entry)
    return replace(on, os_version=".".join(on.os_version.split(".")[:_RELEASE_PARTS])).identity


_KEYS: tuple[Callable[[Descriptor], Hashable], ...] = (
    lambda entry: (_known(entry) and _written_out(entry), entry.digest),
    _exact,
    _written_out,
    _release,
    lambda entry: entry.digest,
)
