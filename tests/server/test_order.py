"""What is on the disk before what: SIGKILL cannot show that, a power cut would.

The system calls that matter are recorded as they are made: a flush of a file or folder, a rename, a commit. SQLite's own
flushes are its own business; that a commit asks for them (`synchronous=FULL`) is tested with the writer.
"""

import errno
import os
from pathlib import Path

import pytest

from tests.server.asking import digest_of
from tests.server.clock import DAY, Clock
from tests.server.inside import Inside
from wherry.server.points import Point
from wherry.server.policy import Durability, Policy
from wherry.server.registry import Registry

CONTENT = b"layer" * 1000
DIGEST = digest_of(CONTENT)


@pytest.fixture
def done(monkeypatch) -> list[str]:
    """What was done, in its order: `flush NAME`, `rename NAME NAME`, `delete NAME`, and commits."""
    done: list[str] = []
    fsync, rename, unlink = os.fsync, Path.rename, Path.unlink

    def note_fsync(descriptor: int) -> None:
        fsync(descriptor)
        done.append(f"flush {_kind(Path(f'/proc/self/fd/{descriptor}').readlink())}")

    def note_rename(path: Path, target: Path) -> Path:
        renamed = rename(path, target)
        done.append(f"rename {_kind(path)} {_kind(Path(target))}")
        return renamed

    def note_unlink(path: Path, missing_ok: bool = False) -> None:
        there = path.exists()
        unlink(path, missing_ok)
        if there:
            done.append(f"delete {_kind(path)}")

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "rename", note_rename)
    monkeypatch.setattr(Path, "unlink", note_unlink)
    return done


def _kind(path: Path) -> str:
    """The name of a file or folder, as far as it matters."""
    if path.parent.name in ("uploads", "aside"):
        return path.parent.name
    return "blob" if path.name == DIGEST[7:] else "folder" if path.name == DIGEST[7:9] else path.name


class Opened:
    def __init__(self, folder: Path, done: list[str], durability: Durability) -> None:
        self.clock = Clock()
        self.done = done
        policy = Policy(durability=durability)
        self.registry = Registry.open(folder, policy, clock=self.clock, reached=self.reached)
        self.ask = Inside(self.registry, folder).ask

    def reached(self, point: Point) -> None:
        if point is Point.COMMITTED:
            self.done.append("commit")

    async def push(self, how: str) -> None:
        start = "/v2/a/blobs/uploads/"
        if how == "whole":
            answer = await self.ask("POST", f"{start}?digest={DIGEST}", CONTENT)
        else:
            location = (await self.ask("POST", start, b"")).header("location")
            self.done.clear()
            answer = await self.ask("PUT", f"{location}?digest={DIGEST}", CONTENT)
        assert answer.status == 201
        self.done.append("answer")


@pytest.fixture
async def opened(tmp_path, done):
    (tmp_path / "data").mkdir()
    opened = Opened(tmp_path / "data", done, Durability.FULL)
    done.clear()
    yield opened
    await opened.registry.close()


@pytest.mark.parametrize("how", ["whole", "in pieces"])
async def test_bytes_then_name_then_folder_then_row_then_answer(opened, done, how):
    await opened.push(how)
    steps = [each for each in done if each not in ("flush sha256", "flush blobs", "delete uploads")]
    assert steps == ["flush uploads", "rename uploads blob", "flush folder", "commit", "answer"]
    # The folders above are on the disk before the blob has its name in them.
    assert {"flush sha256", "flush blobs"} <= set(done[: done.index("rename uploads blob")])


@pytest.mark.parametrize("how", ["whole", "in pieces"])
async def test_a_blob_that_is_there_is_promised_only_when_its_folder_is_flushed(opened, done, how):
    await opened.push("whole")
    done.clear()
    await opened.push(how)
    assert [each for each in done if each != "delete uploads"] == ["flush folder", "commit", "answer"]


async def test_a_second_process_flushes_the_folders_that_the_first_has_made(opened, done, tmp_path):
    await opened.push("whole")
    done.clear()
    other = Opened(tmp_path / "data", done, Durability.FULL)
    done.clear()
    await other.push("whole")
    assert {"flush sha256", "flush blobs", "flush folder"} <= set(done[: done.index("commit")])
    await other.registry.close()


async def test_a_blob_is_deleted_only_after_two_commits(opened, done):
    await opened.push("whole")
    opened.clock.later(2 * DAY)
    done.clear()
    await opened.registry.collector.collect()
    assert done[:4] == ["commit", "rename blob aside", "commit", "delete aside"]


async def test_what_could_not_be_flushed_is_sent_anew(opened, monkeypatch):
    """The system forgets after a failed flush what it has not written: a second one would say that all is well."""

    def fails(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    location = (await opened.ask("POST", "/v2/a/blobs/uploads/", b"")).header("location")
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fails)
        assert (await opened.ask("PUT", f"{location}?digest={DIGEST}", CONTENT)).status == 503
    empty = (await opened.ask("POST", "/v2/a/blobs/uploads/", b"")).header("range")
    assert (await opened.ask("GET", location)).header("range") == empty
    assert (await opened.ask("GET", f"/v2/a/blobs/{DIGEST}")).status == 404
    assert (await opened.ask("PUT", f"{location}?digest={DIGEST}", CONTENT)).status == 201


async def test_relaxed_flushes_nothing(tmp_path, done):
    opened = Opened(tmp_path, done, Durability.RELAXED)
    await opened.push("whole")
    assert [each for each in done if each.startswith("flush")] == []
    await opened.registry.close()
