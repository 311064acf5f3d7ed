"""How fast bytes may pass, over all transfers of a client: each direction has a bucket of its own."""

from wherry.stores.remote.retrying import Clock

__all__ = ["Bucket"]


class Bucket:
    """Lets `rate` bytes a second pass, over all who ask."""

    def __init__(self, rate: int, clock: Clock) -> None:
        if rate < 1:
            raise ValueError("a rate is at least one byte a second")
        self._rate = rate
        self._clock = clock
        self._free = clock.now()

    async def take(self, amount: int) -> None:
        """Wait until so many bytes may have passed."""
        now = self._clock.now()
        self._free = max(self._free, now) + amount / self._rate
        await self._clock.sleep(self._free - now)
