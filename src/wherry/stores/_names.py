"""`index.json` of an OCI layout: which manifests it lists, and under which names.

A value: bytes in, bytes out; every edit makes a new one. Entries that an edit does not concern, and fields that we do not
know, are kept as they are. Spec: image-spec 1.1, image-layout.md, "index.json file"; annotations.md for the name.
"""

from collections.abc import Callable, Collection
from typing import Any, Self

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.document import NotJSON, decode, encode, list_at
from wherry.oci.errors import InvalidDescriptor, InvalidReference, InvalidTag, StoreError
from wherry.oci.mediatype import OCI_INDEX
from wherry.oci.reference import Reference, Tag

__all__ = ["REF_NAME", "Entry", "Names"]

REF_NAME = "org.opencontainers.image.ref.name"


class Entry(Struct, frozen=True):
    """A manifest that the layout lists; `document` is its entry as it is written there."""

    descriptor: Descriptor
    document: dict[str, Any]

    @property
    def name(self) -> str | None:
        """Its name as written, which need not be a tag: some tools write whole references."""
        return (self.descriptor.annotations or {}).get(REF_NAME)


class Names(Struct, frozen=True):
    """The document, and its entries in its order."""

    document: dict[str, Any]
    entries: tuple[Entry, ...]

    @classmethod
    def empty(cls) -> Self:
        return cls({"schemaVersion": 2, "mediaType": OCI_INDEX}, ())

    @classmethod
    def parse(cls, content: bytes, place: str) -> Self:
        """Read the file; `place` is its path, for messages.

        Raises:
            StoreError: it is damaged.
        """
        try:
            document = decode(content)
            if not isinstance(document, dict):
                raise StoreError(f"{place}: is JSON, but not an object")
            items = list_at(document, "manifests")
            if items is None and "manifests" in document:
                items = []  # null: `umoci init` writes it
            if items is None:
                raise StoreError(f"{place}: has no list of manifests")
            described = [Descriptor.from_json(item, f"manifests[{position}]") for position, item in enumerate(items)]
        except NotJSON as error:
            raise StoreError(f"{place}: is not JSON: {error}") from None
        except InvalidDescriptor as error:
            raise StoreError(f"{place}: {error}") from error
        return cls(document, tuple(map(Entry, described, items)))

    def encode(self) -> bytes:
        return encode(self.document | {"manifests": [entry.document for entry in self.entries]})

    def find(self, name: str | Digest) -> Descriptor | None:
        """The manifest of that name, or with that digest."""
        if isinstance(name, Digest):
            return next((entry.descriptor for entry in self.entries if entry.descriptor.digest == name), None)
        return next((entry.descriptor for entry in self._meant(name)), None)

    def called(self, name: str) -> tuple[Entry, ...]:
        """The entries of that name; where there is none, those with a whole reference in its place that has this tag."""
        found = tuple(entry for entry in self.entries if entry.name == name)
        if found or not _is_tag(name):
            return found
        return tuple(entry for entry in self.entries if _tag_in(entry.name) == name)

    def tags(self) -> set[Tag]:
        """The names that are tags; the tag of a whole reference, too, where no other reference has the same."""
        whole: dict[Tag, set[str]] = {}
        found = set()
        for name in {entry.name for entry in self.entries if entry.name is not None}:
            tag = _tag_in(name)
            if tag is not None:
                whole.setdefault(tag, set()).add(name)
            elif _is_tag(name):
                found.add(Tag(name))
        return found | {tag for tag, names in whole.items() if len(names) == 1}

    def tagged(self, manifest: Descriptor, name: str) -> Self:
        """With `name` on this manifest and on no other. A nameless entry of it takes the name."""
        named = self._meant(name)
        if named and {(e.descriptor.digest, e.descriptor.size) for e in named} == {(manifest.digest, manifest.size)}:
            return self
        name = (named[0].name if named else None) or name
        others = tuple(entry for entry in self.entries if entry not in named)
        nameless = next((e for e in others if e.descriptor.digest == manifest.digest and e.name is None), None)
        base = manifest.to_json() if nameless is None else nameless.document
        annotations = {**(base.get("annotations") or {}), REF_NAME: str(name)}
        entry = _entry({**base, "annotations": annotations})
        return self._with(tuple(each for each in others if each is not nameless), entry)

    def listed(self, manifest: Descriptor) -> Self:
        """With this manifest in the list, under whatever name it has there, or none."""
        return self if self.find(manifest.digest) else self._with(self.entries, _entry(manifest.to_json()))

    def without_children(self, children: Collection[Digest]) -> Self:
        """Without the entries that say nothing but that these are there: an index that is listed says so too."""
        kept = [e for e in self.entries if e.descriptor.digest not in children or e.descriptor.annotations]
        return self._with(tuple(kept))

    def without(self, name: str | Digest) -> Self:
        """Without that name, or without any entry of that digest."""
        if isinstance(name, Digest):
            return self._with(tuple(entry for entry in self.entries if entry.descriptor.digest != name))
        named = self._meant(name)
        return self._with(tuple(entry for entry in self.entries if entry not in named))

    def annotated(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Self:
        """With every entry's annotations changed so; `change` is given a copy."""

        def changed(document: dict[str, Any]) -> dict[str, Any]:
            annotations = change(dict(document.get("annotations") or {}))
            rest = {name: value for name, value in document.items() if name != "annotations"}
            return rest | ({"annotations": annotations} if annotations else {})

        return type(self)(self.document, tuple(_entry(changed(entry.document)) for entry in self.entries))

    def _meant(self, name: str) -> tuple[Entry, ...]:
        """The entries of that name, or of the one whole reference that has this tag."""
        found = self.called(name)
        return found if len({entry.name for entry in found}) == 1 else ()

    def _with(self, entries: tuple[Entry, ...], *more: Entry) -> Self:
        return type(self)(self.document, (*entries, *more))


def _is_tag(name: str) -> bool:
    try:
        Tag(name)
    except InvalidTag:
        return False
    return True


def _tag_in(name: str | None) -> Tag | None:
    """The tag in a whole reference: what podman and buildah write as a name."""
    if name is None or ":" not in name:
        return None
    try:
        return Reference.parse_repository(name).tag
    except InvalidReference:
        return None


def _entry(document: dict[str, Any]) -> Entry:
    return Entry(Descriptor.from_json(document, "manifests"), document)
