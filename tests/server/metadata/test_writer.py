"""One thread writes: changes share commits, and do not hurt each other."""

import asyncio
import threading

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, NullPool, Table, create_engine, event, insert, select

from wherry.oci.errors import Unavailable
from wherry.server.metadata.database import prepare
from wherry.server.metadata.writer import Writer
from wherry.server.points import Point

NUMBERS = Table("numbers", MetaData(), Column("number", Integer, primary_key=True))


@pytest.fixture
def engine(tmp_path):
    engine = create_engine(
        f"sqlite:///{tmp_path}/x.sqlite", poolclass=NullPool, connect_args={"check_same_thread": False}
    )
    event.listen(engine, "connect", prepare)
    with engine.connect() as connection:
        NUMBERS.create(connection)
    yield engine
    engine.dispose()


@pytest.fixture
def reached() -> list[Point]:
    return []


@pytest.fixture
async def writer(engine, reached):
    writer = Writer(engine, durable=True, reached=reached.append)
    yield writer
    await writer.close()


def add(number: int):
    def change(connection: Connection) -> int:
        connection.execute(insert(NUMBERS).values(number=number))
        return number

    return change


def stored(engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(select(NUMBERS.c.number).order_by(NUMBERS.c.number)).scalars())


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


async def test_changes_that_wait_share_a_commit(writer, engine, reached):
    async with Busy(writer):
        waiting = [asyncio.create_task(writer.run(add(number))) for number in range(100)]
    assert await asyncio.gather(*waiting) == list(range(100))
    assert stored(engine) == list(range(100))
    assert reached.count(Point.COMMITTED) <= 3


async def test_a_change_that_fails_takes_nothing_with_it(writer, engine):
    def fails(connection: Connection) -> None:
        add(1000)(connection)
        raise LookupError("on purpose")

    async with Busy(writer):
        waiting = [asyncio.create_task(writer.run(change)) for change in (add(1), fails, add(2))]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], LookupError)
    assert results[2] == 2
    assert stored(engine) == [1, 2]


async def test_a_commit_that_fails_fails_all_who_wait_for_it(writer, engine):
    def breaks_the_commit(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE other (number REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)")
        connection.exec_driver_sql("INSERT INTO other VALUES (99)")

    async with Busy(writer):
        waiting = [asyncio.create_task(writer.run(change)) for change in (add(1), breaks_the_commit)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, Exception) for result in results)
    assert stored(engine) == []
    assert await writer.run(add(2)) == 2


async def test_a_full_disk_is_told_to_all_whose_changes_it_undid(writer, engine):
    def fills_it(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 1}")
        connection.exec_driver_sql("CREATE TABLE large (content)")
        connection.exec_driver_sql("INSERT INTO large VALUES (zeroblob(1000000))")

    async with Busy(writer):
        waiting = [asyncio.create_task(writer.run(change)) for change in (add(1), fills_it, add(2))]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(results[1], Unavailable)
    undone = [number for number, result in zip((1, None, 2), results, strict=True) if isinstance(result, Exception)]
    assert all(isinstance(result, int | Unavailable) for result in results)
    assert stored(engine) == [number for number in (1, 2) if number not in undone]


async def test_a_caller_who_gave_up_does_not_undo_the_change(writer, engine):
    async with Busy(writer):
        waiting = asyncio.create_task(writer.run(add(1)))
        await asyncio.sleep(0)
        waiting.cancel()
    assert await writer.run(add(2)) == 2
    assert stored(engine) == [1, 2]


async def test_closing_commits_what_waits(engine):
    writer = Writer(engine, durable=False)
    waiting = [asyncio.create_task(writer.run(add(number), promised=False)) for number in range(3)]
    await asyncio.sleep(0)
    await writer.close()
    assert await asyncio.gather(*waiting) == [0, 1, 2]
    assert stored(engine) == [0, 1, 2]


async def test_only_promises_wait_for_the_disk(writer):
    def mode(connection: Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())

    assert await writer.run(mode, promised=False) == 1  # NORMAL
    assert await writer.run(mode) == 2  # FULL
