"""The lock on drafts: one process changes them at a time. Who waits can be interrupted, in an event loop too.

A lock that blocks in the kernel would keep a loop from hearing of Ctrl-C; so it is tried again and again, softly.
"""

import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from wherry.stores._draft_files import unusable

__all__ = ["held", "held_in_turn"]

_PAUSE = 0.01
_MOMENT = 1.0


@contextmanager
def held(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock in this file.

    Args:
        waiting: called once, when somebody else holds it for longer than a moment.
    Raises:
        StoreError: there can be no such file.
    """
    import time  # noqa: PLC0415  # only who waits needs it

    with _opened(path) as lock:
        for pause in _turns(lock, waiting):
            time.sleep(pause)
        yield


@asynccontextmanager
async def held_in_turn(path: Path, waiting: Callable[[], None]) -> AsyncIterator[None]:
    """As `held`; while it waits the loop goes on, and whoever waits can be cancelled."""
    import asyncio  # noqa: PLC0415  # 20 ms, which a command without a loop need not pay

    with _opened(path) as lock:
        for pause in _turns(lock, waiting):
            await asyncio.sleep(pause)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise unusable(path, error) from error
    try:
        yield lock
    finally:
        os.close(lock)


def _turns(lock: int, waiting: Callable[[], None]) -> Iterator[float]:
    """Try to take the lock until it is ours; what comes out is how many seconds to pause before the next try."""
    waited = 0.0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waited < _MOMENT <= waited + _PAUSE:
                waiting()
            waited += _PAUSE
            yield _PAUSE
        else:
            return
