"""Images as docker's drafts and verbose prints hold them: the reference, the manifest's bytes, and the platform.

The platform of a child is what its index says; of an image that stands alone, what its config says. The config is asked
for only then: not to inspect, and not for the children of an index that states platforms.
"""

from msgspec.structs import replace

from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.dockerdraft import DraftImage, Flattened
from wherry.oci.errors import BlobUnknown, ManifestInvalid, ManifestUnknown, NotFound
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_CONFIG, OCI_CONFIG, Kind
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.ops._configs import read_config
from wherry.ops._each import each
from wherry.stores.protocol import Source

__all__ = ["children", "config_platform", "flattened", "image_alone", "image_or_bare", "is_artifact", "lookup"]

JOBS = 8


async def lookup(reference: Reference, source: Source) -> Manifest:
    """The manifest that a reference leads to; by its digest if it has one (the tag beside it is only a label).

    Raises:
        ManifestUnknown: it leads nowhere; in docker's words.
    """
    try:
        return await source.manifest(reference.name)
    except NotFound as error:
        raise ManifestUnknown(f"no such manifest: {reference}") from error


async def image_alone(reference: Reference, manifest: Manifest, source: Source) -> DraftImage:
    """One image that stands alone, with the platform that its config states; empty for an artifact without one.

    Raises:
        BlobUnknown: its config is not in the repository.
        ManifestInvalid: its config is not JSON, or not of an image though it says so.
    """
    platform = await config_platform(reference, manifest, source)
    return DraftImage(str(reference), replace(manifest.descriptor, platform=platform), manifest)


async def image_or_bare(reference: Reference, manifest: Manifest, source: Source) -> DraftImage:
    """One image that stands alone; without a platform if its config does not tell it, for whatever reason."""
    try:
        return await image_alone(reference, manifest, source)
    except (BlobUnknown, ManifestInvalid):
        return DraftImage(str(reference), manifest.descriptor, manifest)


async def children(reference: Reference, index: Manifest, source: Source, *, jobs: int = JOBS) -> list[DraftImage]:
    """The direct children of an index, in its order; `jobs` requests at a time.

    Raises:
        ManifestUnknown: a child is missing; the message says which.
    """
    found = await each(lambda child: _child(reference, child, source), index.view.manifests, at_once=jobs)
    return [image for _, image in found]


async def flattened(reference: Reference, index: Manifest, source: Source, *, jobs: int = JOBS) -> list[DraftImage]:
    """All images under an index, those of indexes in it in their place; each once per platform.

    Raises:
        ManifestUnknown: a child is missing; the message says which.
    """
    found = await _leaves(reference, index, source, jobs)
    distinct = {(child.descriptor.digest, child.platform): child for child in found}
    return [
        replace(child, flattened=Flattened(str(reference), position))
        for position, child in enumerate(distinct.values())
    ]


async def config_platform(reference: Reference | str, manifest: Manifest, source: Source) -> Platform:
    """The platform in an image's config; empty where there is none.

    Raises:
        BlobUnknown: the config is not in the repository.
        ManifestInvalid: it is not JSON, or not of an image.
    """
    config = manifest.view.config
    if config is None:
        return Platform()
    try:
        return ImageConfig.parse(await read_config(source, config)).platform
    except BlobUnknown as error:
        raise BlobUnknown(
            f"{reference}: its config {config.digest} is not in the repository",
            hint="push the image again: it is not whole",
        ) from error
    except ManifestInvalid as error:
        raise ManifestInvalid(f"{reference}: {error.message} (config {config.digest}, {config.media_type})") from error


def is_artifact(manifest: Manifest) -> bool:
    """Whether a manifest has no config of an image: then nobody expects it to say what it runs on."""
    config = manifest.view.config
    return config is None or config.media_type not in (OCI_CONFIG, DOCKER_CONFIG)


async def _leaves(reference: Reference, index: Manifest, source: Source, jobs: int) -> list[DraftImage]:
    found: list[DraftImage] = []
    for child in await children(reference, index, source, jobs=jobs):
        if child.manifest is not None and child.manifest.kind is Kind.INDEX:
            found += await _leaves(reference, child.manifest, source, jobs)
        else:
            found.append(child)
    return found


async def _child(reference: Reference, child: Descriptor, source: Source) -> DraftImage:
    name = replace(reference, digest=child.digest)
    try:
        manifest = await source.manifest(child.digest)
    except NotFound as error:
        raise ManifestUnknown(
            f"no such manifest: {name}, which {reference} lists", hint="push the child again, or leave it out"
        ) from error
    described = child
    if child.platform is None and manifest.kind is Kind.IMAGE and not is_artifact(manifest):
        described = replace(child, platform=await config_platform(name, manifest, source))
    return DraftImage(str(name), described, manifest)
