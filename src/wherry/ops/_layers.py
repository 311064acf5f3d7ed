"""The layers of two images beside each other: which are shared, and which are the same inside."""

from collections.abc import Sequence

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest

__all__ = ["Layers", "compare_layers"]


class Layers(Struct, frozen=True):
    """The layers of both sides, bottom first."""

    a: tuple[Descriptor, ...]
    b: tuple[Descriptor, ...]
    repacked: tuple[tuple[Digest, Digest], ...] = ()
    """Layers of A alone and of B alone with the same diff ID: the same files, compressed in another way."""

    @property
    def base(self) -> int:
        """How many layers both have at the bottom, in the same order."""
        pairs = zip(self.a, self.b, strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a.digest != b.digest), min(len(self.a), len(self.b)))

    @property
    def shared(self) -> frozenset[Digest]:
        """What both have, wherever it stands."""
        return frozenset(layer.digest for layer in self.a) & {layer.digest for layer in self.b}

    @property
    def only_a(self) -> tuple[Descriptor, ...]:
        """What B does not have, each once."""
        return _without(self.a, self.b)

    @property
    def only_b(self) -> tuple[Descriptor, ...]:
        """What A does not have, each once."""
        return _without(self.b, self.a)

    @property
    def differ(self) -> bool:
        """Whether they are not the same layers in the same order."""
        return self.base != len(self.a) or self.base != len(self.b)


def compare_layers(
    a: Sequence[Descriptor],
    b: Sequence[Descriptor],
    diff_ids: tuple[Sequence[object], Sequence[object]] = ((), ()),
) -> Layers:
    """Put layers beside each other; `diff_ids` are those of each side, as its config has them, or empty."""
    layers = Layers(tuple(a), tuple(b))
    inside_a, inside_b = (_inside(*each) for each in ((layers.only_a, a, diff_ids[0]), (layers.only_b, b, diff_ids[1])))
    return Layers(
        layers.a,
        layers.b,
        tuple((digest, inside_b[diff_id]) for diff_id, digest in inside_a.items() if diff_id in inside_b),
    )


def _without(some: Sequence[Descriptor], others: Sequence[Descriptor]) -> tuple[Descriptor, ...]:
    there = {layer.digest for layer in others}
    return tuple({layer.digest: layer for layer in some if layer.digest not in there}.values())


def _inside(alone: Sequence[Descriptor], layers: Sequence[Descriptor], diff_ids: Sequence[object]) -> dict[str, Digest]:
    """The digests of layers that one side has alone, by diff ID; nothing where the config does not go with them."""
    if len(layers) != len(diff_ids):
        return {}
    own = {layer.digest for layer in alone}
    pairs = zip(layers, diff_ids, strict=True)
    return {diff_id: layer.digest for layer, diff_id in pairs if isinstance(diff_id, str) and layer.digest in own}
