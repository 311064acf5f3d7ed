"""Trouble of the machine is told from bugs: 503 with a hint, a line in the log, and no traceback."""

import asyncio
import errno
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.powerless import powerless
from tests.server.asking import Headers, ask, begin, digest_of, push_blob
from wherry.oci.errors import StoreError
from wherry.server.health import Health, log_failure
from wherry.server.policy import Policy
from wherry.server.running import Running, running

LARGE = bytes(100_000)


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Running]:
    """Without root's power to use whatever it wants."""
    with powerless():
        async with running(data=tmp_path) as registry:
            yield registry


@contextmanager
def forbidden(*paths: Path, mode: int) -> Iterator[None]:
    for path in paths:
        path.chmod(mode)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(0o755)


async def check_refused(
    registry: Running, method: str, path: str, body: bytes | None = None, *, headers: Headers = ()
) -> None:
    answer = await ask(registry, method, path, body, headers)
    assert (answer.status, answer.codes, answer.header("Retry-After")) == (503, ["UNAVAILABLE"], "5")


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert all(each.exc_info is None for each in caplog.records)
    return [each.message for each in caplog.records if each.levelname == "ERROR"]


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
async def test_blobs_in_a_folder_that_may_not_be_used_are_503(
    registry: Running, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    digest = await push_blob(registry, "a", content)
    folder = registry.data / "blobs" / "sha256"
    with forbidden(folder, mode=0):
        for _ in range(2):
            await check_refused(registry, "GET", f"/v2/a/blobs/{digest}")
            await check_refused(registry, "POST", f"/v2/b/blobs/uploads/?digest={digest}", content)
        ready = await ask(registry, "GET", "/readyz")
        assert (ready.status, str(folder) in ready.json["reason"]) == (503, True)
    assert (await ask(registry, "GET", "/readyz")).status == 200
    assert (await ask(registry, "GET", f"/v2/a/blobs/{digest}")).body == content
    assert len(errors(caplog)) == 1


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
async def test_pushes_to_folders_that_may_not_be_written_are_503_and_logged_once(
    registry: Running, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await push_blob(registry, "a", b"before")
    location, digest = await begin(registry, "a"), digest_of(content)
    with forbidden(*(registry.data / "blobs" / "sha256").iterdir(), mode=0o555):
        await check_refused(registry, "POST", f"/v2/a/blobs/uploads/?digest={digest}", content)
        await check_refused(registry, "PUT", f"{location}?digest={digest}", content)
    assert len(errors(caplog)) == 1
    assert "Permission denied" in errors(caplog)[0]
    await push_blob(registry, "a", content)


@pytest.mark.parametrize("content", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO], ids=errno.errorcode.get)
async def test_without_a_file_descriptor_or_a_disk_that_reads_pushes_and_pulls_are_503(
    registry: Running, content: bytes, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await push_blob(registry, "a", content)

    def none_left(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as exhausted:
        exhausted.setattr("wherry.server.blobs.disk.os.open", none_left)
        await check_refused(registry, "POST", f"/v2/a/blobs/uploads/?digest={digest_of(b'x')}", b"x")
        await check_refused(registry, "GET", f"/v2/a/blobs/{kept}")
        await check_refused(registry, "GET", f"/v2/a/blobs/{kept}", headers=(("Range", "bytes=1-2"),))
    assert (await ask(registry, "GET", f"/v2/a/blobs/{kept}")).body == content
    await push_blob(registry, "a", b"x")


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "explained"),
    [
        (OSError(errno.EROFS, "read-only"), True),
        (OSError(errno.EIO, "broken"), True),
        (OSError(errno.EBADF, "closed too early"), False),
        (OSError("no number"), False),
        (sqlite_error(sqlite3.SQLITE_IOERR_READ), True),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), True),
        (sqlite_error(sqlite3.SQLITE_ERROR), False),
        (sqlite3.ProgrammingError("closed"), False),
        (ValueError("a bug"), False),
    ],
    ids=str,
)
def test_what_is_the_machines_trouble(registry_folder: Path, error: Exception, explained: bool) -> None:
    assert Health(registry_folder).explains(error) is explained


def test_trouble_that_lasts_is_logged_once_a_minute(registry_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    health = Health(registry_folder, clock=lambda: now[0])
    for now[0] in (0.0, 30.0, 59.0, 60.0, 90.0):
        assert health.explains(OSError(errno.EIO, "broken"))
    assert health.explains(OSError(errno.EACCES, "forbidden"))
    assert len(errors(caplog)) == 3


@pytest.fixture
def registry_folder(tmp_path: Path) -> Path:
    (tmp_path / "registry.sqlite").touch()
    return tmp_path


async def test_uploads_that_cannot_be_thrown_away_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("wherry.server.running._SWEEP", 0.01)
    with powerless():
        async with running(data=tmp_path) as registry, asyncio.timeout(10):
            abandoned = registry.data / "uploads" / "8ddbdfbb-a8e4-4a3f-a4ea-1ee43a38d5f5"
            abandoned.write_bytes(b"x")
            with forbidden(abandoned.parent, mode=0o555):
                os.utime(abandoned, (0, 0))
                while "could not be thrown away" not in caplog.text:
                    await ask(registry, "GET", "/healthz")
            while abandoned.exists():
                await ask(registry, "GET", "/healthz")
    assert errors(caplog)


async def test_trouble_of_the_collection_is_a_line_and_it_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with powerless():
        async with running(data=tmp_path, policy=Policy(collect_every=0.01)) as registry, asyncio.timeout(10):
            left = registry.data / "aside" / "left"
            with forbidden(left.parent, mode=0):
                while "the collection was cut short" not in caplog.text:
                    await ask(registry, "GET", "/healthz")
            left.write_bytes(b"x")
            while left.exists():
                await ask(registry, "GET", "/healthz")
    assert all("Permission denied" in each for each in errors(caplog))


def test_a_bug_beside_all_requests_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    for error in (KeyError("bug"), OSError(errno.EIO, "broken"), StoreError("damaged")):
        log_failure(logging.getLogger("wherry.server"), "it failed", error)
    assert [each.exc_info is None for each in caplog.records] == [False, True, True]
