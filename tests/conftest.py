"""Our own registry, in this process, on a loopback port: the one that tests talk to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from wherry.server.running import Running, running


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries nobody waits; `tests/faults` looks at how long it would have been."""

    async def at_once(_clock: object, _seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("wherry.stores.remote.retrying._WallClock.sleep", at_once)


@pytest.fixture(autouse=True)
def no_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is noted from one command to the next, but where a test is about that."""
    monkeypatch.setenv("WHERRY_CACHE", "")


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
