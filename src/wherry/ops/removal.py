"""What goes along when a manifest is deleted: every tag that leads to it."""

from wherry.oci.digest import Digest
from wherry.oci.errors import ContentMismatch, NotFound
from wherry.oci.reference import Tag
from wherry.ops._each import each
from wherry.stores.protocol import Lister, Source

__all__ = ["digest_of", "tags_on"]

_AT_ONCE = 16


async def digest_of(store: Source, name: Tag | Digest) -> Digest:
    """The digest of the manifest that is meant; where the store has a list, whatever has become of the manifest.

    Raises:
        ManifestUnknown: `name` leads nowhere.
    """
    return await store.listed(name) if isinstance(store, Lister) else (await store.resolve(name)).digest


async def tags_on(store: Source, digest: Digest) -> list[Tag]:
    """The tags that lead to a manifest, in byte order; each tag of the repository is asked for once.

    Raises:
        NameUnknown: the repository does not exist.
    """
    tags = [tag async for tag in store.tags()]
    return [
        tag for tag, found in await each(lambda tag: _target(store, tag), tags, at_once=_AT_ONCE) if found == digest
    ]


async def _target(store: Source, tag: Tag) -> Digest | None:
    try:
        return await digest_of(store, tag)
    except (NotFound, ContentMismatch):
        return None  # somebody has deleted it in the meantime, or what it leads to is damaged, so no manifest that was read
