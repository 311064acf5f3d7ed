"""One SQLite file in WAL mode, opened: a connection to read, and a thread that writes.

Reads run where they are called, on the event loop, on a connection of their own: with WAL they wait for nobody.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from sqlalchemy import URL, NullPool, create_engine

from wherry.oci.errors import StoreError
from wherry.server.metadata.migrations import check_tables, check_version, migrate
from wherry.server.metadata.wal_index import WalIndex
from wherry.server.metadata.writer import Writer
from wherry.server.points import Reached, pass_by

__all__ = ["Clock", "Database", "connect"]

Clock = Callable[[], float]
"""Seconds since the epoch."""

_BUSY = 10_000  # milliseconds to wait for another process that writes


class Database:
    """`close` it."""

    def __init__(self, path: Path, *, durable: bool, clock: Clock, reached: Reached) -> None:
        self.clock = clock
        self.writer = Writer(connect(path), durable=durable, reached=reached)
        self.reader = connect(path)
        self.reader.execute("PRAGMA query_only=ON")
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
        engine = create_engine(location, poolclass=NullPool, creator=lambda: connect(path))
        (check_version if served else migrate)(engine)
        check_tables(engine)
        return cls(path, durable=durable, clock=clock, reached=reached)

    async def close(self) -> None:
        """Finish what was begun, and let go of the file."""
        await self.writer.close()
        self.reader.close()
        self._index.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection for any thread, one at a time; transactions are begun by us, since the driver would begin them too late."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout={_BUSY}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection
