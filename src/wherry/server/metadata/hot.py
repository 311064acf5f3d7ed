"""An in-process cache of reads that is never wrong.

SQLite counts, for each connection, the commits of all the others (`PRAGMA data_version`, 1.7 µs). The connection that
reads never writes, so the number changes with every write, whoever made it: our writer's thread or another process. An
answer is kept as long as it has not changed.
"""

import sqlite3
from typing import Any

__all__ = ["Hot"]

_NOTHING = object()


class Hot:
    """Answers of reads, up to `limit` bytes of them, the first kept the first to go."""

    def __init__(self, connection: sqlite3.Connection, limit: int) -> None:
        self._connection = connection
        self._limit = limit
        self._version = -1
        self._size = 0
        self._answers: dict[object, tuple[Any, int]] = {}

    def get(self, key: object) -> Any:
        """What was kept under `key`, if nothing was written since; else `Hot.MISSING`."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._answers.clear()
            self._size = 0
        kept = self._answers.get(key)
        return self.MISSING if kept is None else kept[0]

    def put(self, key: object, answer: Any, size: int) -> None:
        """Keep an answer of about `size` bytes. Call it without an `await` between `get`, the read and this."""
        if size > self._limit:
            return
        self._answers[key] = (answer, size)
        self._size += size
        while self._size > self._limit:
            _, gone = self._answers.pop(next(iter(self._answers)))
            self._size -= gone

    MISSING = _NOTHING
