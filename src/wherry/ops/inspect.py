"""What a reference leads to, as far as people and programs ask for it.

One request for the manifest, and for an image one more for its config. A config that is missing or odd is no obstacle:
what is wrong with it is part of the answer.
"""

from dataclasses import dataclass

from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ContentMismatch, RegistryError, StoreError
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_CONFIG, OCI_CONFIG
from wherry.oci.reference import Tag
from wherry.ops._configs import read_config
from wherry.stores.protocol import Source

__all__ = ["Child", "Inspection", "inspect", "with_attestations"]

_REFERENCE_TYPE = "vnd.docker.reference.type"
_REFERENCE_DIGEST = "vnd.docker.reference.digest"
_ATTESTATION = "attestation-manifest"


@dataclass(frozen=True, slots=True)
class Child:
    """An entry of an index, with the entries that attest to it (BuildKit's provenance and SBOMs)."""

    descriptor: Descriptor
    attestations: tuple[Descriptor, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspection:
    """`children` are those of an index, in its order. `config` is that of an image; `problem` says why there is none."""

    manifest: Manifest
    children: tuple[Child, ...] = ()
    config: ImageConfig | None = None
    problem: str | None = None


async def inspect(source: Source, name: Tag | Digest) -> Inspection:
    """Look at what a tag or digest leads to.

    Raises:
        ManifestUnknown: it leads nowhere.
        ManifestInvalid: what is there does not say what its media type promises.
    """
    manifest = await source.manifest(name)
    view = manifest.view
    if view.config is None or view.config.media_type not in {OCI_CONFIG, DOCKER_CONFIG}:
        return Inspection(manifest, children=with_attestations(view.manifests))
    try:
        return Inspection(manifest, config=ImageConfig.parse(await read_config(source, view.config)))
    except (RegistryError, ContentMismatch, StoreError) as error:
        return Inspection(manifest, problem=str(error))


def with_attestations(entries: tuple[Descriptor, ...]) -> tuple[Child, ...]:
    """Attestations under what they attest to; those whose subject is not in the index stand for themselves."""
    images = {str(entry.digest) for entry in entries if _attested(entry) is None}
    attestations: dict[str, list[Descriptor]] = {}
    children = []
    for entry in entries:
        subject = _attested(entry)
        if subject in images:
            attestations.setdefault(subject, []).append(entry)
        else:
            children.append(entry)
    return tuple(Child(entry, tuple(attestations.pop(str(entry.digest), ()))) for entry in children)


def _attested(entry: Descriptor) -> str | None:
    """The digest of what an entry attests to, as it is written there; None if it is no attestation."""
    annotations = entry.annotations or {}
    return annotations.get(_REFERENCE_DIGEST) if annotations.get(_REFERENCE_TYPE) == _ATTESTATION else None
