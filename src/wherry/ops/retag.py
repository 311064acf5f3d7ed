"""More tags for a manifest that is there: a request for each, and no blob is moved."""

from collections.abc import Callable, Sequence

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.reference import Tag
from wherry.stores.protocol import Gatherer, Store

__all__ = ["retag"]


def _not_told(_: Tag) -> None:
    """Who only wants the result."""


async def retag(
    store: Store, name: Tag | Digest, tags: Sequence[Tag], *, placed: Callable[[Tag], None] = _not_told
) -> Descriptor:
    """Point `tags`, in their order, at what `name` leads to; return that. The first failure stops the rest.

    Args:
        placed: called with each tag when it is there.

    Raises:
        ManifestUnknown: `name` leads nowhere.
    """
    found = (await store.manifest(name)).descriptor  # a remote repository remembers it, and sends it from memory
    if isinstance(store, Gatherer):
        async with store.together():
            for tag in tags:
                await store.tag(found, tag)
        for tag in tags:
            placed(tag)
        return found
    for tag in tags:
        await store.tag(found, tag)
        placed(tag)
    return found
