"""Single facts about what a reference leads to: its descriptor, its config's bytes.

An index has many images, so both may be asked for one platform; `wherry.ops.selection` says which entry is meant then.
"""

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUnknown, ManifestInvalid
from wherry.oci.mediatype import Kind
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops._configs import read_config
from wherry.ops.selection import only_image
from wherry.stores.protocol import Source

__all__ = ["config_of", "described"]


async def described(source: Source, name: Tag | Digest, *, platform: Platform | None = None) -> Descriptor:
    """What a tag or digest leads to, or the one image of it for a platform. Without one nothing is read: one HEAD, remotely.

    Raises:
        ManifestUnknown: it leads nowhere, or there is no image for the platform.
        ManifestInvalid: several images are for it.
    """
    if platform is None:
        return await source.resolve(name)
    return await only_image(source, await source.manifest(name), (platform,))


async def config_of(
    source: Source, name: Tag | Digest, *, platform: Platform | None = None, usual: Platform | None = None
) -> bytes:
    """The exact bytes of an image's config; of an index, that of the image for `platform`, or for `usual` if that is None.

    Raises:
        ManifestUnknown: it leads nowhere, or there is no image for the platform.
        ManifestInvalid: what is there has no config, or several images are for the platform.
        BlobUnknown: the config is missing.
    """
    manifest = await source.manifest(name)
    wanted = platform or (usual if manifest.kind is Kind.INDEX else None)
    if wanted is not None:
        image = await only_image(source, manifest, (wanted,))
        manifest = manifest if image.digest == manifest.digest else await source.manifest(image.digest)
    config = manifest.view.config
    if config is None:
        raise ManifestInvalid(
            f"{manifest.digest} has no config: it is {manifest.media_type}",
            hint=f"`wherry inspect --raw` with @{manifest.digest} shows all that it says",
        )
    try:
        return await read_config(source, config)
    except BlobUnknown as error:
        error.hint = error.hint or "push the image again: it is not whole"
        raise
