"""Statements, compiled once to plain SQL.

A pull is one indexed query, and a push half a dozen rows; SQLite does each in a few microseconds. To build a statement
for every call costs a hundred and fifty, to have SQLAlchemy execute it thirty. So they are written in its expression
language, over the one schema, compiled when their modules are imported, and run on the driver's own connection.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ClauseElement
from sqlalchemy.dialects import sqlite

__all__ = ["Statement"]


class Statement:
    """A compiled statement. Its parameters go in by name; an INSERT's are the `columns` that it is given."""

    def __init__(self, statement: ClauseElement, *columns: str) -> None:
        given: dict[str, Any] = {"column_keys": columns} if columns else {}
        compiled: Any = statement.compile(dialect=sqlite.dialect(paramstyle="named"), **given)
        self._sql = str(compiled)
        self._fixed = {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}

    def one(self, connection: sqlite3.Connection, **parameters: object) -> Any:
        """The first row as a tuple, or None."""
        return connection.execute(self._sql, parameters | self._fixed).fetchone()

    def all(self, connection: sqlite3.Connection, **parameters: object) -> list[Any]:
        """All rows, as tuples."""
        return connection.execute(self._sql, parameters | self._fixed).fetchall()

    def run(self, connection: sqlite3.Connection, **parameters: object) -> int:
        """Change something; how many rows that were."""
        return connection.execute(self._sql, parameters | self._fixed).rowcount

    def run_for_each(self, connection: sqlite3.Connection, rows: Iterable[Mapping[str, object]]) -> None:
        """The same with each of these parameters."""
        connection.executemany(self._sql, ({**row, **self._fixed} for row in rows))
