"""Uploads of a server that is alone on its folder: they get their row when there is something to remember."""

import asyncio

import pytest

from tests.server.asking import digest_of
from tests.server.clock import DAY, HOUR, Clock
from tests.server.inside import Inside
from wherry.server import sessions
from wherry.server.policy import Durability, Policy
from wherry.server.registry import Registry

START = "/v2/a/blobs/uploads/"
CONTENT = b"layer" * 1000


class Server:
    """One that is started and stopped."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.clock = Clock()
        self.start()

    def start(self) -> None:
        policy = Policy(durability=Durability.RELAXED)
        self.registry = Registry.open(self.folder, policy, alone=True, clock=self.clock)
        self.ask = Inside(self.registry, self.folder).ask

    async def restart(self) -> None:
        await self.registry.close()
        self.start()

    async def begin(self) -> str:
        return (await self.ask("POST", START, b"")).header("location")

    async def rows(self) -> int:
        return len(await self.registry.metadata.uploads())


@pytest.fixture
async def server(tmp_path):
    server = Server(tmp_path)
    yield server
    await server.registry.close()


async def test_an_upload_that_is_one_post_and_one_put_writes_its_row_at_its_end(server):
    location = await server.begin()
    assert await server.rows() == 0
    assert await server.registry.sessions.count() == 1
    put = f"{location}?digest={digest_of(CONTENT)}"
    assert (await server.ask("PUT", put, CONTENT)).status == 201
    assert (await server.ask("PUT", put, CONTENT)).status == 201, "whoever did not hear it may ask again"
    await server.restart()
    assert (await server.ask("PUT", put, b"")).status == 201
    assert (await server.ask("PUT", f"{location}?digest={digest_of(b'')}", b"")).status == 404


async def test_a_post_that_brings_the_blob_has_no_row(server):
    content = CONTENT * 20
    assert (await server.ask("POST", f"{START}?digest={digest_of(content)}", content)).status == 201
    assert await server.registry.sessions.count() == 0
    assert await server.registry.metadata.uploads_before(server.clock.now + DAY) == []


async def test_bytes_of_a_patch_outlive_a_server_that_is_killed(server, tmp_path):
    location = await server.begin()
    assert (await server.ask("PATCH", location, CONTENT)).status == 202
    after = Server(tmp_path)  # the first one has not closed anything
    assert (await after.ask("PUT", f"{location}?digest={digest_of(CONTENT)}", b"")).status == 201
    await after.registry.close()


async def test_bytes_of_a_put_that_broke_off_outlive_a_server_that_is_killed(server, tmp_path):
    location = await server.begin()
    put = f"{location}?digest={digest_of(CONTENT)}"
    answer = await server.ask("PUT", put, CONTENT[:1000], [("Content-Length", str(len(CONTENT)))])
    assert answer.codes == ["SIZE_INVALID"]
    after = Server(tmp_path)
    assert (await after.ask("GET", location)).header("range") == "0-999"
    assert (await after.ask("PUT", put, CONTENT[1000:])).status == 201
    await after.registry.close()


async def test_an_upload_without_bytes_outlives_a_server_that_is_stopped(server):
    location = await server.begin()
    await server.restart()
    assert (await server.ask("PUT", f"{location}?digest={digest_of(CONTENT)}", CONTENT)).status == 201


async def test_an_upload_that_never_got_a_byte_is_forgotten_in_time(server):
    location = await server.begin()
    server.clock.later(HOUR)
    assert await server.registry.sessions.sweep(DAY) == 0
    assert (await server.ask("GET", location)).status == 204
    server.clock.later(DAY)
    assert await server.registry.sessions.sweep(DAY) == 1
    assert (await server.ask("GET", location)).status == 404


async def test_an_upload_that_is_cancelled_before_it_has_a_row_is_gone(server):
    location = await server.begin()
    assert (await server.ask("DELETE", location)).status == 204
    assert (await server.ask("GET", location)).status == 404
    assert await server.registry.sessions.count() == 0


async def test_uploads_that_many_have_begun_go_on_though_few_are_at_hand(server, monkeypatch):
    monkeypatch.setattr(sessions, "_AT_HAND", 3)
    begun = [await server.begin() for _ in range(10)]
    assert await server.rows() == 7, "the oldest are in the database alone"
    assert await server.registry.sessions.count() == 10
    for location in begun:
        assert (await server.ask("GET", location)).status == 204
        assert (await server.ask("PATCH", location, CONTENT[:1000])).header("range") == "0-999"
    assert (await server.ask("DELETE", begun.pop())).status == 204
    for location in begun:
        assert (await server.ask("GET", location)).header("range") == "0-999"
        put = f"{location}?digest={digest_of(CONTENT)}"
        assert (await server.ask("PUT", put, CONTENT[1000:])).status == 201
    assert await server.registry.sessions.count() == 0


@pytest.mark.parametrize("room", [0, 1, 5])
async def test_uploads_at_once_do_not_hinder_each_other_when_few_are_at_hand(server, monkeypatch, room):
    monkeypatch.setattr(sessions, "_AT_HAND", room)

    async def push(number: int) -> None:
        content = CONTENT + b"%d" % number
        location = await server.begin()
        for start in range(0, 3000, 1000):
            answer = await server.ask("PATCH", location, content[start : start + 1000])
            assert (answer.status, answer.header("range")) == (202, f"0-{start + 999}")
        put = f"{location}?digest={digest_of(content)}"
        twice = await asyncio.gather(*(server.ask("PUT", put, content[3000:]) for _ in range(2)))
        assert {201} <= {answer.status for answer in twice} <= {201, 416}

    await asyncio.gather(*map(push, range(20)))
    assert await server.registry.sessions.count() == 0
