"""What an index is assembled from: images, and indexes that stand for their entries, wherever they are.

An entry goes in as its index states it, with annotations and fields that we do not know; an image that stands alone gets
the platform of its config. Digest and platform together are what an entry is: one image may stand in an index for several
platforms (the same program for arm/v6 and arm/v7). Attestations are entries too: an annotation says which image they are about, and they stay
and go with it (BuildKit's convention, `vnd.docker.reference.digest`).
"""

from collections.abc import Collection, Hashable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestInvalid, NotFound
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import Kind
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops._carry import Carrier
from wherry.ops._each import each
from wherry.ops._run import Run
from wherry.ops._together import together
from wherry.ops.copy import JOBS as COPY_JOBS
from wherry.ops.errand import Errand, Options
from wherry.ops.images import JOBS, config_platform, is_artifact
from wherry.ops.progress import ignore
from wherry.ops.selection import subject_of
from wherry.stores.protocol import Source, Store

__all__ = ["Entry", "Gathered", "Named", "bring", "gather", "machine_of", "merged", "of_platforms"]


class Named(Struct, frozen=True):
    """A source: the store that it is in, its name there, and how the user wrote it."""

    store: Source
    name: Tag | Digest
    text: str


class Entry(Struct, frozen=True):
    """An entry of an index that is to be, and the store that has what it leads to."""

    descriptor: Descriptor
    store: Source


class Gathered(Struct, frozen=True):
    """What a source turned out to be, and the entries that it stands for."""

    source: Named
    manifest: Manifest
    entries: tuple[Entry, ...]


async def gather(sources: Sequence[Named], *, jobs: int = JOBS) -> list[Gathered]:
    """Read all sources, in their order.

    Raises:
        ManifestUnknown: one leads nowhere; the message has its name.
        ManifestInvalid: one cannot stand in an index.
    """
    return [gathered for _, gathered in await each(_gathered, sources, at_once=jobs)]


async def bring(entries: Iterable[Entry], target: Store, *, jobs: int = JOBS) -> None:
    """Copy what the entries lead to into a store, as far as it is not the very store that they are from.

    Raises:
        RegistryError: a store refuses.
    """
    errands = {
        entry.descriptor.digest: Errand(entry.store, entry.descriptor.digest, target)
        for entry in entries
        if entry.store is not target
    }
    run = Run(COPY_JOBS)  # one for all: platforms of one image often share layers
    async with together((target,)):
        await each(lambda errand: Carrier(errand, Options(), run, ignore).go(), errands.values(), at_once=jobs)


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Each digest once for a platform, where it first stood; annotations that only a later one states are added.

    An entry that states no platform is taken for the first of its digest that does.
    """
    listed = list(entries)
    stated: dict[Digest, Hashable] = {}
    for entry in listed:
        if machine_of(entry.descriptor) is not None:
            stated.setdefault(entry.descriptor.digest, machine_of(entry.descriptor))
    distinct: dict[tuple[Digest, Hashable], Entry] = {}
    for entry in listed:
        digest = entry.descriptor.digest
        key = (digest, machine_of(entry.descriptor) or stated.get(digest))
        there = distinct.setdefault(key, entry)
        if there is not entry:
            distinct[key] = replace(there, descriptor=_both(there.descriptor, entry.descriptor))
    return list(distinct.values())


def machine_of(entry: Descriptor) -> Hashable | None:
    """What an entry says that it runs on, to compare by; None where it says nothing."""
    return None if entry.platform in (None, Platform()) else entry.platform.identity


def of_platforms(entries: Collection[Entry], platforms: Collection[Platform]) -> list[Entry]:
    """The entries for any of these platforms, and the attestations of those."""

    def wanted(entry: Entry) -> bool:
        platform = entry.descriptor.platform
        return platform is not None and any(platform.satisfies(each_wanted) for each_wanted in platforms)

    about = {str(entry.descriptor.digest) for entry in entries if wanted(entry)}
    return [entry for entry in entries if wanted(entry) or subject_of(entry.descriptor) in about]


async def _gathered(source: Named) -> Gathered:
    try:
        manifest = await source.store.manifest(source.name)
    except NotFound as error:
        if error.message.startswith(source.text):
            raise
        raise type(error)(f"{source.text}: {error.message}", hint=error.hint) from error
    match manifest.kind:
        case Kind.INDEX:
            children = manifest.view.manifests
        case Kind.IMAGE:
            children = (await _described(source, manifest),)
        case kind:
            raise ManifestInvalid(f"{source.text} cannot stand in an index: it is a {kind.value}")
    return Gathered(source, manifest, tuple(Entry(child, source.store) for child in children))


async def _described(source: Named, manifest: Manifest) -> Descriptor:
    if is_artifact(manifest):
        return replace(manifest.descriptor, artifact_type=manifest.view.artifact_type)
    platform = await config_platform(source.text, manifest, source.store)
    return replace(manifest.descriptor, platform=platform if platform != Platform() else None)


def _both(first: Descriptor, later: Descriptor) -> Descriptor:
    annotations = {**(later.annotations or {}), **(first.annotations or {})} or None
    platform = later.platform if machine_of(first) is None else first.platform
    return replace(first, platform=platform or first.platform, annotations=annotations)
