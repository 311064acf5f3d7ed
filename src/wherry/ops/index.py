"""Indexes, assembled: new bytes from entries. Nothing is pushed here.

An entry is a descriptor, and goes in as it is: its annotations, its platform's odd fields, and fields that we do not know.
So does everything that an index which is changed says beside its entries.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from wherry.oci.descriptor import Descriptor
from wherry.oci.document import encode
from wherry.oci.errors import ManifestInvalid
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, Kind

__all__ = ["assemble", "with_annotations", "with_entries"]

INDENT = 2


def assemble(
    entries: Iterable[Descriptor],
    *,
    media_type: str | None = None,
    annotations: Mapping[str, str] | None = None,
    artifact_type: str | None = None,
    subject: Descriptor | None = None,
    indent: int = INDENT,
    algorithm: str = "sha256",
) -> Manifest:
    """Make an index of these entries, in this order.

    Args:
        media_type: None takes Docker's list if every entry is a manifest of Docker's and nothing is asked for that only
            OCI's index has; else OCI's index.
        indent: spaces a level; 0 writes it on one line.
        algorithm: of the new index's digest.

    Raises:
        ManifestInvalid: a Docker list is asked for, and cannot say what it should.
    """
    listed = list(entries)
    only_oci = annotations is not None or artifact_type is not None or subject is not None
    chosen = media_type or _media_type(listed, only_oci=only_oci)
    if chosen == DOCKER_LIST and only_oci:
        raise ManifestInvalid("a Docker list has no annotations, artifact type or subject: that takes an OCI index")
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": chosen}
    if artifact_type is not None:
        document["artifactType"] = artifact_type
    document["manifests"] = [entry.to_json() for entry in listed]
    if subject is not None:
        document["subject"] = subject.to_json()
    if annotations is not None:
        document["annotations"] = dict(annotations)
    return Manifest(_bytes(document, indent), chosen, algorithm=algorithm)


def with_entries(index: Manifest, entries: Iterable[Descriptor], *, indent: int = INDENT) -> Manifest:
    """Make the index that says what `index` says, and has these entries instead of its own.

    Raises:
        ManifestInvalid: `index` is none.
    """
    if index.kind is not Kind.INDEX:
        raise ManifestInvalid(f"manifest {index.digest} is no index, but an {index.kind.value}")
    document = {**index.document, "manifests": [entry.to_json() for entry in entries]}
    return Manifest(_bytes(document, indent), index.media_type, algorithm=index.digest.algorithm)


def with_annotations(index: Manifest, annotations: Mapping[str, str] | None, *, indent: int = INDENT) -> Manifest:
    """Make the index that says what `index` says, and has these annotations of its own instead; None has none."""
    if annotations == index.view.annotations:
        return index
    document = {name: value for name, value in index.document.items() if name != "annotations"}
    if annotations is not None:
        document["annotations"] = dict(annotations)
    return Manifest(_bytes(document, indent), index.media_type, algorithm=index.digest.algorithm)


def _media_type(entries: Collection[Descriptor], *, only_oci: bool) -> str:
    """As docker and BuildKit choose. An index of nothing is OCI's: Docker's list has no use for that."""
    docker = bool(entries) and all(entry.media_type == DOCKER_MANIFEST for entry in entries)
    annotated = any(entry.annotations is not None or entry.artifact_type is not None for entry in entries)
    return DOCKER_LIST if docker and not annotated and not only_oci else OCI_INDEX


def _bytes(document: Mapping[str, Any], indent: int) -> bytes:
    content = encode(document)
    return msgspec.json.format(content, indent=indent) if indent else content
