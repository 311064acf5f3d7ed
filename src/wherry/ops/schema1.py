"""Converting signed schema 1, the format of before 2017, to a Docker schema 2 image.

The image stays the same: its files, its settings, its history. Its digest does not, and so must be asked for. The config is put
together from what the manifest tells of each layer (`wherry.oci.schema1_history`). It names layers by what is inside of them
(diff IDs), which the old manifest does not know: so every layer is read and decompressed, once, before anything is copied.

The signatures are not looked at: their keys travel with them, and prove nothing about the author.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest, Hasher
from wherry.oci.document import encode
from wherry.oci.errors import ManifestInvalid, ManifestUnknown, Unsupported
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_LAYER_TAR, DOCKER_MANIFEST, OCTET_STREAM
from wherry.oci.reference import Tag
from wherry.oci.schema1_history import config_of, steps_of
from wherry.ops._each import each
from wherry.stores.inflating import Inflated
from wherry.stores.protocol import Measurer, Source

__all__ = ["Converted", "convert"]

_AT_ONCE = 4
_GZIP = b"\x1f\x8b"


class Converted:
    """A `Source`: the image that a schema 1 manifest was converted to, over the layers that the original source has."""

    def __init__(self, origin: Source, original: Manifest, manifest: Manifest, config: bytes) -> None:
        self.original = original
        self.root = manifest
        self._origin = origin
        self._config = config

    def __str__(self) -> str:
        return str(self._origin)

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        return (await self.manifest(name)).descriptor

    async def manifest(self, name: Tag | Digest) -> Manifest:
        if name != self.root.digest:
            raise ManifestUnknown(f"{self}: no manifest {name} among what {self.original.digest} was converted to")
        return self.root

    async def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
        if blob.digest.matches(self._config):
            yield self._config[offset:]
            return
        async for piece in self._origin.fetch(blob, offset=offset):
            yield piece

    async def exists(self, content: Descriptor) -> bool:
        mine = (self.root.digest, Digest.of(self._config))
        return content.digest in mine or await self._origin.exists(content)

    async def tags(self) -> AsyncIterator[Tag]:
        async for tag in self._origin.tags():
            yield tag

    async def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
        async for referrer in self._origin.referrers(subject, artifact_type):
            yield referrer


async def convert(source: Source, original: Manifest) -> Converted:
    """Convert a schema 1 image; reads all of its layers.

    Raises:
        ManifestInvalid: the manifest does not say what it should, or a layer is damaged.
        BlobUnknown: `source` lacks a layer.
        Unsupported: `source` does not tell the size of a blob, which the manifest does not have.
    """
    steps = steps_of(original)
    layers = [step.layer for step in steps if not step.is_empty]
    looks = await each(lambda layer: _look(source, layer), dict.fromkeys(layers), at_once=_AT_ONCE)
    looked_at = dict(looks)
    config = config_of(original, steps, [looked_at[layer][1] for layer in layers])
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": Descriptor.of(config, DOCKER_CONFIG).to_json(),
        "layers": [looked_at[layer][0].to_json() for layer in layers],
    }
    return Converted(source, original, Manifest(encode(document), DOCKER_MANIFEST), config)


async def _look(source: Source, layer: Digest) -> tuple[Descriptor, Digest]:
    """A layer's descriptor, and its diff ID."""
    if not isinstance(source, Measurer):
        raise Unsupported(f"{source}: does not tell the size of a blob, which schema 1 does not have either")
    size = await source.size(layer)
    inside: Inflated | Hasher | None = None
    try:
        async for piece in source.fetch(Descriptor(OCTET_STREAM, layer, size)):
            if inside is None:
                inside = Inflated(layer) if piece.startswith(_GZIP) else layer.hasher()
            await asyncio.to_thread(inside.update, piece)
        if isinstance(inside, Inflated):
            return Descriptor(DOCKER_LAYER, layer, size), inside.digest()
    except zlib.error as error:
        raise ManifestInvalid(f"{source}: layer {layer} is gzipped, and damaged: {error}") from None
    return Descriptor(DOCKER_LAYER_TAR, layer, size), layer
