"""One registry for all these tests: each has repositories of its own in it."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from wherry.server.running import Running, running

__all__ = ["Waits"]


class Waits:
    """A clock that nobody has to wait for; it knows how long they would have."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def now(self) -> float:
        return 1000.0 + sum(self.waited)

    async def sleep(self, seconds: float) -> None:
        self.waited.append(seconds)
        await asyncio.sleep(0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Running]:
    async with running(data=None) as server:
        yield server
