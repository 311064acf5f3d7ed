import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.content import a_blob, pieces, read
from tests.stores.remote.stub import Asked, Reply, front, json_reply, refused, stub
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import (
    BlobUploadUnknown,
    ContentMismatch,
    DigestMismatch,
    PayloadTooLarge,
    SizeMismatch,
    Unavailable,
    UnexpectedResponse,
)
from wherry.oci.mediatype import OCI_LAYER
from wherry.stores.memory import MemoryStore
from wherry.stores.remote import Client
from wherry.stores.remote.streamed import CHUNK
from wherry.stores.remote.uploads import SMALL

SMALL_BLOB = a_blob(b"some bytes", OCI_LAYER)
CONTENT = bytes(range(256)) * 4000
BLOB = a_blob(CONTENT, OCI_LAYER)
START = "POST /v2/team/app/blobs/uploads/"


def _shape(server) -> list[str]:
    """Methods of the requests, after the ping."""
    return [asked.method for asked in server.asked[1:]]


async def test_small_blob_is_one_request(registry, opened):
    async with front(registry.address) as server:
        await opened(server.address).push(SMALL_BLOB.descriptor, pieces(SMALL_BLOB.content, 3))
    assert server.lines() == [f"{START}?digest={SMALL_BLOB.descriptor.digest}"]
    assert server.asked[1].body == SMALL_BLOB.content


async def test_registry_that_opens_an_upload_instead_is_sent_the_bytes_again_and_remembered(debian_registry, opened):
    async with front(debian_registry) as server, Client() as client:
        repository = opened(server.address, client=client)
        await repository.push(SMALL_BLOB.descriptor, pieces(SMALL_BLOB.content))
        assert _shape(server) == ["POST", "PUT"]
        other = a_blob(b"another", OCI_LAYER)
        await opened(server.address, "team/other", client).push(other.descriptor, pieces(other.content))
        assert server.asked[3].line == "POST /v2/team/other/blobs/uploads/"
        assert await repository.exists(SMALL_BLOB.descriptor)


@pytest.mark.parametrize("status", [400, 404, 405, 411, 413, 501])
async def test_registry_that_refuses_the_single_post_gets_post_and_put(registry, opened, status):
    def refusing(asked: Asked) -> Reply | None:
        return refused(status, "UNSUPPORTED") if asked.method == "POST" and "digest=" in asked.target else None

    async with front(registry.address, refusing) as server:
        repository = opened(server.address)
        await repository.push(SMALL_BLOB.descriptor, pieces(SMALL_BLOB.content))
        assert _shape(server) == ["POST", "POST", "PUT"]
        assert await repository.exists(SMALL_BLOB.descriptor)


async def test_large_blob_is_streamed_with_its_length_in_one_put(address, opened):
    async with front(address) as server:
        repository = opened(server.address)
        await repository.push(BLOB.descriptor, pieces(CONTENT, 100_000))
        assert _shape(server) == ["POST", "PUT"]
        assert server.asked[1].headers["content-length"] == "0"
        put = server.asked[2]
        assert put.headers["content-length"] == str(len(CONTENT))
        assert "transfer-encoding" not in put.headers
        assert put.body == CONTENT
        assert await read(repository.fetch(BLOB.descriptor)) == CONTENT


async def test_blob_that_is_there_already_may_be_pushed_again(address, opened):
    repository = opened(address)
    for blob in (SMALL_BLOB, BLOB):
        for _ in range(2):
            await repository.push(blob.descriptor, pieces(blob.content, 100_000))


async def test_chunks_follow_each_other_to_wherever_each_answer_leads(address, opened, monkeypatch):
    monkeypatch.setattr("wherry.stores.remote.streamed.CHUNK", 300_000)
    async with front(address) as server:
        repository = opened(server.address, chunked=True)
        await repository.push(BLOB.descriptor, pieces(CONTENT, 70_000))
        assert await read(repository.fetch(BLOB.descriptor)) == CONTENT
    patches = [asked for asked in server.asked if asked.method == "PATCH"]
    assert [asked.headers["content-range"] for asked in patches] == [
        "0-299999", "300000-599999", "600000-899999", "900000-1023999",
    ]  # fmt: skip
    assert _shape(server)[:6] == ["POST", *["PATCH"] * 4, "PUT"]


