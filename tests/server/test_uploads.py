"""Uploads: in pieces, cut short, at once, again, and after a restart."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from tests.server.asking import (
    Answer,
    ask,
    begin,
    connect,
    digest_of,
    head,
    offset_of,
    parse,
    push_blob,
    wait_for_bytes,
)
from wherry.server.policy import Policy
from wherry.server.running import Running, running

CONTENT = os.urandom(3_000_000)
DIGEST = digest_of(CONTENT)


async def finish(registry: Running, location: str, digest: str, body: bytes = b"") -> Answer:
    return await ask(registry, "PUT", f"{location}?digest={digest}", body)


async def test_what_came_before_the_connection_broke_is_kept(registry):
    location = await begin(registry, "a")
    _, writer = await connect(registry)
    writer.write(head("PATCH", location, [("Content-Length", "3000000")]) + CONTENT[:2_000_000])
    await wait_for_bytes(registry, location)
    writer.close()
    async with asyncio.timeout(10):
        while await offset_of(registry, location) != "0-1999999":
            pass
    rest = await ask(registry, "PATCH", location, CONTENT[2_000_000:], [("Content-Range", "2000000-2999999")])
    assert (rest.status, rest.header("Range")) == (202, "0-2999999")
    assert (await finish(registry, location, DIGEST)).status == 201


async def test_a_second_writer_waits_and_then_is_out_of_order(registry):
    location = await begin(registry, "a")
    reader, writer = await connect(registry)
    writer.write(
        head("PATCH", location, [("Content-Length", "3000000"), ("Connection", "close")]) + CONTENT[:2_000_000]
    )
    await wait_for_bytes(registry, location)
    twins = [
        asyncio.create_task(ask(registry, "PATCH", location, CONTENT, headers))
        for headers in ([("Content-Range", "0-2999999")], [])
    ]
    session = await registry.registry.sessions.find("a", location.rpartition("/")[2])
    async with asyncio.timeout(20):
        while session.wanted < 3:
            await offset_of(registry, location)
    writer.write(CONTENT[2_000_000:])
    first = parse(await reader.read())
    writer.close()
    assert (first.status, first.header("Range")) == (202, "0-2999999")
    for twin in await asyncio.gather(*twins):
        assert (twin.status, twin.codes, twin.header("Range")) == (416, ["RANGE_INVALID"], "0-2999999")
        assert twin.header("Location") == location
    assert (await finish(registry, location, DIGEST)).status == 201


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_an_upload_is_cancelled_while_bytes_come_in(registry, method):
    location = await begin(registry, "a")
    reader, writer = await connect(registry)
    path = location if method == "PATCH" else f"{location}?digest={DIGEST}"
    writer.write(head(method, path, [("Content-Length", "900000000")]) + CONTENT)
    await wait_for_bytes(registry, location)
    cancelling = asyncio.create_task(ask(registry, "DELETE", location))
    async with asyncio.timeout(10):
        while not cancelling.done():
            writer.write(b"more")
            await offset_of(registry, location)
        assert (await cancelling).status == 204
        assert b" 404 " in await reader.readline()
        assert b"BLOB_UPLOAD_UNKNOWN" in await reader.readuntil(b"}")
    writer.close()
    assert (await ask(registry, "GET", location)).status == 404
    assert list((registry.data / "uploads").iterdir()) == []


async def test_a_body_shorter_than_its_range_is_taken_back(registry):
    location = await begin(registry, "a")
    first = await ask(registry, "PATCH", location, CONTENT[:1000], [("Content-Range", "0-999")])
    assert first.status == 202
    short = await ask(registry, "PATCH", location, headers=[("Content-Range", "1000-2999")], chunks=[b"x" * 500])
    assert (short.status, short.codes) == (400, ["SIZE_INVALID"])
    told = await ask(registry, "PATCH", location, b"x" * 500, [("Content-Range", "1000-2999")])
    assert (told.status, told.codes) == (400, ["SIZE_INVALID"])
    assert await offset_of(registry, location) == "0-999"
    assert (await finish(registry, location, DIGEST, CONTENT[1000:])).status == 201


@pytest.mark.parametrize("content_range", ["1-999", "x", "5-1", "0", "-5", "0-99999999999999999999999"])
async def test_a_range_that_does_not_fit_is_refused_and_the_upload_goes_on(registry, content_range):
    location = await begin(registry, "a")
    answer = await ask(registry, "PATCH", location, b"x" * 999, [("Content-Range", content_range)])
    assert (answer.status, answer.codes) == (416, ["RANGE_INVALID"])
    assert await offset_of(registry, location) == "0-0"
    assert (await finish(registry, location, DIGEST, CONTENT)).status == 201


async def test_a_wrong_digest_ends_the_upload_and_leaves_nothing(registry):
    location = await begin(registry, "a")
    wrong = await finish(registry, location, digest_of(b""), CONTENT)
    assert (wrong.status, wrong.codes) == (400, ["DIGEST_INVALID"])
    assert wrong.json["errors"][0]["detail"]["actual"] == DIGEST
    assert (await finish(registry, location, DIGEST, CONTENT)).codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert list((registry.data / "uploads").iterdir()) == []
    assert (await ask(registry, "HEAD", f"/v2/a/blobs/{DIGEST}")).status == 404


@pytest.mark.parametrize("size", [100, 3_000_000])
async def test_a_whole_post_with_a_wrong_digest_leaves_nothing(registry, size):
    answer = await ask(registry, "POST", f"/v2/a/blobs/uploads/?digest={digest_of(b'')}", CONTENT[:size])
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    assert list((registry.data / "uploads").iterdir()) == []
    assert (await ask(registry, "GET", "/v2/a/tags/list")).codes == ["NAME_UNKNOWN"]


@pytest.mark.parametrize(
    ("size", "said"), [(10, "curl -T"), (3_000_000, "curl -T"), (0, "no byte came")], ids=["small", "large", "none"]
)
async def test_bytes_of_another_digest_are_told_with_what_probably_changed_them(registry, size, said):
    location, content = await begin(registry, "a"), CONTENT[:size]
    asked = [("PUT", f"{location}?digest={digest_of(b'other')}")]
    if content:
        asked.append(("POST", f"/v2/a/blobs/uploads/?digest={digest_of(b'other')}"))
    for method, path in asked:
        answer = await ask(registry, method, path, content)
        assert said in answer.json["errors"][0]["detail"]["hint"]


async def test_the_last_request_may_be_asked_again(registry):
    location = await begin(registry, "a")
    for _ in range(2):
        answer = await finish(registry, location, DIGEST, CONTENT)
        assert (answer.status, answer.header("Location")) == (201, f"/v2/a/blobs/{DIGEST}")
    assert (await finish(registry, location, digest_of(b"other"), CONTENT)).codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert (await ask(registry, "GET", location)).codes == ["BLOB_UPLOAD_UNKNOWN"]


async def test_two_last_requests_at_once_are_both_answered(registry):
    location = await begin(registry, "a")
    await ask(registry, "PATCH", location, CONTENT)
    answers = await asyncio.gather(*(finish(registry, location, DIGEST) for _ in range(2)))
    assert [answer.status for answer in answers] == [201, 201]


@pytest.mark.parametrize("query", ["", "?digest-algorithm=sha256", "?digest-algorithm=sha512"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_any_algorithm_may_come_in_the_end(registry, query, algorithm):
    location = await begin(registry, "a", query)
    await ask(registry, "PATCH", location, CONTENT[:1_500_000])
    digest = digest_of(CONTENT, algorithm)
    assert (await finish(registry, location, digest, CONTENT[1_500_000:])).status == 201
    assert (await ask(registry, "GET", f"/v2/a/blobs/{digest}")).body == CONTENT


@pytest.mark.parametrize("query", ["?digest-algorithm=md5", "?digest=md5:" + 32 * "0", "?mount=sha256:x", "?digest="])
async def test_an_upload_with_an_unknown_algorithm_is_not_begun(registry, query):
    answer = await ask(registry, "POST", f"/v2/a/blobs/uploads/{query}", b"")
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])


@pytest.mark.parametrize("parameter", ["", "?digest=", "?digest=sha256:x", "?digest=latest"])
async def test_without_a_digest_the_upload_is_not_finished_and_goes_on(registry, parameter):
    location = await begin(registry, "a")
    answer = await ask(registry, "PUT", location + parameter, CONTENT)
    assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])
    assert (await finish(registry, location, DIGEST, CONTENT)).status == 201


async def test_an_upload_belongs_to_its_repository(registry):
    location = await begin(registry, "a")
    elsewhere = location.replace("/v2/a/", "/v2/b/")
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        answer = await ask(
            registry, method, f"{elsewhere}?digest={DIGEST}", CONTENT if method in ("PATCH", "PUT") else None
        )
        assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])
    assert (await finish(registry, location, DIGEST, CONTENT)).status == 201


async def test_a_cancelled_upload_is_gone(registry):
    location = await begin(registry, "a")
    await ask(registry, "PATCH", location, CONTENT)
    assert (await ask(registry, "DELETE", location)).status == 204
    assert (await ask(registry, "DELETE", location)).codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert list((registry.data / "uploads").iterdir()) == []


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_uploads_that_wait_hold_no_files_open(registry):
    before = open_files()
    for _ in range(20):
        await ask(registry, "PATCH", await begin(registry, "a"), b"x")
    assert open_files() <= before + 2


async def test_an_upload_goes_on_after_a_restart(tmp_path):
    async with running(data=tmp_path) as registry:
        locations = [await begin(registry, "a"), await begin(registry, "a", "?digest-algorithm=sha512")]
        for location in locations:
            await ask(registry, "PATCH", location, CONTENT[:1_000_000])
    async with running(data=tmp_path) as registry:
        for location, algorithm in zip(locations, ("sha256", "sha512"), strict=True):
            assert await offset_of(registry, location) == "0-999999"
            digest = digest_of(CONTENT, algorithm)
            assert (await finish(registry, location, digest, CONTENT[1_000_000:])).status == 201
            assert (await ask(registry, "GET", f"/v2/a/blobs/{digest}")).body == CONTENT


async def test_two_requests_meet_one_upload_after_a_restart(tmp_path):
    async with running(data=tmp_path) as registry:
        location = await begin(registry, "a")
        await ask(registry, "PATCH", location, CONTENT)
    async with running(data=tmp_path) as registry:
        answers = await asyncio.gather(
            *(ask(registry, "GET", location) for _ in range(3)), finish(registry, location, DIGEST)
        )
        assert [answer.status for answer in answers] == [204, 204, 204, 201]


async def test_a_client_that_is_silent_is_told_and_loses_nothing(registry_factory):
    registry = await registry_factory(policy=Policy(body_timeout=0.2))
    location = await begin(registry, "a")
    reader, writer = await connect(registry)
    writer.write(head("PATCH", location, [("Content-Length", "3000000")]) + CONTENT[:1000])
    answer = parse(await asyncio.wait_for(reader.read(), 10))
    writer.close()
    assert (answer.status, answer.codes) == (408, ["BLOB_UPLOAD_INVALID"])
    assert await offset_of(registry, location) == "0-999"


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("size", [1000, 3_000_000])
async def test_a_full_disk_is_told_and_the_upload_can_go_on(registry, monkeypatch, size, method):
    location = await begin(registry, "a")
    await ask(registry, "PATCH", location, CONTENT[:500])
    writev = os.writev

    def half_of_it(descriptor, pieces):
        if len(pieces[0]) < 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return writev(descriptor, [bytes(pieces[0][: len(pieces[0]) // 2])])

    with monkeypatch.context() as full:
        full.setattr(os, "writev", half_of_it)
        query = f"?digest={DIGEST}" if method == "PUT" else ""
        answer = await ask(registry, method, location + query, CONTENT[500 : 500 + size])
        assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])
        assert "full" in answer.json["errors"][0]["message"]
    offset = int((await offset_of(registry, location) or "").partition("-")[2]) + 1
    assert (await finish(registry, location, DIGEST, CONTENT[offset:])).status == 201


async def test_memory_does_not_grow_with_the_blob(registry):
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    location = await begin(registry, "a")
    piece = bytes(1_000_000)
    reader, writer = await connect(registry)
    writer.write(head("PATCH", location, [("Content-Length", "300000000"), ("Connection", "close")]))
    before = resident()
    for _ in range(300):
        writer.write(piece)
        await writer.drain()
    assert parse(await reader.read()).status == 202
    writer.close()
    assert resident() - before < 60_000_000


async def test_a_mount_needs_a_repository_that_holds_it(registry):
    digest = await push_blob(registry, "a", b"x")
    elsewhere = (f"mount={digest}&from=c", f"mount={digest}&from=A", f"mount={digest_of(b'y')}&from=a")
    for query in (*elsewhere, f"mount={digest_of(b'y')}"):
        answer = await ask(registry, "POST", f"/v2/b/blobs/uploads/?{query}", b"")
        assert (answer.status, answer.header("Docker-Upload-UUID") is None) == (202, False)
    assert (await ask(registry, "HEAD", f"/v2/b/blobs/{digest}")).status == 404
    assert (await ask(registry, "POST", f"/v2/b/blobs/uploads/?mount={digest}", b"")).status == 201
    assert (await ask(registry, "GET", f"/v2/b/blobs/{digest}")).body == b"x"
