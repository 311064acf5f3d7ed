"""An index assembled from sources, and an index changed: what is asked for, as new bytes. Nothing is pushed here."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestInvalid, ManifestUnknown
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST, Kind
from wherry.oci.platform import Platform
from wherry.ops.index import assemble, with_annotations, with_entries
from wherry.ops.index_sources import Entry, Gathered, machine_of, merged, of_platforms
from wherry.ops.selection import subject_of

__all__ = ["Assembled", "add", "annotate", "assembled", "remove"]


class Assembled(Struct, frozen=True):
    """A new index, and where what its entries lead to is."""

    manifest: Manifest
    entries: tuple[Entry, ...]


def assembled(
    sources: Sequence[Gathered],
    *,
    platforms: Collection[Platform] = (),
    annotations: Mapping[str, str] | None = None,
    media_type: str | None = None,
    append: bool = False,
) -> Assembled:
    """The index of these sources, in their order. One index alone, with nothing asked, is taken byte for byte.

    Args:
        platforms: keep only the entries for these, and their attestations; empty keeps all.
        annotations: of the index itself.
        media_type: of the index; None chooses by its entries.
        append: go on with the first source, if it is an index: what it says beside its entries is kept.
    Raises:
        ManifestUnknown: no entry is for one of `platforms`.
        ManifestInvalid: the media type cannot say what is asked.
    """
    entries = merged(chain.from_iterable(source.entries for source in sources))
    first = sources[0].manifest
    asked = platforms or annotations or media_type not in (None, first.media_type)
    if len(sources) == 1 and first.kind is Kind.INDEX and not asked:
        return Assembled(first, tuple(entries))
    if platforms:
        entries = of_platforms(entries, platforms)
        _check_found(platforms, entries)
    descriptors = [entry.descriptor for entry in entries]
    if append and first.kind is Kind.INDEX:
        manifest = _continued(first, descriptors, annotations, media_type)
    else:
        manifest = assemble(descriptors, media_type=media_type, annotations=annotations or None)
    return Assembled(manifest, tuple(entries))


def add(index: Manifest | None, entries: Sequence[Entry], *, instead: bool = False) -> Manifest:
    """An index with more entries, behind those that it has; one that it has by digest and platform is not added again.

    One that states no platform is there if its digest is.

    Args:
        index: the present one; None makes a new one.
        instead: a new entry takes the place of those for the same platform, and of their attestations.
    Raises:
        ManifestInvalid: `index` is an image.
    """
    new = [entry.descriptor for entry in entries]
    if index is None:
        return assemble(new)
    there = list(_entries(index))
    if instead:
        there = _without(there, _replaced(there, new))
    known = {(old.digest, machine) for old in there for machine in (machine_of(old), None)}
    return _rewritten(index, [*there, *(entry for entry in new if (entry.digest, machine_of(entry)) not in known)])


def remove(index: Manifest, names: Collection[Digest | Platform], *, must: bool = True) -> Manifest:
    """An index without the entries of these digests or platforms, and without the attestations of images that are gone.

    Raises:
        ManifestUnknown: it has no such entry, and it `must`.
        ManifestInvalid: `index` is an image.
    """
    there = _entries(index)
    return _rewritten(index, _without(there, _named(there, names, must=must)))


def annotate(
    index: Manifest, annotations: Mapping[str, str], names: Collection[Digest | Platform] = (), *, clear: bool = False
) -> Manifest:
    """An index with annotations added, to the entries of these digests or platforms, or without any to itself.

    Args:
        clear: forget the annotations that are there first.
    Raises:
        ManifestUnknown: it has no such entry.
        ManifestInvalid: `index` is an image.
    """
    there = _entries(index)

    def added(before: Mapping[str, str] | None) -> dict[str, str] | None:
        return {**({} if clear else before or {}), **annotations} or None

    if not names:
        if index.media_type == DOCKER_LIST:
            return assemble(there, annotations=added(None))
        return with_annotations(index, added(index.view.annotations))
    chosen = set(_named(there, names))
    changed = [replace(entry, annotations=added(entry.annotations)) if entry in chosen else entry for entry in there]
    return _rewritten(index, changed)


def _continued(
    index: Manifest, entries: Sequence[Descriptor], annotations: Mapping[str, str] | None, media_type: str | None
) -> Manifest:
    """An index with other entries, and annotations beside its own."""
    said = {**(index.view.annotations or {}), **(annotations or {})} or None
    changed = _rewritten(index, entries)
    stays = changed.media_type == index.media_type and media_type in (None, index.media_type)
    if stays and not annotations:
        return changed
    if stays and index.media_type != DOCKER_LIST:
        return with_annotations(changed, said)
    return assemble(
        entries,
        media_type=media_type,
        annotations=said,
        artifact_type=index.view.artifact_type,
        subject=index.view.subject,
    )


def _entries(index: Manifest) -> tuple[Descriptor, ...]:
    if index.kind is not Kind.INDEX:
        raise ManifestInvalid(
            f"{index.digest} is no index, but an {index.kind.value}",
            hint="`wherry index create` makes an index of images",
        )
    return index.view.manifests


def _rewritten(index: Manifest, entries: Sequence[Descriptor]) -> Manifest:
    """The index with other entries; itself, to the byte, where they are the same. A Docker list may have to become OCI's."""
    if tuple(entries) == index.view.manifests:
        return index
    if index.media_type == DOCKER_LIST and any(
        entry.media_type != DOCKER_MANIFEST or entry.annotations or entry.artifact_type for entry in entries
    ):
        return assemble(entries)
    return with_entries(index, entries)


def _without(entries: Iterable[Descriptor], gone: Iterable[Descriptor]) -> list[Descriptor]:
    """The others, and attestations only of what is still among them: an image may stand there for another platform."""
    out = set(gone)
    rest = [entry for entry in entries if entry not in out]
    about = {str(entry.digest) for entry in out} - {str(entry.digest) for entry in rest}
    return [entry for entry in rest if subject_of(entry) not in about]


def _replaced(there: Iterable[Descriptor], new: Iterable[Descriptor]) -> list[Descriptor]:
    """The entries for a platform for which there are others now."""
    offered: dict[Hashable, set[Digest]] = {}
    for entry in new:
        offered.setdefault(machine_of(entry), set()).add(entry.digest)
    return [
        old
        for old in there
        if old.platform is not None
        and old.platform.known
        and (digests := offered.get(machine_of(old)))
        and old.digest not in digests
    ]


def _named(
    entries: Collection[Descriptor], names: Collection[Digest | Platform], *, must: bool = True
) -> list[Descriptor]:
    found: list[Descriptor] = []
    for name in names:
        matching = [entry for entry in entries if _matches(entry, name)]
        if must and not matching:
            raise ManifestUnknown(f"the index has no entry for {name}", hint="`wherry inspect` shows what it has")
        found += matching
    return found


def _matches(entry: Descriptor, name: Digest | Platform) -> bool:
    if isinstance(name, Digest):
        return entry.digest == name
    return entry.platform is not None and entry.platform.satisfies(name)


def _check_found(platforms: Collection[Platform], entries: Iterable[Entry]) -> None:
    there = [entry.descriptor.platform for entry in entries if entry.descriptor.platform is not None]
    for wanted in platforms:
        if not any(platform.satisfies(wanted) for platform in there):
            raise ManifestUnknown(f"no source has an image for {wanted}")
