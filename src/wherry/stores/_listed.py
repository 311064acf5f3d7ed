"""What a list of manifests and the content that they lead to say together, wherever they are: in a folder, in a tar."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.document import NotJSON, decode
from wherry.oci.errors import (
    ContentMismatch,
    DigestMismatch,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    StoreError,
)
from wherry.oci.manifest import LARGEST_MANIFEST, Manifest, sniff, successors
from wherry.oci.mediatype import Kind
from wherry.oci.reference import LATEST, Tag
from wherry.stores._names import Names
from wherry.stores.referring import as_referrer, refers
from wherry.stores.verify import verified_manifest

__all__ = [
    "LARGEST_KEPT",
    "Listed",
    "by_subject",
    "check_version",
    "check_whole",
    "digest_of",
    "find",
    "has_bytes",
    "only",
    "referrers",
    "tags",
]

LARGEST_KEPT = 8 * LARGEST_MANIFEST
"""Registries take manifests of 4 MiB; a layout may come from elsewhere, but what is larger than this is no manifest."""


class Listed(Protocol):
    """Content, and a list of what is in it. `str()` is how a user writes it."""

    @property
    def absent(self) -> str:
        """What to say when it does not exist."""

    def names(self) -> Names | None:
        """The list; None if nothing is there."""

    def name_of(self, tag: Tag) -> str:
        """The name that a tag has in the list."""

    def tags_in(self, names: Names) -> Iterable[Tag]:
        """The tags that names in the list are."""

    def written(self, tag: Tag) -> str:
        """How a user writes a tag that is there."""

    def content(self, digest: Digest) -> bytes | None:
        """The bytes of a manifest; None if there are none."""

    def has(self, content: Descriptor) -> bool:
        """Whether content of that digest and size is there."""

    def where(self, digest: Digest) -> str:
        """The place of some content, for messages."""


def find(place: Listed, name: Tag | Digest) -> Manifest:
    """The manifest that a tag or digest leads to, verified.

    Raises:
        ManifestUnknown: it leads nowhere, or to what is not there any more.
        DigestMismatch: its bytes are others.
    """
    names = _names(place)
    listed = names.find(name if isinstance(name, Digest) else _sole(place, names, name))
    if isinstance(name, Digest):
        return _read(place, name, listed)
    if listed is None:
        raise ManifestUnknown(f"{place}: no such tag: {name}", hint=f"`wherry ls {place}` lists the tags there")
    return _read(place, listed.digest, listed)


def _read(place: Listed, digest: Digest, listed: Descriptor | None) -> Manifest:
    """A manifest, and as the list has it, if it does."""
    content = place.content(digest)
    if content is None:
        if listed:
            raise ManifestUnknown(
                f"{place.where(listed.digest)}: is missing, and index.json lists it",
                hint="`wherry copy SOURCE DESTINATION` brings it back, from where it is whole",
            )
        raise ManifestUnknown(f"{place}: no manifest {digest}")
    if listed is None:
        return _recognised(place, digest, content)
    manifest = Manifest(content, listed.media_type, algorithm=digest.algorithm)
    return verified_manifest(manifest, listed, place.where(digest))


def digest_of(place: Listed, name: Tag | Digest) -> Digest:
    """The digest of the manifest that is meant: what the list has need not be there, nor be whole.

    Raises:
        ManifestUnknown: neither the list nor the content has it.
    """
    listed = _names(place).find(name if isinstance(name, Digest) else place.name_of(name))
    return find(place, name).digest if listed is None else listed.digest


def has_bytes(place: Listed, manifest: Manifest) -> bool:
    """Whether a manifest is there as it is to be: damage that left the size alone is seen, too."""
    return place.has(manifest.descriptor) and place.content(manifest.digest) == manifest.content


def only(place: Listed, concerned: Names | None = None) -> Tag | Digest:
    """What is meant when nothing is named: the one manifest that is listed, or the one that is called `latest`.

    What has no name and refers to something (a signature, an SBOM) came along, and is not meant. `concerned` is the part of
    the list that can be meant.

    Raises:
        ManifestUnknown: there is none, or there are several; the hint names one.
    """
    names = _names(place) if concerned is None else concerned
    found = tags(place, names)
    if Tag(LATEST) in found:
        return Tag(LATEST)
    meant = tuple(entry for entry in names.entries if entry.descriptor.is_manifest)
    if len(meant) > 1:
        meant = tuple(entry for entry in meant if entry.name is not None or not _is_referrer(place, entry.descriptor))
    if len(meant) == 1:
        return found[0] if found else meant[0].descriptor.digest
    if not names.entries:
        raise ManifestUnknown(f"{place}: nothing is in it")
    hint = f"name one of its tags, for example {place.written(found[0])}" if found else "name one by its digest"
    distinct = len({entry.descriptor.digest for entry in names.entries})
    what = f"{distinct} manifests" if distinct > 1 else f"one manifest under {len(names.entries)} names"
    raise ManifestUnknown(f"{place}: has {what}, and none is called {LATEST}", hint=hint)


def tags(place: Listed, names: Names) -> list[Tag]:
    """The names that are tags, in byte order."""
    return sorted(place.tags_in(names))


def check_version(marker: bytes, place: str) -> None:
    """Look whether an `oci-layout` file is of a version that is understood; `place` is its path, for messages.

    Raises:
        StoreError: it is not, or damaged.
    """
    try:
        document = decode(marker)
    except NotJSON as error:
        raise StoreError(f"{place}: is not JSON: {error}") from None
    version = document.get("imageLayoutVersion") if isinstance(document, dict) else None
    if not isinstance(version, str) or not version.startswith("1."):
        raise StoreError(f"{place}: says version {version!r}, and 1.0.0 or another 1.x is expected")


def check_whole(place: Listed, manifest: Manifest) -> None:
    """Look whether everything that a manifest needs is there.

    Raises:
        ManifestBlobUnknown: something is not.
    """
    for needed in successors(manifest):
        if not needed.is_foreign and not place.has(needed):
            raise ManifestBlobUnknown(
                f"{place}: manifest {manifest.digest} names {needed.digest}, which is not there",
                detail=str(needed.digest),
            )


def by_subject(place: Listed) -> dict[Digest, list[Manifest]]:
    """The manifests that refer to something, by what they refer to: each that there is has been read."""
    found: dict[Digest, list[Manifest]] = {}
    for manifest in _reachable(place):
        subject = manifest.view.subject
        if subject is not None:
            found.setdefault(subject.digest, []).append(manifest)
    return found


def referrers(found: Iterable[Manifest], subject: Digest, artifact_type: str | None) -> list[Descriptor]:
    """Descriptors of those manifests that refer to a subject."""
    return [as_referrer(each) for each in found if refers(each, subject, artifact_type)]


def _is_referrer(place: Listed, listed: Descriptor) -> bool:
    try:
        return find(place, listed.digest).view.subject is not None
    except (ContentMismatch, ManifestInvalid, ManifestUnknown):
        return False  # nobody knows


def _reachable(place: Listed) -> Iterator[Manifest]:
    """Every manifest that the list leads to, each once."""
    names = place.names() or Names.empty()
    listed = {entry.descriptor.digest: entry.descriptor for entry in reversed(names.entries)}
    # A list may have other things than manifests: the specification's example does.
    waiting = [found.digest for found in listed.values() if found.is_manifest]
    seen: set[Digest] = set()
    while waiting:
        digest = waiting.pop()
        if digest in seen:
            continue
        seen.add(digest)
        try:
            manifest = _read(place, digest, listed.get(digest))
        except ManifestUnknown:  # it is gone, and refers to nothing any more
            continue
        if manifest.kind is Kind.INDEX:
            waiting += [child.digest for child in manifest.view.manifests if place.has(child)]
        yield manifest


def _sole(place: Listed, names: Names, tag: Tag) -> str:
    """The name that a tag has in the list.

    Raises:
        ManifestUnknown: several manifests have it.
    """
    name = place.name_of(tag)
    digests = list(dict.fromkeys(entry.descriptor.digest for entry in names.called(name)))
    if len(digests) > 1:
        raise ManifestUnknown(
            f"{place}: {len(digests)} manifests are called {tag}",
            hint=f"name one by its digest: {', '.join(map(str, digests))}",
        )
    return name


def _names(place: Listed) -> Names:
    names = place.names()
    if names is None:
        raise ManifestUnknown(f"{place}: {place.absent}")
    return names


def _recognised(place: Listed, digest: Digest, content: bytes) -> Manifest:
    """A manifest that the list does not have, so that only its bytes say what it is."""
    media_type = sniff(content)
    manifest = Manifest(content, media_type or "", algorithm=digest.algorithm)
    if manifest.digest != digest:
        raise DigestMismatch(f"{place.where(digest)}: has bytes of digest {manifest.digest}")
    try:
        manifest.view  # noqa: B018  # an image's config looks like a manifest until one looks closer
    except ManifestInvalid:
        raise ManifestUnknown(f"{place}: {digest} is a blob, not a manifest") from None
    return manifest