async def test_upload_stays_where_it_is_if_a_chunk_is_answered_without_a_location(registry, opened, monkeypatch):
    monkeypatch.setattr("wherry.stores.remote.streamed.CHUNK", 300_000)

    async def without(asked: Asked) -> Reply | None:
        reply = await handed_on(asked)
        if asked.method == "PATCH":
            headers = {name: value for name, value in reply.headers.items() if name.lower() != "location"}
            return Reply(reply.status, headers, reply.body)
        return reply

    async with front(registry.address) as server:
        handed_on, server.answer = server.answer, without
        await opened(server.address, chunked=True).push(BLOB.descriptor, pieces(CONTENT, 70_000))
    assert await opened(registry.address).exists(BLOB.descriptor)


async def test_chunk_is_as_long_as_the_registry_wants_at_least(registry, opened, monkeypatch):
    monkeypatch.setattr("wherry.stores.remote.streamed.CHUNK", 1000)

    async def with_minimum(asked: Asked) -> Reply | None:
        reply = await handed_on(asked)
        if asked.method == "POST":
            return Reply(reply.status, {**reply.headers, "OCI-Chunk-Min-Length": "400000"}, reply.body)
        return reply

    async with front(registry.address) as server:
        handed_on, server.answer = server.answer, with_minimum
        await opened(server.address, chunked=True).push(BLOB.descriptor, pieces(CONTENT, 70_000))
    ranges = [asked.headers["content-range"] for asked in server.asked if asked.method == "PATCH"]
    assert ranges == ["0-399999", "400000-799999", "800000-1023999"]


@pytest.mark.parametrize(("status", "first", "later"), [(411, 1, 1), (413, 2, 3)])
async def test_registry_that_refuses_the_whole_blob_gets_chunks_from_then_on(registry, opened, status, first, later):
    """As a proxy does it: at once, when it has seen the length."""

    def too_large(asked: Asked) -> Reply | None:
        if asked.method == "PUT" and int(asked.headers["content-length"]) > 1000:
            return Reply(
                status, {"Content-Type": "text/html", "Connection": "close"}, b"<html>too large</html>", close=True
            )
        return None

    async with front(registry.address, early=too_large) as server:
        repository = opened(server.address)
        await repository.push(BLOB.descriptor, pieces(CONTENT, 70_000))
        assert _shape(server) == ["POST", "PUT", "DELETE", "POST", *["PATCH"] * first, "PUT"]
        assert await read(repository.fetch(BLOB.descriptor)) == CONTENT
        server.asked[1:] = []
        other = a_blob(CONTENT + b"x", OCI_LAYER)
        await repository.push(other.descriptor, pieces(other.content, 70_000))
        assert _shape(server) == ["POST", *["PATCH"] * later, "PUT"]


async def test_chunks_become_smaller_until_the_registry_takes_them(registry, opened):
    def too_large(asked: Asked) -> Reply | None:
        large = int(asked.headers.get("content-length", "0")) > 300_000
        return Reply(413, {"Connection": "close"}, close=True) if large else None

    async with front(registry.address, early=too_large) as server:
        repository = opened(server.address)
        await repository.push(BLOB.descriptor, pieces(CONTENT, 70_000))
        assert await read(repository.fetch(BLOB.descriptor)) == CONTENT
    sizes = [int(each.headers["content-length"]) for each in server.asked if each.method == "PATCH"]
    assert sizes == [512_000, *[256_000] * 4]


async def test_registry_that_takes_no_blob_so_large_is_not_sent_it_again_and_again(registry, opened):
    sent = 0

    def too_large(asked: Asked) -> Reply | None:
        nonlocal sent
        if asked.method not in {"PUT", "PATCH"}:
            return None
        size = int(asked.headers["content-length"])
        sent += size
        whole = int(asked.headers.get("content-range", f"0-{size - 1}").split("-")[1]) + 1
        return Reply(413, {"Connection": "close"}, close=True) if whole > 600_000 else None

    async with front(registry.address, early=too_large) as server:
        with pytest.raises(PayloadTooLarge):
            await opened(server.address).push(BLOB.descriptor, pieces(CONTENT, 70_000))
        assert server.asked[-1].method == "DELETE"
    assert sent == 2 * len(CONTENT)


async def test_registry_that_takes_no_body_at_all_is_an_error(registry, opened):
    def too_large(asked: Asked) -> Reply | None:
        large = asked.method in {"PUT", "PATCH"} and asked.headers["content-length"] != "0"
        return Reply(413, {"Connection": "close"}, close=True) if large else None

    async with front(registry.address, early=too_large) as server:
        with pytest.raises(PayloadTooLarge):
            await opened(server.address).push(BLOB.descriptor, pieces(CONTENT, 70_000))
        assert server.asked[-1].method == "DELETE"
        assert len(server.asked) < 25


