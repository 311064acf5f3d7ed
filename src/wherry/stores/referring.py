"""Referrers as stores without a referrers API find them: by the subject that each manifest names.

Spec: distribution-spec 1.1, "Listing Referrers".
"""

from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest

__all__ = ["as_referrer", "refers"]


def refers(manifest: Manifest, subject: Digest, artifact_type: str | None = None) -> bool:
    """Whether a manifest's subject is this one and, where asked, it is an artifact of that type."""
    view = manifest.view
    return view.subject is not None and view.subject.digest == subject and artifact_type in (None, view.artifact_type)


def as_referrer(manifest: Manifest) -> Descriptor:
    """The descriptor that a list of referrers has for a manifest: with its artifact type and its annotations."""
    view = manifest.view
    return replace(manifest.descriptor, artifact_type=view.artifact_type, annotations=view.annotations)
