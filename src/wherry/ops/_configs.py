"""Configs, read whole: small blobs, from their descriptor's `data` where it is there."""

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import ManifestInvalid
from wherry.ops._embedded import embedded
from wherry.stores.protocol import Source

__all__ = ["LARGEST_CONFIG", "read_config"]

LARGEST_CONFIG = 8 * 1024 * 1024
"""Bytes of a config that are read; larger ones are no configs."""


async def read_config(source: Source, config: Descriptor) -> bytes:
    """The exact bytes of a config.

    Raises:
        BlobUnknown: it is not there.
        ManifestInvalid: it is too large for one.
    """
    data = embedded(config)
    if data is not None:
        return data
    if config.size > LARGEST_CONFIG:
        raise ManifestInvalid(f"a config of {config.size} bytes is none: more than {LARGEST_CONFIG} are not read")
    return b"".join([piece async for piece in source.fetch(config)])
