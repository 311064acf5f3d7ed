"""One thread writes: changes share commits, and do not hurt each other."""

import asyncio
import sqlite3
import threading
from contextlib import closing

import pytest

from wherry.oci.errors import Unavailable
from wherry.server.metadata.database import connect
from wherry.server.metadata.writer import Writer
from wherry.server.points import Point


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.sqlite"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
        yield path


@pytest.fixture
def reached() -> list[Point]:
    return []


@pytest.fixture
async def writer(path, reached):
    writer = Writer(connect(path), durable=True, reached=reached.append)
    yield writer
    await writer.close()


def add(number: int):
    def change(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT INTO numbers VALUES (?)", (number,))
        return number

    return change


def stored(path) -> list[int]:
    with closing(connect(path)) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM numbers ORDER BY number")]


class Busy:
    """Keeps the writer's thread, so that what is asked meanwhile waits together."""

    def __init__(self, writer: Writer) -> None:
        self._begun, self._let_go = threading.Event(), threading.Event()
        self._task = asyncio.create_task(writer.run(lambda _: (self._begun.set(), self._let_go.wait(10))))

    async def __aenter__(self) -> None:
        await asyncio.to_thread(self._begun.wait)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0)
        self._let_go.set()
        await self._task


async def test_changes_that_wait_share_a_commit(writer, path, reached):
    async with Busy(writer):
        waiting = [asyncio.create_task(writer.run(add(number))) for number in range(100)]
    assert await asyncio.gather(*waiting) == list(range(100))
    assert stored(path) == list(range(100))
    assert reached.count(Point.COMMITTED) <= 3


async def test_a_change_that_fails_takes_nothing_with_it(writer, path):
    def fails(connection: sqlite3.Connection) -> None:
        add(1000)(connection)
        raise LookupError("on purpose")

    async with Busy(writer):
        waiting = [asyncio.create_task(writer.run(change)) for change in (add(1), fails, add(2))]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], LookupError)
    assert results[2] == 2
    assert stored(path) == [1, 2]


async def test_a_commit_that_fails_fails_all_who_wait_for_it(writer, path):
    def breaks_the_commit(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE other (number REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)")
        connection.execute("INSERT INTO other VALUES (99)")

    async with Busy(writer):
        waiting = [asyncio.create_task(writer.run(change)) for change in (add(1), breaks_the_commit)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, Exception) for result in results)
    assert stored(path) == []
    assert await writer.run(add(2)) == 2


async def test_a_full_disk_is_told_to_all_whose_changes_it_undid(writer, path):
    def fills_it(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 1}")
        connection.execute("CREATE TABLE large (content)")
        connection.execute("INSERT INTO large VALUES (zeroblob(1000000))")

    async with Busy(writer):
        waiting = [asyncio.create_task(writer.run(change)) for change in (add(1), fills_it, add(2))]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[1], Unavailable)
    undone = [number for number, result in zip((1, None, 2), results, strict=True) if isinstance(result, Exception)]
    assert all(isinstance(result, int | Unavailable) for result in results)
    assert stored(path) == [number for number in (1, 2) if number not in undone]


async def test_a_caller_who_gave_up_does_not_undo_the_change(writer, path):
    async with Busy(writer):
        waiting = asyncio.create_task(writer.run(add(1)))
        await asyncio.sleep(0)
        waiting.cancel()
    assert await writer.run(add(2)) == 2
    assert stored(path) == [1, 2]


async def test_closing_commits_what_waits(path):
    writer = Writer(connect(path), durable=False)
    waiting = [asyncio.create_task(writer.run(add(number), promised=False)) for number in range(3)]
    await asyncio.sleep(0)
    await writer.close()
    assert await asyncio.gather(*waiting) == [0, 1, 2]
    assert stored(path) == [0, 1, 2]


async def test_only_promises_wait_for_the_disk(writer):
    def mode(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA synchronous").fetchone()[0])

    assert await writer.run(mode, promised=False) == 1  # NORMAL
    assert await writer.run(mode) == 2  # FULL
