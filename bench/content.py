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
DOCKER_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"


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


def labelled(size: int) -> Layer:
    """Random bytes that are called a gzip and are none, as benchmarks like to make them: some tools compress these anew."""
    content = os.urandom(size)
    return Layer(content, digest_of(content))


def config(diff_ids: list[str], system: str = "linux", architecture: str = "amd64") -> bytes:
    """A config that is nobody else's."""
    return json.dumps(
        {
            "architecture": architecture,
            "os": system,
            "config": {"Labels": {"unique": os.urandom(8).hex()}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
    ).encode()


def manifest(config_content: bytes, layers: list[tuple[str, int]], *, docker: bool = False) -> bytes:
    """An image manifest over a config and layers, these by digest and size; in docker's own words, or the specification's."""
    config_type, layer_type = (DOCKER_CONFIG_TYPE, DOCKER_LAYER_TYPE) if docker else (CONFIG_TYPE, LAYER_TYPE)
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST_TYPE if docker else MANIFEST_TYPE,
            "config": {"mediaType": config_type, "digest": digest_of(config_content), "size": len(config_content)},
            "layers": [{"mediaType": layer_type, "digest": digest, "size": size} for digest, size in layers],
        }
    ).encode()


def manifest_list(entries: list[tuple[bytes, str, str]]) -> bytes:
    """Docker's manifest list over images: each its manifest, operating system and architecture."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_LIST_TYPE,
            "manifests": [
                {
                    "mediaType": DOCKER_MANIFEST_TYPE,
                    "size": len(content),
                    "digest": digest_of(content),
                    "platform": {"architecture": architecture, "os": system},
                }
                for content, system, architecture in entries
            ],
        }
    ).encode()
