"""The images that `manifest.json` of a docker archive lists, and the manifests that are made up for them.

A digest comes about like this, and is the same whenever the same file is read: config and layers are taken as they lie in
the file, compressed or not, and a manifest is written around them, compactly and in a fixed order of fields; Docker's
schema 2, unless a layer is compressed with zstd, for which Docker has no media type: then OCI's.

A layer that is not compressed is named by its diff ID, and checked as every blob is, when it is read. A gzipped one is read
through here, and its diff ID compared.

Source: Docker's image specification 1.2, "Combined Image JSON + Filesystem Changeset Format".
"""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.document import NotJSON, decode, encode, list_at, text_at
from wherry.oci.errors import InvalidDescriptor, InvalidReference, ManifestInvalid, StoreError
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LAYER_TAR,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
)
from wherry.oci.reference import Reference
from wherry.stores._archive_form import Contents
from wherry.stores._names import Names
from wherry.stores._tar import Extent, Tar
from wherry.stores.inflating import Inflated

__all__ = ["LISTED", "Image", "canonical", "made_up", "read_list"]

LISTED = "manifest.json"
_LARGEST_LIST = 64 * 1024 * 1024
_LARGEST_CONFIG = 8 * 1024 * 1024
_PIECE = 1024 * 1024
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_OCI_TYPES = {DOCKER_LAYER_TAR: OCI_LAYER, DOCKER_LAYER: OCI_LAYER_GZIP}


class Image(Struct, frozen=True):
    """An image as it is listed: paths in the archive, and whole names."""

    config: str
    layers: tuple[str, ...]
    names: tuple[str, ...]


def read_list(tar: Tar) -> list[Image]:
    """The images of an archive.

    Raises:
        StoreError: it is no docker archive, or its list is damaged.
    """
    content = tar.content(LISTED, most=_LARGEST_LIST)
    if content is None:
        raise _no_list(tar)
    try:
        document = decode(content)
        if not isinstance(document, list):
            raise StoreError(f"{tar}: {LISTED} is JSON, but not a list")
        return [_image(item, f"[{position}]") for position, item in enumerate(document)]
    except NotJSON as error:
        raise StoreError(f"{tar}: {LISTED} is not JSON: {error}") from None
    except InvalidDescriptor as error:
        raise StoreError(f"{tar}: {LISTED}: {error}") from error


def made_up(tar: Tar, images: Sequence[Image]) -> Contents:
    """What an archive has that has no manifests of its own.

    Raises:
        StoreError: something that its list names is missing, or is not what it should be.
    """
    names = Names.empty()
    blobs: dict[Digest, Extent | bytes] = {}
    measured: dict[Extent, Descriptor] = {}
    for image in images:
        config, config_at = _config(tar, image)
        layers = list(_layers(tar, image, config_at, measured))
        manifest = _manifest(Descriptor(DOCKER_CONFIG, config.digest, config.size), [layer for layer, _ in layers])
        blobs |= {config.digest: config_at} | {layer.digest: extent for layer, extent in layers}
        blobs[manifest.digest] = manifest.content
        for name in image.names:
            names = names.tagged(manifest.descriptor, name)
        names = names.listed(manifest.descriptor)
    return Contents(names, blobs, {})


def canonical(name: str) -> str:
    """A whole name as this store compares it: with registry and tag. What is no name is left as it is."""
    try:
        return str(Reference.parse(name))
    except InvalidReference:
        return name


def _image(item: Any, where: str) -> Image:
    if not isinstance(item, dict):
        raise InvalidDescriptor(where, "must be an object")
    config = text_at(item, "Config", where)
    layers, names = (list_at(item, field, where) or [] for field in ("Layers", "RepoTags"))
    if not config:
        raise InvalidDescriptor(f"{where}.Config", "is missing")
    if not all(isinstance(text, str) for text in (*layers, *names)):
        raise InvalidDescriptor(where, "must have strings in its lists")
    return Image(config, tuple(layers), tuple(canonical(name) for name in names if not name.startswith("<none>")))


def _config(tar: Tar, image: Image) -> tuple[Descriptor, Extent]:
    extent = _found(tar, image.config)
    content = tar.content(image.config, most=_LARGEST_CONFIG) or b""
    return Descriptor.of(content, DOCKER_CONFIG), extent


def _layers(
    tar: Tar, image: Image, config: Extent, measured: dict[Extent, Descriptor]
) -> Iterator[tuple[Descriptor, Extent]]:
    try:
        diff_ids = ImageConfig.parse(tar.read(config, most=_LARGEST_CONFIG)).diff_ids
    except ManifestInvalid as error:
        raise StoreError(f"{tar}: {image.config}: {error}") from None
    if len(diff_ids) != len(image.layers):
        raise StoreError(
            f"{tar}: {LISTED} names {len(image.layers)} layers, and {image.config} has {len(diff_ids)} diff IDs"
        )
    for name, diff_id in zip(image.layers, diff_ids, strict=True):
        extent = _found(tar, name)
        start = tar.read(extent, most=4)
        if not start.startswith((_GZIP, _ZSTD)):
            yield Descriptor(DOCKER_LAYER_TAR, diff_id, extent.size), extent
            continue
        if extent not in measured:
            measured[extent] = _measured(tar, name, extent, diff_id if start.startswith(_GZIP) else None)
        yield measured[extent], extent


def _measured(tar: Tar, name: str, extent: Extent, diff_id: Digest | None) -> Descriptor:
    """The descriptor of a compressed layer; what is inside is compared with a diff ID."""
    hasher = hashlib.sha256()
    inside = Inflated(diff_id) if diff_id else None
    try:
        for offset in range(0, extent.size, _PIECE):
            piece = tar.read(extent, offset, _PIECE)
            hasher.update(piece)
            if inside:
                inside.update(piece)
        found = inside.digest() if inside else None
    except zlib.error as error:
        raise StoreError(f"{tar}: {name}: is gzipped, and damaged: {error}") from None
    if found != diff_id:
        raise StoreError(f"{tar}: {name}: has bytes of diff ID {found}, and the config says {diff_id}")
    media_type = DOCKER_LAYER if inside else OCI_LAYER_ZSTD
    return Descriptor(media_type, Digest.taken_from(hasher, "sha256"), extent.size)


def _manifest(config: Descriptor, layers: Sequence[Descriptor]) -> Manifest:
    media_type = DOCKER_MANIFEST
    if any(layer.media_type == OCI_LAYER_ZSTD for layer in layers):
        media_type = OCI_MANIFEST
        config = Descriptor(OCI_CONFIG, config.digest, config.size)
        layers = [Descriptor(_OCI_TYPES.get(one.media_type, one.media_type), one.digest, one.size) for one in layers]
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": config.to_json(),
        "layers": [layer.to_json() for layer in layers],
    }
    return Manifest(encode(document), media_type)


def _found(tar: Tar, name: str) -> Extent:
    extent = tar.find(name.removeprefix("./"))
    if extent is None:
        raise StoreError(f"{tar}: {LISTED} names {name!r}, which is not in it")
    return extent


def _no_list(tar: Tar) -> StoreError:
    if tar.find("index.json") is not None:
        return StoreError(f"{tar}: is an OCI archive, and no docker archive", hint=f"oci-archive:{tar}")
    if tar.find("repositories") is not None:
        return StoreError(
            f"{tar}: has no {LISTED}: Docker before 1.10 wrote it", hint="load it into a Docker, and save it again"
        )
    return StoreError(f"{tar}: is no docker archive: it has no {LISTED}")
