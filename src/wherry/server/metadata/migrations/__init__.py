"""How the schema came to be, step by step, for Alembic; run when a registry opens its database."""

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError

from wherry.oci.errors import StoreError

__all__ = ["migrate"]


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
            configuration = Config(attributes={"connection": connection})
            configuration.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            command.upgrade(configuration, "head")
            connection.commit()
    except CommandError as error:
        raise StoreError(f"{place} was made by a newer wherry ({error})", hint="upgrade wherry") from error
    except DatabaseError as error:
        raise StoreError(
            f"{place} cannot be used as a registry's database: {error.orig}",
            hint="choose another folder, or mend that file",
        ) from error


def _check(connection: Connection) -> None:
    """Nothing is added to a database that somebody else made."""
    tables = {name for (name,) in connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and "alembic_version" not in tables:
        place = connection.engine.url.database
        raise StoreError(f"{place} is not a database of wherry's", hint="choose another folder")
