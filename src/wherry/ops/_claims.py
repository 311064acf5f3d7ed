"""What is said of a manifest where it is named, and in its config, against what it is.

The words are those of `diagnose` where it has any; but for those who are about to send a manifest, and here it has long been sent.
"""

from msgspec import Struct

from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.diagnosis import diagnose
from wherry.oci.digest import Digest
from wherry.oci.errors import ContentMismatch, ManifestInvalid, SizeMismatch, WherryError
from wherry.oci.manifest import Manifest, View, sniff
from wherry.oci.mediatype import kind_of
from wherry.oci.platform import Platform
from wherry.ops._findings import Findings, Place
from wherry.ops._inside import COMPRESSION
from wherry.stores.verify import verified_manifest

__all__ = ["Entry", "Looked", "compare", "has_file_systems", "understood"]

_ANEW = "make this manifest anew, and what names it: a manifest cannot be changed without another digest"
_INDEX_ANEW = "make the index anew from what is there: `wherry index create`"
_SERVED = "push it again under its own media type: the registry keeps the one that it is pushed under"
_RIGHT_PLATFORM = "make the index anew from its images (`wherry index create`), or put the right image there"
_ABOUT_TYPE = frozenset(
    (
        "content-type",
        "image-under-index-type",
        "index-under-image-type",
        "media-type-differs",
        "schema1-under-another-type",
        "unknown-type",
    )
)
"""Causes of `diagnose` whose words are for somebody who is about to send a manifest."""
_NO_FAULT = frozenset(("schema1", "too-large"))
"""What only somebody minds who is to take it."""


class Entry(Struct, frozen=True):
    """A manifest as something names it; `subject` is what it must refer to, if it is to be looked at for that reason."""

    descriptor: Descriptor
    place: Place
    subject: Digest | None = None


class Looked(Struct, frozen=True):
    """A manifest that was read. `served` is the media type that it came under; `config` is an image's."""

    manifest: Manifest
    served: str
    config: ImageConfig | None = None
    trouble: WherryError | OSError | None = None
    """Why the config could not be read, or is none."""

    @property
    def view(self) -> View | None:
        """What the manifest says; None if it cannot be read."""
        try:
            return self.manifest.view
        except ManifestInvalid:
            return None


def compare(entry: Entry, found: Looked, store: str, findings: Findings) -> None:
    """Note what does not agree; `store` is where it was read, for messages."""
    _compare_size(entry, found, store, findings)
    _compare_type(entry, found, findings)
    if found.view is not None and found.view.config is not None:
        _compare_config(entry, found, found.view, found.view.config, findings)


def _compare_size(entry: Entry, found: Looked, store: str, findings: Findings) -> None:
    if not entry.place.path:
        return  # nothing names the root
    try:
        verified_manifest(found.manifest, entry.descriptor, store)
    except SizeMismatch as error:
        findings.add("size-differs", entry.place, entry.descriptor.digest, error.message, _INDEX_ANEW)
    except ContentMismatch as error:
        findings.add_error(error, entry.place, entry.descriptor)


def _compare_type(entry: Entry, found: Looked, findings: Findings) -> None:
    """Whether a manifest is valid, and is what it is called."""
    digest, place = entry.descriptor.digest, entry.place
    content, stated, own = found.manifest.content, entry.descriptor.media_type, sniff(found.manifest.content)
    diagnosis = diagnose(content, stated)
    if diagnosis is not None and diagnosis.cause in _ABOUT_TYPE:
        problem = f"it is named as {stated}, and by itself it is {own or 'nothing that is known'}"
        findings.add(diagnosis.cause, place, digest, problem, _INDEX_ANEW)
        if own is None:
            return
        diagnosis = diagnose(content, own)
    elif found.served != own and found.view is not None and found.manifest.document.get("mediaType") == own:
        problem = f"it is served as {found.served}, and by itself it is {own}"
        findings.add("media-type-differs", place, digest, problem, _SERVED)
    if diagnosis is not None and diagnosis.cause not in _NO_FAULT:
        place = place.at(diagnosis.where) if diagnosis.where else place
        findings.add(diagnosis.cause, place, digest, diagnosis.problem, _ANEW)
    elif found.view is None:  # too large for `diagnose` to look any closer
        findings.add("bad-field", place, digest, f"manifest {digest} cannot be read as {stated}", _ANEW)


def _compare_config(entry: Entry, found: Looked, view: View, config: Descriptor, findings: Findings) -> None:
    place = entry.place.at("config")
    if found.trouble is not None:
        findings.add_error(found.trouble, place, config)
    if found.config is None:
        return
    stated, says = entry.descriptor.platform, found.config.platform
    if stated is not None and _differ(stated, says):
        problem = f"the index says {stated}, and the image's config {says}"
        findings.add("platform-differs", entry.place, entry.descriptor.digest, problem, _RIGHT_PLATFORM)
    diff_ids = found.config.diff_ids
    if has_file_systems(found.config, view) and len(diff_ids) != len(view.layers):
        problem = f"layers in the manifest: {len(view.layers)}; diff IDs in its config: {len(diff_ids)}"
        findings.add("diff-id-count", place, config.digest, problem, _ANEW)


def understood(manifest: Manifest, stated: str) -> Manifest:
    """A manifest under the media type that it is named by, if it can be read so; else under its own."""
    own = sniff(manifest.content)
    media_type = stated if own is None or kind_of(stated) is kind_of(own) else own
    if media_type == manifest.media_type:
        return manifest
    return Manifest(manifest.content, media_type, algorithm=manifest.digest.algorithm)


def _differ(stated: Platform, says: Platform) -> bool:
    """Whether two platforms cannot both be right; what one of them leaves open is no difference."""
    if not stated.known or not says.known:
        return False
    if (stated.os, stated.architecture) != (says.os, says.architecture):
        return True
    return bool(stated.variant and says.variant) and stated.variant != says.variant


def has_file_systems(config: ImageConfig, view: View) -> bool:
    """Whether it is an image, whose layers have diff IDs: artifacts may have a config of the same type."""
    is_image = config.platform.known or "rootfs" in config.document
    return is_image and all(layer.media_type in COMPRESSION for layer in view.layers)
