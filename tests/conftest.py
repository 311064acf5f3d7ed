"""Our own registry, in this process, on a loopback port: the one that tests talk to."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from wherry.server.running import Running, running


@pytest.fixture
async def registry() -> AsyncIterator[Running]:
    """A registry that is empty, and thrown away after the test."""
    async with running(data=None) as server:
        yield server


@pytest.fixture
async def registry_factory() -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    """Start more registries: `await registry_factory(sparse=…)`, with the arguments of `running`; all stop with the test."""
    async with AsyncExitStack() as servers:

        async def start(**options: Any) -> Running:
            return await servers.enter_async_context(running(**({"data": None} | options)))

        yield start