async def test_refusal_that_comes_when_too_much_was_read_is_an_error(registry, opened, monkeypatch):
    monkeypatch.setattr("wherry.stores.remote.supply._KEPT", 1000)

    def too_large(asked: Asked) -> Reply | None:
        return Reply(413, {}, b"") if asked.method == "PUT" else None

    async with front(registry.address, too_large) as server:
        repository = opened(server.address)
        with pytest.raises(PayloadTooLarge):
            await repository.push(BLOB.descriptor, pieces(CONTENT, 70_000))
        assert _shape(server) == ["POST", "PUT", "DELETE"]


@pytest.mark.parametrize(
    "location",
    ["/uploads/1", "/uploads/1?_state=a%3Db", "http://{address}/uploads/1?x=y", "uploads/1?x=y&z", "?_state=q"],
)
async def test_location_of_any_form_is_followed_and_its_query_kept(opened, location):
    def answer(asked: Asked) -> Reply:
        if asked.method == "POST":
            return Reply(202, {"Location": location.format(address=server.address)})
        return Reply(201) if asked.method == "PUT" else json_reply({})

    async with stub(answer) as server:
        await opened(server.address).push(BLOB.descriptor, pieces(CONTENT, 100_000))
    target = server.asked[-1].target
    assert target.endswith(f"digest={BLOB.descriptor.digest}")
    assert target.count("?") == 1
    query = location.partition("?")[2]
    assert query in target


@pytest.mark.parametrize("headers", [{}, {"Location": "http://[broken"}, {"Location": "file:///etc/passwd"}])
async def test_upload_without_a_location_is_an_error(opened, headers):
    async with stub(lambda asked: Reply(202, headers) if asked.method == "POST" else json_reply({})) as server:
        with pytest.raises(UnexpectedResponse, match="Location"):
            await opened(server.address).push(BLOB.descriptor, pieces(CONTENT, 100_000))


async def test_query_of_a_location_that_is_no_url_is_not_shown(opened):
    reply = Reply(202, {"Location": "http://[broken/1?_state=secret"})
    async with stub(lambda asked: reply if asked.method == "POST" else json_reply({})) as server:
        with pytest.raises(UnexpectedResponse, match=r"http://\[broken/1'") as caught:
            await opened(server.address).push(BLOB.descriptor, pieces(CONTENT, 100_000))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("blob", [SMALL_BLOB, BLOB])
@pytest.mark.parametrize("status", [200, 204])
async def test_answer_that_is_not_the_right_one_counts_when_the_blob_is_there(registry, opened, blob, status):
    """A page that somebody on the way has put in its place, or a registry with answers of its own."""

    def answer(asked: Asked) -> Reply | None:
        if asked.method == "POST":
            return Reply(202, {"Location": "/uploads/1"})
        return Reply(status, {"Content-Type": "text/html"}) if asked.method in {"PUT", "DELETE"} else None

    async with front(registry.address, answer) as server:
        with pytest.raises(UnexpectedResponse, match="not 201 Created, and the blob is not there"):
            await opened(server.address).push(blob.descriptor, pieces(blob.content, 100_000))
        assert _shape(server)[-2:] == ["HEAD", "DELETE"]
        await opened(registry.address).push(blob.descriptor, pieces(blob.content, 100_000))
        await opened(server.address).push(blob.descriptor, pieces(blob.content, 100_000))


@pytest.mark.parametrize("chunked", [False, True])
async def test_content_that_is_not_the_blob_is_refused_and_its_upload_cancelled(address, opened, chunked):
    lie = Descriptor(OCI_LAYER, Digest.of(b"a lie"), len(CONTENT))
    async with front(address) as server:
        repository = opened(server.address, chunked=chunked)
        with pytest.raises(DigestMismatch):
            await repository.push(lie, pieces(CONTENT, 100_000))
        assert _shape(server)[-1] == "DELETE"
        assert not await repository.exists(lie)


async def test_small_content_that_is_not_the_blob_is_not_even_sent(registry, opened):
    async with front(registry.address) as server:
        with pytest.raises(ContentMismatch):
            await opened(server.address).push(SMALL_BLOB.descriptor, pieces(b"other byte"))
    assert server.asked == []


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x"])
async def test_content_of_another_size_is_refused_and_its_upload_cancelled(address, opened, content):
    async with front(address) as server:
        repository = opened(server.address)
        with pytest.raises(SizeMismatch):
            await repository.push(BLOB.descriptor, pieces(content, 100_000))
        assert not await repository.exists(BLOB.descriptor)
    assert "DELETE" in _shape(server)


