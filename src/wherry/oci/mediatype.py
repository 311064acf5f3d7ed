"""The media types that registries speak, and what kind of document each one is.

Spec: image-spec 1.1, media-types.md; Docker's "Image Manifest Version 2, Schema 2" and schema 1 documents.
"""

from enum import Enum

__all__ = [
    "ACCEPTED_MANIFESTS",
    "DOCKER_CONFIG",
    "DOCKER_FOREIGN_LAYER",
    "DOCKER_LAYER",
    "DOCKER_LAYER_TAR",
    "DOCKER_LIST",
    "DOCKER_MANIFEST",
    "DOCKER_SCHEMA1",
    "DOCKER_SCHEMA1_SIGNED",
    "OCI_ARTIFACT_MANIFEST",
    "OCI_CONFIG",
    "OCI_EMPTY",
    "OCI_INDEX",
    "OCI_LAYER",
    "OCI_LAYER_GZIP",
    "OCI_LAYER_ZSTD",
    "OCI_MANIFEST",
    "OCI_NONDISTRIBUTABLE",
    "OCTET_STREAM",
    "Kind",
    "is_foreign_layer",
    "is_manifest",
    "kind_of",
    "without_parameters",
]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT_MANIFEST = "application/vnd.oci.artifact.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
OCI_NONDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar"
"""Also with `+gzip` and `+zstd` behind it."""

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER_TAR = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

OCTET_STREAM = "application/octet-stream"


class Kind(Enum):
    """What kind of document a manifest is, whoever's media type it has."""

    IMAGE = "image manifest"
    INDEX = "index"
    ARTIFACT = "artifact manifest"
    SCHEMA1 = "signed schema 1 manifest"


_KINDS = {
    OCI_MANIFEST: Kind.IMAGE,
    DOCKER_MANIFEST: Kind.IMAGE,
    OCI_INDEX: Kind.INDEX,
    DOCKER_LIST: Kind.INDEX,
    OCI_ARTIFACT_MANIFEST: Kind.ARTIFACT,
    DOCKER_SCHEMA1_SIGNED: Kind.SCHEMA1,
    DOCKER_SCHEMA1: Kind.SCHEMA1,
}

ACCEPTED_MANIFESTS = tuple(_KINDS)
"""What every request for a manifest must list in `Accept`, the most wanted first."""


def kind_of(media_type: str) -> Kind | None:
    """The kind of manifest that a media type (without parameters) names; None if it names none."""
    return _KINDS.get(media_type)


def is_manifest(media_type: str) -> bool:
    """Whether a descriptor of this media type leads to a manifest rather than to a blob."""
    return media_type in _KINDS


def is_foreign_layer(media_type: str) -> bool:
    """Whether a layer of this media type may be in no registry (Docker's "foreign", OCI's "non-distributable")."""
    return media_type == DOCKER_FOREIGN_LAYER or media_type.startswith(OCI_NONDISTRIBUTABLE)


def without_parameters(content_type: str) -> str:
    """The media type in a `Content-Type` header, lower-case, without `; charset=…` (RFC 9110, 8.3.1)."""
    return content_type.partition(";")[0].strip().lower()
