"""How the schema came to be, step by step, for Alembic; run when a registry opens its database."""

import time
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from wherry.oci.errors import StoreError
from wherry.server.metadata.schema import metadata

__all__ = ["check_tables", "check_version", "migrate"]


HEAD = "head"
"""The newest step, in Alembic's words."""

_LATEST = 2**31 - 1  # seconds since the epoch that this number of SQLite's can hold
_one_at_a_time = Lock()  # Alembic keeps the migration that runs in a global


def migrate(engine: Engine) -> None:
    """Bring a database to the newest schema, in one transaction.

    Raises:
        StoreError: it is not a database of ours, or a newer wherry made it; or it cannot be used.
    """
    place = engine.url.database
    try:
        with _one_at_a_time, engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            _check(connection)
            is_new = not _tables(connection)
            configuration = _configuration()
            configuration.attributes["connection"] = connection
            command.upgrade(configuration, HEAD)
            if is_new:  # what is older than the database was known to another
                connection.exec_driver_sql(f"PRAGMA user_version={min(int(time.time()), _LATEST)}")
            connection.commit()
    except CommandError as error:
        raise StoreError(f"{place} was made by a newer wherry ({error})", hint="upgrade wherry") from error
    except DatabaseError as error:
        raise StoreError(
            f"{place} cannot be used as a registry's database: {error.orig}",
            hint="choose another folder, or mend that file",
        ) from error


def check_version(engine: Engine) -> None:
    """Whether a database, which somebody else is using, has the schema that this wherry knows.

    Raises:
        StoreError: it has another.
    """
    place = engine.url.database
    try:
        with engine.connect() as connection:
            _check(connection)
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    except DatabaseError as error:
        raise StoreError(f"{place} cannot be used as a registry's database: {error.orig}") from error
    if found != ScriptDirectory.from_config(_configuration()).get_current_head():
        raise StoreError(
            f"{place} is in use by a server of another version of wherry", hint="stop it, or use its own wherry"
        )


def check_tables(engine: Engine) -> None:
    """Whether a database has all its tables: that it says how far it has come is not enough.

    Raises:
        StoreError: it has not.
    """
    with engine.connect() as connection:
        missing = sorted(metadata.tables.keys() - _tables(connection))
    if missing:
        raise StoreError(
            f"{engine.url.database} cannot be used as a registry's database: no such table: {missing[0]}",
            hint="put a copy of it back that is whole",
        )


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return configuration


def _check(connection: Connection) -> None:
    """Nothing is added to a database that somebody else made."""
    tables = _tables(connection)
    if tables and "alembic_version" not in tables:
        place = connection.engine.url.database
        raise StoreError(f"{place} is not a database of wherry's", hint="choose another folder")


def _tables(connection: Connection) -> set[str]:
    return {name for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
