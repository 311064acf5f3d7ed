"""One image of a draft, as docker keeps it on disk and prints it with `--verbose`.

Docker's `manifest create` keeps a file an image: compact JSON with `Ref` (the full reference), `Descriptor` (with the
platform), `Raw` (the manifest's exact bytes, base64) and the manifest once more as an object. Files of before 23.0
have no `Raw`; files of before 18.09 have `Digest` and `Platform` instead of `Descriptor`. All are read, the present form
is written; fields that we do not know are kept.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.dockerjson import LIST_INDENT, TAB, compact, described, escaped, indented, index_type, list_content
from wherry.oci.document import NotJSON, encode
from wherry.oci.errors import InvalidValue, WherryError
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_MANIFEST, OCI_MANIFEST
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference

__all__ = ["DraftImage", "Flattened", "InvalidDraft", "assembled", "bare", "file_name", "verbose", "verbose_list"]

_MANIFEST_FIELDS = {DOCKER_MANIFEST: "SchemaV2Manifest", OCI_MANIFEST: "OCIManifest"}
_OTHER = "Manifest"
_OURS = "Flattened"
_OWN = frozenset(("Ref", "Descriptor", "Raw", "Digest", "Platform", _OURS))
_KNOWN = _OWN | {_OTHER, *_MANIFEST_FIELDS.values()}

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()


class InvalidDraft(InvalidValue):
    """A draft's file that neither docker nor wherry can have written."""

    kind = "draft"


class Flattened(Struct, frozen=True):
    """That an image stands in a draft because an index was named: which index, and the child's place in it.

    Docker does not know the field, and drops it when it rewrites the file; what is noted beside the drafts brings it back.
    """

    source: str
    position: int


class DraftImage(Struct, frozen=True):
    """`reference` is the full form as written by the user, `descriptor` has the platform that a list will state.

    `manifest` is None where the file does not hold the exact bytes; they are in the registry then.
    """

    reference: str
    descriptor: Descriptor
    manifest: Manifest | None = None
    flattened: Flattened | None = None
    extra: tuple[tuple[str, bytes], ...] = ()
    original: Descriptor | None = None
    """What the descriptor was before it was annotated, where that is noted; it does not stand in the file."""

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read a file of a draft.

        Raises:
            InvalidDraft: it is damaged; `reason` says how.
        """
        try:
            fields = {name: bytes(raw) for name, raw in _fields.decode(content).items()}
            reference = _text(fields, "Ref")
            Reference.parse(reference)
            manifest = _manifest(fields)
            return cls(
                reference,
                _descriptor(fields, manifest),
                manifest,
                _flattened(fields),
                tuple((name, raw) for name, raw in fields.items() if name not in (_KNOWN if manifest else _OWN)),
            )
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, binascii.Error, NotJSON) as error:
            raise InvalidDraft("file", f"not what docker writes: {error}") from None
        except InvalidDraft:
            raise
        except WherryError as error:
            raise InvalidDraft("file", str(error)) from error

    def encode(self) -> bytes:
        """The file's bytes: docker's own for what docker knows."""
        pieces = [
            b'"Ref":' + escaped(encode(self.reference)),
            b'"Descriptor":' + escaped(encode(described(self.descriptor))),
        ]
        if self.manifest is not None:
            name = _MANIFEST_FIELDS.get(self.manifest.media_type, _OTHER)
            pieces.append(b'"Raw":' + encode(base64.b64encode(self.manifest.content).decode()))
            pieces.append(encode(name) + b":" + compact(self.manifest.content))
        if self.flattened is not None:
            place = {"Source": self.flattened.source, "Position": self.flattened.position}
            pieces.append(encode(_OURS) + b":" + escaped(encode(place)))
        pieces.extend(escaped(encode(name)) + b":" + raw for name, raw in self.extra)
        return b"{" + b",".join(pieces) + b"}"

    def on(self, platform: Platform) -> Self:
        """The same image, said to be for another platform."""
        return replace(self, descriptor=replace(self.descriptor, platform=platform))

    def saying(self, annotations: Mapping[str, str] | None) -> Self:
        """The same image, with these annotations in its descriptor and no others."""
        return replace(self, descriptor=replace(self.descriptor, annotations=annotations))

    @property
    def platform(self) -> Platform:
        """The platform that a list will state; empty where nothing is known."""
        return self.descriptor.platform or Platform()

    @property
    def order(self) -> tuple[str, int, str]:
        """What sorts the images of a draft: docker's order, by file name, and the children of an index in its place."""
        own = file_name(self.reference)
        if self.flattened is None:
            return (own, 0, own)
        return (file_name(self.flattened.source), self.flattened.position, own)


def assembled(images: Iterable[DraftImage]) -> Manifest:
    """The list that a draft stands for: in the draft's order, what is the same for the same platform once.

    Whatever is said of one of those that are the same is said of the entry. Where they contradict each other, one that
    was named itself is heard before one that stands there because its index was named.
    """
    distinct: dict[tuple[Digest, Platform], list[DraftImage]] = {}
    for image in images:
        distinct.setdefault((image.descriptor.digest, image.platform), []).append(image)
    entries = [_entry(same) for same in distinct.values()]
    media_type = index_type(entries)
    return Manifest(list_content(media_type, entries), media_type)


def file_name(reference: Reference | str) -> str:
    """The name of a reference's folder (a list) or file (an image) in docker's drafts. Several can have the same."""
    return str(reference).replace(":", "-").replace("/", "_")


