"""Copying: the one thing that moves content.

A copy has three steps. It walks the graph from its root and finds out what the destination lacks (`_plan`). It moves the
missing blobs, several at once, the big ones first. It pushes the missing manifests, children before parents, and the root
last, together with its tags. So at every moment whatever is visible at the destination is whole; a copy that was cut short
has left no tag, and the next one finds what arrived and goes on from there.

Nothing is written anew: manifests are pushed as the bytes that were read, and every digest stays. The reasons for what is
skipped, and for what is not, stand in docs/design/copy.md.

Spec: distribution-spec 1.1, "Pushing Manifests"; image-spec 1.1, image-index.md.
"""

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from dataclasses import dataclass

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestBlobUnknown, NotFound
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import Kind, kind_of
from wherry.oci.reference import Tag
from wherry.ops._each import both, each
from wherry.ops._plan import SMALL_REQUESTS, embedded, plan, refuse_schema1
from wherry.ops.progress import Ended, Passed, Planned, Progress, Tally, ignore
from wherry.stores.protocol import Mounter, Source, Store

__all__ = ["JOBS", "Copied", "copy"]

JOBS = 4
"""Blobs in flight at once, where nobody says otherwise: docs/design/copy.md has the measurement."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy has done. Blobs that one manifest, or many, name several times count once."""

    root: Descriptor
    """Media type, digest and size of what was copied; the same at both ends."""
    tags: tuple[Tag, ...]
    moved: Tally
    mounted: Tally
    skipped: Tally
    """What was there. Blobs of images that were there as a whole were not even counted."""
    foreign: Tally
    """What was left where its `urls` say."""
    manifests: int
    """How many were pushed."""


async def copy(
    source: Source,
    name: Tag | Digest,
    destination: Store,
    *,
    tags: Collection[Tag] = (),
    jobs: int = JOBS,
    foreign: bool = False,
    recheck: bool = False,
    progress: Progress = ignore,
) -> Copied:
    """Copy everything that `name` leads to into another store, and point `tags` at it there.

    Children are pushed before the manifests that name them, the tags last: a copy that is cut short, by a failure or by
    cancelling it, leaves nothing visible that is incomplete. Where source and destination are one object, only tags move.

    Args:
        tags: what to call it at the destination; without any it is there by its digest alone.
        jobs: blobs in flight at once, at least 1.
        foreign: fetch layers from the source that their author says need not be in any registry, too.
        recheck: look at every blob, even those of images that the destination already has.
        progress: called with what happens, as it happens.

    Raises:
        ManifestUnknown: `name` leads nowhere in `source`, or an index there has a hole.
        BlobUnknown: `source` lacks a blob that a manifest of its own names.
        ContentMismatch: `source` sent bytes that are not what their descriptor says.
        Unsupported: it is signed schema 1.
    """
    unique = tuple(dict.fromkeys(tags))
    root, placed = await both(source.resolve(name), each(lambda tag: _resolved(destination, tag), unique, at_once=jobs))
    refuse_schema1(root)
    there = any(digest == root.digest for _, digest in placed)
    in_place = there and all(digest == root.digest for _, digest in placed)
    work = _Copy(source, destination, unique, jobs=jobs, foreign=foreign, progress=progress)
    if in_place and not recheck and kind_of(root.media_type) is not Kind.INDEX:
        return work.result(root)
    manifest, there = await both(source.manifest(root.digest), _exists(destination, root, known=there))
    in_place = in_place or (there and not unique)
    if source is destination:
        await work.finish(manifest, in_place=in_place)
        return work.result(root)
    try:
        await work.run(manifest, there=there, in_place=in_place, recheck=recheck)
    except ManifestBlobUnknown:
        if recheck or not work.trusted:
            raise
        # What was taken for whole is not. Some registries let a manifest stand when its content has gone.
        await work.run(manifest, there=there, in_place=in_place, recheck=True)
    return work.result(root)


async def _resolved(store: Source, tag: Tag) -> Digest | None:
    try:
        return (await store.resolve(tag)).digest
    except NotFound:
        return None


async def _exists(store: Source, manifest: Descriptor, *, known: bool) -> bool:
    return known or await store.exists(manifest)


class _Copy:
    """One copy, and what it has counted so far."""

    def __init__(
        self,
        source: Source,
        destination: Store,
        tags: tuple[Tag, ...],
        *,
        jobs: int,
        foreign: bool,
        progress: Progress,
    ) -> None:
        self._source = source
        self._destination = destination
        self._tags = tags
        self._jobs = jobs
        self._foreign = foreign
        self._progress = progress
        self._moved = Tally()
        self._mounted = Tally()
        self._skipped = Tally()
        self._left = Tally()
        self._manifests = 0
        self.trusted = False

    def result(self, root: Descriptor) -> Copied:
        return Copied(
            root=Descriptor(root.media_type, root.digest, root.size),
            tags=self._tags,
            moved=self._moved,
            mounted=self._mounted,
            skipped=self._skipped,
            foreign=self._left,
            manifests=self._manifests,
        )

    async def run(self, root: Manifest, *, there: bool, in_place: bool, recheck: bool) -> None:
        """Plan, move, push."""
        planned = await plan(
            self._source, root, self._destination, root_is_there=there, foreign=self._foreign, recheck=recheck
        )
        self.trusted = planned.trusted > 0
        self._skipped = Tally.of(planned.skipped)
        self._left = Tally.of(planned.foreign)
        self._progress(Planned(Tally.of(planned.missing), self._skipped))
        await each(self._move, planned.missing, at_once=self._jobs)
        for group in planned.in_order():
            await each(self._push, group, at_once=SMALL_REQUESTS)
        await self.finish(root, in_place=in_place)

    async def finish(self, root: Manifest, *, in_place: bool) -> None:
        """Push the root with its tags: what was copied becomes visible."""
        if not in_place:
            await self._push(root, *self._tags)

    async def _push(self, manifest: Manifest, *tags: Tag) -> None:
        await self._destination.push_manifest(manifest, *tags)
        self._manifests += 1

    async def _move(self, blob: Descriptor) -> None:
        mounted = isinstance(self._destination, Mounter) and await self._destination.mount(blob, self._source)
        if mounted:
            self._mounted += Tally.of((blob,))
        else:
            async with aclosing(self._stream(blob)) as content:
                await self._destination.push(blob, content)
            self._moved += Tally.of((blob,))
        self._progress(Ended(blob, mounted))

    async def _stream(self, blob: Descriptor) -> AsyncGenerator[bytes, None]:
        """The bytes of a blob; told as they pass."""
        data = embedded(blob)
        if data is not None:
            yield data
            return
        content = self._source.fetch(blob)
        try:
            async for piece in content:
                self._progress(Passed(blob, len(piece)))
                yield piece
        finally:
            # When a push gives up in the middle, the connection is closed now, and not when somebody collects garbage.
            if isinstance(content, AsyncGenerator):
                await content.aclose()
