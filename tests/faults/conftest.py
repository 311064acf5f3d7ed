"""One registry for all these tests: each has repositories of its own in it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from wherry.server.running import Running, running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Running]:
    async with running(data=None) as server:
        yield server
