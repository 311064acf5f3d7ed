"""What a manifest must be before it is stored; the checks that need nothing but the request.

That the things which it names are there is checked by the metadata, in the transaction that stores it. Here is decided
which of them are demanded.

Spec: distribution-spec 1.1, "Pushing Manifests"; image-spec 1.1, layer.md (non-distributable layers).
"""

from wherry.oci.diagnosis import as_error, diagnose, digest_differs
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Tag
from wherry.server.metadata.protocol import Need, Role
from wherry.server.policy import Sparse

__all__ = ["admit", "needs"]


def admit(body: bytes, content_type: str | None, name: Tag | Digest) -> Manifest:
    """The manifest that a PUT brings.

    Raises:
        ManifestInvalid: it is none; `detail` says why, and what to do.
        DigestInvalid: it is not the one that the URL names.
    """
    diagnosis = diagnose(body, content_type)
    if diagnosis is not None:
        raise as_error(diagnosis)
    algorithm = name.algorithm if isinstance(name, Digest) else "sha256"
    manifest = Manifest.received(body, content_type, algorithm=algorithm)
    if isinstance(name, Digest) and manifest.digest != name:
        raise digest_differs(body, name)
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
