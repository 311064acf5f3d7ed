"""Several ranges of one blob at once: when it is called for, that it shows nowhere but in time, and that whatever goes wrong leads back to one."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.content import a_blob, pieces, read
from tests.stores.remote.stub import Asked, Reply, front
from wherry.oci.errors import DigestMismatch
from wherry.oci.mediatype import OCI_LAYER
from wherry.stores.remote import Client, wide
from wherry.stores.remote.wide import AT_ONCE, Meter, Width, striped

MEGABYTE = 1024 * 1024
CONTENT = bytes(range(251)) * 9000
BLOB = a_blob(CONTENT, OCI_LAYER)


class Seconds:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def _measured(waited: float, taken: float, amount: int, *, rounds: int = 10) -> Meter:
    """`amount` bytes that were waited for, and taken, for so many seconds."""
    now = Seconds()
    meter = Meter(now)
    for _ in range(rounds):
        now.time += waited / rounds
        meter.give(bytes(amount // rounds))
        now.time += taken / rounds
        meter.took()
    return meter


@pytest.mark.parametrize(
    ("waited", "taken", "amount", "left", "is_slow"),
    [
        (3.0, 0.1, 30 * MEGABYTE, 100 * MEGABYTE, True),
        (1.9, 0.0, 19 * MEGABYTE, 100 * MEGABYTE, False),  # too soon to tell
        (3.0, 2.0, 30 * MEGABYTE, 100 * MEGABYTE, False),  # whoever takes it is no quicker
        (3.0, 0.1, 30 * MEGABYTE, 39 * MEGABYTE, False),  # nearly done
        (3.0, 0.1, 200 * MEGABYTE, 4000 * MEGABYTE, False),  # quick enough
        (9.0, 0.1, 1000, 900_000, False),  # too small for stripes
    ],
)
def test_several_are_called_for_where_a_registry_keeps_us_and_will_for_a_while(waited, taken, amount, left, is_slow):
    assert Width().is_called_for(_measured(waited, taken, amount), left) is is_slow


def test_several_are_not_called_for_where_that_was_vain_or_others_are_coming():
    width = Width()
    with width.coming():
        assert width.is_called_for(_measured(3, 0, MEGABYTE), 100 * MEGABYTE)
        with width.coming():
            meter = _measured(3, 0, MEGABYTE)
            assert not width.is_called_for(meter, 100 * MEGABYTE)
        assert not width.is_called_for(meter, 100 * MEGABYTE), "what was measured beside others does not count"
        width.is_vain = True
        assert not width.is_called_for(_measured(3, 0, MEGABYTE), 100 * MEGABYTE)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several are tried after the first piece, in small stripes."""
    for name, value in {"_LOOK_AFTER": 0.0, "_WAITING": 0.0, "_FAST": 1e18, "_WORTHWHILE": 0.0, "_GAIN": 0.0}.items():
        monkeypatch.setattr(wide, name, value)
    monkeypatch.setattr(wide, "_SMALLEST", 200_000)
    monkeypatch.setattr(wide, "_LARGEST", 200_000)


async def test_stripes_come_in_order_whichever_is_there_first(eager):
    others = asyncio.Event()
    coming = done = most = 0

    async def first_one_last(start: int, stop: int) -> list[bytes]:
        nonlocal coming, done, most
        coming += 1
        most = max(most, coming)
        if start == 1000:
            await others.wait()
        coming -= 1
        done += 1
        if done == AT_ONCE:
            others.set()
        return [CONTENT[start : start + 1000], CONTENT[start + 1000 : stop]]

    stripes = striped(first_one_last, 1000, len(CONTENT), Width(), 1.0)
    assert b"".join([piece async for piece in stripes]) == CONTENT[1000:]
    assert 1 < most <= AT_ONCE


def _range(asked: Asked) -> tuple[int, int] | None:
    """The first byte and the last of a range that has both."""
    first, _, last = asked.headers.get("range", "").removeprefix("bytes=").partition("-")
    return (int(first), int(last)) if last else None


Made = Callable[[Asked, int, int], Reply | None]


