"""What was answered with 201 is there after `kill -9`, at whatever moment it comes."""

import asyncio
import hashlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.server.asking import an_image, ask, digest_of, put
from wherry.server.running import Running, running

WRITERS = 4


@asynccontextmanager
async def killed_registry(folder: Path, durability: str) -> AsyncIterator[Running]:
    """`wherry serve` in a process of its own, which is killed at the end of the block."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from wherry.cli import main; sys.exit(main())",
        *("serve", "--listen", "127.0.0.1:0", "--data", str(folder), "--durability", durability),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    url = (await asyncio.wait_for(child.stdout.readline(), 30)).decode().strip()
    try:
        yield Running(url.removeprefix("http://"), folder)
    finally:
        child.send_signal(signal.SIGKILL)
        await child.wait()


async def push_until_it_dies(registry: Running, number: int, promised: dict[str, bytes]) -> None:
    """Push images one after the other; what a 201 came for is `promised`: path -> content."""
    name = f"repository/{number}"
    try:
        for turn in range(10_000):
            layer = hashlib.sha256(f"{number} {turn}".encode()).digest() * random.Random(turn).choice((1, 1000, 20_000))
            for blob in (b"{}", layer):
                path = f"/v2/{name}/blobs/{digest_of(blob)}"
                answer = await ask(registry, "POST", f"/v2/{name}/blobs/uploads/?digest={digest_of(blob)}", blob)
                assert answer.status == 201
                promised[path] = blob
            manifest = an_image(layer)
            assert (await put(registry, name, f"v{turn}", manifest)).status == 201
            promised[f"/v2/{name}/manifests/v{turn}"] = manifest
            promised[f"/v2/{name}/manifests/{digest_of(manifest)}"] = manifest
    except (OSError, IndexError):  # it is dead: no answer, or half of one
        return


@pytest.mark.parametrize("durability", ["full", "relaxed"])
@pytest.mark.parametrize("pushes", [1, 40, 150])
async def test_what_was_promised_survives_kill_9(tmp_path, durability, pushes):
    promised: dict[str, bytes] = {}
    async with killed_registry(tmp_path, durability) as dying:
        writers = [asyncio.create_task(push_until_it_dies(dying, number, promised)) for number in range(WRITERS)]
        async with asyncio.timeout(60):
            while len(promised) < pushes:
                await asyncio.wait(writers, timeout=0.001)
    await asyncio.gather(*writers)
    async with running(data=tmp_path) as registry:
        for path, content in promised.items():
            answer = await ask(registry, "GET", path)
            assert (answer.status, answer.body) == (200, content), path
        for name in (await ask(registry, "GET", "/v2/_catalog")).json["repositories"]:
            await everything_tagged_is_whole(registry, name)


async def everything_tagged_is_whole(registry: Running, name: str) -> None:
    """Whatever a tag leads to is complete, promised or not."""
    for tag in (await ask(registry, "GET", f"/v2/{name}/tags/list")).json["tags"]:
        manifest = await ask(registry, "GET", f"/v2/{name}/manifests/{tag}")
        for needed in (manifest.json["config"], *manifest.json["layers"]):
            blob = await ask(registry, "GET", f"/v2/{name}/blobs/{needed['digest']}")
            assert digest_of(blob.body) == needed["digest"]


async def test_an_upload_goes_on_after_kill_9(tmp_path):
    content = os.urandom(3_000_000)
    async with killed_registry(tmp_path, "full") as dying:
        answer = await ask(dying, "POST", "/v2/a/blobs/uploads/", b"")
        location = answer.header("Location") or ""
        assert (await ask(dying, "PATCH", location, content[:2_000_000])).status == 202
    async with running(data=tmp_path) as registry:
        assert (await ask(registry, "GET", location)).header("Range") == "0-1999999"
        finished = await ask(registry, "PUT", f"{location}?digest={digest_of(content)}", content[2_000_000:])
        assert finished.status == 201
        assert (await ask(registry, "GET", f"/v2/a/blobs/{digest_of(content)}")).body == content


async def test_nothing_waits_in_the_uploads_folder_for_ever(tmp_path):
    folder = tmp_path / "uploads"
    async with killed_registry(tmp_path, "relaxed") as dying:
        answer = await ask(dying, "POST", "/v2/a/blobs/uploads/", b"")
        await ask(dying, "PATCH", answer.header("Location") or "", b"x" * 1000)
    abandoned = [*folder.iterdir(), folder / "of-nobody"]
    (folder / "of-nobody").write_bytes(b"x")
    for path in abandoned:
        os.utime(path, (0, 0))
    async with running(data=tmp_path) as registry:
        fresh = await ask(registry, "POST", "/v2/a/blobs/uploads/", b"")
        await ask(registry, "PATCH", fresh.header("Location") or "", b"x")
        async with asyncio.timeout(10):
            while any(path.exists() for path in abandoned):
                await ask(registry, "GET", "/v2/")
        assert len(list(folder.iterdir())) == 1
