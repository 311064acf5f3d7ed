"""What is written as a whole is written once, however much goes there."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from wherry.stores.protocol import Gatherer, Source

__all__ = ["together"]


@asynccontextmanager
async def together(stores: Iterable[Source]) -> AsyncIterator[None]:
    """Make the changes inside one change in each of the stores that gather."""
    async with AsyncExitStack() as open_ones:
        for store in {id(store): store for store in stores}.values():
            if isinstance(store, Gatherer):
                await open_ones.enter_async_context(store.together())
        yield
