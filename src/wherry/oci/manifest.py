"""Manifests: bytes plus a media type. The parsed view is derived from them and read-only.

The media type travels with the bytes, so nobody who holds a `Manifest` can push it under another `Content-Type`. The
bytes are never written anew: what is read is what is pushed, and the digest stays.

Spec: image-spec 1.1, manifest.md and image-index.md; Docker's schema 2 documents.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.document import NotJSON, UnreadableJSON, decode, list_at, object_at, text_at, texts_at
from wherry.oci.errors import InvalidDescriptor, InvalidDigest, ManifestInvalid
from wherry.oci.mediatype import (
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    OCI_ARTIFACT_MANIFEST,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Kind,
    kind_of,
    without_parameters,
)

__all__ = ["EMPTY_CONFIG", "LARGEST_MANIFEST", "Manifest", "View", "sniff", "successors"]

LARGEST_MANIFEST = 4 * 1024 * 1024
"""Bytes of a manifest that every registry must take (distribution-spec 1.1, "Pushing Manifests")."""


class View(Struct, frozen=True):
    """What a manifest says. Fields that its kind does not have are empty."""

    kind: Kind
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    """Of an image manifest its layers, of an artifact manifest its blobs."""
    manifests: tuple[Descriptor, ...] = ()
    """The children of an index, in its order."""
    fs_layers: tuple[Digest, ...] = ()
    """The layers of a signed schema 1 manifest, the top one first, each as often as it is named."""
    subject: Descriptor | None = None
    annotations: Mapping[str, str] | None = None
    artifact_type: str | None = None
    """As the referrers API shows it: the manifest's own, else its config's media type."""


class Manifest:
    """A manifest as it was received or made: `content`, `media_type` (without parameters) and `digest`.

    Cheap to make: nothing is parsed until `view` is asked for. Equal when bytes and media type are.
    """

    __slots__ = ("_document", "_view", "content", "digest", "media_type")

    content: bytes
    media_type: str
    digest: Digest

    def __init__(self, content: bytes, media_type: str, *, algorithm: str = "sha256") -> None:
        self.content = content
        self.media_type = media_type
        self.digest = Digest.of(content, algorithm)
        self._document: dict[str, Any] | None = None
        self._view: View | None = None

    @classmethod
    def received(cls, content: bytes, content_type: str | None, *, algorithm: str = "sha256") -> "Manifest":
        """Take what a registry answered. A `Content-Type` that says nothing is replaced by what the body is.

        Raises:
            ManifestInvalid: neither the header nor the body says what this is.
        """
        stated = without_parameters(content_type or "")
        if kind_of(stated):
            return cls(content, stated, algorithm=algorithm)
        found = sniff(content)
        if found is None:
            raise ManifestInvalid(
                f"not a manifest: the registry calls it {stated or 'nothing'}, and its body is no manifest either"
            )
        return cls(content, found, algorithm=algorithm)

    @property
    def document(self) -> Mapping[str, Any]:
        """The decoded JSON object, fields that we do not know included; read-only by agreement.

        Raises:
            ManifestInvalid: the bytes are not a JSON object.
        """
        if self._document is None:
            try:
                document = decode(self.content)
            except UnreadableJSON as error:
                raise ManifestInvalid(f"manifest {self.digest} cannot be read: {error}") from None
            except NotJSON as error:
                raise ManifestInvalid(f"manifest {self.digest} is not JSON: {error}") from None
            if not isinstance(document, dict):
                raise ManifestInvalid(f"manifest {self.digest} is JSON, but not an object")
            self._document = document
        return self._document

    @property
    def view(self) -> View:
        """What the manifest says.

        Raises:
            ManifestInvalid: it does not say it as its media type promises.
        """
        if self._view is None:
            try:
                self._view = _view(self.document, self.media_type)
            except InvalidDescriptor as error:
                raise ManifestInvalid(f"manifest {self.digest}: {error}", detail=str(error)) from error
        return self._view

    @property
    def kind(self) -> Kind:
        """What kind of document the media type says it is."""
        kind = kind_of(self.media_type)
        if kind is None:
            raise ManifestInvalid(f"{self.media_type!r} is not the media type of a manifest")
        return kind

    @property
    def descriptor(self) -> Descriptor:
        """Media type, digest and size of this manifest, and nothing else."""
        return Descriptor(self.media_type, self.digest, len(self.content))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Manifest):
            return NotImplemented
        return (self.media_type, self.content) == (other.media_type, other.content)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Manifest({self.media_type}, {self.digest}, {len(self.content)} bytes)"


def successors(manifest: Manifest) -> tuple[Descriptor, ...]:
    """Everything that a manifest needs to be whole: children, or config and layers; in document order, each once.

    The subject is not among them: it may be absent (distribution-spec 1.1, "Pushing Manifests with Subject"). Signed
    schema 1 names its layers without media type or size, so it has none here: see `View.fs_layers`.

    Raises:
        ManifestInvalid: the manifest cannot be read.
    """
    view = manifest.view
    config = () if view.config is None else (view.config,)
    return tuple({(each.digest, each.is_manifest): each for each in (*config, *view.layers, *view.manifests)}.values())


def sniff(content: bytes) -> str | None:
    """The media type of a manifest by its body alone; None if the body is no manifest that we know."""
    try:
        document = decode(content)
    except NotJSON:
        return None
    if not isinstance(document, dict):
        return None
    stated = document.get("mediaType")
    if isinstance(stated, str) and kind_of(stated):
        return stated
    if document.get("schemaVersion") == 1:
        return DOCKER_SCHEMA1_SIGNED if "signatures" in document else DOCKER_SCHEMA1
    if isinstance(document.get("manifests"), list):
        return OCI_INDEX
    if isinstance(document.get("config"), dict):
        # An OCI manifest may leave its mediaType out; a Docker one may not, and is known by its config.
        config_type = document["config"].get("mediaType")
        docker = isinstance(config_type, str) and config_type.startswith("application/vnd.docker.")
        return DOCKER_MANIFEST if docker else OCI_MANIFEST
    if isinstance(document.get("blobs"), list):
        return OCI_ARTIFACT_MANIFEST
    return None


def _view(document: Mapping[str, Any], media_type: str) -> View:
    match kind_of(media_type):
        case Kind.IMAGE:
            return _image(document)
        case Kind.INDEX:
            return _index(document)
        case Kind.ARTIFACT:
            return _artifact(document)
        case Kind.SCHEMA1:
            return _schema1(document)
        case _:
            raise InvalidDescriptor("mediaType", f"{media_type!r} is not the media type of a manifest")


def _image(document: Mapping[str, Any]) -> View:
    if "manifests" in document:  # CVE-2021-41190: nobody may read one document as two kinds of manifest
        raise InvalidDescriptor("manifests", "an image manifest has none: this is an index")
    config = object_at(document, "config")
    if config is None:
        raise InvalidDescriptor("config", "is missing")
    described = Descriptor.from_json(config, "config")
    artifact_type = text_at(document, "artifactType")
    return View(
        Kind.IMAGE,
        config=described,
        layers=_descriptors(document, "layers"),
        subject=_subject(document),
        annotations=texts_at(document, "annotations"),
        artifact_type=artifact_type or described.media_type,
    )


def _index(document: Mapping[str, Any]) -> View:
    if both := [name for name in ("config", "layers") if name in document]:
        raise InvalidDescriptor(both[0], "an index has none: this is an image manifest")
    return View(
        Kind.INDEX,
        manifests=_descriptors(document, "manifests"),
        subject=_subject(document),
        annotations=texts_at(document, "annotations"),
        artifact_type=text_at(document, "artifactType") or None,
    )


def _artifact(document: Mapping[str, Any]) -> View:
    return View(
        Kind.ARTIFACT,
        layers=_descriptors(document, "blobs"),
        subject=_subject(document),
        annotations=texts_at(document, "annotations"),
        artifact_type=text_at(document, "artifactType"),
    )


def _schema1(document: Mapping[str, Any]) -> View:
    layers = list_at(document, "fsLayers") or []
    digests = []
    for position, layer in enumerate(layers):
        where = f"fsLayers[{position}]"
        text = text_at(layer, "blobSum", where) if isinstance(layer, dict) else None
        if not text:
            raise InvalidDescriptor(f"{where}.blobSum", "is missing")
        try:
            digests.append(Digest.parse(text))
        except InvalidDigest as error:
            raise InvalidDescriptor(f"{where}.blobSum", f"is a {error}") from error
    return View(Kind.SCHEMA1, fs_layers=tuple(digests))


def _descriptors(document: Mapping[str, Any], name: str) -> tuple[Descriptor, ...]:
    items = list_at(document, name) or []
    return tuple(Descriptor.from_json(item, f"{name}[{position}]") for position, item in enumerate(items))


def _subject(document: Mapping[str, Any]) -> Descriptor | None:
    subject = object_at(document, "subject")
    return None if subject is None else Descriptor.from_json(subject, "subject")


EMPTY_CONFIG = Descriptor(OCI_EMPTY, Digest.of(b"{}"), 2, data=b"{}")
"""The config of an artifact that has none (image-spec 1.1, manifest.md, "Guidance for an empty descriptor")."""
