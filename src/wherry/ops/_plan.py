"""The walk: what a copy has to move. Nothing is written yet.

The graph is walked level by level, many small requests at once, each manifest and each blob once however often it is
named. Where the walk may stop early is the delicate part: see docs/design/copy.md.
"""

from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import NotFound, Unsupported
from wherry.oci.manifest import Manifest, successors
from wherry.oci.mediatype import OCTET_STREAM, Kind, kind_of
from wherry.oci.reference import Tag
from wherry.ops._each import each
from wherry.ops._embedded import embedded
from wherry.ops._run import SMALL, SMALL_REQUESTS, Run
from wherry.stores.protocol import Auditor, Source, Store
from wherry.stores.verify import verified_manifest

__all__ = ["CHEAP", "Looks", "Plan", "Walk", "embedded", "is_there", "refuse_schema1"]

CHEAP = 16 * 1024
"""Bytes that are sent as quickly as it is asked whether they are there. Of an image that is missing, they mostly are."""


class Plan(Struct):
    """What is missing at the destination, and in which order it may go there."""

    root: Manifest
    manifests: dict[Digest, Manifest] = {}
    """Those to push before the root, and without it."""
    attached: list[dict[Digest, Manifest]] = []
    """Referrers to push after the root: what refers to it and its children, then what refers to those, and so on."""
    tags: dict[Tag, Digest] = {}
    """Tags that name a referrer by its subject's digest (cosign's), and are missing."""
    graph: list[Digest] = []
    """Every manifest that the walk met, in its order."""
    children: dict[Digest, set[Digest]] = {}
    """Of each manifest that was walked, the root's included: the manifests that must be there before it."""
    missing: list[Descriptor] = []
    """Blobs to move, the biggest first: so that no big one is left alone at the end."""
    elsewhere: list[Descriptor] = []
    """Blobs that another copy of the same run brings."""
    skipped: list[Descriptor] = []
    """Blobs that are there."""
    foreign: list[Descriptor] = []
    """Layers that are left where their `urls` say."""
    trusted: int = 0
    """Manifests that are there, whose content was not looked at for that reason."""

    def in_order(self) -> Iterator[list[Manifest]]:
        """The manifests to push before the root, in groups: everything that one needs is in a group before its own."""
        sorter = TopologicalSorter(
            {digest: self.children[digest] & self.manifests.keys() for digest in self.manifests},
        )
        sorter.prepare()
        while sorter.is_active():
            ready = sorter.get_ready()
            yield [self.manifests[digest] for digest in ready]
            sorter.done(*ready)


class Looks(Struct, frozen=True):
    """How closely a walk looks, and how far it goes."""

    foreign: bool = False
    """Whether foreign layers are moved too."""
    closely: bool = False
    """Whether nothing is taken for granted."""
    audited: bool = False
    """Whether the destination is to read what it has, where it can."""
    exactly: bool = False
    """Whether every blob is asked for, though mounting it may be as quick: for a plan that is only shown."""
    hurried: bool = False
    """Whether blobs are sent unasked where that is as quick: of a thousand new images that is half of all questions."""
    only: frozenset[Digest] | None = None
    """Children of the root that are copied; None is: all."""


