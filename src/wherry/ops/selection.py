"""Some platforms of an index: which of its entries are meant, and the index that has no others.

What `Platform.satisfies` says decides, here as in `wherry index`. Attestations are entries too: an annotation says which
image they are about, and they stay and go with it (BuildKit's convention, `vnd.docker.reference.digest`).

An entry that states no platform is looked into: an image has one in its config, and an index those of its children. Such an
index is kept whole when it has an image that is asked for; who wants one image alone gets it out of there.
"""

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestInvalid, ManifestUnknown
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import Kind, kind_of
from wherry.oci.platform import Platform
from wherry.oci.trim import without_items
from wherry.ops._each import each
from wherry.ops.images import JOBS, config_platform, is_artifact
from wherry.stores.protocol import Source

__all__ = ["SUBJECT", "Selection", "only_image", "select", "subject_of"]

SUBJECT = "vnd.docker.reference.digest"


class Selection(Struct, frozen=True):
    """The entries of an index that are for the platforms asked for, with their attestations, in its order."""

    index: Manifest
    kept: tuple[Descriptor, ...]
    gone: frozenset[int]
    """The positions of the others."""

    @property
    def digests(self) -> frozenset[Digest]:
        return frozenset(entry.digest for entry in self.kept)

    def smaller(self) -> Manifest:
        """The index of these entries alone: the same bytes, as far as they do not speak of the others."""
        content = without_items(self.index.content, "manifests", self.gone)
        if not self.gone:
            return self.index
        return Manifest(content, self.index.media_type, algorithm=self.index.digest.algorithm)


def subject_of(entry: Descriptor) -> str | None:
    """The digest of the image that an attestation in an index is about, as it is written there; None if it is none."""
    return (entry.annotations or {}).get(SUBJECT)


async def select(source: Source, root: Manifest, platforms: Collection[Platform]) -> Selection:
    """Choose the entries of an index; an image is chosen whole, if it is for one of the platforms.

    Raises:
        ManifestUnknown: nothing is there for one of them; the hint says what is.
    """
    if root.kind is not Kind.INDEX:
        await _check_image(source, root, platforms)
        return Selection(root, (), frozenset())
    entries = root.view.manifests
    stated = [found for _, found in await each(lambda entry: _platforms(source, entry), entries, at_once=JOBS)]
    _check_found(root, [platform for found in stated for platform in found], platforms)
    meant = {position for position, found in enumerate(stated) if _any_satisfies(found, platforms)}
    about = {str(entries[position].digest) for position in meant}
    gone = frozenset(
        position for position, entry in enumerate(entries) if position not in meant and subject_of(entry) not in about
    )
    return Selection(root, tuple(entry for position, entry in enumerate(entries) if position not in gone), gone)


async def only_image(source: Source, root: Manifest, platforms: Collection[Platform]) -> Descriptor:
    """The one image for the platforms in an index, or in the indexes in it; the root itself, if it is that. It may be listed several times.

    Of several for a platform it is the one that is written so: `linux/amd64` beside `linux/amd64/v3`.

    Raises:
        ManifestUnknown: there is none, or there are several.
    """
    if root.kind is not Kind.INDEX:
        await _check_image(source, root, platforms)
        return root.descriptor
    leaves = await _leaves(source, root)
    _check_found(root, [platform for _, found in leaves for platform in found], platforms)
    meant = {position for wanted in platforms for position in _meant([found for _, found in leaves], wanted)}
    images = [entry for position, (entry, _) in enumerate(leaves) if position in meant]
    distinct = len({entry.digest for entry in images})
    if distinct != 1:
        listed = ", ".join(dict.fromkeys(_exactly(entry, images) for entry in images))
        raise ManifestUnknown(
            f"index {root.digest} has {distinct} images for that platform, and one was asked for",
            hint=f"be more exact: {listed}",
        )
    return images[0]


async def _leaves(source: Source, index: Manifest) -> list[tuple[Descriptor, tuple[Platform, ...]]]:
    """The images of an index, and of the indexes in it, and what they are for."""
    found: list[tuple[Descriptor, tuple[Platform, ...]]] = []
    for entry in index.view.manifests:
        if subject_of(entry) is None and kind_of(entry.media_type) is Kind.INDEX:
            found += await _leaves(source, await source.manifest(entry.digest))
        else:
            found.append((entry, await _platforms(source, entry)))
    return found


def _meant(stated: Sequence[tuple[Platform, ...]], wanted: Platform) -> list[int]:
    """The positions of what is for a platform: of what is written exactly so, if there is any."""
    fitting = [position for position, found in enumerate(stated) if _any_satisfies(found, (wanted,))]
    written = [position for position in fitting if any(_is_written(each, wanted) for each in stated[position])]
    return written or fitting


def _is_written(platform: Platform, wanted: Platform) -> bool:
    return platform.identity == wanted.identity and platform.variant == wanted.variant


def _exactly(entry: Descriptor, images: Iterable[Descriptor]) -> str:
    """What means this image and none of the others: its platform, or its digest where that is not enough."""
    on = entry.platform
    others = (image.platform for image in images if image.digest != entry.digest)
    if on is None or any(other is not None and _is_written(other, on) for other in others):
        return str(entry.digest)
    return str(on)


async def _platforms(source: Source, entry: Descriptor) -> tuple[Platform, ...]:
    """What an entry runs on: nothing for attestations and artifacts."""
    if subject_of(entry) is not None:
        return ()
    if entry.platform is not None:
        return (entry.platform,) if entry.platform.known else ()
    if kind_of(entry.media_type) is Kind.IMAGE:
        return await _of_image(source, await source.manifest(entry.digest))
    if kind_of(entry.media_type) is Kind.INDEX:
        index = await source.manifest(entry.digest)
        found = await each(lambda child: _platforms(source, child), index.view.manifests, at_once=1)
        return tuple(platform for _, several in found for platform in several)
    return ()


async def _of_image(source: Source, manifest: Manifest) -> tuple[Platform, ...]:
    if is_artifact(manifest):
        return ()
    platform = await config_platform(str(source), manifest, source)
    return (platform,) if platform.known else ()


async def _check_image(source: Source, manifest: Manifest, platforms: Collection[Platform]) -> None:
    if manifest.kind is not Kind.IMAGE:
        raise ManifestInvalid(f"{manifest.digest} is a {manifest.kind.value}, and has no platforms to choose from")
    found = await _of_image(source, manifest)
    if not _any_satisfies(found, platforms):
        what = f"an image for {found[0]}" if found else "one manifest that states no platform"
        raise ManifestUnknown(
            f"{manifest.digest} is {what}, not for {_listed(platforms)}",
            hint="without --platform it is taken as it is",
        )


def _check_found(index: Manifest, there: Sequence[Platform], platforms: Iterable[Platform]) -> None:
    missing = [wanted for wanted in platforms if not any(platform.satisfies(wanted) for platform in there)]
    if missing:
        has = _listed(dict.fromkeys(there)) or "no image that states its platform"
        raise ManifestUnknown(f"index {index.digest} has no image for {_listed(missing)}", hint=f"it has {has}")


def _any_satisfies(found: Iterable[Platform], platforms: Collection[Platform]) -> bool:
    return any(platform.satisfies(wanted) for platform in found for wanted in platforms)


def _listed(platforms: Iterable[Platform]) -> str:
    return ", ".join(map(str, platforms))
