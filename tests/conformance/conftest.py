"""Which registry is tested: our own, in a thread of its own, or the one that `WHERRY_CONFORMANCE_URL` names."""

import asyncio
import os
import queue
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.wire import Names, Registry, Repository

ELSEWHERE = os.environ.get("WHERRY_CONFORMANCE_URL", "").rstrip("/")
ELSEWHERE_SPARSE = os.environ.get("WHERRY_CONFORMANCE_SPARSE_URL", "").rstrip("/") or ELSEWHERE


@contextmanager
def served(data: Path, *, sparse: str) -> Iterator[str]:
    """Run our registry beside the tests, which block while they wait for it; give its URL."""
    from wherry.server.running import Sparse, running  # noqa: PLC0415  # not needed for a registry elsewhere

    addresses: queue.Queue[str | BaseException] = queue.Queue()
    loops: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve() -> None:
        done = asyncio.Event()
        try:
            async with running(data=data, sparse=Sparse[sparse]) as server:
                loops.put((asyncio.get_running_loop(), done))
                addresses.put(server.url)
                await done.wait()
        except BaseException as error:
            addresses.put(error)
            raise

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name=f"registry ({sparse})")
    thread.start()
    address = addresses.get(timeout=30)
    if isinstance(address, BaseException):
        thread.join()
        raise address
    loop, done = loops.get()
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()


@pytest.fixture(scope="session")
def registry_under_test(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if ELSEWHERE:
        yield Registry(ELSEWHERE)
        return
    with served(tmp_path_factory.mktemp("registry"), sparse="NONE") as url:
        yield Registry(url.rstrip("/"))


@pytest.fixture(scope="session")
def sparse_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that takes manifests while things that they name are missing."""
    if ELSEWHERE_SPARSE:
        yield Registry(ELSEWHERE_SPARSE)
        return
    with served(tmp_path_factory.mktemp("sparse"), sparse="ALL") as url:
        yield Registry(url.rstrip("/"))


@pytest.fixture(scope="session")
def names() -> Names:
    return Names(f"conformance/{uuid.uuid4().hex[:8]}")


@pytest.fixture
def repository(registry_under_test: Registry, names: Names) -> Repository:
    """A repository that does not exist yet."""
    return Repository(registry_under_test, names.fresh())


@pytest.fixture
def other_repository(registry_under_test: Registry, names: Names) -> Repository:
    return Repository(registry_under_test, names.fresh())


@pytest.fixture
def sparse_repository(sparse_registry: Registry, names: Names) -> Repository:
    return Repository(sparse_registry, names.fresh())
