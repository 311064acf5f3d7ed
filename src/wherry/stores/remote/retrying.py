"""Trying again: what is worth it, how long to wait in between, and when to stop.

Worth it is what may go well the next time: a connection that broke, silence, 408, 429, and a registry that has trouble of its own
(5xx, but not 501 and 505, which are about what it cannot do). Nothing else of 4xx is: the same request gets the same
answer. Before a registry has answered once, an unknown name, a closed port or no connection are told at once: mostly
something is misspelled, and waiting does not mend that.

Waits grow, and are drawn at random up to their length, so that many clients which failed together do not come back
together. A registry that says how long to wait (`Retry-After`) is believed; if that is longer than the patience lasts, the
failure is told at once. The loop is tenacity's, which is imported when something has failed: a command that succeeds does not pay for it.
"""

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from wherry.oci.errors import (
    ConnectionFailed,
    RegistryError,
    TimedOut,
    TooManyRequests,
    Unavailable,
    UnexpectedResponse,
    WherryError,
)
from wherry.stores.remote.failures import NotHTTP, ProxyRefused, Refused, Unresolved, Unwelcome

if TYPE_CHECKING:
    import tenacity

__all__ = ["WALL_CLOCK", "Clock", "Patience", "Trying", "asked_to_wait", "is_worth_another_try"]

_TIMEOUT, _TOO_MANY, _SERVER_ERROR = 408, 429, 500
_CANNOT = frozenset((501, 505))
_NEXT = "try again later: what has arrived is not sent again"


class Clock(Protocol):
    """What tells the time and waits. Tests bring their own."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class _WallClock:
    def now(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


WALL_CLOCK: Clock = _WallClock()


class Patience(Struct, frozen=True):
    """How often something is tried that may go well the next time, and how long. `tries` is at least 1; all else in seconds.

    `deadline` counts from the first failure, and anew when a large blob has got on; no request that carries little takes longer, either.
    """

    tries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 30.0
    deadline: float = 300.0

    def __post_init__(self) -> None:
        if self.tries < 1 or min(self.first_wait, self.longest_wait, self.deadline) < 0:
            raise ValueError("patience needs at least one try, and no time below zero")


def is_worth_another_try(error: WherryError, *, known: bool) -> bool:
    """Whether the same request may go well the next time; `known` is whether the registry has answered before."""
    if error.is_final:
        return False
    match error:
        case UnexpectedResponse():
            return False
        case RegistryError():
            status = error.status if error.request is not None else 0
            is_trouble = status >= _SERVER_ERROR and status not in _CANNOT
            return is_trouble or status in {_TIMEOUT, _TOO_MANY} or isinstance(error, TooManyRequests)
        case NotHTTP() | ProxyRefused():
            return False
        case Refused() | Unresolved() | Unwelcome() | TimedOut():
            return known
        case _:
            return isinstance(error, ConnectionFailed)


def asked_to_wait(error: WherryError) -> float:
    """The seconds that a registry asks to wait; 0 if it does not say."""
    return (error.retry_after or 0.0) if isinstance(error, TooManyRequests | Unavailable) else 0.0


class Trying:
    """What is left of a patience for one piece of work, after its first failure."""

    def __init__(self, patience: Patience, clock: Clock) -> None:
        self._patience = patience
        self._clock = clock
        self._began = clock.now()
        self._attempts: tenacity.AsyncRetrying | None = None
        self._attempt: tenacity.AttemptManager | None = None
        self._tries = 0

    async def after(self, error: WherryError) -> None:
        """Wait until the next try is due.

        Raises:
            WherryError: `error` itself, when there is no next try.
        """
        self._tries += 1
        if self._attempts is None or self._attempt is None:
            self._attempts = self._begun()
            self._attempt = await anext(self._attempts)
        self._attempt.retry_state.set_exception((type(error), error, error.__traceback__))
        self._attempt = await anext(self._attempts)

    def _begun(self) -> "tenacity.AsyncRetrying":
        import tenacity  # noqa: PLC0415  # 35 ms that a command has to pay only when something fails

        spread = tenacity.wait_random_exponential(multiplier=self._patience.first_wait, max=self._patience.longest_wait)

        def wait(state: "tenacity.RetryCallState") -> float:
            return asked_to_wait(_failure(state)) + float(spread(state))

        def stop(state: "tenacity.RetryCallState") -> bool:
            error = _failure(state)
            spent = self._clock.now() - self._began
            is_over = self._tries >= self._patience.tries or spent + state.upcoming_sleep > self._patience.deadline
            error.is_final = is_over
            if is_over:
                error.hint = error.hint or _NEXT
            if is_over and self._tries > 1:
                error.message += f" (tried {self._tries} times in {spent:.0f} s)"
            return is_over

        return aiter(tenacity.AsyncRetrying(sleep=self._clock.sleep, stop=stop, wait=wait, reraise=True))


def _failure(state: "tenacity.RetryCallState") -> WherryError:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, WherryError)  # noqa: S101  # `after` is given nothing else
    return error
