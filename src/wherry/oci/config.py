"""Image configs: what an image says about itself; here as far as people ask for it.

Spec: image-spec 1.1, config.md; Docker's `application/vnd.docker.container.image.v1+json` has the same fields.
"""

from typing import Any, Self

from msgspec import Struct

from wherry.oci.digest import Digest
from wherry.oci.document import NotJSON, decode, list_at, object_at, text_at
from wherry.oci.errors import InvalidDescriptor, InvalidDigest, InvalidPlatform, ManifestInvalid
from wherry.oci.platform import Platform

__all__ = ["ImageConfig"]


class ImageConfig(Struct, frozen=True):
    """`created` is the text as written (RFC 3339); `diff_ids` are digests of the uncompressed layers, bottom first."""

    platform: Platform
    created: str | None
    labels: tuple[tuple[str, str], ...]
    diff_ids: tuple[Digest, ...]
    document: dict[str, Any]

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a config blob.

        Raises:
            ManifestInvalid: it is not a JSON object with fields of the right types. Artifacts have such configs.
        """
        try:
            document = decode(content)
            if not isinstance(document, dict):
                raise ManifestInvalid("the config is JSON, but not an object")
            rootfs = object_at(document, "rootfs") or {}
            labels = object_at(object_at(document, "config") or {}, "Labels", "config") or {}
            return cls(
                platform=Platform.from_json(
                    {name: document[name] for name in _PLATFORM_FIELDS if name in document},
                ),
                created=text_at(document, "created"),
                labels=tuple((name, str(value)) for name, value in labels.items()),
                diff_ids=tuple(Digest.parse(str(text)) for text in list_at(rootfs, "diff_ids", "rootfs") or ()),
                document=document,
            )
        except NotJSON as error:
            raise ManifestInvalid(f"the config is not JSON: {error}") from None
        except (InvalidDescriptor, InvalidPlatform, InvalidDigest) as error:
            raise ManifestInvalid(f"the config is not an image's: {error}") from error


_PLATFORM_FIELDS = ("os", "architecture", "variant", "os.version", "os.features")
