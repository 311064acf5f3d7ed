"""Small true content for tests: images whose layers are real tars, indexes of them, artifacts; from fixed bytes.

Nothing here depends on the clock or on the version of zlib, so digests are the same everywhere and may stand in asserts.
"""

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import (
    DOCKER_CONFIG,
    DOCKER_FOREIGN_LAYER,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
)
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.stores.protocol import Store

__all__ = ["Blob", "Content", "a_blob", "a_layer", "an_artifact", "an_image", "an_index_of", "pieces", "put", "read"]


@dataclass(frozen=True)
class Blob:
    """A blob's descriptor and its bytes; `content` is None for one that is in no registry (a foreign layer)."""

    descriptor: Descriptor
    content: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Content:
    """A manifest with everything that it needs: blobs of its own, or children."""

    manifest: Manifest
    blobs: tuple[Blob, ...] = ()
    children: tuple["Content", ...] = ()
    platform: Platform | None = field(default=None)

    @property
    def digest(self) -> Digest:
        return self.manifest.digest

    @property
    def descriptor(self) -> Descriptor:
        """As an index names it: with its platform."""
        return replace(self.manifest.descriptor, platform=self.platform)

    def all_blobs(self) -> dict[Digest, Blob]:
        """Every blob that is reachable from here, each once."""
        found = {blob.descriptor.digest: blob for child in self.children for blob in child.all_blobs().values()}
        return found | {blob.descriptor.digest: blob for blob in self.blobs}

    def all_manifests(self) -> dict[Digest, Manifest]:
        """Every manifest that is reachable from here, each once, children before parents."""
        found = {digest: each for child in self.children for digest, each in child.all_manifests().items()}
        return found | {self.digest: self.manifest}


def a_blob(content: bytes, media_type: str = OCI_LAYER_GZIP, *, algorithm: str = "sha256") -> Blob:
    return Blob(Descriptor.of(content, media_type, algorithm=algorithm), content)


def a_layer(files: Mapping[str, bytes], *, docker: bool = False, algorithm: str = "sha256") -> Blob:
    """A gzipped tar with these files in it."""
    return a_blob(
        _gzip(_tar(files)),
        DOCKER_LAYER if docker else OCI_LAYER_GZIP,
        algorithm=algorithm,
    )


def a_foreign_layer(name: str) -> Blob:
    """A layer of Windows' kind: described, with an URL, and in no registry."""
    digest = Digest.of(name.encode())
    described = Descriptor(DOCKER_FOREIGN_LAYER, digest, 1_000_000, urls=(f"https://foreign.example/{digest.encoded}",))
    return Blob(described, None)


CREATED = "2026-01-02T03:04:05Z"


def an_image(
    name: str = "hello",
    *,
    platform: str = "linux/amd64",
    layers: tuple[Blob, ...] | None = None,
    docker: bool = False,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    subject: Descriptor | None = None,
    algorithm: str = "sha256",
    created: str = CREATED,
) -> Content:
    """An image; another `name` or `platform` makes another image. By default it has one layer with a file in it."""
    on = Platform.parse(platform)
    if layers is None:
        layers = (a_layer({name: f"{name} on {platform}\n".encode()}, docker=docker, algorithm=algorithm),)
    config = a_blob(
        _json(_config(name, on, layers, labels, created)), DOCKER_CONFIG if docker else OCI_CONFIG, algorithm=algorithm
    )
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": config.descriptor.to_json(),
        "layers": [layer.descriptor.to_json() for layer in layers],
    }
    if subject is not None:
        document["subject"] = subject.to_json()
    if annotations is not None:
        document["annotations"] = dict(annotations)
    return Content(Manifest(_json(document), media_type, algorithm=algorithm), blobs=(config, *layers), platform=on)


def an_index_of(
    *children: Content,
    docker: bool = False,
    annotations: Mapping[str, str] | None = None,
    algorithm: str = "sha256",
) -> Content:
    """An index of images (or of indexes), in this order."""
    media_type = DOCKER_LIST if docker else OCI_INDEX
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": [child.descriptor.to_json() for child in children],
    }
    if annotations is not None:
        document["annotations"] = dict(annotations)
    return Content(Manifest(_json(document), media_type, algorithm=algorithm), children=children)


def an_artifact(
    content: bytes = b"some text\n",
    *,
    artifact_type: str = "application/vnd.example.text",
    subject: Descriptor | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Content:
    """An artifact as image-spec 1.1 makes it: an image manifest with an empty config and one blob."""
    empty = Blob(Descriptor(OCI_EMPTY, Digest.of(b"{}"), 2, data=b"{}"), b"{}")
    blob = a_blob(content, "text/plain")
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": empty.descriptor.to_json(),
        "layers": [blob.descriptor.to_json()],
    }
    if subject is not None:
        document["subject"] = subject.to_json()
    if annotations is not None:
        document["annotations"] = dict(annotations)
    return Content(Manifest(_json(document), OCI_MANIFEST), blobs=(empty, blob))


async def put(content: Content, store: Store, *tags: str) -> None:
    """Push everything into a store, blobs first, and tag the root."""
    for blob in content.all_blobs().values():
        if blob.content is not None:
            await store.push(blob.descriptor, pieces(blob.content))
    *below, root = content.all_manifests().values()
    for manifest in below:
        await store.push_manifest(manifest)
    await store.push_manifest(root, *map(Tag, tags))


async def pieces(content: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    """The bytes as a stream."""
    for piece in _cut(content, size):
        yield piece


async def read(stream: AsyncIterator[bytes]) -> bytes:
    """A stream as bytes."""
    return b"".join([piece async for piece in stream])


def _cut(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def _config(
    name: str, platform: Platform, layers: tuple[Blob, ...], labels: Mapping[str, str] | None, created: str
) -> dict[str, Any]:
    contents = [zlib.decompress(layer.content, wbits=31) for layer in layers if _is_gzip(layer.content)]
    return {
        "created": created,
        **platform.to_json(),
        "config": {"Cmd": [f"/{name}"], "Labels": dict(labels or {})},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}" for content in contents],
        },
        "history": [{"created": "2026-01-02T03:04:05Z", "created_by": f"COPY {name} /"}],
    }


def _is_gzip(content: bytes | None) -> bool:
    return content is not None and content.startswith(b"\x1f\x8b")


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=3).encode()


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _gzip(content: bytes) -> bytes:
    """A gzip member of stored blocks: the same bytes whatever compressor this Python is built with (RFC 1951, 1952)."""
    longest = 0xFFFF
    blocks = [*_cut(content, longest)] or [b""]
    deflated = b"".join(
        bytes([block is blocks[-1]])
        + len(block).to_bytes(2, "little")
        + (len(block) ^ longest).to_bytes(2, "little")
        + block
        for block in blocks
    )
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return header + deflated + zlib.crc32(content).to_bytes(4, "little") + len(content).to_bytes(4, "little")
