"""Garbage collection beside everything else: no pause, no read-only mode.

Whatever takes away a reason to keep something asks for a review, and the collector reviews what is due, a few things in
a transaction. A blob goes in two steps. The first transaction proves that no repository holds it, and marks it. The
second one finds it as it was marked, renames its file and forgets its row; only then the bytes are deleted. A push in
between takes the mark away, or brings the bytes again. See docs/design/collection.md.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from uuid import uuid4

from wherry.server.blobs.protocol import Blobs
from wherry.server.collection.protocol import Going, Reviews
from wherry.server.health import log_failure
from wherry.server.points import Point, Reached, pass_by

__all__ = ["Collected", "Collector"]

_log = logging.getLogger("wherry.server.collection")

_FEWEST, _MOST = 10, 500  # reviews of each kind in one transaction
_SHORT, _LONG = 0.01, 0.05  # seconds that a transaction of reviews takes


@dataclass(slots=True)
class Collected:
    """What was taken away, in numbers."""

    reviews: int = 0
    manifests: int = 0
    links: int = 0
    """That a repository held a blob."""
    blobs: int = 0
    size: int = 0
    """Bytes that were deleted."""


class Collector:
    """Collects. `total` counts everything since it was made."""

    def __init__(self, reviews: Reviews, blobs: Blobs, reached: Reached = pass_by) -> None:
        self.reviews = reviews
        self.total = Collected()
        self._blobs = blobs
        self._reached = reached
        self._name = str(uuid4())
        self._limit = _FEWEST

    async def run(self, rest: float) -> None:
        """Collect for ever, with a rest of so many seconds whenever nothing is due. One process of many does it at a time."""
        try:
            await self._go_on(rest)
        finally:
            await self.reviews.claim(
                "collection", self._name, -1
            )  # whoever comes next need not wait for ours to run out

    async def _go_on(self, rest: float) -> None:
        asked = False
        while True:
            try:
                if await self.reviews.claim("collection", self._name, 2 * rest + 60):
                    if not asked:
                        await self.reviews.ask_for_untagged()
                        asked = True
                    await self.collect()
            except Exception as error:  # noqa: BLE001  # a full disk, for example; or a bug, which is no reason to stop for ever
                log_failure(_log, "the collection was cut short", error)
            await asyncio.sleep(rest)

    async def collect(self) -> Collected:
        """Review all that is due, and take away what nothing needs; others at work at the same time do no harm."""
        collected = Collected()
        await self._blobs.clear_aside()  # what was left by somebody who was cut short
        while True:
            begun = time.monotonic()
            found = await self.reviews.review(self._limit)
            taken = time.monotonic() - begun
            if not found.looked:
                return collected
            self._count(collected, reviews=found.looked, manifests=found.manifests, links=found.links)
            if found.going:
                self._reached(Point.MARKED)
            for going in found.going:
                await self._remove(going, collected)
            self._count(collected, size=await self._blobs.clear_aside())
            self._adapt(taken)
            await asyncio.sleep(min(taken, 1.0))  # half of the writer's time is for the clients, at least

    async def _remove(self, going: Going, collected: Collected) -> None:
        def set_aside() -> None:
            self._blobs.set_aside(going.digest)
            self._reached(Point.SET_ASIDE)

        try:
            if await self.reviews.remove(going, set_aside):
                self._reached(Point.REMOVED)
                self._count(collected, blobs=1)
        except OSError:
            _log.exception("blob %s cannot be taken away; it will be tried again", going.digest)

    def _count(self, collected: Collected, **numbers: int) -> None:
        for name, number in numbers.items():
            for each in (collected, self.total):
                setattr(each, name, getattr(each, name) + number)

    def _adapt(self, taken: float) -> None:
        """Larger transactions while they are short, smaller ones when clients would feel them."""
        if taken > _LONG:
            self._limit = max(_FEWEST, self._limit // 2)
        elif taken < _SHORT:
            self._limit = min(_MOST, self._limit * 2)
