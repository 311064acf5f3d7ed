"""Making a draft from images in registries, and changing what it says of them. (Pushing it: `draft_push`.)

A draft is all or nothing: every source is resolved before anything is written. Making the same draft again from the
same sources changes nothing and is no error, so that a pipeline can be run again.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.digest import Digest
from wherry.oci.dockerdraft import DraftImage
from wherry.oci.errors import ManifestInvalid, NotFound
from wherry.oci.mediatype import DOCKER_MANIFEST, OCI_MANIFEST, Kind
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.ops._each import each
from wherry.ops.draft_renewal import before_annotating, renewed
from wherry.ops.images import JOBS, flattened, image_alone, is_artifact, lookup
from wherry.stores.drafts import AmendRefused, Draft, Drafts, DraftUnknown
from wherry.stores.protocol import Source

__all__ = ["Change", "Created", "annotate", "create", "take_out"]


class Change(Struct, frozen=True):
    """What amending did to one image of a source: `old` is None for one that is new, `new` for one that is gone.

    `platform` tells the images of an index apart; None if the source is one image.
    """

    source: str
    platform: Platform | None
    old: Digest | None
    new: Digest | None


class Created(Struct, frozen=True):
    """`changes` are those to images that were there; `notes` are sentences for people: odd sources, annotations that are dropped."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]


async def create(
    drafts: Drafts,
    name: Reference,
    sources: Sequence[Reference],
    repository: Callable[[Reference], Source],
    *,
    amend: bool = False,
    append: bool = False,
    jobs: int = JOBS,
) -> Created:
    """Make a draft of these images; an index among the sources stands for the images in it.

    Args:
        repository: opens the repository of a reference, to read from.
        amend: go on with a draft that is there: tags are looked up again, what is not named stays. What was annotated is
            carried over to an image that takes another's place.
        append: begin with what the registry has under `name`, if it has anything.
        jobs: requests at once.
    Raises:
        AmendRefused: the draft is there with other content, and `amend` was not said.
        ManifestUnknown: a source is not there.
        ManifestInvalid: a source cannot be part of a list.
        StoreError: the drafts cannot be read or written.
    """
    if append and await _is_there(name, repository(name)):
        sources = (name, *sources)
    if not amend and drafts.exists(name):
        _refuse_others(name, drafts.images(name), {str(source) for source in sources})
    distinct = tuple(dict.fromkeys(sources))
    resolved = await each(lambda source: _resolve(source, repository(source), jobs), distinct, at_once=jobs)
    notes = tuple(note for _, (_, notes) in resolved for note in notes)
    async with drafts.change_in_turn(name) as draft:
        if draft.exists and not amend:
            _refuse_moved(name, draft, [image for _, (images, _) in resolved for image in images])
            return Created((), notes)
        amended = [_amend(draft, str(source), images) for source, (images, _) in resolved]
    changes = tuple(change for changed, _ in amended for change in changed)
    return Created(changes, notes + tuple(note for _, dropped in amended for note in dropped))


def annotate(
    drafts: Drafts, name: Reference, reference: Reference, change: Callable[[DraftImage], DraftImage]
) -> DraftImage:
    """Change what a draft says of one image, and return what it says now.

    Raises:
        DraftUnknown: there is no such draft, or no such image in it.
        StoreError: the drafts cannot be read or written.
    """
    drafts.image(name, reference)  # so that asking for what is not there needs no writable folder
    with drafts.change(name) as draft:
        there = draft.image(reference) or drafts.image(name, reference)
        changed = replace(change(there), original=before_annotating(there))
        draft.put(changed)
    return changed


def take_out(drafts: Drafts, name: Reference, references: Sequence[Reference]) -> None:
    """Take images out of a draft: all of them, or none if one is not there. An index goes with all its images.

    Raises:
        DraftUnknown: there is no such draft, or no such image in it; `name` says which.
        StoreError: the drafts cannot be read or written.
    """
    drafts.images(name)  # so that asking for what is not there needs no writable folder
    with drafts.change(name) as draft:
        found: dict[str, DraftImage] = {}  # all that is named, before anything goes: an image may be named twice
        for reference in references:
            named = [image for image in draft.images if str(reference) in (image.reference, _source(image))]
            if not named:
                raise DraftUnknown(reference)
            found |= {image.reference: image for image in named}
        for image in found.values():
            draft.drop(image)


async def _is_there(name: Reference, store: Source) -> bool:
    try:
        await store.resolve(name.name)
    except NotFound:
        return False
    return True


async def _resolve(source: Reference, store: Source, jobs: int) -> tuple[list[DraftImage], tuple[str, ...]]:
    """The images that a source stands for, and what is odd about it."""
    manifest = await lookup(source, store)
    if manifest.kind is Kind.INDEX:
        found = await flattened(source, manifest, store, jobs=jobs)
        for image in found:
            _check_kind(image)
        _check_platforms(source, found)
        return found, () if found else (f"{source} is an index with nothing in it",)
    alone = DraftImage(str(source), replace(manifest.descriptor, platform=Platform()), manifest)
    _check_kind(alone)
    try:
        return [await image_alone(source, manifest, store)], ()
    except ManifestInvalid as error:
        if not is_artifact(manifest):
            raise
        return [alone], (f"{error.message}; it has no platform",)


def _check_kind(image: DraftImage) -> None:
    if image.descriptor.media_type not in (OCI_MANIFEST, DOCKER_MANIFEST):
        raise ManifestInvalid(
            f"{image.reference} cannot be part of a list: it is of type {image.descriptor.media_type}",
            hint="push the image again with a tool of today: that makes an image manifest",
        )


def _check_platforms(source: Reference, images: Iterable[DraftImage]) -> None:
    """Docker's drafts have one file for an image, and in it one platform."""
    listed: dict[str, dict[Hashable, Platform]] = {}
    for image in images:
        listed.setdefault(image.reference, {})[image.platform.identity] = image.platform
    for reference, platforms in listed.items():
        if len(platforms) > 1:
            on = " and ".join(str(platform) or "no platform" for platform in platforms.values())
            raise ManifestInvalid(
                f"{source} lists {Reference.parse(reference).digest} for {on}: a draft can hold an image for one platform only",
                hint="`wherry index create` makes an index of it, without a draft",
            )


def _source(image: DraftImage) -> str:
    return image.reference if image.flattened is None else image.flattened.source


def _refuse_others(name: Reference, images: Iterable[DraftImage], sources: Collection[str]) -> None:
    """Before any request: a draft of other sources is another draft."""
    if {_source(image) for image in images} != set(sources):
        raise _amend_refused(name, "it holds other images")


def _refuse_moved(name: Reference, draft: Draft, images: Collection[DraftImage]) -> None:
    there = {image.reference: image.descriptor.digest for image in draft.images}
    now = {image.reference: image.descriptor.digest for image in images}
    if there != now:
        moved = next((image for image in now if there.get(image) != now[image]), name)
        raise _amend_refused(name, f"{moved} has moved since")


def _amend_refused(name: Reference, why: str) -> AmendRefused:
    return AmendRefused(
        "refusing to amend an existing manifest list with no --amend flag",
        hint=f"--amend to go on with the draft of {name} ({why}), or `wherry manifest rm {name}` to start anew",
    )


def _amend(draft: Draft, source: str, images: Sequence[DraftImage]) -> tuple[list[Change], list[str]]:
    """Bring the images of one source up to date in a draft; say what that changed, and what of annotate's work it dropped."""
    before = {image.reference: image for image in draft.images if _source(image) == source}
    gone = [image for reference, image in before.items() if reference not in {new.reference for new in images}]
    left = list(gone)
    changes, notes = [], []
    for image in images:
        there = before.get(image.reference)
        if there is not None and there.descriptor.digest == image.descriptor.digest:
            if there.manifest is None:  # a file of docker before 23.0: its bytes are known now
                draft.put(replace(image, descriptor=there.descriptor, original=there.original))
            continue
        old = there or _pair(image, left)
        new, note = (image, None) if old is None else renewed(old, image)
        draft.put(new)
        notes += [note] if note else []
        if before:
            changes.append(_change(source, old, image))
    for image in gone:
        draft.drop(image)
    return [*changes, *(_change(source, image, None) for image in left)], notes


def _change(source: str, old: DraftImage | None, new: DraftImage | None) -> Change:
    told = new or old
    platform = told.platform if told is not None and told.flattened is not None else None
    return Change(source, platform, _digest(old), _digest(new))


def _digest(image: DraftImage | None) -> Digest | None:
    return None if image is None else image.descriptor.digest


def _pair(image: DraftImage, gone: list[DraftImage]) -> DraftImage | None:
    """Take out the image of the same platform, as its index said it, that a child of an index takes the place of."""
    same = (old for old in gone if (before_annotating(old).platform or Platform()) == image.platform)
    found = next(same, None)
    if found is not None:
        gone.remove(found)
    return found
