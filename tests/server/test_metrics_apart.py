"""Metrics and health at an address of their own: there, and nowhere else, to the end."""

import asyncio
import json
from contextlib import AsyncExitStack

import pytest

from tests.cli.test_serve import is_listening
from tests.server.asking import ask, connect, head, push_image
from wherry.server.listening import CannotListen, Patience
from wherry.server.running import Running, running

ANYWHERE = ("127.0.0.1", 0)
OPERATION = ["/healthz", "/readyz", "/metrics"]


@pytest.fixture
async def both(registry_factory):
    """The registry, and the other address as if it were one."""
    registry = await registry_factory(metrics=ANYWHERE)
    return registry, Running(registry.metrics, registry.data)


@pytest.mark.parametrize("path", OPERATION)
async def test_they_are_there_and_not_at_the_registrys_address(both, path):
    registry, apart = both
    assert (await ask(apart, "GET", path)).status == 200
    assert (await ask(apart, "HEAD", path)).status == 200
    hidden = await ask(registry, "GET", path)
    assert (hidden.status, hidden.codes) == (404, ["UNKNOWN"])
    assert (await ask(registry, "POST", path, b"")).status == 404


@pytest.mark.parametrize("path", ["/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/manifests/t", "/openapi.json"])
async def test_the_registry_is_not_at_their_address(both, path):
    registry, apart = both
    await push_image(registry, "a", "t")
    assert (await ask(registry, "GET", path)).status == 200
    assert (await ask(apart, "GET", path)).status == 404


async def test_they_tell_of_the_registry(both):
    registry, apart = both
    await push_image(registry, "a", "t")
    text = (await ask(apart, "GET", "/metrics")).body
    assert (
        b'wherry_http_requests_total{endpoint="/v2/<name>/manifests/<reference>",method="PUT",status="2xx"} 1.0' in text
    )


async def test_the_description_has_what_is_served_at_its_address(both, registry_factory):
    registry, _ = both
    paths = (await ask(registry, "GET", "/openapi.json")).json["paths"]
    assert "/v2/_catalog" in paths
    assert not set(OPERATION) & set(paths)
    together = await registry_factory()
    assert set(OPERATION) <= set((await ask(together, "GET", "/openapi.json")).json["paths"])


async def test_they_are_answered_until_the_last_request_is_over():
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(running(data=None, metrics=ANYWHERE, ending=Patience(60)))
        apart = Running(registry.metrics or "", registry.data)
        reader, writer = await connect(registry)
        writer.write(head("PUT", "/v2/a/manifests/t", [("Content-Length", "5"), ("Expect", "100-continue")]))
        assert b" 100 " in await reader.readline()  # it waits for the body now
        ending = asyncio.create_task(stack.aclose())
        async with asyncio.timeout(10):
            while (ready := await ask(apart, "GET", "/readyz")).status == 200:
                pass
        assert json.loads(ready.body)["reason"] == "the registry is stopping"
        async with asyncio.timeout(10):
            while await is_listening(registry.url):
                pass
        assert (await ask(apart, "GET", "/healthz")).status == 200
        registry.hurry.set()
        async with asyncio.timeout(10):
            await ending
            assert b" 503 " in await reader.read()
        writer.close()
        await writer.wait_closed()
        assert not await is_listening(apart.url)


async def test_an_address_that_is_taken_is_told_and_the_registry_is_not_left_behind(registry, tmp_path):
    host, port = registry.address.split(":")
    with pytest.raises(CannotListen, match="the port is taken"):
        async with running(data=tmp_path / "other", metrics=(host, int(port))):
            pass
    assert not (tmp_path / "other").exists()


async def test_the_access_log_has_them_too(tmp_path):
    log = tmp_path / "log"
    async with running(data=None, metrics=ANYWHERE, access_log=str(log)) as registry:
        await ask(Running(registry.metrics or "", registry.data), "GET", "/metrics")
    paths = [json.loads(line)["path"] for line in log.read_text().splitlines()]
    assert paths == ["/healthz", "/v2/", "/metrics"]
