"""More tags for a manifest that is there: a request for each, and no blob is moved."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.reference import Tag
from wherry.stores.protocol import Gatherer, Store

__all__ = ["retag"]


async def retag(store: Store, name: Tag | Digest, tags: Sequence[Tag]) -> Descriptor:
    """Point `tags`, in their order, at what `name` leads to; return that. The first failure stops the rest.

    Raises:
        ManifestUnknown: `name` leads nowhere.
    """
    found = (await store.manifest(name)).descriptor  # a remote repository remembers it, and sends it from memory
    async with AsyncExitStack() as written:
        if isinstance(store, Gatherer):
            await written.enter_async_context(store.together())
        for tag in tags:
            await store.tag(found, tag)
    return found
