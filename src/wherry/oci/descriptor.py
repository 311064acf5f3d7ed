"""Descriptors: media type, digest and size of some content, and what its author says about it.

Spec: image-spec 1.1, descriptor.md.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Self

from msgspec import Struct

from wherry.oci.digest import Digest
from wherry.oci.document import integer_at, list_at, object_at, text_at, texts_at
from wherry.oci.errors import InvalidDescriptor, InvalidDigest, InvalidPlatform
from wherry.oci.mediatype import is_foreign_layer, is_manifest
from wherry.oci.platform import Platform

__all__ = ["Descriptor"]

_LARGEST = 2**63 - 1
_KNOWN = frozenset(
    ("mediaType", "digest", "size", "urls", "annotations", "data", "artifactType", "platform"),
)


class Descriptor(Struct, frozen=True):
    """Equal when all fields are; hashed by media type, digest and size. `size` is in bytes. `extra` are fields that we do not know."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] | None = None
    artifact_type: str | None = None
    urls: tuple[str, ...] = ()
    data: bytes | None = None
    extra: tuple[tuple[str, Any], ...] = ()

    def __hash__(self) -> int:
        return hash((self.media_type, self.digest, self.size))

    @classmethod
    def of(cls, content: bytes, media_type: str, *, algorithm: str = "sha256") -> Self:
        """Describe content that is at hand."""
        return cls(media_type, Digest.of(content, algorithm), len(content))

    @classmethod
    def from_json(cls, document: Any, where: str) -> Self:
        """Read one descriptor of a document; `where` is its path there, for messages.

        Raises:
            InvalidDescriptor: a field is missing or wrong; its `text` is the path of that field.
        """
        if not isinstance(document, dict):
            raise InvalidDescriptor(where, "must be an object")
        media_type = text_at(document, "mediaType", where)
        if not media_type:
            raise InvalidDescriptor(f"{where}.mediaType", "is missing")
        urls = list_at(document, "urls", where) or ()
        if not all(isinstance(url, str) for url in urls):
            raise InvalidDescriptor(f"{where}.urls", "must be a list of strings")
        return cls(
            media_type,
            _digest_at(document, where),
            _size_at(document, where),
            platform=_platform_at(document, where),
            annotations=texts_at(document, "annotations", where),
            artifact_type=text_at(document, "artifactType", where),
            urls=tuple(urls),
            data=_data_at(document, where),
            extra=tuple((name, value) for name, value in document.items() if name not in _KNOWN),
        )

    def to_json(self) -> dict[str, Any]:
        """The JSON object, in the field order of the specification, absent fields left out."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.urls:
            document["urls"] = list(self.urls)
        if self.annotations is not None:
            document["annotations"] = dict(self.annotations)
        if self.data is not None:
            document["data"] = base64.b64encode(self.data).decode()
        if self.artifact_type is not None:
            document["artifactType"] = self.artifact_type
        if self.platform is not None:
            document["platform"] = self.platform.to_json()
        return document | dict(self.extra)

    @property
    def is_manifest(self) -> bool:
        """Whether it leads to a manifest rather than to a blob."""
        return is_manifest(self.media_type)

    @property
    def is_foreign(self) -> bool:
        """Whether it is a layer that its author says may be in no registry, and that has `urls` to get it from."""
        return is_foreign_layer(self.media_type) and bool(self.urls)


def _digest_at(document: Mapping[str, Any], where: str) -> Digest:
    text = text_at(document, "digest", where)
    if not text:
        raise InvalidDescriptor(f"{where}.digest", "is missing")
    try:
        return Digest.parse(text)
    except InvalidDigest as error:
        raise InvalidDescriptor(f"{where}.digest", f"is a {error}") from error


def _size_at(document: Mapping[str, Any], where: str) -> int:
    size = integer_at(document, "size", where)
    if size is None:
        raise InvalidDescriptor(f"{where}.size", "is missing")
    if not 0 <= size <= _LARGEST:
        raise InvalidDescriptor(f"{where}.size", f"{size} is not a size in bytes")
    return size


def _platform_at(document: Mapping[str, Any], where: str) -> Platform | None:
    platform = object_at(document, "platform", where)
    if platform is None:
        return None
    try:
        return Platform.from_json(platform)
    except InvalidPlatform as error:
        raise InvalidDescriptor(f"{where}.platform", f"is no platform: {error.reason}") from error


def _data_at(document: Mapping[str, Any], where: str) -> bytes | None:
    text = text_at(document, "data", where)
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidDescriptor(f"{where}.data", "is not base64") from None
