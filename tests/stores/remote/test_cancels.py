"""A request that is cancelled ends, also where what it waits for comes in the same moment."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from wherry.stores.remote.transport import Transport

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"


@pytest.fixture
async def pouring() -> AsyncIterator[str]:
    """A server that answers at once, and sends as fast as it can."""

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD)
            while True:
                writer.write(bytes(60_000))
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(pour, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        server.close()


async def went_on(work, moments: random.Random) -> bool:
    """Whether a task goes on behind a wait that it was cancelled in."""
    ended = asyncio.Event()

    async def run() -> None:
        await work()
        ended.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run())
    for _ in range(moments.randrange(4)):
        await asyncio.sleep(0)
    hashlib.sha256(bytes(moments.randrange(2_000_000)))  # the loop stands still, and pyreqwest's threads do not
    was_done = ended.is_set()
    task.cancel()
    await asyncio.wait([task], timeout=0.2)
    is_lost = not task.done()
    task.cancel()
    await asyncio.wait([task])
    return is_lost and not was_done


async def test_no_cancel_is_lost_while_bytes_arrive(pouring) -> None:
    moments, transport = random.Random(), Transport(connect_timeout=5, silence=20)
    lost = 0
    for _ in range(30):
        answer = await transport.send("GET", pouring, {}, None, place="here", verify=False)
        lost += sum([await went_on(answer.read, moments) for _ in range(30)])
        await answer.close()
    await transport.close()
    assert lost == 0
