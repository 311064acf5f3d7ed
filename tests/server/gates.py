"""Somebody at work is held at a named point until the test lets go: races happen in the order that the test wants."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.server.clock import Clock
from wherry.server.points import Point
from wherry.server.policy import Policy
from wherry.server.registry import Registry

_TOO_LONG = 20.0


class Gate:
    """Holds the first who reaches a point, once the gate is shut; everybody else passes by."""

    def __init__(self, point: Point, *, shut: bool = True) -> None:
        self._point = point
        self._shut = shut
        self._arrived = threading.Event()
        self._open = threading.Event()

    def __call__(self, point: Point) -> None:
        if self._shut and point is self._point:
            self._shut = False
            self._arrived.set()
            assert self._open.wait(_TOO_LONG), f"nobody came to open the gate at {point}"

    def shut(self) -> None:
        """The next one is held."""
        self._shut = True

    async def arrival(self) -> None:
        """Until somebody is held."""
        assert await asyncio.to_thread(self._arrived.wait, _TOO_LONG), f"nobody came to {self._point}"

    def open(self) -> None:
        """Let go."""
        self._shut = False
        self._open.set()


@asynccontextmanager
async def collecting_elsewhere(folder: Path, policy: Policy, clock: Clock, point: Point) -> AsyncIterator[None]:
    """As in another process, the collector works on a folder; in the block it is held at a point, and then goes on to its end."""
    gate = Gate(point)

    async def collect() -> None:
        registry = Registry.open(folder, policy, served=True, clock=clock, reached=gate)
        try:
            await registry.collector.collect()
        finally:
            await registry.close()

    collecting = asyncio.create_task(asyncio.to_thread(asyncio.run, collect()))
    try:
        await gate.arrival()
        yield
    finally:
        gate.open()
        await collecting
