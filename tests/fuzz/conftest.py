"""A registry on a loop in a thread of its own, for tests that are plain functions: Hypothesis runs no others."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.server.asking import push_image
from wherry.server.running import Running, running

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@dataclass(frozen=True)
class Served:
    """A registry that has `a:v1`, an image with `layer`; and how a test of this thread runs what is asynchronous."""

    registry: Running
    run: Run
    manifest: bytes
    digest: str


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """One registry for all examples of a module."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    manager = running(data=None)
    registry = run(manager.__aenter__())
    manifest, digest = run(push_image(registry, "a", "v1", b"layer"))
    yield Served(registry, run, manifest, digest)
    run(manager.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
