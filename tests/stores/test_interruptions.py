"""Whatever happens to a writer, at whatever moment: what is in a layout or in an archive stays readable.

A child process writes an image, and at its n-th step on the disk something happens to it, for every n: it is killed, the disk
is full, or somebody presses Ctrl-C. (A step is what Python audits: to open, rename, make or remove a file. Writing is none;
for that the size of files is limited, to every size.)
"""

import asyncio
import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.content import Content, an_image, an_index_of, put
from wherry.oci.errors import NotFound
from wherry.oci.reference import Reference, Tag
from wherry.ops.copy import copy
from wherry.stores.archive import docker_archive, oci_archive
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.protocol import Store

OLD = an_image("old")
NEW = an_index_of(an_image("new"))
STEPS = {"open", "os.rename", "os.mkdir", "os.remove"}
DONE, FAILED, KILLED, SURVIVED = 0, 3, 9, 10
MOST_STEPS = 200

Opened = Callable[[Path], Store]


def an_oci_archive(folder: Path) -> Store:
    return oci_archive(folder / "images.tar")


def a_docker_archive(folder: Path) -> Store:
    return docker_archive(folder / "images.tar", Reference.parse_repository("team/app"))


STORES = [Layout, an_oci_archive, a_docker_archive]


def killed() -> None:
    os._exit(KILLED)


def disk_full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupted() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def in_a_child(work: Callable[[], int]) -> int:
    """Do some work in a child process; gives its exit code, which is what the work returns."""
    child = os.fork()
    if child == 0:
        code = FAILED
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            code = work()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def at_step(number: int, folder: Path, happening: Callable[[], None]) -> Callable[[], bool]:
    """Have something happen at the n-th step from now on; gives a way to ask whether it came to that."""
    seen = 0

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in STEPS and str(folder) in str(arguments[0]):
            seen += 1
            if seen == number:
                happening()

    sys.addaudithook(look)
    return lambda: seen >= number


async def whole(store: Store, tag: str) -> bool:
    """Whether a tag is there; fails if what it leads to is not whole."""
    try:
        await store.resolve(Tag(tag))
    except NotFound:
        return False
    await copy(store, Tag(tag), MemoryStore())
    return True


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".wherry-")]


async def copied_to(store: Store, content: Content, tag: str) -> None:
    origin = MemoryStore()
    await put(content, origin, tag)
    await copy(origin, Tag(tag), store, tags=[Tag(tag)])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody cuts the power here: what was written is seen by all without being brought to the disk first."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("opened", STORES)
@pytest.mark.parametrize("happening", [killed, disk_full, interrupted])
def test_writer_that_is_stopped_at_any_step_leaves_what_is_whole(
    tmp_path: Path, opened: Opened, happening: Callable[[], None]
) -> None:
    results = []
    for number in range(1, MOST_STEPS):
        folder = tmp_path / str(number)
        asyncio.run(put(OLD, opened(folder), "old"))

        def work(folder: Path = folder, number: int = number) -> int:
            has_happened = at_step(number, folder, happening)
            asyncio.run(copied_to(opened(folder), NEW, "new"))
            return SURVIVED if has_happened() else DONE

        results.append(in_a_child(work))
        assert asyncio.run(whole(opened(folder), "old"))
        assert asyncio.run(whole(opened(folder), "new")) or results[-1] in {FAILED, KILLED}
        asyncio.run(copied_to(opened(folder), NEW, "new"))
        assert asyncio.run(whole(opened(folder), "new"))
        if happening is not killed:
            assert not leftovers(folder)
        asyncio.run(put(an_image("third"), opened(folder), "third"))  # who writes next cleans up
        assert not leftovers(folder)
        if results[-1] == DONE:
            break
    assert results[-1] == DONE
    assert len(results) > 5
    assert FAILED in results or happening is killed


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file can become larger than this: to a writer, a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("opened", STORES)
def test_disk_that_is_full_is_told_with_its_folder(tmp_path: Path, opened: Opened) -> None:
    with files_up_to(100), pytest.raises(OSError, match="File too large") as caught:
        asyncio.run(copied_to(opened(tmp_path), NEW, "new"))
    assert caught.value.filename == str(tmp_path)


@pytest.mark.parametrize("opened", STORES)
def test_disk_that_is_full_at_any_byte_leaves_what_is_whole(tmp_path: Path, opened: Opened) -> None:
    asyncio.run(put(OLD, opened(tmp_path), "old"))
    failures = 0
    for size in (*range(0, 1_000, 97), *range(1_000, 60_000, 1_997), 1_000_000):
        with files_up_to(size), suppress(OSError):
            asyncio.run(copied_to(opened(tmp_path), NEW, "new"))  # which waits for threads that are still busy
            continue
        failures += 1
        assert not leftovers(tmp_path)
        assert not asyncio.run(whole(opened(tmp_path), "new"))
        assert asyncio.run(whole(opened(tmp_path), "old"))
    assert failures > 5
    assert asyncio.run(whole(opened(tmp_path), "old"))
    assert asyncio.run(whole(opened(tmp_path), "new"))