def bare(image: DraftImage) -> DraftImage:
    """An image of a registry as docker knows it: from an index it takes the platform, and no annotations."""
    known = image.descriptor
    return replace(
        image,
        descriptor=Descriptor(known.media_type, known.digest, known.size, platform=image.platform),
        flattened=None,
        original=None,
        extra=(),
    )


def verbose(image: DraftImage) -> bytes:
    """What `inspect --verbose` prints for one image (no newline at the end)."""
    return indented(_printed(image).encode(), TAB)


def verbose_list(images: Iterable[DraftImage]) -> bytes:
    """What `inspect --verbose` prints for a list."""
    return indented(b"[" + b",".join(_printed(image).encode() for image in images) + b"]", TAB)


def _entry(same: Sequence[DraftImage]) -> Descriptor:
    """The entry of a list for images that are the same."""
    heard = [image.descriptor for image in sorted(same, key=lambda image: image.flattened is None)]  # the last one wins
    first = heard[0]
    said = [each.annotations for each in heard if each.annotations is not None]
    return replace(
        first,
        platform=first.platform if same[0].platform != Platform() else None,
        annotations={key: text for annotations in said for key, text in annotations.items()} if said else None,
        artifact_type=next((each.artifact_type for each in reversed(heard) if each.artifact_type), first.artifact_type),
        urls=tuple(dict.fromkeys(url for each in heard for url in each.urls)),
        data=next((each.data for each in reversed(heard) if each.data is not None), None),
        extra=tuple(dict(field for each in heard for field in each.extra).items()),
    )


def _printed(image: DraftImage) -> DraftImage:
    """The image with nothing but what docker prints: what it knows of the file, nothing empty, keys in Go's order."""
    annotations = dict(sorted((image.descriptor.annotations or {}).items())) or None
    descriptor = replace(image.descriptor, annotations=annotations, data=image.descriptor.data or None, extra=())
    unread = tuple((name, raw) for name, raw in image.extra if name in _MANIFEST_FIELDS.values())
    return replace(image, descriptor=descriptor, flattened=None, extra=unread)


def _text(fields: dict[str, bytes], name: str) -> str:
    value: Any = _any.decode(fields[name]) if name in fields else None
    if not isinstance(value, str) or not value:
        raise InvalidDraft("file", f"{name} is missing")
    return value


def _manifest(fields: dict[str, bytes]) -> Manifest | None:
    media_type = _media_type(fields)
    if _any.decode(fields.get("Raw", b"null")):
        return Manifest(base64.b64decode(_text(fields, "Raw"), validate=True), media_type)
    return _rebuilt(fields[_MANIFEST_FIELDS[media_type]], media_type, _stated_digest(fields))


def _media_type(fields: dict[str, bytes]) -> str:
    """The type that docker says by the field that it keeps the manifest in."""
    for media_type, name in _MANIFEST_FIELDS.items():
        if name in fields:
            return media_type
    raise InvalidDraft("file", f"it holds none of {', '.join(_MANIFEST_FIELDS.values())}")


def _rebuilt(document: bytes, media_type: str, digest: Digest) -> Manifest | None:
    """The exact bytes of before 23.0, when files held the document alone: one of the layouts that builders write."""
    for layout in (
        document,
        compact(document),
        indented(document, LIST_INDENT),
        indented(document, b"  "),
        indented(document, TAB),
    ):
        if digest.matches(layout):
            return Manifest(layout, media_type)
    return None


def _stated_digest(fields: dict[str, bytes]) -> Digest:
    if "Digest" in fields:
        return Digest.parse(_text(fields, "Digest"))
    return Descriptor.from_json(_any.decode(fields.get("Descriptor", b"null")), "Descriptor").digest


def _descriptor(fields: dict[str, bytes], manifest: Manifest | None) -> Descriptor:
    if "Digest" not in fields:
        descriptor = Descriptor.from_json(_any.decode(fields.get("Descriptor", b"null")), "Descriptor")
        _check(descriptor, manifest, _media_type(fields))
        return descriptor
    if manifest is None:
        raise InvalidDraft("file", f"the bytes of {_stated_digest(fields)} are lost (docker before 18.09 wrote it)")
    platform = _any.decode(fields.get("Platform", b"null"))
    return replace(manifest.descriptor, platform=Platform.from_json(platform if isinstance(platform, dict) else {}))


def _check(descriptor: Descriptor, manifest: Manifest | None, media_type: str) -> None:
    """What a list will say of an image is what the file holds of it."""
    if manifest is not None and not descriptor.digest.matches(manifest.content):
        raise InvalidDraft("file", f"its Raw is not what its digest {descriptor.digest} says")
    if manifest is not None and descriptor.size != len(manifest.content):
        raise InvalidDraft("file", f"its size is {descriptor.size}, and its manifest has {len(manifest.content)} bytes")
    if descriptor.media_type != media_type:
        kept = _MANIFEST_FIELDS[media_type]
        raise InvalidDraft("file", f"its mediaType is {descriptor.media_type}, and its manifest is kept as {kept}")


def _flattened(fields: dict[str, bytes]) -> Flattened | None:
    place = _any.decode(fields.get(_OURS, b"null"))
    match place:
        case {"Source": str(source), "Position": int(position)}:
            return Flattened(source, position)
        case _:
            return None
