"""Our own registry, in this process, on a loopback port: the one that tests talk to. And how Hypothesis takes its examples."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import URL, Engine, NullPool, create_engine

from wherry.server.metadata.migrations import migrate
from wherry.server.running import Running, running

# Examples are counted, not seconds: a busy machine is no bug. They are the same each time, so that nobody's change fails for what
# was there before; `make soak` looks for others.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=3000)
settings.load_profile("same")

# A shell that runs the tests in the background has them ignore Ctrl-C, which their processes would inherit: but tests send it to some.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def migrated_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new database is the copy of one that was migrated: thousands of registries start here, each of them empty, and
    Alembic would take most of the time. A registry in a process of its own migrates, and so does `tests/server/metadata`.
    """
    empty = tmp_path_factory.mktemp("database") / "empty.sqlite"
    migrate(create_engine(URL.create("sqlite", database=str(empty)), poolclass=NullPool))

    def copied(engine: Engine) -> None:
        database = Path(engine.url.database or "")
        if database.exists():
            migrate(engine)
        else:
            copyfile(empty, database)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wherry.server.metadata.database.migrate", copied)
        yield


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries nobody waits; `tests/faults` looks at how long it would have been."""

    async def at_once(_clock: object, _seconds: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("wherry.stores.remote.retrying._WallClock.sleep", at_once)


@pytest.fixture(autouse=True)
def no_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is noted from one command to the next, but where a test is about that."""
    monkeypatch.setenv("WHERRY_CACHE", "")


@pytest.fixture
async def registry() -> AsyncIterator[Running]:
    """A registry that is empty, and thrown away after the test."""
    async with running(data=None) as server:
        yield server


@pytest.fixture
async def registry_factory() -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    """Start more registries: `await registry_factory(sparse=…)`, with the arguments of `running`; all stop with the test."""
    async with AsyncExitStack() as servers:

        async def start(**options: Any) -> Running:
            return await servers.enter_async_context(running(**({"data": None} | options)))

        yield start
