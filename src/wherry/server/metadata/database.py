"""One SQLite file in WAL mode, opened: a connection to read, and a thread that writes.

Reads run where they are called, on the event loop, on a connection of their own: with WAL they wait for nobody.

Whether somebody has committed is seen in the first bytes of the WAL index, which every connection of every process
shares in memory: SQLite itself compares them when a read begins (https://sqlite.org/walformat.html, 2.1). To look costs
a tenth of a microsecond, where `PRAGMA data_version` takes 2 to 5; and it is as exact, whichever process commits, and
whenever one dies.
"""

import mmap
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from wherry.oci.errors import StoreError
from wherry.server.metadata.migrations import check_version, migrate
from wherry.server.metadata.writer import Writer
from wherry.server.points import Reached, pass_by

__all__ = ["Clock", "Database", "prepare"]

Clock = Callable[[], float]
"""Seconds since the epoch."""

_BUSY = 10_000  # milliseconds to wait for another process that writes
_INDEX_HEADER = 96  # bytes: two copies of what changes with each commit


class Database:
    """`close` it."""

    def __init__(self, path: Path, engine: Engine, *, durable: bool, clock: Clock, reached: Reached) -> None:
        self.engine = engine
        self.clock = clock
        self.reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.reader.execute(f"PRAGMA busy_timeout={_BUSY}")
        self.reader.execute("PRAGMA query_only=ON")
        self.writer = Writer(engine, durable=durable, reached=reached)
        self.reader.execute("SELECT 1 FROM alembic_version").fetchone()  # the first read maps the WAL index
        # Kept open to the end: who closes a file gives up all POSIX locks that this process has on it, SQLite's too.
        self._index_file = os.open(f"{path}-shm", os.O_RDONLY | os.O_CLOEXEC)
        self._index = mmap.mmap(self._index_file, _INDEX_HEADER, prot=mmap.PROT_READ)

    @classmethod
    def open(
        cls, path: Path, *, durable: bool, served: bool = False, clock: Clock = time.time, reached: Reached = pass_by
    ) -> Self:
        """Open the file, made or brought to the newest schema first, unless a server has it (`served`). Blocks for that long.

        Raises:
            StoreError: it is not a database of ours, or a newer wherry made it; or this user may not write it.
        """
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):  # SQLite would start, and refuse the first push
            raise StoreError(f"{path} cannot be read and written by this user", hint="run the registry as its owner")
        location = URL.create("sqlite", database=str(path))  # not parsed from a text: a path may have `?` and `#` in it
        engine = create_engine(location, poolclass=NullPool, connect_args={"check_same_thread": False})
        event.listen(engine, "connect", prepare)
        (check_version if served else migrate)(engine)
        return cls(path, engine, durable=durable, clock=clock, reached=reached)

    def version(self) -> bytes:
        """What changes with every commit, by whomever; take it before the read that it is kept for."""
        return self._index[:_INDEX_HEADER]

    async def close(self) -> None:
        """Finish what was begun, and let go of the file."""
        await self.writer.close()
        self.reader.close()
        self.engine.dispose()
        self._index.close()
        os.close(self._index_file)


def prepare(driver: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """Every connection: we begin transactions ourselves (the driver would begin them too late)."""
    driver.isolation_level = None
    driver.execute(f"PRAGMA busy_timeout={_BUSY}")
    driver.execute("PRAGMA journal_mode=WAL")
    driver.execute("PRAGMA foreign_keys=ON")
