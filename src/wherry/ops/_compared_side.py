"""One of the two sides of a comparison: what it reads from its place, each manifest once."""

from typing import Any

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.document import NotJSON, decode
from wherry.oci.errors import ContentMismatch, ManifestInvalid, ManifestUnknown, NotFound, Unsupported
from wherry.oci.manifest import Manifest, successors
from wherry.oci.mediatype import DOCKER_LAYER, Kind
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops._configs import read_config
from wherry.ops._each import each
from wherry.ops.images import JOBS, config_platform, is_artifact
from wherry.ops.selection import only_image
from wherry.stores.protocol import Measurer, Source

__all__ = ["OBSTACLES", "Side"]

OBSTACLES = (NotFound, ContentMismatch, ManifestInvalid, Unsupported)
"""Content is missing, or not what it should be: the rest can be compared all the same."""

_DEEPEST = 32


class Side:
    """A source, and the manifests of it that were read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._read: dict[Digest, Manifest] = {}

    async def root(self, name: Tag | Digest) -> Manifest:
        """The manifest that is compared.

        Raises:
            ManifestUnknown: the name leads nowhere.
            ManifestInvalid: it does not say what its media type promises.
        """
        manifest = await self.source.manifest(name)
        _ = manifest.view
        self._read[manifest.digest] = manifest
        return manifest

    async def manifest(self, entry: Descriptor) -> Manifest:
        """The manifest that an index names."""
        found = self._read.get(entry.digest)
        if found is None:
            found = self._read[entry.digest] = await self.source.manifest(entry.digest)
        return found

    async def image(self, root: Manifest, platform: Platform) -> Manifest:
        """The image for a platform; the root itself if it is that.

        Raises:
            ManifestUnknown: there is none, or there are several.
        """
        try:
            return await self.manifest(await only_image(self.source, root, (platform,)))
        except ManifestUnknown as error:
            where = f"{self.source}: "
            message = error.message if error.message.startswith(where) else where + error.message
            raise ManifestUnknown(message, hint=error.hint) from error

    async def counterpart(self, index: Manifest, image: Manifest, other: "Side") -> tuple[Manifest, Platform | None]:
        """The image in an index for the platform that an image of the other side is for, and that platform.

        The index itself and None if there is none, or if the image does not say.
        """
        itself = next((entry for entry in index.view.manifests if entry.digest == image.digest), None)
        if itself is not None:
            return image, itself.platform or Platform()
        try:
            on = Platform() if is_artifact(image) else await config_platform(str(other.source), image, other.source)
            if on.known:
                return await self.image(index, on), on
        except OBSTACLES:
            pass  # whatever is wrong with it, the comparison will tell
        return index, None

    async def layers(self, manifest: Manifest) -> tuple[Descriptor, ...]:
        """The layers of an image, bottom first, or the blobs of an artifact.

        Schema 1 names layers without their sizes, and the top one first: the source is asked.
        """
        if manifest.kind is not Kind.SCHEMA1:
            return manifest.view.layers
        source, digests = self.source, manifest.view.fs_layers
        if not isinstance(source, Measurer):
            raise Unsupported(f"{source}: does not tell the size of a blob, which schema 1 does not have either")
        sizes = dict(await each(source.size, dict.fromkeys(digests), at_once=JOBS))
        return tuple(Descriptor(DOCKER_LAYER, digest, sizes[digest]) for digest in reversed(digests))

    async def blobs(self, manifest: Manifest, depth: int = 0) -> dict[Digest, Descriptor]:
        """Every blob that a manifest leads to."""
        if manifest.kind is Kind.SCHEMA1:
            return {layer.digest: layer for layer in await self.layers(manifest)}
        if depth > _DEEPEST:
            raise ManifestInvalid(f"{self.source}: {manifest.digest} is in more than {_DEEPEST} indexes")
        below = successors(manifest)
        found = {blob.digest: blob for blob in below if not blob.is_manifest}
        children = [entry for entry in below if entry.is_manifest]

        async def of_child(entry: Descriptor) -> dict[Digest, Descriptor]:
            return await self.blobs(await self.manifest(entry), depth + 1)

        for _, more in await each(of_child, children, at_once=JOBS):
            found |= more
        return found

    async def config(self, config: Descriptor) -> dict[str, Any]:
        """A config as JSON, whoever's it is.

        Raises:
            ManifestInvalid: it is not a JSON object.
        """
        try:
            document = decode(await read_config(self.source, config))
        except NotJSON as error:
            raise ManifestInvalid(f"{self.source}: config {config.digest} is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise ManifestInvalid(f"{self.source}: config {config.digest} is JSON, but not an object")
        return document
