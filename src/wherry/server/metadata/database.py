"""One SQLite file in WAL mode, opened: a connection to read, and a thread that writes.

Reads run where they are called, on the event loop, on a connection of their own: with WAL they wait for nobody.
"""

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
from wherry.server.metadata.wal_index import WalIndex
from wherry.server.metadata.writer import Writer
from wherry.server.points import Reached, pass_by

__all__ = ["Clock", "Database", "prepare"]

Clock = Callable[[], float]
"""Seconds since the epoch."""

_BUSY = 10_000  # milliseconds to wait for another process that writes


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
        self._index = WalIndex(path)
        self.version = self._index.version

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

    async def close(self) -> None:
        """Finish what was begun, and let go of the file."""
        await self.writer.close()
        self.reader.close()
        self.engine.dispose()
        self._index.close()


def prepare(driver: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """Every connection: we begin transactions ourselves (the driver would begin them too late)."""
    driver.isolation_level = None
    driver.execute(f"PRAGMA busy_timeout={_BUSY}")
    driver.execute("PRAGMA journal_mode=WAL")
    driver.execute("PRAGMA foreign_keys=ON")
