"""`kill -9` in the middle of a large blob: the same command goes on where the registry is, and sends nothing of that again."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.content import Content, a_blob, an_image, put, read
from tests.faults.proxy import Fault, Proxy, proxy
from tests.peers import debian_registry, distribution_registry  # noqa: F401  # fixtures
from tests.stores.remote.stub import Asked
from wherry.oci.reference import Reference
from wherry.stores.layout import Layout
from wherry.stores.remote import Client
from wherry.stores.remote.hosts import Host
from wherry.stores.remote.session import Request

SIZE = 9 * 1024 * 1024  # so that a thread carries it from one registry to another
BIG = a_blob(bytes(range(251)) * (SIZE // 251))
IMAGE = an_image(layers=[BIG])
DIGEST = str(BIG.descriptor.digest)
BLOB_SIZE = BIG.descriptor.size
HALF = BLOB_SIZE // 2


def blob_put(asked: Asked) -> bool:
    return asked.method in {"PUT", "PATCH"} and _length(asked) > HALF


def _length(asked: Asked) -> int:
    return int(asked.headers.get("content-length", "0"))


class Held:
    """The registry has got half of a blob, and the rest does not come: the moment to kill whoever sends it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.over = asyncio.Event()

    async def act(
        self, running: Proxy, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await running.beginning(asked, reader, HALF)
        self.reached.set()
        with suppress(ConnectionError):  # who is killed says no farewell
            while await reader.read(65536):
                pass
        writer.close()
        self.over.set()


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WHERRY_", "XDG_", "DOCKER_"))}
    return kept | {"HOME": str(tmp_path), "WHERRY_CERTS_D": "", "WHERRY_REGISTRIES_CONF": ""}


@asynccontextmanager
async def wherry(surroundings: dict[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wherry", *arguments, env=surroundings, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def copied(surroundings: dict[str, str], *arguments: str) -> None:
    async with wherry(surroundings, "copy", "-q", *arguments) as process:
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()


async def killed(surroundings: dict[str, str], held: Held, *arguments: str, by: int = signal.SIGKILL) -> None:
    """Begin a copy, and end it when half of the blob is there."""
    async with wherry(surroundings, "copy", "-q", *arguments) as process:
        await asyncio.wait_for(held.reached.wait(), 20)
        process.send_signal(by)
        await process.wait()
        await held.over.wait()


async def in_layout(content: Content, folder: Path) -> str:
    await put(content, Layout(folder), "v1")
    return f"oci:{folder}:v1"


async def is_whole(address: str) -> bool:
    async with Client() as client:
        repository = client.repository(Reference.parse_repository(f"{address}/team/app"))
        return await read(repository.fetch(BIG.descriptor)) == BIG.content


def noted(tmp_path: Path) -> list[Path]:
    return list((tmp_path / ".cache" / "wherry" / "uploads").glob("*"))


async def settled(upstream: str, tmp_path: Path) -> None:
    """Wait until the registry has written what it got of the upload."""
    [location] = [json.loads(note.read_text())["location"] for note in noted(tmp_path)]
    target = re.sub(r"^http://[^/]+", "", location)
    async with asyncio.timeout(20), Client() as client:
        session = client.direct(Host(upstream))
        while True:
            answer, _ = await session.ask(Request("GET", target, "", expected=(204,)))
            if answer.header("Range") == f"0-{HALF - 1}":
                return


def sent(front: Proxy) -> list[tuple[str, int]]:
    """The requests that brought bytes of blobs, and how many."""
    return [
        (asked.method, _length(asked)) for asked in front.asked if "/blobs/" in asked.path and _length(asked) > 1000
    ]


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT], ids=["kill", "interrupt"])
async def test_next_process_sends_only_what_has_not_arrived(registry, surroundings, tmp_path, by):
    source, held = await in_layout(IMAGE, tmp_path / "layout"), Held()
    async with proxy(registry.address, Fault(blob_put, held.act)) as front:
        place = f"{front.address}/team/app:v1"
        await killed(surroundings, held, source, place, by=by)
        assert [each.stat().st_mode & 0o777 for each in noted(tmp_path)] == [0o600]
        await settled(registry.address, tmp_path)
        front.asked.clear()
        await copied(surroundings, source, place)
        assert await is_whole(registry.address)
    assert sent(front) == [("PATCH", BLOB_SIZE - HALF)]
    assert noted(tmp_path) == []


async def test_source_in_a_registry_is_read_from_there_only(registry, distribution_registry, surroundings, tmp_path):  # noqa: F811
    async with Client() as client:
        await put(IMAGE, client.repository(Reference.parse_repository(f"{registry.address}/from/app")), "v1")
    held = Held()
    async with (
        proxy(registry.address) as near,
        proxy(distribution_registry, Fault(blob_put, held.act)) as far,
    ):
        places = f"{near.address}/from/app:v1", f"{far.address}/team/app:v1"
        await killed(surroundings, held, *places)
        await settled(distribution_registry, tmp_path)
        near.asked.clear()
        far.asked.clear()
        await copied(surroundings, *places)
        assert await is_whole(distribution_registry)
    ranges = [asked.headers.get("range") for asked in near.asked if DIGEST in asked.path]
    assert ranges == [f"bytes={HALF}-"]
    assert sent(far) == [("PATCH", BLOB_SIZE - HALF)]


async def test_registry_that_loses_uploads_which_broke_off_gets_a_new_one(debian_registry, surroundings, tmp_path):  # noqa: F811
    """distribution 2.8 takes an upload up only at the byte that its `Location` was given out for."""
    source, held = await in_layout(IMAGE, tmp_path / "layout"), Held()
    async with proxy(debian_registry, Fault(blob_put, held.act)) as front:
        place = f"{front.address}/team/app:v1"
        await killed(surroundings, held, source, place)
        front.asked.clear()
        await copied(surroundings, source, place)
        assert await is_whole(debian_registry)
    assert [asked.method for asked in front.asked if "/uploads/" in asked.path].count("GET") == 1
    assert sent(front) == [("PUT", BLOB_SIZE)]
    assert noted(tmp_path) == []


async def test_download_into_a_layout_goes_on_behind_what_is_there(registry, surroundings, tmp_path):
    async with Client() as client:
        await put(IMAGE, client.repository(Reference.parse_repository(f"{registry.address}/from/app")), "v1")
    layout, over = tmp_path / "layout", asyncio.Event()

    async def half(running: Proxy, asked: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await running.passed_on(asked)
        writer.write(answer[: len(answer) - BLOB_SIZE + HALF])
        with suppress(ConnectionError):
            await writer.drain()
            await reader.read()  # until whoever asked is no more
        over.set()

    def part() -> int:
        return max((each.stat().st_size for each in layout.glob(".wherry-part-*")), default=0)

    def blob_get(asked: Asked) -> bool:
        return asked.method == "GET" and DIGEST in asked.path

    async with proxy(registry.address, Fault(blob_get, half)) as front:
        places = f"{front.address}/from/app:v1", f"oci:{layout}"
        async with wherry(surroundings, "copy", "-q", *places) as process:
            async with asyncio.timeout(20):
                while not part():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(process.wait(), 0.01)
            process.kill()
            await process.wait()
            await over.wait()
        written = part()
        front.asked.clear()
        await copied(surroundings, *places)
    assert 0 < written <= HALF
    assert [asked.headers.get("range") for asked in front.asked if DIGEST in asked.path] == [f"bytes={written}-"]
    assert await read(Layout(layout).fetch(BIG.descriptor)) == BIG.content
