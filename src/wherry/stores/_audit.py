"""Content on this machine against its digest: how a store here looks at what it has."""

from collections.abc import Callable

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ContentMismatch, NotFound
from wherry.stores.protocol import Source

__all__ = ["is_sound"]


async def is_sound(store: Source, content: Descriptor, distrust: Callable[[Digest], None]) -> bool:
    """Read all of some content; `distrust` is told if it is there and is not what it should be."""
    try:
        async for _ in store.fetch(content):
            pass
    except NotFound:
        return False
    except ContentMismatch:
        distrust(content.digest)
        return False
    return True