async def test_failure_of_the_content_is_raised_as_itself_and_the_upload_cancelled(registry, opened):
    async def failing() -> AsyncIterator[bytes]:
        yield CONTENT[:500_000]
        raise LookupError("the source is gone")

    async with front(registry.address) as server:
        with pytest.raises(LookupError, match="the source is gone"):
            await opened(server.address).push(BLOB.descriptor, failing())
        assert server.asked[-1].method == "DELETE"


async def test_upload_that_is_given_up_is_cancelled(registry, opened):
    uploading = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield CONTENT[:500_000]
        await asyncio.Event().wait()

    async with front(
        registry.address, early=lambda asked: uploading.set() if asked.method == "PUT" else None
    ) as server:
        push = asyncio.create_task(opened(server.address).push(BLOB.descriptor, stalling()))
        await uploading.wait()
        push.cancel()
        with pytest.raises(asyncio.CancelledError):
            await push
        assert server.asked[-1].method == "DELETE"


async def test_source_that_is_slow_is_not_taken_for_a_silent_registry(registry, opened):
    slow = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield CONTENT[:500_000]
        asyncio.get_running_loop().call_later(0.6, slow.set)
        await slow.wait()
        yield CONTENT[500_000:]

    repository = opened(registry.address, silence=0.3)
    await repository.push(BLOB.descriptor, slowly())
    assert await repository.exists(BLOB.descriptor)


async def test_registry_in_trouble_in_the_middle_is_an_error(registry, opened):
    async with front(registry.address, early=lambda asked: Reply(503) if asked.method == "PUT" else None) as server:
        with pytest.raises(Unavailable):
            await opened(server.address).push(BLOB.descriptor, pieces(CONTENT, 100_000))


async def test_upload_that_the_registry_has_lost_is_an_error(registry, opened):
    lost = refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    async with front(registry.address, lambda asked: lost if asked.method == "PUT" else None) as server:
        with pytest.raises(BlobUploadUnknown):
            await opened(server.address).push(BLOB.descriptor, pieces(CONTENT, 100_000))


async def test_upload_that_is_lost_because_the_blob_is_there_is_a_success(registry, opened):
    """An answer that was lost on its way, and a proxy that sent the request again."""
    await opened(registry.address).push(BLOB.descriptor, pieces(CONTENT, 100_000))
    lost = refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    async with front(registry.address, lambda asked: lost if asked.method == "PUT" else None) as server:
        await opened(server.address).push(BLOB.descriptor, pieces(CONTENT, 100_000))


async def test_mount_takes_the_blob_from_the_other_repository(address, opened):
    async with front(address) as server, Client() as client:
        origin, target = opened(server.address, "team/base", client), opened(server.address, "team/app", client)
        await origin.push(BLOB.descriptor, pieces(CONTENT, 100_000))
        server.asked[1:] = []
        assert await target.mount(BLOB.descriptor, origin)
        assert server.lines() == [f"{START}?mount={BLOB.descriptor.digest}&from=team/base"]
        assert await target.exists(BLOB.descriptor)


@pytest.mark.parametrize("blob", [SMALL_BLOB, BLOB])
async def test_mount_that_is_declined_leaves_an_upload_that_the_push_uses(address, opened, blob):
    async with front(address) as server, Client() as client:
        origin, target = opened(server.address, "team/base", client), opened(server.address, "team/app", client)
        assert not await target.mount(blob.descriptor, origin)
        await target.push(blob.descriptor, pieces(blob.content, 100_000))
        assert _shape(server) == ["POST", "PUT"]
        assert await target.exists(blob.descriptor)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 416])
async def test_mount_that_is_refused_breaks_nothing(registry, opened, status):
    def refusing(asked: Asked) -> Reply | None:
        return refused(status, "DENIED") if "mount=" in asked.target else None

    async with front(registry.address, refusing) as server, Client() as client:
        origin, target = opened(server.address, "team/base", client), opened(server.address, "team/app", client)
        assert not await target.mount(BLOB.descriptor, origin)
        await target.push(BLOB.descriptor, pieces(CONTENT, 100_000))


async def test_mount_from_elsewhere_is_not_tried(registry, registry_factory, opened):
    other = await registry_factory()
    async with front(registry.address) as server, Client() as client:
        target = opened(server.address, client=client)
        assert not await target.mount(BLOB.descriptor, opened(other.address, client=client))
        assert not await target.mount(BLOB.descriptor, MemoryStore())
    assert server.asked == []


def test_sizes_leave_room_for_many_uploads_at_once():
    assert SMALL <= 1024 * 1024
    assert CHUNK % (1024 * 1024) == 0
