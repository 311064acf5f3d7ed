"""Copies through everything that goes wrong on the way: they succeed, or fail in a line; and no tag shows what is not whole."""

import asyncio
import re
from itertools import count

import pytest

from tests.faults.proxy import FOREVER, Fault, Proxy, answered, changed, lost, silent, stalled
from tests.faults.yard import (
    AT_DESTINATION,
    AT_SOURCE,
    BIG,
    LIES,
    MIDDLE,
    NOISE,
    PASSING,
    STAYING,
    TRIES,
    blob_get,
    blob_put,
    manifest_get,
    manifest_head,
    token,
    upload_opened,
)
from tests.stores.remote.stub import Asked

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("where", AT_SOURCE)
async def test_what_passes_at_the_source_does_not_stop_a_copy(yard, where, fault):
    made = await yard(source=[Fault(where, PASSING[fault])], tokens=where is token)
    assert await made.copied() is None
    assert made.at_source.faults[0].done == 1


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("where", AT_DESTINATION)
async def test_what_passes_at_the_destination_does_not_stop_a_copy(yard, where, fault):
    made = await yard(destination=[Fault(where, PASSING[fault])], tokens=where is token)
    assert await made.copied() is None
    assert made.at_destination.faults[0].done == 1


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        *((where, fault) for where in (blob_get, manifest_get, token) for fault in STAYING[1:]),
        *((where, fault) for where in AT_DESTINATION[:4] for fault in ("request lost", "500", "429")),
    ],
)
async def test_what_stays_fails_in_a_line_with_place_and_next_step(yard, where, fault):
    faults = [Fault(where, PASSING.get(fault) or lost(1000), times=FOREVER)]
    is_source = where in AT_SOURCE
    made = await yard(
        source=faults if is_source else (), destination=() if is_source else faults, tokens=where is token
    )
    failure = await made.copied()
    assert failure is not None
    side = made.at_source if is_source else made.at_destination
    line = str(failure)
    assert side.address in line
    assert "\n" not in line
    assert failure.hint
    assert side.faults[0].done <= 2 * 2 * TRIES  # of two blobs; a kept connection that was closed is no try
    assert sum(made.waits.waited) < 120
    if where in {blob_get, blob_put, upload_opened}:
        assert str(BIG.descriptor.digest) in line


async def test_broken_download_goes_on_from_the_byte_it_reached(yard):
    made = await yard(source=[Fault(blob_get, MIDDLE, times=2)])
    assert await made.copied() is None
    ranges = [asked.headers.get("range") for asked in made.at_source.asked if blob_get(asked)]
    assert ranges[0] is None
    starts = [int(re.fullmatch(r"bytes=(\d+)-", each)[1]) for each in ranges[1:]]
    assert 0 < starts[0] < starts[1] < BIG.descriptor.size


async def test_registry_that_ignores_ranges_is_read_from_its_first_byte_again(yard):
    whole = changed(lambda head, body: b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(NOISE) + NOISE)
    made = await yard(source=[Fault(blob_get, MIDDLE), Fault(blob_get, whole)])
    assert await made.copied() is None


@pytest.mark.parametrize("amount", [0, 1, 1000, 400_000, len(NOISE) - 1])
async def test_broken_upload_goes_on_from_where_the_registry_says(yard, amount):
    made = await yard(destination=[Fault(blob_put, lost(amount))])
    assert await made.copied() is None
    sent = [asked for asked in made.at_destination.asked if blob_put(asked) or asked.method == "PATCH"]
    assert 2 <= len(sent) <= 3  # a busy registry may say where the upload is before all is written that has come
    if sent[-1].method == "PATCH":
        start = int(sent[-1].headers["content-range"].split("-")[0])
        assert 0 < start <= amount
        assert int(sent[-1].headers["content-length"]) == len(NOISE) - start


async def test_token_that_ends_in_the_middle_of_an_upload_is_fetched_anew(yard):
    challenge = 'WWW-Authenticate: Bearer realm="http://{}/token",service="here"'

    async def refused(running, asked, reader, writer):
        await answered(401, challenge.format(running.address))(running, asked, reader, writer)

    made = await yard(destination=[Fault(blob_put, refused)], tokens=True)
    made.at_destination.own = _with_new_tokens(made.at_destination)
    assert await made.copied() is None


def _with_new_tokens(running: Proxy):
    numbers = count()

    def own(asked: Asked) -> bytes | None:
        if asked.path == "/token":
            body = b'{"token": "t%d"}' % next(numbers)
            return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        if "authorization" not in asked.headers:
            return Proxy.own(running, asked)
        return None

    return own


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("where", [blob_get, manifest_get])
async def test_content_that_is_not_what_was_promised_fails_in_a_line(yard, where, lie):
    made = await yard(source=[Fault(where, LIES[lie], times=FOREVER)])
    failure = await made.copied()
    assert failure is not None
    assert made.at_source.address in str(failure)
    assert "\n" not in str(failure)
    assert failure.hint
    if where is blob_get:
        assert str(BIG.descriptor.digest) in str(failure)


@pytest.mark.parametrize("act", [stalled(), silent()])
@pytest.mark.parametrize("where", [blob_get, manifest_get])
async def test_silence_is_a_failure_that_may_pass(yard, where, act):
    made = await yard(source=[Fault(where, act)])
    assert await made.copied(silence=0.3) is None


async def test_silence_that_stays_ends(yard):
    made = await yard(destination=[Fault(blob_put, silent(), times=FOREVER)])
    failure = await asyncio.wait_for(made.copied(silence=0.2), 20)
    assert failure is not None
    assert str(BIG.descriptor.digest) in str(failure)


async def test_registry_that_asks_to_wait_is_obeyed_by_all_requests(yard):
    made = await yard(source=[Fault(manifest_head, answered(429, "Retry-After: 7"))])
    assert await made.copied() is None
    assert max(made.waits.waited) >= 7


async def test_registry_that_asks_to_wait_longer_than_patience_lasts_is_not_waited_for(yard):
    made = await yard(source=[Fault(manifest_get, answered(429, "Retry-After: 3600"), times=FOREVER)])
    failure = await made.copied()
    assert failure is not None
    assert "3600 s" in (failure.hint or "")
    assert made.waits.waited == []
