"""The stores that the contract holds for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from wherry.oci.reference import Reference
from wherry.server.running import running
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.protocol import Store
from wherry.stores.remote import Client


@asynccontextmanager
async def a_repository() -> AsyncIterator[Store]:
    """A repository of our own registry, over a real socket."""
    async with running(data=None) as registry, Client() as client:
        yield client.repository(Reference.parse(f"{registry.address}/team/app"))


@pytest.fixture(params=["memory", "layout", "remote"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "layout":
        yield Layout(tmp_path / "layout")
    else:
        async with a_repository() as repository:
            yield repository