class Yard:
    """A registry with the blob, and a proxy before it that does to ranges what a test says."""

    def __init__(self, opened, address: str) -> None:
        self.opened = opened
        self.address = address
        self.ranges: list[tuple[int, int]] = []

    async def fetched(self, made: Made = lambda *_: None, times: int = 1, **options) -> None:
        def answer(asked: Asked):
            found = _range(asked)
            if found is None:
                return None
            self.ranges.append(found)
            return made(asked, *found)

        async with front(self.address, answer) as server:
            repository = self.opened(server.address, **options)
            for _ in range(times):
                assert await read(repository.fetch(BLOB.descriptor)) == CONTENT


@pytest.fixture
async def yard(address, opened, eager) -> Yard:
    await opened(address).push(BLOB.descriptor, pieces(CONTENT, 100_000))
    return Yard(opened, address)


async def test_blob_is_read_in_ranges_that_meet(yard):
    await yard.fetched()
    ranges = sorted(yard.ranges)
    assert len(ranges) > AT_ONCE
    assert all(after[0] == before[1] + 1 for before, after in pairwise(ranges))
    assert ranges[-1][1] == len(CONTENT) - 1


async def test_what_is_no_quicker_is_not_done_again(yard, monkeypatch):
    monkeypatch.setattr(wide, "_GAIN", 1e18)
    await yard.fetched(times=3)
    assert 0 < len(yard.ranges) <= AT_ONCE + 2


async def test_where_bytes_a_second_are_limited_one_connection_is_enough(yard):
    await yard.fetched(limit_rate=1_000_000_000)
    assert yard.ranges == []


def _shifted(_asked: Asked, first: int, last: int) -> Reply:
    return Reply(206, {"Content-Range": f"bytes {first + 1}-{last + 1}/{len(CONTENT)}"}, CONTENT[first + 1 : last + 2])


def _partial(first: int, last: int, body: bytes, **more) -> Reply:
    return Reply(206, {"Content-Range": f"bytes {first}-{last}/{len(CONTENT)}"}, body, **more)


AMISS: dict[str, Made] = {
    "all comes": lambda *_: Reply(200, {}, CONTENT),
    "refused": lambda *_: Reply(416),
    "too many at once": lambda *_: Reply(429),
    "trouble": lambda *_: Reply(503),
    "another range": _shifted,
    "too short": lambda _, first, last: _partial(first, last, CONTENT[first:last]),
    "too long": lambda _, first, last: _partial(first, last, CONTENT[first : last + 2]),
    "broken off": lambda _, first, last: _partial(first, last, CONTENT[first : last + 1], cut=1000),
}


@pytest.mark.parametrize("amiss", AMISS)
async def test_whatever_is_wrong_with_ranges_one_connection_goes_on(registry, opened, eager, amiss):
    await opened(registry.address).push(BLOB.descriptor, pieces(CONTENT, 100_000))
    yard = Yard(opened, registry.address)
    await yard.fetched(AMISS[amiss], times=2)
    assert 0 < len(yard.ranges) <= AT_ONCE + 1


async def test_ranges_with_other_bytes_are_found_out(registry, opened, eager):
    await opened(registry.address).push(BLOB.descriptor, pieces(CONTENT, 100_000))
    yard = Yard(opened, registry.address)
    with pytest.raises(DigestMismatch):
        await yard.fetched(lambda _, first, last: _partial(first, last, bytes(last + 1 - first)))


async def test_whoever_has_enough_leaves_nothing_behind(registry, opened, eager):
    held = asyncio.Event()

    def answer(asked: Asked) -> Reply | None:
        found = _range(asked)
        return None if found is None or found[0] < MEGABYTE else _hold(held)

    await opened(registry.address).push(BLOB.descriptor, pieces(CONTENT, 100_000))
    async with front(registry.address, answer) as server, Client() as client:
        content = opened(server.address, client=client).fetch(BLOB.descriptor)
        async for _ in content:
            if held.is_set():
                break
        before = len(asyncio.all_tasks())
        await content.aclose()
        assert len(asyncio.all_tasks()) < before


async def _hold(held: asyncio.Event) -> Reply:
    held.set()
    await asyncio.Event().wait()
    raise AssertionError
