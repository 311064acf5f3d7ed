"""How the schema came to be, step by step, for Alembic; run when a registry opens its database."""

from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from wherry.oci.errors import StoreError

__all__ = ["migrate"]


_one_at_a_time = Lock()  # Alembic keeps the migration that runs in a global


def migrate(engine: Engine) -> None:
    """Bring a database to the newest schema, in one transaction.

    Raises:
        StoreError: it is not a database of ours, or a newer wherry made it.
    """
    place = engine.url.database
    try:
        with _one_at_a_time, engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            configuration = Config(attributes={"connection": connection})
            configuration.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            command.upgrade(configuration, "head")
            connection.commit()
    except CommandError as error:
        raise StoreError(f"{place} was made by a newer wherry ({error})", hint="upgrade wherry") from error
    except DatabaseError as error:
        raise StoreError(f"{place} is not a database of wherry's: {error.orig}") from error
