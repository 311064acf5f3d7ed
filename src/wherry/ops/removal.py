"""What goes along when a manifest is deleted: every tag that leads to it."""

from wherry.oci.digest import Digest
from wherry.oci.errors import ContentMismatch, NotFound
from wherry.oci.reference import Tag
from wherry.ops._each import each
from wherry.stores.protocol import Source

__all__ = ["tags_on"]

_AT_ONCE = 16


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
        return (await store.resolve(tag)).digest
    except (NotFound, ContentMismatch):
        return None  # somebody has deleted it in the meantime, or what it leads to is damaged, so no manifest that was read
