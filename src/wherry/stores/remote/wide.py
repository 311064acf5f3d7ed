"""One large blob over several connections at once, where a single one is what it waits for.

Whether that helps shows only on the way: some registries and networks give each connection a share (then four are nearly four times
as fast), elsewhere the line or a processor is the limit, and more connections only cost requests. So a blob begins on one.
When it has been slow for a while though whoever takes the bytes was not, and much of it is left, and nothing else comes from that registry,
the rest is read in stripes, some at once, and handed out in order: whoever hashes or sends the bytes on does not notice. If it is not
quicker then, it goes back to one, and that is not tried again with this registry. Memory is a ring of stripes.

Numbers: docs/design/client.md, "Several ranges at once".
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine, Iterator
from contextlib import contextmanager

__all__ = ["Meter", "Width", "striped"]

AT_ONCE = 4
_RING = AT_ONCE + 1
"""Stripes that are being read or wait for their turn."""
_SMALLEST, _LARGEST = 512 * 1024, 6 * 1024 * 1024
"""Bytes of a stripe: about what one connection brings in a second, so that asking for it costs little."""
_LOOK_AFTER = 2.0
"""Seconds of one way of reading before it is judged."""
_FAST = 64 * 1024 * 1024
"""Bytes a second of one connection from which on there is nothing to gain."""
_WAITING = 0.7
"""The part of the time in which it must be the registry that is waited for."""
_WORTHWHILE = 4.0
"""Seconds that the rest would take on one connection."""
_GAIN = 1.25

Stripe = Callable[[int, int], Coroutine[None, None, list[bytes]]]
"""Reads the bytes from the first number up to, and not including, the second."""


class Width:
    """What is known of one registry's connections in this process."""

    def __init__(self, *, is_vain: bool = False) -> None:
        self.is_vain = is_vain
        """More connections were no quicker, or not to be had."""
        self._coming = 0

    def is_called_for(self, meter: "Meter", left: int) -> bool:
        """Whether a blob, of which there are `left` bytes, is better read over several connections."""
        if self._coming > 1:
            meter.begin()  # what it is worth shows when it is alone
            return False
        return not self.is_vain and meter.is_slow(left)

    @contextmanager
    def coming(self) -> Iterator[None]:
        """A blob is on its way."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1


class Meter:
    """How quick bytes come, and who is waited for. `now` is in seconds."""

    def __init__(self, now: Callable[[], float] | None = None) -> None:
        self._now = now or asyncio.get_running_loop().time
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._began = self._gave = self._now()
        self._taken = 0.0
        self._bytes = 0

    def give(self, piece: bytes | memoryview) -> None:
        """A piece is about to be handed out."""
        self._bytes += len(piece)
        self._gave = self._now()

    def took(self) -> None:
        """Whoever takes the pieces wants the next."""
        self._taken += self._now() - self._gave

    @property
    def has_seen_enough(self) -> bool:
        return self._now() - self._began >= _LOOK_AFTER

    @property
    def rate(self) -> float:
        """Bytes a second, of the time in which they were waited for."""
        return self._bytes / max(self._now() - self._began - self._taken, 1e-6)

    def is_slow(self, left: int) -> bool:
        """Whether the registry is what keeps us, and will for a while: there are `left` bytes."""
        elapsed = self._now() - self._began
        if elapsed < _LOOK_AFTER or self._taken > (1 - _WAITING) * elapsed:
            return False
        return self.rate < _FAST and left >= max(_WORTHWHILE * self.rate, 2 * _SMALLEST)


async def striped(read: Stripe, start: int, stop: int, width: Width, rate: float) -> AsyncGenerator[bytes, None]:
    """The bytes from `start` on, in order, up to `stop` or until this turns out to be no quicker than `rate`."""
    size = int(min(max(rate, _SMALLEST), _LARGEST))
    places = asyncio.Semaphore(AT_ONCE)

    async def in_turn(first: int, last: int) -> list[bytes]:
        async with places:
            return await read(first, last)

    ring: deque[asyncio.Task[list[bytes]]] = deque()
    meter, is_judged = Meter(), False
    try:
        while start < stop or ring:
            while start < stop and len(ring) < _RING:
                ring.append(asyncio.create_task(in_turn(start, min(start + size, stop))))
                start += size
            for piece in await ring.popleft():
                meter.give(piece)
                yield piece
                meter.took()
            if not is_judged and meter.has_seen_enough:
                is_judged = True
                if meter.rate < _GAIN * rate:
                    width.is_vain = True
                    return
    finally:
        await _given_up(ring)


async def _given_up(tasks: Collection[asyncio.Task[list[bytes]]]) -> None:
    """End tasks whose results, or failures, nobody wants any more."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain
