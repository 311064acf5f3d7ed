"""The stores that the contract holds for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from wherry.oci.reference import Reference
from wherry.server.policy import Durability, Policy
from wherry.server.registry import Registry
from wherry.server.running import running
from wherry.server.store import RegistryStore
from wherry.stores.archive import docker_archive, oci_archive
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.protocol import Store
from wherry.stores.remote import Client


@asynccontextmanager
async def a_repository() -> AsyncIterator[Store]:
    """A repository of our own registry, over a real socket."""
    async with running(data=None) as registry, Client() as client:
        yield client.repository(Reference.parse(f"{registry.address}/team/app"))


@asynccontextmanager
async def a_stored_repository(folder: Path) -> AsyncIterator[Store]:
    """A repository of our own registry's storage, without a server."""
    registry = Registry.open(folder, Policy(durability=Durability.RELAXED))
    try:
        yield RegistryStore(registry, "team/app")
    finally:
        await registry.close()


@pytest.fixture(params=["memory", "layout", "oci archive", "docker archive", "remote", "server"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "layout":
        yield Layout(tmp_path / "layout")
    elif request.param == "server":
        async with a_stored_repository(tmp_path) as repository:
            yield repository
    elif request.param == "oci archive":
        yield oci_archive(tmp_path / "archive.tar")
    elif request.param == "docker archive":
        yield docker_archive(tmp_path / "archive.tar", Reference.parse_repository("registry.example/team/app"))
    else:
        async with a_repository() as repository:
            yield repository
