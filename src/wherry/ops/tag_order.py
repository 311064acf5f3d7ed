"""The tags of a repository in an order that people ask for: by version, or by when the image was made."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any

from wherry.oci.config import ImageConfig
from wherry.oci.digest import Digest
from wherry.oci.errors import ContentMismatch, ManifestInvalid, NotFound
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_CONFIG, OCI_CONFIG, Kind
from wherry.oci.reference import Tag
from wherry.ops._configs import read_config
from wherry.ops._each import each
from wherry.ops.removal import digest_of
from wherry.stores.protocol import Source

__all__ = ["Order", "digests_of", "in_order"]

_AT_ONCE = 16
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Order(Enum):
    """What tags are sorted by."""

    NAME = "name"
    SEMVER = "semver"
    CREATED = "created"


async def in_order(store: Source, tags: list[Tag], order: Order) -> list[Tag]:
    """Sort tags, the lowest or oldest first; what is no version, or says not when it was made, goes before all that does.

    By `CREATED` each image's config is read, several at once; of an index that of its first image. What is damaged says nothing.
    """
    match order:
        case Order.NAME:
            return sorted(tags)
        case Order.SEMVER:
            return sorted(tags, key=_version_key)
        case Order.CREATED:
            known: dict[Digest, datetime] = {}
            made = await each(lambda tag: _created(store, tag, known), tags, at_once=_AT_ONCE)
            return [tag for tag, _ in sorted(made, key=lambda each: (each[1], each[0]))]


async def digests_of(store: Source, tags: list[Tag]) -> list[tuple[Tag, Digest | None]]:
    """What each tag leads to; None if it was deleted in the meantime."""

    async def target(tag: Tag) -> Digest | None:
        try:
            return await digest_of(store, tag)
        except NotFound:
            return None

    return await each(target, tags, at_once=_AT_ONCE)


def _version_key(tag: Tag) -> tuple[Any, ...]:
    # 49 ms to import, and only those pay for it who sort by versions
    from semantic_version import Version  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types

    text = tag.removeprefix("v").replace("_", "+", 1)
    try:
        version = Version.coerce(text) if text[:1].isdecimal() else None
    except ValueError:
        version = None
    return (False, tag) if version is None else (True, version.precedence_key, tag)


async def _created(store: Source, tag: Tag, known: dict[Digest, datetime]) -> datetime:
    """When the image of a tag was made; `known` is so of the configs that were read already: many tags lead to the same ones."""
    try:
        manifest = await store.manifest(tag)
        while manifest.kind is Kind.INDEX:
            manifest = await _first(store, manifest)
        config = manifest.view.config
        if config is None or config.media_type not in (OCI_CONFIG, DOCKER_CONFIG):
            return _LONG_AGO
        if config.digest not in known:
            known[config.digest] = _moment(ImageConfig.parse(await read_config(store, config)).created or "")
        return known[config.digest]
    except (NotFound, ManifestInvalid, ContentMismatch):
        return _LONG_AGO


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _LONG_AGO
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def _first(store: Source, index: Manifest) -> Manifest:
    for entry in index.view.manifests:
        if entry.is_manifest:
            return await store.manifest(entry.digest)
    raise ManifestInvalid(f"{index.digest} is an index without an image")
