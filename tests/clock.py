"""A clock for tests of what waits: nobody does."""

import asyncio

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
