"""Two servers' worth of objects on one folder, as worker processes have them: a request may go to either."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.server.asking import ask, begin, connect, digest_of, head, offset_of, push_image, wait_for_bytes
from wherry.server.folder import held_folder
from wherry.server.listening import Patience, listen
from wherry.server.policy import Policy
from wherry.server.registry import Registry
from wherry.server.running import answering


@pytest.fixture
async def workers(tmp_path):
    with held_folder(tmp_path):
        async with AsyncExitStack() as stack:
            servers = []
            for _ in range(2):
                registry = Registry.open(tmp_path, Policy())
                listener = stack.enter_context(listen("127.0.0.1", 0))
                answering_one = answering(registry, tmp_path, listener, ending=Patience(5))
                servers.append(await stack.enter_async_context(answering_one))
            yield servers


async def test_an_upload_goes_from_one_to_the_other_and_back(workers):
    one, two = workers
    location = await begin(one, "a")
    content = b"".join(bytes([each]) * 1000 for each in range(9))
    for turn in range(9):
        server = workers[turn % 2]
        answer = await ask(server, "PATCH", location, content[turn * 1000 : turn * 1000 + 1000])
        assert (answer.status, answer.header("Range")) == (202, f"0-{turn * 1000 + 999}")
        assert await offset_of(one, location) == await offset_of(two, location) == f"0-{turn * 1000 + 999}"
    assert (await ask(two, "PUT", f"{location}?digest={digest_of(content)}", b"")).status == 201
    assert (await ask(one, "GET", f"/v2/a/blobs/{digest_of(content)}")).body == content
    for each in workers:
        assert (await ask(each, "GET", location)).status == 404
        assert (await ask(each, "PATCH", location, b"x")).status == 404
        assert (await ask(each, "PUT", f"{location}?digest={digest_of(content)}", b"")).status == 201


async def test_bytes_that_one_took_back_do_not_confuse_the_other(workers):
    one, two = workers
    location = await begin(one, "a")
    assert (await ask(one, "PATCH", location, b"first ")).status == 202
    assert (await ask(two, "PATCH", location, b"wrong", [("Content-Range", "6-99")])).status == 400
    assert (await ask(two, "PATCH", location, b"second")).status == 202
    assert (await ask(one, "PUT", f"{location}?digest={digest_of(b'first second')}", b"")).status == 201


async def test_a_cancelled_upload_is_cancelled_for_all(workers):
    one, two = workers
    location = await begin(one, "a")
    assert (await ask(one, "PATCH", location, b"first ")).status == 202
    assert (await ask(two, "DELETE", location)).status == 204
    assert (await ask(one, "PATCH", location, b"second")).status == 404
    assert list((one.data / "uploads").iterdir()) == []


async def test_an_upload_that_one_writes_to_is_cancelled_by_the_other_wherever_it_has_come_to(workers):
    one, two = workers
    location = await begin(one, "a")
    reader, writer = await connect(one)
    writer.write(head("PATCH", location, [("Content-Length", "3000000")]) + bytes(2_000_000))
    await wait_for_bytes(two, location)
    cancelling = asyncio.create_task(ask(two, "DELETE", location))
    await ask(two, "GET", "/v2/")
    writer.write(bytes(1_000_000))
    assert b" 202 " in await reader.readline()
    writer.close()
    assert (await cancelling).status == 204
    for each in workers:
        assert (await ask(each, "GET", location)).status == 404
    assert list((one.data / "uploads").iterdir()) == []


async def test_while_one_writes_the_other_waits_and_then_finds_the_offset_moved(workers):
    one, two = workers
    location = await begin(one, "a")
    reader, writer = await connect(one)
    writer.write(head("PATCH", location, [("Content-Length", "3000000")]) + bytes(2_000_000))
    await wait_for_bytes(two, location)
    waiting = asyncio.create_task(ask(two, "PATCH", location, b"x", [("Content-Range", "5-5")]))
    await ask(two, "GET", "/v2/")
    writer.write(bytes(1_000_000))
    assert b" 202 " in await reader.readline()
    writer.close()
    answer = await waiting
    assert (answer.status, answer.header("Range")) == (416, "0-2999999")


async def test_what_one_pushes_or_deletes_the_other_sees_at_once(workers):
    one, two = workers
    for turn in range(20):
        first, second = (one, two) if turn % 2 else (two, one)
        _, digest = await push_image(first, "a", "t", b"layer %d" % turn)
        for each in (first, second):
            answer = await ask(each, "GET", "/v2/a/manifests/t")
            assert answer.header("Docker-Content-Digest") == digest
        await ask(second, "DELETE", f"/v2/a/manifests/{digest}")
        assert (await ask(first, "GET", "/v2/a/manifests/t")).status == 404
