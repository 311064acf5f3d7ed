"""The walk: what a copy has to move. Nothing is written yet.

The graph is walked level by level, many small requests at once, each manifest and each blob once however often it is
named. Where the walk may stop early is the delicate part: see docs/design/copy.md.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from graphlib import TopologicalSorter

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestUnknown, Unsupported
from wherry.oci.manifest import Manifest, successors
from wherry.oci.mediatype import OCTET_STREAM, Kind, kind_of
from wherry.ops._each import each
from wherry.stores.protocol import Source
from wherry.stores.verify import verified_manifest

__all__ = ["SMALL_REQUESTS", "Plan", "embedded", "plan", "refuse_schema1"]

SMALL_REQUESTS = 16
"""Requests for manifests, and whether something exists, in flight at once. They are small and mostly waiting."""


@dataclass(slots=True)
class Plan:
    """What is missing at the destination, and in which order it may go there."""

    root: Manifest
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    """Those to push, without the root."""
    children: dict[Digest, set[Digest]] = field(default_factory=dict)
    """Of each manifest that was walked, the root's included: the manifests that must be there before it."""
    missing: list[Descriptor] = field(default_factory=list)
    """Blobs to move, the biggest first: so that no big one is left alone at the end."""
    skipped: list[Descriptor] = field(default_factory=list)
    """Blobs that are there."""
    foreign: list[Descriptor] = field(default_factory=list)
    """Layers that are left where their `urls` say."""
    trusted: int = 0
    """Manifests that are there, whose content was not looked at for that reason."""

    def in_order(self) -> Iterator[list[Manifest]]:
        """The manifests to push, in groups: everything that one needs is in a group before its own."""
        sorter = TopologicalSorter(
            {digest: self.children[digest] & self.manifests.keys() for digest in self.manifests},
        )
        sorter.prepare()
        while sorter.is_active():
            ready = sorter.get_ready()
            yield [self.manifests[digest] for digest in ready]
            sorter.done(*ready)


async def plan(
    source: Source,
    root: Manifest,
    destination: Source,
    *,
    root_is_there: bool,
    foreign: bool,
    recheck: bool,
) -> Plan:
    """Walk everything that `root` leads to."""
    walk = _Walk(source, destination, Plan(root), foreign=foreign, recheck=recheck)
    if root_is_there and not recheck and root.kind is not Kind.INDEX:
        walk.plan.trusted += 1
        return walk.plan
    level = walk.enter(root)
    while level:
        found = await each(walk.look, level, at_once=SMALL_REQUESTS)
        level = [child for _, manifest in found if manifest for child in walk.enter(manifest)]
    await walk.look_for_blobs()
    return walk.plan


def embedded(descriptor: Descriptor) -> bytes | None:
    """The content that a descriptor carries in its `data`, if that is what its digest says.

    Spec: image-spec 1.1, descriptor.md, "data": it must be verified before use.
    """
    data = descriptor.data
    if data is None or len(data) != descriptor.size or not descriptor.digest.matches(data):
        return None
    return data


class _Walk:
    """What has been seen on the way, so that nothing is seen twice."""

    def __init__(self, source: Source, destination: Source, plan: Plan, *, foreign: bool, recheck: bool) -> None:
        self.plan = plan
        self._source = source
        self._destination = destination
        self._foreign = foreign
        self._recheck = recheck
        self._seen: set[Digest] = {plan.root.digest}
        self._blobs: dict[Digest, Descriptor] = {}

    def enter(self, manifest: Manifest) -> list[Descriptor]:
        """Note what a manifest names; give the children that nobody has named before.

        Raises:
            Unsupported: it is signed schema 1.
        """
        refuse_schema1(manifest.descriptor)
        needed = successors(manifest)
        if manifest.kind is not Kind.INDEX:
            self._note_blobs(needed)
            self.plan.children[manifest.digest] = set()
            return []
        self.plan.children[manifest.digest] = {child.digest for child in needed}
        fresh = [child for child in needed if child.digest not in self._seen]
        self._seen |= {child.digest for child in fresh}
        return fresh

    async def look(self, child: Descriptor) -> Manifest | None:
        """Look at a child of an index; give its manifest if the walk goes on into it."""
        refuse_schema1(child)
        if not child.is_manifest and await self._source.exists(child):
            # Old BuildKit caches list layers in an index. An unknown media type is a blob if the source has it as one.
            self._note_blobs((child,))
            return None
        there = child.is_manifest and await self._destination.exists(child)
        if there and kind_of(child.media_type) is not Kind.INDEX and not self._recheck:
            self.plan.trusted += 1
            return None
        manifest = await self._fetch(child)
        if not there:
            self.plan.manifests[child.digest] = manifest
        return manifest

    async def look_for_blobs(self) -> None:
        """Find out which of the blobs are there."""
        blobs = sorted(self._blobs.values(), key=lambda blob: -blob.size)
        for blob, there in await each(self._destination.exists, blobs, at_once=SMALL_REQUESTS):
            (self.plan.skipped if there else self.plan.missing).append(blob)

    def _note_blobs(self, blobs: Iterable[Descriptor]) -> None:
        for blob in blobs:
            if blob.digest in self._blobs:
                continue
            if blob.is_foreign and not self._foreign:
                if blob not in self.plan.foreign:
                    self.plan.foreign.append(blob)
                continue
            # What stands among layers is a blob even where its media type is a manifest's.
            self._blobs[blob.digest] = replace(blob, media_type=OCTET_STREAM) if blob.is_manifest else blob

    async def _fetch(self, child: Descriptor) -> Manifest:
        """A child's manifest, under the media type that its parent gives it."""
        algorithm = child.digest.algorithm
        content = embedded(child)
        if content is not None:
            return Manifest(content, child.media_type, algorithm=algorithm)
        try:
            manifest = await self._source.manifest(child.digest)
        except ManifestUnknown as error:
            error.hint = error.hint or "the index at the source has holes: it names this manifest and does not have it"
            raise
        verified_manifest(manifest, child, str(self._source))
        if child.is_manifest and manifest.media_type != child.media_type:
            return Manifest(manifest.content, child.media_type, algorithm=algorithm)
        return manifest


def refuse_schema1(descriptor: Descriptor) -> None:
    """Raise if this is what registries no longer take.

    Raises:
        Unsupported: it is signed schema 1.
    """
    if kind_of(descriptor.media_type) is Kind.SCHEMA1:
        raise Unsupported(
            f"manifest {descriptor.digest} is signed schema 1, which Docker gave up in 2019: wherry does not copy it",
            hint="`docker pull` it with a Docker older than 26 and push it again, or build it anew: "
            "both make a schema 2 image",
        )
