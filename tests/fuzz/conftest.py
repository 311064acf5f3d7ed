"""A registry on a loop in a thread of its own, for tests that are plain functions: Hypothesis runs no others."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.fuzz.form import OUTSIDE, only_what_belongs_there
from tests.server.asking import ask, push_image
from wherry.server.listening import Limits
from wherry.server.policy import Durability, Policy
from wherry.server.running import Running, running

Run = Callable[[Coroutine[Any, Any, Any]], Any]

_CALM: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
_FEW = settings(**_CALM, max_examples=80, derandomize=True, database=None)
_MANY = settings(**_CALM, max_examples=5000)
_POLICY = Policy(durability=Durability.RELAXED, body_timeout=0.3, longest_body=3)


@pytest.fixture(params=[pytest.param(_FEW, id="few"), pytest.param(_MANY, id="many", marks=pytest.mark.soak)])
def amount(request: pytest.FixtureRequest) -> Any:
    """How many examples: a few that are always the same; with `make soak` many, and others each time."""
    return request.param


@dataclass(frozen=True)
class Served:
    """A registry that has `a:v1`, an image with `layer`; and how a test of this thread runs what is asynchronous."""

    registry: Running
    run: Run
    manifest: bytes
    digest: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One registry for all examples of a module. At the end it still answers, and has touched nothing but its folder."""
    around = tmp_path_factory.mktemp("around")
    outside = around / "outside"
    outside.write_bytes(OUTSIDE)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    manager = running(data=around / "registry", policy=_POLICY, limits=Limits(header_time=1.0))
    registry = run(manager.__aenter__())
    manifest, digest = run(push_image(registry, "a", "v1", b"layer"))
    try:
        yield Served(registry, run, manifest, digest)
        run(_answers_on(registry))
    finally:
        run(manager.__aexit__(None, None, None))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    _untouched(around, outside)


async def _answers_on(registry: Running) -> None:
    """Nothing hangs: no body is waited for any more."""
    async with asyncio.timeout(10):
        while b"\nwherry_uploads_receiving 0.0\n" not in (await ask(registry, "GET", "/metrics")).body:
            pass
    assert (await ask(registry, "GET", "/readyz")).status == 200


def _untouched(around: Path, outside: Path) -> None:
    assert sorted(each.name for each in around.iterdir()) == ["outside", "registry"]
    assert outside.read_bytes() == OUTSIDE
    only_what_belongs_there(around / "registry")
