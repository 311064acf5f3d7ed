"""What a manifest must be before it is stored; the checks that need nothing but the request.

That the things which it names are there is checked by the metadata, in the transaction that stores it. Here is decided
which of them are demanded.

Spec: distribution-spec 1.1, "Pushing Manifests"; image-spec 1.1, descriptor.md ("data"), layer.md (non-distributable).
"""

from wherry.oci.descriptor import Descriptor
from wherry.oci.diagnosis import diagnose
from wherry.oci.digest import Digest
from wherry.oci.errors import DigestInvalid, ManifestInvalid
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import ACCEPTED_MANIFESTS, Kind, kind_of, without_parameters
from wherry.oci.reference import Tag
from wherry.server.metadata.protocol import Need, Role
from wherry.server.policy import Sparse

__all__ = ["admit", "needs"]

_ACCEPTED = tuple(media_type for media_type in ACCEPTED_MANIFESTS if kind_of(media_type) is not Kind.SCHEMA1)


def admit(body: bytes, content_type: str | None, name: Tag | Digest) -> Manifest:
    """The manifest that a PUT brings.

    Raises:
        ManifestInvalid: it is none; `detail` says why, and what to do.
        DigestInvalid: it is not the one that the URL names.
    """
    _explain(body, content_type)
    algorithm = name.algorithm if isinstance(name, Digest) else "sha256"
    manifest = Manifest.received(body, content_type, algorithm=algorithm)
    stated = without_parameters(content_type or "")
    if stated and stated != manifest.media_type:
        raise ManifestInvalid(
            f"Content-Type {stated!r} is not the media type of a manifest",
            detail={"contentType": stated, "accepted": list(_ACCEPTED)},
        )
    _check_document(manifest)
    if isinstance(name, Digest) and manifest.digest != name:
        raise DigestInvalid(
            f"the manifest has digest {manifest.digest}, not {name}",
            detail={"expected": str(name), "actual": str(manifest.digest), "size": len(body)},
        )
    return manifest


def needs(manifest: Manifest, sparse: Sparse) -> tuple[Need, ...]:
    """All that a manifest names, in its order, and which of it must be there. The subject is not among it."""
    view = manifest.view
    blobs = sparse is not Sparse.ALL
    config = () if view.config is None else (Need(view.config, Role.CONFIG, blobs),)
    layers = (Need(layer, Role.LAYER, blobs and not layer.is_foreign) for layer in view.layers)
    children = (
        Need(child, Role.CHILD, sparse is Sparse.NONE) if child.is_manifest else Need(child, Role.LISTED, blobs)
        for child in view.manifests
    )
    return (*config, *layers, *children)


def _explain(body: bytes, content_type: str | None) -> None:
    diagnosis = diagnose(body, content_type)
    if diagnosis is not None:
        raise ManifestInvalid(
            diagnosis.problem,
            detail={"cause": diagnosis.cause, "problem": diagnosis.problem},
            hint=diagnosis.cure,
        )


def _check_document(manifest: Manifest) -> None:
    """What must hold whatever `diagnose` has words for: nobody may read these bytes as something else."""
    if manifest.kind is Kind.SCHEMA1:
        raise ManifestInvalid(
            "signed schema 1 manifests are not stored here: they have been obsolete since 2017",
            hint="push the image with a current client, or convert it with `skopeo copy --format oci`",
        )
    stated = manifest.document.get("mediaType")
    if stated is not None and stated != manifest.media_type:
        raise ManifestInvalid(
            f"the manifest says that it is {stated!r}, the request that it is {manifest.media_type!r}",
            detail={"mediaType": stated, "contentType": manifest.media_type},
        )
    if manifest.kind is not Kind.ARTIFACT and manifest.document.get("schemaVersion") != _SCHEMA_VERSION:
        version = manifest.document.get("schemaVersion")
        raise ManifestInvalid(f"schemaVersion must be {_SCHEMA_VERSION}, not {version!r}"[:200])
    for need in needs(manifest, Sparse.NONE):
        _check_data(need.descriptor)


def _check_data(descriptor: Descriptor) -> None:
    data = descriptor.data
    if data is not None and (len(data) != descriptor.size or not descriptor.digest.matches(data)):
        raise ManifestInvalid(
            f"the data of descriptor {descriptor.digest} are not the content that it describes",
            detail={"digest": str(descriptor.digest), "size": descriptor.size, "data": len(data)},
        )


_SCHEMA_VERSION = 2
