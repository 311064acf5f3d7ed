"""A server that is sent nonsense for a long time has no more memory than before; it is a process of its own."""

import asyncio
import json
import os
import random
from pathlib import Path

import pytest

from tests.cli.test_serve import serving
from tests.fuzz import test_manifests as manifests
from tests.fuzz import test_requests as requests
from tests.fuzz.form import well_formed
from tests.server.asking import ask, exchange, head, parse, push_image
from wherry.server.running import Running

WARM = 10_000
MORE = 40_000
BOUND = 16 * 1024 * 1024  # bytes: the caches have an end, and are not full after the first requests
ABREAST = 16
METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]


def resident(process: int) -> int:
    """Bytes of memory that a process has."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def nonsense(draw: random.Random) -> tuple[str, bytes]:
    """A request, and its method."""
    method = draw.choice(METHODS)
    path = "/v2/" + "/".join(draw.choices(requests.PARTS, k=draw.randrange(1, 6)))
    more = [(draw.choice(requests.NAMES), draw.choice(requests.VALUES)) for _ in range(draw.randrange(4))]
    body = draw.randbytes(draw.randrange(2000))
    if draw.random() < 0.3:
        method, path = "PUT", f"/v2/a/manifests/{draw.randrange(9)}"
        document, place = draw.choice(manifests.INSIDE)
        hole = json.dumps(manifests.HOLE).encode()
        body = manifests.with_hole(document, place).replace(hole, draw.choice(manifests.TOKENS_OF))
        more.append(("Content-Type", document["mediaType"]))
    path += f"?n={draw.randrange(10**9)}&last={draw.randbytes(8).hex()}"
    return method, head(method, path, [*more, ("Content-Length", str(len(body))), ("Connection", "close")]) + body


async def bombard(server: Running, count: int, draw: random.Random) -> None:
    async def one_after_the_other() -> None:
        for _ in range(count // ABREAST):
            method, written = nonsense(draw)
            received = (await exchange(server, written)).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
            if requests.refused_by_granian(received):
                continue
            answer = parse(received)
            well_formed(answer, method)
            if answer.status == 202 and answer.header("docker-upload-uuid"):
                await ask(server, "DELETE", answer.header("location") or "")  # what is begun may stay for a day

    async with asyncio.TaskGroup() as tasks:
        for _ in range(ABREAST):
            tasks.create_task(one_after_the_other())


@pytest.mark.soak
async def test_memory_stays_what_it_was_after_the_first_requests(tmp_path):
    draw = random.Random(5)
    async with serving("--listen", "127.0.0.1:0", "--ephemeral", folder=tmp_path) as (child, url):
        server = Running(url.removeprefix("http://"), tmp_path)
        await push_image(server, "a", "v1", b"layer")
        await bombard(server, WARM, draw)
        before = resident(child.pid)
        await bombard(server, MORE, draw)
        assert resident(child.pid) - before < BOUND
        assert (await ask(server, "GET", "/readyz")).status == 200
