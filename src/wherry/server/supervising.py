"""Several processes that serve one folder: a supervisor that holds the folder and the socket, and starts the others.

The supervisor does nothing but wait for signals. It forks its workers before it has a thread or an event loop of its own;
they inherit the socket, so that whichever is free takes the next connection, and the folder's lock, so that nobody else
takes the folder as long as one of them lives. A worker that dies is replaced; workers whose supervisor dies end too.

What makes several processes on a folder one registry is elsewhere: docs/design/server.md, "Several processes".
"""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Never

from wherry.oci.errors import WherryError

__all__ = ["Lifeline", "WorkersFailed", "supervise"]

_HEALTHY = 5.0  # seconds; who dies sooner counts as one that could not start
_MOST_FAILURES = 5
_STOPPING = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
_READY = b"+"

_log = logging.getLogger("wherry.server")


class WorkersFailed(WherryError):
    """Workers die as soon as they are started; what they said stands before this."""


class Lifeline:
    """What ties a worker to its supervisor: it says when it is ready, and sees when the supervisor is gone."""

    def __init__(self, ready: int, supervisor: int) -> None:
        self._ready = ready
        self.supervisor = supervisor
        """A file descriptor that becomes readable when the supervisor has died."""

    def is_ready(self) -> None:
        """Tell the supervisor that requests are answered."""
        with suppress(BrokenPipeError):  # nobody waits for a worker that takes the place of another
            os.write(self._ready, _READY)
        os.close(self._ready)


def supervise(
    count: int, work: Callable[[int, Lifeline], None], listener: socket.socket, on_ready: Callable[[], None]
) -> None:
    """Run `count` workers until a signal ends them; a second signal is handed on as well. Closes `listener` at the end.

    Args:
        work: what a worker does, in a process of its own, until it is told to stop; it is given its number.
        on_ready: called once, when every worker answers.
    Raises:
        WorkersFailed: they cannot be started, or die again and again.
    """
    alive, holder = os.pipe()  # the write end is ours alone: it closes when we die, however we die
    with _signals_wait() as signals:
        crew = _Crew(work, alive, holder)
        try:
            for number in range(count):
                crew.start(number)
            crew.await_all()
            on_ready()
            crew.watch(signals)
        finally:
            listener.close()
            crew.end(signals)
            os.close(alive)
            os.close(holder)


class _Crew:
    """The workers that live, and how often one of them died young."""

    def __init__(self, work: Callable[[int, Lifeline], None], alive: int, holder: int) -> None:
        self._work = work
        self._alive = alive
        self._holder = holder
        self._numbers: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._waiting: list[int] = []
        self._failures = 0

    def start(self, number: int) -> None:
        ready, told = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(ready)
            os.close(self._holder)
            for other in self._waiting:
                os.close(other)
            _be_a_worker(lambda: self._work(number, Lifeline(told, self._alive)))
        os.close(told)
        self._numbers[process] = number
        self._started[process] = time.monotonic()
        self._waiting.append(ready)

    def await_all(self) -> None:
        """Wait until those that were started are ready."""
        while self._waiting:
            ready = self._waiting.pop()
            said = os.read(ready, 1)
            os.close(ready)
            if said != _READY:
                raise WorkersFailed("a worker ended before it was ready")

    def watch(self, signals: frozenset[signal.Signals]) -> None:
        """Replace the dead, until a signal says that all shall end."""
        while True:
            if signal.sigwait(signals) in _STOPPING:
                return
            for number in self._bury():
                self.start(number)
            for ready in self._waiting:  # nobody waits for these: the others answer meanwhile
                os.close(ready)
            self._waiting.clear()

    def end(self, signals: frozenset[signal.Signals]) -> None:
        """Tell all to end, and wait until they have."""
        for ready in self._waiting:
            os.close(ready)
        self._tell()
        while self._numbers:
            if signal.sigwait(signals) in _STOPPING:
                self._tell()
            self._bury(counting=False)

    def _tell(self) -> None:
        for process in self._numbers:
            os.kill(process, signal.SIGTERM)

    def _bury(self, *, counting: bool = True) -> list[int]:
        """The numbers of those that have died."""
        dead = []
        for process in list(self._numbers):
            if os.waitpid(process, os.WNOHANG) == (0, 0):
                continue
            dead.append(self._numbers.pop(process))
            lived = time.monotonic() - self._started.pop(process)
            self._failures = self._failures + 1 if lived < _HEALTHY else 0
        if counting and self._failures >= _MOST_FAILURES:
            raise WorkersFailed(
                f"workers died {self._failures} times in a row within {_HEALTHY:g} seconds of their start"
            )
        return dead


@contextmanager
def _signals_wait() -> Iterator[frozenset[signal.Signals]]:
    """Hold signals back until they are waited for, so that none comes between two steps."""
    wanted = frozenset((*_STOPPING, signal.SIGCHLD))
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # `nohup` has the last word
        wanted -= {signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    try:
        yield wanted
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _be_a_worker(work: Callable[[], None]) -> Never:
    """Do it, in the new process, and end without the supervisor's own ways of ending: its folder is not ours to remove."""
    code = 1
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_STOPPING, signal.SIGCHLD})
        work()
        code = 0
    except WherryError as error:
        _log.error("a worker has ended: %s", error)  # no bug, so nobody wants its traceback
    except BaseException:  # noqa: BLE001  # the process ends here, and says why
        _log.exception("a worker has ended")
    finally:
        os._exit(code)
