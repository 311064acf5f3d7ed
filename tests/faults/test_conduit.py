"""A large blob that a thread carries from one registry to the other: whatever goes wrong, the ordinary way takes over and no byte counts twice."""

import asyncio
import re
import threading

import pytest

from tests.faults.proxy import FOREVER, Fault, lost, silent, stalled
from tests.faults.yard import BIG, LIES, MIDDLE, NOISE, PASSING, STAYING, TAG, TRIES, blob_get, blob_put
from tests.stores.remote.stub import Asked
from wherry.oci.errors import DigestMismatch
from wherry.oci.reference import Reference
from wherry.ops.copy import copy
from wherry.stores.remote import Client
from wherry.stores.remote.wide import Width

pytestmark = pytest.mark.asyncio(loop_scope="module")

THREAD = "wherry-conduit"


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    monkeypatch.setattr("wherry.stores.remote.uploads.LARGE", 100_000)


def by_thread(asked: Asked) -> bool:
    """The ordinary way says what it accepts."""
    return "accept" not in asked.headers


def of_blob(asked: Asked) -> bool:
    return blob_get(asked) or blob_put(asked)


@pytest.mark.parametrize("tokens", [False, True])
async def test_large_blob_between_plain_registries_is_carried_by_a_thread(yard, tokens):
    made = await yard(tokens=tokens)
    assert await made.copied() is None
    for side in (made.at_source, made.at_destination):
        asked = [each for each in side.asked if of_blob(each)]
        assert [by_thread(each) for each in asked] == [True]
        assert asked[0].headers["user-agent"].startswith("wherry/")
        assert asked[0].headers.get("authorization") == ("Bearer t" if tokens else None)
    assert made.passed == BIG.descriptor.size
    assert not [each for each in threading.enumerate() if each.name == THREAD]


@pytest.mark.parametrize("options", [{"limit_rate": 1_000_000_000}, {"chunked": True}])
async def test_what_is_limited_or_goes_in_chunks_is_not(yard, options):
    made = await yard()
    assert await made.copied(**options) is None
    assert not any(by_thread(each) for each in made.at_source.asked + made.at_destination.asked)


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("where", [blob_get, blob_put])
async def test_what_passes_does_not_stop_a_copy(yard, where, fault):
    faults = [Fault(where, PASSING[fault])]
    made = await yard(source=faults if where is blob_get else (), destination=faults if where is blob_put else ())
    assert await made.copied() is None
    assert faults[0].done == 1
    assert made.passed == BIG.descriptor.size


@pytest.mark.parametrize(
    ("where", "fault"),
    [*((blob_get, fault) for fault in STAYING), *((blob_put, fault) for fault in ("request lost", "500", "429"))],
)
async def test_what_stays_fails_in_a_line(yard, where, fault):
    faults = [Fault(where, PASSING.get(fault) or lost(1000), times=FOREVER)]
    made = await yard(source=faults if where is blob_get else (), destination=faults if where is blob_put else ())
    failure = await made.copied()
    assert failure is not None
    assert str(BIG.descriptor.digest) in str(failure)
    assert "\n" not in str(failure)
    assert failure.hint
    assert faults[0].done <= TRIES * 3
    assert made.passed <= BIG.descriptor.size


@pytest.mark.parametrize("lie", LIES)
async def test_content_that_is_not_what_was_promised_fails_and_leaves_nothing(yard, lie):
    made = await yard(source=[Fault(blob_get, LIES[lie], times=FOREVER)])
    failure = await made.copied()
    assert failure is not None
    assert made.at_source.address in str(failure)
    assert str(BIG.descriptor.digest) in str(failure)
    opened = [each for each in made.at_destination.asked if each.method == "POST" and "digest=" not in each.target]
    assert len(opened) == len([each for each in made.at_destination.asked if each.method == "DELETE"])
    if lie == "other bytes":
        assert isinstance(failure, DigestMismatch)
        assert len([each for each in made.at_source.asked if blob_get(each)]) == 1


@pytest.mark.parametrize("act", [stalled(), silent()])
@pytest.mark.parametrize("where", [blob_get, blob_put])
async def test_silence_hands_over_to_the_ordinary_way(yard, where, act):
    faults = [Fault(where, act)]
    made = await yard(source=faults if where is blob_get else (), destination=faults if where is blob_put else ())
    assert await made.copied(silence=0.3) is None


async def test_broken_download_goes_on_within_the_same_upload(yard):
    made = await yard(source=[Fault(blob_get, MIDDLE, times=2)])
    assert await made.copied() is None
    asked = [each for each in made.at_source.asked if blob_get(each)]
    starts = [int(re.fullmatch(r"bytes=(\d+)-", each.headers["range"])[1]) for each in asked[1:]]
    assert 0 < starts[0] < starts[1] < BIG.descriptor.size
    assert all(by_thread(each) for each in asked)
    assert len([each for each in made.at_destination.asked if blob_put(each)]) == 1


async def test_refusal_is_not_asked_for_again_by_threads(yard):
    made = await yard(source=[Fault(blob_get, PASSING["500"])])
    async with Client() as client:
        source, first, second = (
            client.repository(Reference.parse_repository(f"{side.address}/{name}"))
            for side, name in (
                (made.at_source, "from/app"),
                (made.at_destination, made.name),
                (made.at_destination, f"{made.name}2"),
            )
        )
        await copy(source, TAG, first)
        await copy(source, TAG, second)
    assert [by_thread(each) for each in made.at_source.asked if blob_get(each)] == [True, False, False]


async def test_cancelled_copy_ends_its_thread(yard):
    reached = asyncio.Event()

    async def held(_running, _asked, reader, _writer):
        reached.set()
        await reader.read()

    made = await yard(destination=[Fault(blob_put, held)])
    task = asyncio.create_task(made.copied())
    await reached.wait()
    threads = [each for each in threading.enumerate() if each.name == THREAD]
    assert len(threads) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(threads[0].join, 20)
    assert not threads[0].is_alive()


async def test_slow_source_is_left_to_several_connections(yard, monkeypatch):
    made = await yard()
    calls = []

    def is_called_for(_width, _meter, left):
        calls.append(left)
        return len(calls) == 3

    monkeypatch.setattr(Width, "is_called_for", is_called_for)
    assert await made.copied() is None
    assert 0 < calls[2] < len(NOISE)
    assert [by_thread(each) for each in made.at_source.asked if blob_get(each)][:2] == [True, False]
    assert made.passed == BIG.descriptor.size
