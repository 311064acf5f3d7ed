"""Content to measure with: unique and random, so that nothing is deduplicated, compressed or guessed."""

import hashlib
import io
import json
import os
import tarfile
import zlib
from dataclasses import dataclass

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer's bytes (a true gzip of a true tar) and the digest of the tar inside, as the config needs it."""

    content: bytes
    diff_id: str


def digest_of(content: bytes | bytearray | memoryview) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(size: int) -> Layer:
    """A layer of one file of `size` random bytes, in gzip's stored form: a peer may look inside, and finds no fault."""
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as archive:
        member = tarfile.TarInfo("payload")
        member.size = size
        archive.addfile(member, io.BytesIO(os.urandom(size)))
    whole = unpacked.getbuffer()
    packer = zlib.compressobj(level=0, wbits=31)
    return Layer(packer.compress(whole) + packer.flush(), digest_of(whole))


def config(diff_ids: list[str]) -> bytes:
    """A config that is nobody else's."""
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"unique": os.urandom(8).hex()}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
    ).encode()


def manifest(config_content: bytes, layers: list[tuple[str, int]]) -> bytes:
    """An image manifest over a config and layers, these by digest and size."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest_of(config_content), "size": len(config_content)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": digest, "size": size} for digest, size in layers],
        }
    ).encode()
