"""One thread writes, and many changes share one commit.

SQLite has one writer at a time, and what a commit costs is the fsync. So changes wait in a queue, and the thread takes
all that are there into one transaction: under load a hundred pushes pay for one fsync. Each runs in a savepoint of its
own, so that one that is refused takes nothing with it. Nobody is answered before the commit.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from wherry.oci.errors import Unavailable
from wherry.server.points import Point, Reached, pass_by

__all__ = ["Change", "Writer"]

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], T]

_LARGEST_BATCH = 256


@dataclass(slots=True)
class _Job:
    change: Change[Any]
    promised: bool
    future: asyncio.Future[Any]
    result: Any = None
    failure: BaseException | None = None


class Writer:
    """`close` it when nothing calls it any more: then the connection is closed, too."""

    def __init__(self, connection: sqlite3.Connection, *, durable: bool, reached: Reached = pass_by) -> None:
        self._connection = connection
        self._durable = durable
        self._reached = reached
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="wherry-writer", daemon=True)
        self._thread.start()

    async def run(self, change: Change[T], *, promised: bool = True) -> T:
        """Run `change` in a transaction; return what it returns, once that is committed.

        With `promised` the commit is on the disk by then, if this writer is durable at all. A caller that is cancelled
        while it waits does not undo the change.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(change, promised, future))
        return await future

    async def close(self) -> None:
        """Commit what is in the queue, then stop."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        last = False
        while not last:
            jobs, last = self._next_jobs()
            if jobs:
                self._commit(jobs)
                _deliver(jobs)
        self._connection.close()

    def _next_jobs(self) -> tuple[list[_Job], bool]:
        jobs: list[_Job] = []
        job = self._jobs.get()
        try:
            while job is not None and len(jobs) < _LARGEST_BATCH - 1:
                jobs.append(job)
                job = self._jobs.get_nowait()
        except Empty:
            return jobs, False
        if job is not None:
            jobs.append(job)
        return jobs, job is None

    def _commit(self, jobs: list[_Job]) -> None:
        connection = self._connection
        promised = self._durable and any(job.promised for job in jobs)
        try:
            connection.execute(f"PRAGMA synchronous={'FULL' if promised else 'NORMAL' if self._durable else 'OFF'}")
            connection.execute("BEGIN IMMEDIATE")
            self._reached(Point.BEGUN)
            for job in jobs:
                _run(job, connection)
            self._reached(Point.CHANGED)
            connection.execute("COMMIT")
            self._reached(Point.COMMITTED)
        except sqlite3.Error as error:  # the disk is full, or broken: nothing of the batch has happened
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            trouble = _trouble([*(job.failure for job in jobs), error])
            for job in jobs:
                job.failure = job.failure or trouble


def _run(job: _Job, connection: sqlite3.Connection) -> None:
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.change(connection)
    except Exception as error:  # noqa: BLE001  # it belongs to the caller, who is on another thread
        job.failure = _trouble([error])
        connection.execute("ROLLBACK TO job")  # fails when SQLite has rolled back everything, as it does on a full disk
    connection.execute("RELEASE job")


def _trouble(failures: Sequence[BaseException | None]) -> BaseException:
    """What to tell those whose change was undone with others': that the disk is full, if it was that for anyone."""
    for failure in failures:
        if isinstance(failure, Unavailable):
            return failure
        if isinstance(failure, sqlite3.Error) and getattr(failure, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return Unavailable("the registry's disk is full", hint="tell whoever runs the registry")
    return next(failure for failure in failures if failure is not None)


def _deliver(jobs: list[_Job]) -> None:
    for loop in {job.future.get_loop() for job in jobs}:
        loop.call_soon_threadsafe(_settle, [job for job in jobs if job.future.get_loop() is loop])


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.cancelled():
            continue
        if job.failure is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.failure)
