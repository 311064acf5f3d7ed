"""`wherry serve` as a process: what it prints, how it ends, what it says when it cannot start."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from wherry.server.running import running

WHERRY = (sys.executable, "-c", "import sys; from wherry.cli import main; sys.exit(main())")


@asynccontextmanager
async def serving(*options: str, folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The process, and the URL that it prints."""
    child = await asyncio.create_subprocess_exec(
        *WHERRY, "serve", *options, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    try:
        yield child, (await asyncio.wait_for(child.stdout.readline(), 30)).decode().strip()
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def failed(*options: str, folder: Path) -> tuple[int | None, str, str]:
    child = await asyncio.create_subprocess_exec(
        *WHERRY, "serve", *options, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(child.communicate(), 30)
    return child.returncode, output.decode(), errors.decode()


def status(url: str) -> int:
    with urlopen(url) as answer:
        return int(answer.status)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_prints_its_url_and_ends_on_a_signal(tmp_path, number):
    async with serving("--listen", "127.0.0.1:0", folder=tmp_path) as (child, url):
        assert await asyncio.to_thread(status, f"{url}/v2/") == 200
        child.send_signal(number)
        output, errors = await asyncio.wait_for(child.communicate(), 30)
        assert (child.returncode, output, errors) == (0, b"", b"")
    assert (tmp_path / "registry" / "registry.sqlite").is_file()


@asynccontextmanager
async def uploading(url: str) -> AsyncIterator[asyncio.StreamReader]:
    """An upload that has begun, and does not come to its end."""
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    try:
        writer.write(b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        location = next(line.split(": ")[1] for line in answer if line.startswith("location: "))
        writer.write(f"PATCH {location} HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n".encode())
        writer.write(b"Content-Length: 10\r\n\r\n")
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")  # somebody reads the body now
        yield reader
    finally:
        writer.close()


HANGUP = pytest.param(
    signal.SIGHUP, marks=pytest.mark.skipif(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="run by nohup")
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, HANGUP])
async def test_a_second_signal_ends_it_at_once_and_tidily(tmp_path, monkeypatch, number):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with serving("--listen", "127.0.0.1:0", "--ephemeral", folder=tmp_path) as (child, url):
        async with uploading(url) as reader:
            child.send_signal(number)
            while await is_listening(url):
                pass
            child.send_signal(number)
            async with asyncio.timeout(8):  # without the second one it is 10 seconds
                answer = await reader.read()
                output, errors = await child.communicate()
        assert b" 503 " in answer.splitlines()[0]
        assert (child.returncode, output, errors) == (0, b"", b"")
    assert list(tmp_path.iterdir()) == []


async def is_listening(url: str) -> bool:
    try:
        _, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    except (ConnectionRefusedError, ConnectionResetError):  # a reset: it was in the queue when the socket closed
        return False
    writer.close()
    return True


async def test_ephemeral_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with serving("--listen", "127.0.0.1:0", "--ephemeral", folder=tmp_path) as (child, url):
        assert len(list(tmp_path.iterdir())) == 1
        assert await asyncio.to_thread(status, f"{url}/v2/") == 200
        child.terminate()
        await asyncio.wait_for(child.wait(), 30)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--listen", "5000"], 2, "'5000' is not of the form HOST:PORT"),
        (["--listen", ":5000"], 2, "is not of the form HOST:PORT"),
        (["--listen", "::1:5000"], 2, "is not of the form HOST:PORT"),
        (["--listen", "localhost:http"], 2, "'http' is not a port"),
        (["--listen", "localhost:65536"], 2, "'65536' is not a port"),
        (["--listen", "localhost:-1"], 2, "'-1' is not a port"),
        (["--ephemeral", "--data", "x"], 2, "exclude each other"),
        (["--data", ""], 2, "--data: it names no folder"),
        (["--listen", "no.such.host.invalid:0"], 1, "cannot listen on 'no.such.host.invalid': "),
        (["--allow-sparse", "some"], 2, "'some' is not one of 'none', 'index', 'all'"),
        (["--config", "missing"], 2, "missing cannot be read: No such file or directory"),
        (["--nothing"], 2, "No such option"),
        (["--listen", "192.0.2.1:0"], 1, "this machine does not have that address"),
        (["--data", "file"], 2, "is a file"),
        (["--listen", "127.0.0.1:0", "--data", "file/below"], 1, "cannot be used as a registry's folder"),
    ],
)
async def test_what_it_cannot_do_is_said_in_one_line(tmp_path, options: Sequence[str], code, said):
    (tmp_path / "file").write_text("x")
    returned, output, errors = await failed(*options, folder=tmp_path)
    assert (returned, output) == (code, "")
    lines = errors.splitlines()
    assert lines[0].startswith("wherry: ")
    assert said in lines[0]
    assert all(line.startswith("try: ") for line in lines[1:])


async def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, errors = await failed("--listen", f"127.0.0.1:{taken.getsockname()[1]}", folder=tmp_path)
    assert code == 1
    assert errors.startswith("wherry: cannot listen on 127.0.0.1:")
    assert "the port is taken" in errors.splitlines()[0]


async def test_a_folder_that_is_in_use_is_said(tmp_path):
    async with running(data=tmp_path / "registry"):
        code, _, errors = await failed("--listen", "127.0.0.1:0", folder=tmp_path)
    assert (code, errors.splitlines()[0]) == (1, "wherry: registry is in use by another wherry server")


async def test_without_the_extra_it_says_what_to_install(tmp_path):
    program = """
import sys
sys.modules["granian"] = None
from wherry.cli import main
sys.exit(main(["serve"]))
"""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(child.communicate(), 30)
    assert (output, child.returncode) == (b"", 1)
    assert b"pip install 'wherry[server]'" in errors
    assert b"Traceback" not in errors


async def test_metrics_have_an_address_of_their_own_which_is_told_beside_the_url(tmp_path):
    options = ("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--ephemeral")
    async with serving(*options, folder=tmp_path) as (child, url):
        assert child.stderr is not None
        said, _, metrics = (await child.stderr.readline()).decode().strip().rpartition(" ")
        assert said == "metrics and health:"
        assert await asyncio.to_thread(status, f"{metrics}/metrics") == 200
        assert await asyncio.to_thread(status, f"{url}/v2/") == 200
        with pytest.raises(HTTPError, match="404"):
            await asyncio.to_thread(status, f"{url}/metrics")
        child.terminate()
        assert await asyncio.wait_for(child.communicate(), 30) == (b"", b"")
