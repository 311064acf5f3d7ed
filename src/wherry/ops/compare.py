"""Comparing what two references lead to, wherever they are: the manifests, the configs, the layers, platform by platform.

The same is what has the same digest, or the same bytes under digests of two algorithms. Everything else is different, and what
differs is looked for: in an index entry by entry (`_pairing` says which is which), in an image field by field. An index
against a single image is compared by its entry for that image's platform.

Content below the roots that is missing or damaged is no obstacle: it is noted as a problem of the comparison that needed it.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import Kind, kind_of
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops._changes import Change, config_changes, descriptor_changes, manifest_changes
from wherry.ops._compared_side import OBSTACLES, Side
from wherry.ops._each import both, each
from wherry.ops._layers import Layers, compare_layers
from wherry.ops._pairing import pair
from wherry.ops.errand import Tally
from wherry.ops.images import JOBS
from wherry.ops.inspect import Child, with_attestations
from wherry.stores.protocol import Source

__all__ = ["Change", "Compared", "Comparison", "Entries", "Layers", "Pair", "compare", "same"]

_DEEPEST = 8
"""Indexes in indexes that are looked into."""


class Pair(Struct, frozen=True):
    """Entries of two indexes that stand for each other. `comparison` is None where the manifests are the same."""

    a: Child
    b: Child
    entry: tuple[Change, ...] = ()
    """What the two indexes say differently of them: platform, annotations, media type."""
    comparison: "Comparison | None" = None

    @property
    def platform(self) -> Platform | None:
        """The platform that they are for; None where the indexes do not say."""
        return self.a.descriptor.platform or self.b.descriptor.platform

    @property
    def same(self) -> bool:
        """Whether nothing differs, attestations included."""
        return self.comparison is None and not self.entry and self.a.attestations == self.b.attestations


class Entries(Struct, frozen=True):
    """The entries of two indexes; attestations go with what they attest to."""

    both: tuple[Pair, ...]
    only_a: tuple[Child, ...]
    only_b: tuple[Child, ...]
    reordered: bool = False
    """Whether what both have stands in another order."""

    @property
    def differ(self) -> bool:
        """Whether they are not the same entries in the same order."""
        return bool(self.only_a or self.only_b or self.reordered or not all(each.same for each in self.both))


class Comparison(Struct, frozen=True):
    """What differs between two manifests, and what is below them. Of what is the same, only that is said."""

    a: Descriptor
    b: Descriptor
    same: bool = False
    manifest: tuple[Change, ...] = ()
    """In the manifests themselves, and in what they say of their configs and shared layers."""
    configs: tuple[Descriptor, Descriptor] | None = None
    """Of two that have one."""
    config: tuple[Change, ...] = ()
    layers: Layers | None = None
    """Of two that are no indexes."""
    entries: Entries | None = None
    """Of two indexes."""
    pull: tuple[Tally, Tally] | None = None
    """The blobs that who has A lacks of B, and who has B of A. None where manifests are missing that would tell."""
    problems: tuple[str, ...] = ()

    @property
    def is_writing(self) -> bool:
        """Whether all that differs is how it is written: order of fields, spaces, fields that stand for nothing."""
        if self.same or self.manifest or self.config or self.problems:
            return False
        return not self.layers.differ if self.layers else not self.entries.differ if self.entries else False


class Compared(Struct, frozen=True):
    """What `compare` gives. `a` and `b` are what the references lead to; `comparison` is of these or, with a platform, of
    the images for it.
    """

    a: Descriptor
    b: Descriptor
    comparison: Comparison
    platform: Platform | None = None
    """That of the images that were chosen."""


async def compare(
    a: Source, a_name: Tag | Digest, b: Source, b_name: Tag | Digest, *, platform: Platform | None = None
) -> Compared:
    """Compare what two tags or digests lead to.

    Args:
        platform: compare the images for it, in whichever of the two is an index.

    Raises:
        ManifestUnknown: one leads nowhere, or has no image for the platform.
        ManifestInvalid: one does not say what its media type promises.
    """
    one, other = Side(a), Side(b)
    roots = await both(one.root(a_name), other.root(b_name))
    meant, platform = await _meant(one, roots[0], other, roots[1], platform)
    comparison = await _compare(one, meant[0], other, meant[1], 0)
    return Compared(roots[0].descriptor, roots[1].descriptor, comparison, platform)


async def same(
    a: Source, a_name: Tag | Digest, b: Source, b_name: Tag | Digest, *, platform: Platform | None = None
) -> bool:
    """Whether `compare` would find the same; by two HEAD requests, where they tell.

    Raises:
        ManifestUnknown, ManifestInvalid: as `compare`.
    """
    if platform is None:
        found = await both(a.resolve(a_name), b.resolve(b_name))
        if found[0].digest == found[1].digest:
            return True
        kinds = [kind_of(each.media_type) for each in found]
        if kinds[0] == kinds[1] and found[0].digest.algorithm == found[1].digest.algorithm:
            return False
    one, other = Side(a), Side(b)
    roots = await both(one.root(a_name), other.root(b_name))
    (first, second), _ = await _meant(one, roots[0], other, roots[1], platform)
    return _is_same(first, second)


def _is_same(a: Manifest, b: Manifest) -> bool:
    return a.digest == b.digest or a.content == b.content


async def _meant(
    one: Side, a: Manifest, other: Side, b: Manifest, platform: Platform | None
) -> tuple[tuple[Manifest, Manifest], Platform | None]:
    """The manifests to compare: the roots, or of an index the image for a platform, which is given too."""
    if platform is not None:
        return await both(one.image(a, platform), other.image(b, platform)), platform
    if a.kind is Kind.INDEX and b.kind is Kind.IMAGE:
        found, platform = await one.counterpart(a, b, other)
        return (found, b), platform
    if a.kind is Kind.IMAGE and b.kind is Kind.INDEX:
        found, platform = await other.counterpart(b, a, one)
        return (a, found), platform
    return (a, b), None


async def _compare(one: Side, a: Manifest, other: Side, b: Manifest, depth: int) -> Comparison:
    if _is_same(a, b):
        return Comparison(a.descriptor, b.descriptor, same=True)
    if a.kind is Kind.INDEX and b.kind is Kind.INDEX:
        return await _compare_indexes(one, a, other, b, depth)
    if a.kind is Kind.INDEX or b.kind is Kind.INDEX:
        return Comparison(a.descriptor, b.descriptor, manifest=manifest_changes(a, b))
    return await _compare_images(one, a, other, b)


async def _compare_indexes(one: Side, a: Manifest, other: Side, b: Manifest, depth: int) -> Comparison:
    problems: list[str] = []
    paired = pair(with_attestations(a.view.manifests), with_attestations(b.view.manifests))
    pairs = await each(lambda two: _compare_entries(one, two[0], other, two[1], depth), paired.both, at_once=JOBS)
    pull = None
    try:
        pull = _missing(*await both(one.blobs(a), other.blobs(b)))
    except OBSTACLES as error:
        problems.append(str(error))
    return Comparison(
        a.descriptor,
        b.descriptor,
        manifest=manifest_changes(a, b),
        entries=Entries(tuple(found for _, found in pairs), paired.only_a, paired.only_b, paired.reordered),
        pull=pull,
        problems=tuple(problems),
    )


async def _compare_entries(one: Side, a: Child, other: Side, b: Child, depth: int) -> Pair:
    x, y = a.descriptor, b.descriptor
    entry = descriptor_changes(x, y)
    if x.digest == y.digest:
        return Pair(a, b, entry)
    if not (x.is_manifest and y.is_manifest):
        return Pair(a, b, entry, Comparison(x, y))
    if depth == _DEEPEST:
        return Pair(a, b, entry, Comparison(x, y, problems=(f"indexes in {_DEEPEST} indexes are not looked into",)))
    try:
        manifests = await both(one.manifest(x), other.manifest(y))
        found = await _compare(one, manifests[0], other, manifests[1], depth + 1)
    except OBSTACLES as error:
        found = Comparison(x, y, problems=(str(error),))
    return Pair(a, b, entry, None if found.same else found)


async def _compare_images(one: Side, a: Manifest, other: Side, b: Manifest) -> Comparison:
    problems: list[str] = []
    configs = None if a.view.config is None or b.view.config is None else (a.view.config, b.view.config)
    documents: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    layers, pull = None, None
    try:
        stacks = await both(one.layers(a), other.layers(b))
        layers = compare_layers(*stacks)
        pull = _missing(*await both(one.blobs(a), other.blobs(b)))
        if configs and (configs[0].digest != configs[1].digest or layers.differ):  # they have the layers' diff IDs
            documents = await both(one.config(configs[0]), other.config(configs[1]))
            layers = compare_layers(*stacks, (_diff_ids(documents[0]), _diff_ids(documents[1])))
    except OBSTACLES as error:
        problems.append(str(error))
    return Comparison(
        a.descriptor,
        b.descriptor,
        manifest=(*manifest_changes(a, b), *_said_of_blobs(configs, layers)),
        configs=configs,
        config=config_changes(*documents),
        layers=layers,
        pull=pull,
        problems=tuple(problems),
    )


def _said_of_blobs(configs: tuple[Descriptor, Descriptor] | None, layers: Layers | None) -> Iterator[Change]:
    """What the manifests say differently of their configs, and of layers that stand at the same place in both."""
    if configs:
        yield from descriptor_changes(*configs, ("config",))
    for position, (a, b) in enumerate(zip(layers.a, layers.b, strict=False) if layers else ()):
        if a.digest == b.digest:
            yield from descriptor_changes(a, b, ("layers", str(position)))


def _diff_ids(config: dict[str, Any]) -> list[Any]:
    rootfs = config.get("rootfs")
    found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    return found if isinstance(found, list) else []


def _missing(a: dict[Digest, Descriptor], b: dict[Digest, Descriptor]) -> tuple[Tally, Tally]:
    """What who has A lacks of B, and the other way round."""
    return Tally.of(b[digest] for digest in b.keys() - a), Tally.of(a[digest] for digest in a.keys() - b)
