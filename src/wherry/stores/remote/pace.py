"""How fast a registry may be asked.

A registry that asks one request to wait means all of them. One that counts requests (Docker Hub: manifests fetched with GET) says how
many are left: when these are few, each waits, the longer the fewer there are, up to the time in which the registry
allows one more. So a long mirroring slows down before the wall and does not run into it. No wait is longer than the patience's longest.
"""

from wherry.oci.errors import WherryError
from wherry.oci.wire.limits import RateLimit, read_rate_limit
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.retrying import Clock, Patience, asked_to_wait

__all__ = ["Pace"]

_FEW = 0.1
"""The part of a limit from which on what is left is few."""


class Pace:
    """How fast one registry may be asked."""

    def __init__(self, patience: Patience, clock: Clock) -> None:
        self._patience = patience
        self._clock = clock
        self._not_before = 0.0
        self._next = 0.0
        self.rate_limit: RateLimit | None = None
        """What the registry said last; None if it has not said anything."""

    @property
    def is_free(self) -> bool:
        """Whether nothing that the registry has said makes anybody wait."""
        return self.rate_limit is None and not self._not_before

    async def turn(self, method: str, target: str) -> None:
        """Wait until this may be asked."""
        now = self._clock.now()
        if self._not_before > now:
            await self._clock.sleep(self._not_before - now)
        if self.rate_limit is not None and _counts(method, target):
            await self._spread(self.rate_limit)

    async def _spread(self, limit: RateLimit) -> None:
        few = limit.limit * _FEW
        if limit.remaining >= few:
            return
        wait = min(limit.interval * (1 - limit.remaining / few), self._patience.longest_wait)
        now = self._clock.now()
        # The next one waits from the end of this one's wait on, so that many at once are spread too.
        self._next = max(self._next, now) + wait
        await self._clock.sleep(self._next - now)

    def learn(self, target: str, answer: Answer) -> None:
        """Look at what an answer says about the rate."""
        if "/manifests/" in target:
            limit = answer.header("RateLimit-Limit")
            if limit is not None:
                remaining, source = answer.header("RateLimit-Remaining"), answer.header("Docker-RateLimit-Source")
                self.rate_limit = read_rate_limit(limit, remaining, source) or self.rate_limit

    def hold(self, error: WherryError) -> None:
        """Let everybody wait who asks this registry, if it wants that."""
        seconds = asked_to_wait(error)
        if 0 < seconds <= self._patience.deadline:
            self._not_before = max(self._not_before, self._clock.now() + seconds)


def _counts(method: str, target: str) -> bool:
    """Whether a registry that limits how much is pulled counts this request."""
    return method == "GET" and "/manifests/" in target
