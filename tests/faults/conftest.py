"""One registry for all tests of a module, in which each has repositories of its own, and the yard before it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest_asyncio

from tests.clock import Waits
from tests.content import put
from tests.faults.proxy import proxy
from tests.faults.yard import IMAGE, Yard
from wherry.oci.reference import Reference
from wherry.server.running import Running, running
from wherry.stores.remote import Client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Running]:
    async with running(data=None) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def yard(shared):
    """Make a yard with these faults at the source and at the destination."""
    async with AsyncExitStack() as stack, Client() as client:
        await put(IMAGE, client.repository(Reference.parse_repository(f"{shared.address}/from/app")), "v1")

        async def make(source=(), destination=(), *, tokens: bool = False) -> Yard:
            first = await stack.enter_async_context(proxy(shared.address, *source, tokens=tokens))
            second = await stack.enter_async_context(proxy(shared.address, *destination, tokens=tokens))
            return Yard(first, second, IMAGE, Waits())

        yield make
