"""A registry's folder, opened by somebody who is not its server: for `wherry admin`, while the server runs or not.

Everything that changes something does it in the transactions that the server uses, and each of these is right whoever
else is at work. So nobody has to stop, and nothing is locked for longer than a transaction. Only a change of the
schema needs the folder for itself: a database of an older version is brought up to date when no server has it.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from wherry.oci.errors import StoreError
from wherry.server.folder import FolderInUse, held_folder
from wherry.server.policy import Policy
from wherry.server.registry import Registry

__all__ = ["opened"]


@asynccontextmanager
async def opened(folder: Path, policy: Policy | None = None) -> AsyncIterator[Registry]:
    """The registry in a folder, whether a server runs on it or not.

    Raises:
        StoreError: there is none, or it cannot be used.
    """
    if not (folder / "registry.sqlite").is_file():
        raise StoreError(
            f"{folder} is not a registry's folder", hint="name the folder that `wherry serve --data` is given"
        )
    policy = policy or Policy()
    try:
        with held_folder(folder):
            registry = Registry.open(folder, policy)
    except FolderInUse:
        registry = Registry.open(folder, policy, served=True)
    try:
        yield registry
    except sqlite3.Error as error:
        raise StoreError(
            f"{folder / 'registry.sqlite'} cannot be used: {error}", hint="put a copy of it back that is whole"
        ) from error
    finally:
        await registry.close()
