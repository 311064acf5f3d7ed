"""`wherry serve --workers`: several processes, one registry. A worker that is stopped lets the others answer alone."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.cli.test_serve import failed, serving
from tests.server.asking import MANIFEST, an_image, digest_of

OPTIONS = ("--listen", "127.0.0.1:0", "--workers", "2")


async def ask(method: str, url: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request over a connection of its own."""

    def wait() -> tuple[int, dict[str, str], bytes]:
        request = Request(url, data=body, method=method, headers={n.replace("_", "-"): v for n, v in headers.items()})
        try:
            with urlopen(request, timeout=20) as answer:
                return answer.status, {n.lower(): v for n, v in answer.headers.items()}, answer.read()
        except HTTPError as error:
            return error.code, {}, error.read()

    return await asyncio.to_thread(wait)


async def push(url: str, content: bytes) -> None:
    status, _, _ = await ask("POST", f"{url}/v2/a/blobs/uploads/?digest={digest_of(content)}", content)
    assert status == 201


def workers_of(supervisor: int) -> set[int]:
    return {int(each) for each in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()}


@contextmanager
def stopped(worker: int) -> Iterator[None]:
    """A worker that does nothing for so long, so that the other one answers. Not in the middle of a transaction."""
    stop(worker)
    while is_locked(Path("registry/registry.sqlite")):
        os.kill(worker, signal.SIGCONT)
        stop(worker)
    try:
        yield
    finally:
        os.kill(worker, signal.SIGCONT)


def stop(worker: int) -> None:
    """Stop every thread; the signal alone returns while one may still take a connection, which then nobody answers."""
    os.kill(worker, signal.SIGSTOP)
    while any(state(task / "stat") != "T" for task in Path(f"/proc/{worker}/task").iterdir()):
        os.sched_yield()


def state(stat: Path) -> str:
    return stat.read_text().rpartition(")")[2].split()[0]


def is_locked(database: Path) -> bool:
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


@pytest.fixture
async def registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with serving(*OPTIONS, folder=tmp_path) as (child, url):
        yield child, url


async def test_what_one_worker_took_every_other_has_at_once(registry):
    child, url = registry
    one, two = workers_of(child.pid)
    for number in range(3):
        layer = b"layer %d" % number
        image = an_image(layer)
        with stopped(two):
            for blob in (b"{}", layer):
                await push(url, blob)
            status, _, _ = await ask("PUT", f"{url}/v2/a/manifests/t", image, Content_Type=MANIFEST)
            assert status == 201
        for idle in (one, two):
            with stopped(idle):
                status, _, body = await ask("GET", f"{url}/v2/a/manifests/t", Accept=MANIFEST)
                assert (status, body) == (200, image)
                status, _, body = await ask("GET", f"{url}/v2/a/blobs/{digest_of(layer)}")
                assert (status, body) == (200, layer)


async def test_an_upload_begun_at_one_worker_goes_on_at_the_other(registry):
    child, url = registry
    one, two = workers_of(child.pid)
    with stopped(two):
        _, headers, _ = await ask("POST", f"{url}/v2/a/blobs/uploads/", b"")
        location = headers["location"]
        status, _, _ = await ask("PATCH", f"{url}{location}", b"first ")
        assert status == 202
    with stopped(one):
        status, _, _ = await ask("PATCH", f"{url}{location}", b"second")
        assert status == 202
    with stopped(two):
        status, _, _ = await ask("PUT", f"{url}{location}?digest={digest_of(b'first second')}", b"")
        assert status == 201
    with stopped(one):
        status, _, body = await ask("GET", f"{url}/v2/a/blobs/{digest_of(b'first second')}")
        assert (status, body) == (200, b"first second")


async def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(registry):
    child, url = registry
    one, two = workers_of(child.pid)
    with stopped(two):
        await push(url, b"kept")
    os.kill(one, signal.SIGKILL)
    status, _, body = await ask("GET", f"{url}/v2/a/blobs/{digest_of(b'kept')}")
    assert (status, body) == (200, b"kept")
    with stopped(two):  # so whoever answers now has taken the first one's place
        status, _, body = await ask("GET", f"{url}/v2/a/blobs/{digest_of(b'kept')}")
        assert (status, body) == (200, b"kept")
    assert len(workers_of(child.pid) - {one}) == 2


async def test_metrics_at_an_address_of_their_own_are_those_of_all_workers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with serving(*OPTIONS, "--metrics-listen", "127.0.0.1:0", folder=tmp_path) as (child, url):
        assert child.stderr is not None
        metrics = (await child.stderr.readline()).decode().split()[-1]
        one, two = workers_of(child.pid)
        for idle in (one, two):
            with stopped(idle):
                await push(url, b"%d" % idle)
        pushes = b'wherry_http_requests_total{endpoint="/v2/<name>/blobs/uploads/",method="POST",status="2xx"} 2.0\n'
        async with asyncio.timeout(20):
            while pushes not in (await ask("GET", f"{metrics}/metrics"))[2]:
                pass  # a worker counts a request after it has answered it, and may have been stopped between the two
        for idle in (one, two):
            with stopped(idle):
                status, _, body = await ask("GET", f"{metrics}/metrics")
                assert status == 200
                assert pushes in body
                status, _, _ = await ask("GET", f"{url}/metrics")
                assert status == 404
        child.terminate()
        output, errors = await asyncio.wait_for(child.communicate(), 30)
        assert (child.returncode, output, errors) == (0, b"", b"")


@pytest.mark.parametrize("ephemeral", [False, True])
async def test_a_signal_ends_them_all_and_tidily(tmp_path, monkeypatch, ephemeral):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with serving(*OPTIONS, *(["--ephemeral"] if ephemeral else []), folder=tmp_path) as (child, url):
        workers = workers_of(child.pid)
        await push(url, b"x")
        child.terminate()
        output, errors = await asyncio.wait_for(child.communicate(), 30)
        assert (child.returncode, output, errors) == (0, b"", b"")
        assert not any(map(is_alive, workers))
    assert [path.name for path in tmp_path.iterdir()] == ([] if ephemeral else ["registry"])


async def test_workers_end_with_their_supervisor(registry):
    child, _ = registry
    workers = workers_of(child.pid)
    child.kill()
    await child.wait()
    await asyncio.wait_for(asyncio.to_thread(wait_for_end, workers), 20)


def wait_for_end(workers: set[int]) -> None:
    while any(map(is_alive, workers)):
        os.sched_yield()


def is_alive(process: int) -> bool:
    try:
        return state(Path(f"/proc/{process}/stat")) != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_a_folder_that_is_in_use_is_said_once(registry, tmp_path):
    code, output, errors = await failed(*OPTIONS, folder=tmp_path)
    assert (code, output) == (1, "")
    assert "is in use by another wherry server" in errors
    assert "Traceback" not in errors
