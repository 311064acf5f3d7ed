"""One copy: plan, move, push; with what it shares with others that run at the same time (`_run`)."""

from collections.abc import Collection

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import (
    ContentMismatch,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    NotFound,
    RegistryError,
)
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import Kind, kind_of
from wherry.oci.reference import Tag
from wherry.ops._attached import attach
from wherry.ops._each import both, each
from wherry.ops._freight import Fate, Freight
from wherry.ops._plan import CHEAP, Looks, Plan, Walk, is_there, refuse_schema1
from wherry.ops._run import SMALL_REQUESTS, Run
from wherry.ops.errand import Copied, Errand, Narrowed, Options, Tally
from wherry.ops.progress import Planned, Progress
from wherry.stores.protocol import Store

__all__ = ["Carrier"]


class Carrier:
    """Does one errand, and counts."""

    def __init__(self, errand: Errand, options: Options, run: Run, progress: Progress) -> None:
        self._source = errand.source
        self._name = errand.name
        self._destination = errand.destination
        self._tags = tuple(dict.fromkeys(errand.tags))
        self._options = options
        self._run = run
        self._progress = progress
        self._freight = Freight(errand, run, progress, closely=options.closely)
        self._pushed: set[Digest] = set()
        self._trusted = 0
        self._narrowed: Narrowed | None = None
        self._converted: Descriptor | None = None
        self._only: frozenset[Digest] | None = None
        self._hurried = False

    async def go(self, *, tags_are_new: bool = False) -> Copied:
        """Do it; `tags_are_new` if it is known that the destination has none of the tags."""
        self._hurried = tags_are_new
        root, manifest, placed = await self._begin(tags_are_new=tags_are_new)
        options = self._options
        if options.convert_schema1 and kind_of(root.media_type) is Kind.SCHEMA1:
            manifest = await self._convert()
            root = manifest.descriptor
        refuse_schema1(root)
        if self._in_place(root, placed) and kind_of(root.media_type) is not Kind.INDEX and not self._is_curious:
            self._trusted = 1
            return self._result(root)
        manifest, there = await self._looked_at(root, manifest, placed)
        if options.platforms:
            manifest = await self._narrow(manifest)
            there = there if manifest.digest == root.digest else await self._has(manifest.descriptor, placed)
        in_place = self._in_place(manifest.descriptor, placed) or (there and not self._tags)
        if self._source is self._destination:
            await self._finish(manifest, in_place=in_place)
        else:
            await self._carry(manifest, there=there, in_place=in_place)
        return self._result(manifest.descriptor)

    @property
    def _is_curious(self) -> bool:
        """Whether there may be something to do though the root is in its place."""
        return bool(self._options.platforms or self._options.closely or self._options.referrers)

    async def _convert(self) -> Manifest:
        """What the schema 1 image becomes; from now on that is the source."""
        from wherry.ops.schema1 import convert  # noqa: PLC0415  # hardly any copy needs it

        # By its name: a signed manifest's digest is not that of its bytes, and registries know it by either.
        converted = await convert(self._source, await self._source.manifest(self._name))
        self._source = self._freight.source = converted
        self._converted = converted.original.descriptor
        return converted.root

    async def _begin(self, *, tags_are_new: bool) -> tuple[Descriptor, Manifest | None, list[Digest | None]]:
        """What the name leads to at the source, and what the tags lead to at the destination."""
        async with self._run.small:
            if tags_are_new:
                manifest = await self._source.manifest(self._name)
                return manifest.descriptor, manifest, []
            if self._run.is_busy:
                # others use the time: no tasks for what can as well come one after the other
                return await self._source.resolve(self._name), None, [await self._resolved(tag) for tag in self._tags]
            root, placed = await both(
                self._source.resolve(self._name), each(self._resolved, self._tags, at_once=SMALL_REQUESTS)
            )
        return root, None, [digest for _, digest in placed]

    async def _resolved(self, tag: Tag) -> Digest | None:
        try:
            return (await self._destination.resolve(tag)).digest
        except (NotFound, ContentMismatch):  # what is damaged is brought again
            return None

    def _in_place(self, root: Descriptor, placed: Collection[Digest | None]) -> bool:
        return bool(placed) and all(digest == root.digest for digest in placed)

    async def _looked_at(
        self, root: Descriptor, manifest: Manifest | None, placed: Collection[Digest | None]
    ) -> tuple[Manifest, bool]:
        """The root's manifest, and whether the destination has it."""
        if manifest is not None:
            there = root.digest in placed or await self._is_there(manifest)
            return manifest, there
        return await both(self._source.manifest(root.digest), self._has(root, placed))

    async def _has(self, root: Descriptor, placed: Collection[Digest | None]) -> bool:
        """Whether the destination has the root."""
        if root.digest in placed or self._run.has_manifest(self._destination, root.digest):
            return True
        return await is_there(self._destination, root, audited=self._options.recheck)

    async def _is_there(self, manifest: Manifest) -> bool:
        """The same, but of a root whose tags are new: asked only where a yes saves several other questions."""
        is_bare = manifest.kind is Kind.INDEX or sum(layer.size > CHEAP for layer in manifest.view.layers) <= 1
        if self._tags and is_bare and not self._options.dry_run:
            return self._run.has_manifest(self._destination, manifest.digest)
        return await self._has(manifest.descriptor, ())

    async def _narrow(self, root: Manifest) -> Manifest:
        """The root with the platforms that were asked for."""
        from wherry.ops.selection import only_image, select, subject_of  # noqa: PLC0415  # most copies never ask for it

        selection = await select(self._source, root, self._options.platforms)
        if root.kind is not Kind.INDEX:
            return root
        kept, of = (
            sum(subject_of(entry) is None for entry in entries) for entries in (selection.kept, root.view.manifests)
        )
        self._narrowed = Narrowed(root.descriptor, kept, of)
        if self._options.unwrap:
            image = await only_image(self._source, root, self._options.platforms)
            return await self._source.manifest(image.digest)
        if self._options.sparse:
            if {entry.digest for entry in root.view.manifests} - selection.digests:
                self._only = selection.digests
            return root
        return selection.smaller()

    async def _carry(self, root: Manifest, *, there: bool, in_place: bool) -> None:
        closely = self._options.closely
        try:
            await self._attempt(root, there=there, in_place=in_place, closely=closely)
        except ManifestBlobUnknown:
            if closely or not self._trusted or self._only is not None:
                raise
            # What was taken for whole is not. Some registries let a manifest stand when its content has gone.
            self._trusted = 0
            await self._attempt(root, there=there, in_place=in_place, closely=True)

    async def _attempt(self, root: Manifest, *, there: bool, in_place: bool, closely: bool) -> None:
        """Plan, move, push."""
        options = self._options
        looks = Looks(
            foreign=options.foreign,
            closely=closely,
            audited=options.recheck,
            exactly=options.dry_run,
            hurried=self._hurried,
            only=self._only,
        )
        walk = Walk(self._source, root, self._destination, self._run, looks)
        await walk.below(root, is_there=there)
        if options.referrers:
            await attach(walk, self._run, but=root.digest if self._is_new(root) else None)
        plan = walk.plan
        try:
            await walk.look_for_blobs()
            self._trusted = plan.trusted
            self._freight.note(plan.skipped, Fate.SKIPPED)
            self._freight.note(plan.foreign, Fate.FOREIGN)
            self._progress(Planned(Tally.of(plan.missing), Tally.of([*plan.skipped, *plan.elsewhere])))
            if options.dry_run:
                self._foresee(plan, in_place=in_place)
                return
            if self._only is not None and not there:
                await self._probe(root)
            await self._freight.bring(plan)
            await self._push_all(plan, there=there or root.digest in self._pushed)
        finally:
            self._run.release(self._destination, plan.missing)
        await self._finish(root, in_place=in_place)

    def _is_new(self, root: Manifest) -> bool:
        """Whether the root is an index that the source does not know."""
        return self._narrowed is not None and not (
            self._options.unwrap or self._narrowed.original.digest == root.digest
        )

    async def _probe(self, index: Manifest) -> None:
        """Push a sparse index before what it leads to, without a tag: who refuses it shall do so before anything moves."""
        try:
            await self._push(index)
        except (ManifestBlobUnknown, ManifestInvalid) as error:
            if not await self._has_the_others(index):
                raise _refuses_holes(self._destination, error) from error

    async def _has_the_others(self, index: Manifest) -> bool:
        """Whether the destination has those children that are left out: then the index has no holes in the end."""
        others = {child.digest: child for child in index.view.manifests if child.digest not in (self._only or ())}
        found = await each(self._destination.exists, others.values(), at_once=SMALL_REQUESTS)
        return all(there for _, there in found)

    async def _push_all(self, plan: Plan, *, there: bool) -> None:
        """Push the manifests before the root; and where something refers to it, the root without its tags, and that."""
        for group in plan.in_order():
            await each(self._push, group, at_once=SMALL_REQUESTS)
        if any(plan.attached) and not there:
            await self._push(plan.root)
        names: dict[Digest, list[Tag]] = {}
        for tag, digest in plan.tags.items():
            names.setdefault(digest, []).append(tag)
        for attached in plan.attached:
            await each(
                lambda manifest: self._push(manifest, *names.get(manifest.digest, ())),
                attached.values(),
                at_once=SMALL_REQUESTS,
            )

    async def _finish(self, root: Manifest, *, in_place: bool) -> None:
        """Push the root with its tags: what was copied becomes visible."""
        if in_place or (not self._tags and root.digest in self._pushed):
            return
        if self._options.dry_run:
            self._pushed.add(root.digest)
        else:
            await self._push(root, *self._tags)

    async def _push(self, manifest: Manifest, *tags: Tag) -> None:
        async with self._run.pushing(self._destination, manifest.digest) as is_there:
            if is_there and not tags:
                return
            async with self._run.small:
                try:
                    await self._destination.push_manifest(manifest, *tags)
                except (
                    DigestInvalid
                ):  # it is right: what the manifest names was being written, perhaps by somebody else
                    await self._destination.push_manifest(manifest, *tags)
        self._pushed.add(manifest.digest)

    def _foresee(self, plan: Plan, *, in_place: bool) -> None:
        """Count what would be done."""
        self._freight.foresee(plan)
        manifests = plan.manifests.keys() | {digest for attached in plan.attached for digest in attached}
        self._pushed |= {digest for digest in manifests if self._run.foresee(self._destination, digest)}
        if not in_place:
            self._pushed.add(plan.root.digest)

    def _result(self, root: Descriptor) -> Copied:
        return Copied(
            root=Descriptor(root.media_type, root.digest, root.size),
            tags=self._tags,
            moved=self._freight.tally(Fate.MOVED),
            mounted=self._freight.tally(Fate.MOUNTED),
            skipped=self._freight.tally(Fate.SKIPPED),
            foreign=self._freight.tally(Fate.FOREIGN),
            manifests=len(self._pushed),
            trusted=self._trusted,
            narrowed=self._narrowed,
            converted=self._converted,
        )


def _refuses_holes(destination: Store, error: RegistryError) -> RegistryError:
    return type(error)(
        f"{destination} refuses an index that names what it does not have, so it takes no sparse copy",
        hint="without --sparse, --platform makes a smaller index, which has a digest of its own",
        detail=error.detail,
        words=error.words,
        request=error.request,
        status=error.status,
    )
