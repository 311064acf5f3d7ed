"""Much of the same work at once, within a limit; and when it fails, one failure."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

__all__ = ["both", "each"]

Item = TypeVar("Item")
Result = TypeVar("Result")
Other = TypeVar("Other")


async def each(
    work: Callable[[Item], Awaitable[Result]], items: Collection[Item], *, at_once: int
) -> list[tuple[Item, Result]]:
    """Do `work` on every item, at most `at_once` at a time, started in the items' order; give each with its result.

    The first failure stops the rest, and comes out as itself. Cancelling cancels all.
    """
    if len(items) <= 1 or at_once == 1:  # tasks cost, and of many small copies that is what much of the time goes to
        return [(item, await work(item)) for item in items]
    results: dict[int, Result] = {}
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for position, item in waiting:
            results[position] = await work(item)

    async with _together() as group:
        for _ in range(min(at_once, len(items))):
            group.create_task(worker())
    return [(item, results[position]) for position, item in enumerate(items)]


async def both(one: Coroutine[Any, Any, Result], other: Coroutine[Any, Any, Other]) -> tuple[Result, Other]:
    """Do two things at the same time; fails and is cancelled as `each` is."""
    async with _together() as group:
        first, second = group.create_task(one), group.create_task(other)
    return first.result(), second.result()


@asynccontextmanager
async def _together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first failure comes out as itself."""
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as failures:
        failure = _first(failures)
    if failure is not None:
        try:
            raise failure  # outside of the handler, so that the group does not become its context
        finally:
            del failure  # its traceback holds this frame: no circle


def _first(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failures.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