class Walk:
    """What has been seen on the way, so that nothing is seen twice."""

    def __init__(self, source: Source, root: Manifest, destination: Store, run: Run, looks: Looks) -> None:
        self.plan = Plan(root)
        self.source = source
        self.destination = destination
        self._run = run
        self._looks = looks
        self._seen: set[Digest] = {root.digest}
        self._blobs: dict[Digest, Descriptor] = {}

    async def below(self, root: Manifest, *, is_there: bool) -> None:
        """Walk everything that a manifest leads to. An image that is there is taken for whole."""
        if is_there and not self._looks.closely and root.kind is not Kind.INDEX:
            self._trust(root.digest)
            return
        await self.down(self.enter(root))

    async def down(self, level: list[Descriptor]) -> None:
        """Walk everything that these children lead to."""
        while level:
            found = await each(self.look, level, at_once=SMALL_REQUESTS)
            level = [child for _, manifest in found if manifest for child in self.enter(manifest)]

    def enter(self, manifest: Manifest) -> list[Descriptor]:
        """Note what a manifest names; give the children that nobody has named before.

        Raises:
            Unsupported: it is signed schema 1.
        """
        refuse_schema1(manifest.descriptor)
        needed = successors(manifest)
        self.plan.graph.append(manifest.digest)
        if manifest.kind is not Kind.INDEX:
            self._note_blobs(needed)
            self.plan.children[manifest.digest] = set()
            return []
        only = self._looks.only if manifest is self.plan.root else None
        wanted = [child for child in needed if only is None or child.digest in only]
        self.plan.children[manifest.digest] = {child.digest for child in wanted}
        return [child for child in wanted if self.is_new(child.digest)]

    def is_new(self, digest: Digest) -> bool:
        """Whether nobody has named this manifest before; now somebody has."""
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True

    async def look(self, child: Descriptor) -> Manifest | None:
        """Look at a child of an index; give its manifest if the walk goes on into it."""
        refuse_schema1(child)
        async with self._run.small:
            if not child.is_manifest and await self.source.exists(child):
                # Old BuildKit caches list layers in an index. An unknown media type is a blob if the source has it as one.
                self._note_blobs((child,))
                return None
            there = child.is_manifest and await self.has_manifest(child)
            if there and self.trusts(child):
                return None
            manifest = await self.fetch(child)
        if not there:
            self.plan.manifests[child.digest] = manifest
        return manifest

    def trusts(self, manifest: Descriptor) -> bool:
        """Whether a manifest that the destination has is taken for whole; then the walk is done with it."""
        if kind_of(manifest.media_type) is Kind.INDEX or self._looks.closely:
            return False
        self._trust(manifest.digest)
        return True

    def _trust(self, digest: Digest) -> None:
        self.plan.graph.append(digest)
        self.plan.trusted += 1

    async def has_manifest(self, manifest: Descriptor) -> bool:
        """Whether the destination has a manifest; asked once in a run."""
        if self._run.has_manifest(self.destination, manifest.digest):
            return True
        there = await is_there(self.destination, manifest, audited=self._looks.audited)
        if there:
            self._run.note_manifest(self.destination, manifest.digest)
        return there

    async def fetch(self, child: Descriptor) -> Manifest:
        """A child's manifest, under the media type that its parent gives it.

        Raises:
            NotFound: the source does not have it.
        """
        algorithm = child.digest.algorithm
        content = embedded(child)
        if content is not None:
            return Manifest(content, child.media_type, algorithm=algorithm)
        try:
            manifest = await self.source.manifest(child.digest)
        except NotFound as error:
            error.hint = error.hint or _hole(child)
            raise
        verified_manifest(manifest, child, str(self.source))
        if child.is_manifest and manifest.media_type != child.media_type:
            return Manifest(manifest.content, child.media_type, algorithm=algorithm)
        return manifest

    async def look_for_blobs(self) -> None:
        """Find out which of the blobs are there. Those that nobody else of the run brings are ours from now on."""
        mine: list[Descriptor] = []
        for blob in sorted(self._blobs.values(), key=lambda blob: -blob.size):
            (mine if self._run.claim(self.destination, blob) else self.plan.elsewhere).append(blob)
        self.plan.missing = mine  # whatever happens to us now, these are to be settled
        for blob, there in await each(self._is_there, mine, at_once=SMALL_REQUESTS):
            if there:
                self._run.settle(self.destination, blob, there=True)
                self.plan.skipped.append(blob)
        gone = {blob.digest for blob in self.plan.skipped}
        self.plan.missing = [blob for blob in mine if blob.digest not in gone]

    async def _is_there(self, blob: Descriptor) -> bool:
        if not self._is_worth_asking(blob):
            return False
        lane = self._run.large.turn(blob.size) if self._looks.audited and blob.size > SMALL else self._run.small
        async with lane:
            return await is_there(self.destination, blob, audited=self._looks.audited)

    def _is_worth_asking(self, blob: Descriptor) -> bool:
        """Not where sending it, or mounting it, takes no longer than the question."""
        if self._looks.closely or self._looks.exactly:
            return True
        if self._looks.hurried and blob.size <= CHEAP:
            return False
        is_near = self._run.neighbour(self.destination, blob, self.source) is not None
        return not is_near or self._run.declined(self.destination)

    def _note_blobs(self, blobs: Iterable[Descriptor]) -> None:
        for blob in blobs:
            if blob.digest in self._blobs:
                continue
            if blob.is_foreign and not self._looks.foreign:
                if blob not in self.plan.foreign:
                    self.plan.foreign.append(blob)
                continue
            # What stands among layers is a blob even where its media type is a manifest's.
            self._blobs[blob.digest] = replace(blob, media_type=OCTET_STREAM) if blob.is_manifest else blob


def _hole(child: Descriptor) -> str:
    """What to do about a child that its index names and the source does not have."""
    from wherry.ops.selection import subject_of  # noqa: PLC0415  # hardly any copy meets one

    which = f", for {child.platform}," if child.platform is not None and child.platform.known else ""
    way = "--platform copies those alone that are there"
    if subject_of(child) is not None:
        way = "it is an attestation, and --platform with --unwrap copies an image without"
    return f"the index at the source has holes: it names this manifest{which} and does not have it; {way}"


async def is_there(destination: Store, content: Descriptor, *, audited: bool) -> bool:
    """Whether a store has some content; `audited`: and it is what it should be, as far as the store can tell."""
    if audited and isinstance(destination, Auditor):
        return await destination.audit(content)
    return await destination.exists(content)


def refuse_schema1(descriptor: Descriptor) -> None:
    """Raise if this is what registries no longer take.

    Raises:
        Unsupported: it is signed schema 1.
    """
    if kind_of(descriptor.media_type) is Kind.SCHEMA1:
        raise Unsupported(
            f"manifest {descriptor.digest} is signed schema 1, which Docker gave up in 2019: it is not copied as it is",
            hint="--convert-schema1 makes a Docker schema 2 image of it, which has a digest of its own",
        )
