import asyncio

import pytest

from tests.content import a_blob, pieces, read
from tests.stores.remote.stub import Asked, Reply, front, json_reply, listening, refused, stub
from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import BlobUnknown, ConnectionFailed, Denied, DigestMismatch, SizeMismatch, UnexpectedResponse
from wherry.oci.mediatype import OCI_LAYER
from wherry.stores.remote.answer import PIECE

CONTENT = bytes(range(256)) * 10_000
BLOB = a_blob(CONTENT, OCI_LAYER)


def _answering(reply: Reply):
    return lambda asked: json_reply({}) if asked.path == "/v2/" else reply


@pytest.mark.parametrize("size", [0, 1, 100_000, 2_560_000])
async def test_blob_comes_back_as_it_was_pushed(address, opened, size):
    repository, blob = opened(address), a_blob(CONTENT[:size], OCI_LAYER)
    await repository.push(blob.descriptor, pieces(blob.content, 60_000))
    assert await read(repository.fetch(blob.descriptor)) == blob.content


async def test_sha512_blob_comes_back_as_it_was_pushed(address, opened):
    repository, blob = opened(address), a_blob(CONTENT, OCI_LAYER, algorithm="sha512")
    await repository.push(blob.descriptor, pieces(blob.content, 60_000))
    assert await read(repository.fetch(blob.descriptor)) == blob.content


@pytest.mark.parametrize("offset", [1, 1_500_000, len(CONTENT) - 1, len(CONTENT), len(CONTENT) + 5])
async def test_blob_is_read_from_an_offset(address, opened, offset):
    repository = opened(address)
    await repository.push(BLOB.descriptor, pieces(CONTENT, 500_000))
    assert await read(repository.fetch(BLOB.descriptor, offset=offset)) == CONTENT[offset:]


async def test_only_what_is_needed_is_asked_for(registry, opened):
    await opened(registry.address).push(BLOB.descriptor, pieces(CONTENT, 500_000))
    async with front(registry.address) as server:
        await read(opened(server.address).fetch(BLOB.descriptor, offset=1000))
        await read(opened(server.address).fetch(BLOB.descriptor, offset=len(CONTENT)))
    assert [asked.headers.get("range") for asked in server.asked if "/blobs/" in asked.path] == ["bytes=1000-"]


async def test_registry_that_ignores_the_range_is_read_from_the_offset_all_the_same(opened):
    async with stub(_answering(Reply(200, {}, CONTENT))) as server:
        assert await read(opened(server.address).fetch(BLOB.descriptor, offset=1_234_567)) == CONTENT[1_234_567:]


@pytest.mark.parametrize("most", [1_000_000, 2_559_989, 2_559_990])
async def test_registry_that_sends_less_of_a_range_than_was_asked_for_is_asked_for_the_rest(opened, most):
    def answer(asked: Asked) -> Reply:
        start = int(asked.headers["range"].removeprefix("bytes=").partition("-")[0]) if "range" in asked.headers else 0
        part = CONTENT[start : start + most]
        return Reply(206, {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(CONTENT)}"}, part)

    async with stub(lambda asked: json_reply({}) if asked.path == "/v2/" else answer(asked)) as server:
        assert await read(opened(server.address).fetch(BLOB.descriptor, offset=10)) == CONTENT[10:]


async def test_registry_that_sends_nothing_of_a_range_is_an_error(opened):
    reply = Reply(206, {"Content-Range": "bytes 10-2559999/2560000"}, b"")
    async with stub(_answering(reply)) as server:
        with pytest.raises(SizeMismatch, match="ended after 10 of 2560000 bytes"):
            await read(opened(server.address).fetch(BLOB.descriptor, offset=10))


@pytest.mark.parametrize("said", ["bytes 5-2559999/2560000", "", "nonsense"])
async def test_registry_that_sends_another_range_is_refused(opened, said):
    async with stub(_answering(Reply(206, {"Content-Range": said}, CONTENT[10:]))) as server:
        with pytest.raises(UnexpectedResponse, match="from byte 10 on"):
            await read(opened(server.address).fetch(BLOB.descriptor, offset=10))


@pytest.mark.parametrize("offset", [0, 10])
@pytest.mark.parametrize(
    ("body", "error"),
    [(CONTENT[:-1], SizeMismatch), (CONTENT + b"x", SizeMismatch), (b"x" + CONTENT[1:], DigestMismatch)],
)
async def test_other_bytes_than_the_descriptor_s_are_refused(opened, offset, body, error):
    if (offset, error) == (10, DigestMismatch):
        error = None
    async with stub(_answering(Reply(200, {}, body))) as server:
        repository = opened(server.address)
        if error is None:  # who resumes checks the whole
            assert await read(repository.fetch(BLOB.descriptor, offset=offset)) == body[offset:]
        else:
            with pytest.raises(error, match=f"team/app: blob {BLOB.descriptor.digest}"):
                await read(repository.fetch(BLOB.descriptor, offset=offset))


async def test_length_that_cannot_be_right_is_refused_before_a_byte_is_read(opened):
    async with stub(_answering(Reply(200, {"Content-Length": "5000000000"}, CONTENT, endless=True))) as server:
        with pytest.raises(SizeMismatch, match="comes with 5000000000 bytes"):
            await anext(opened(server.address).fetch(BLOB.descriptor))


@pytest.mark.parametrize("offset", [0, 10])
async def test_body_that_is_cut_is_a_broken_connection(opened, offset):
    async with stub(_answering(Reply(200, {}, CONTENT, cut=1_000_000))) as server:
        with pytest.raises(ConnectionFailed, match="broke off in the middle"):
            await read(opened(server.address).fetch(BLOB.descriptor, offset=offset))


async def test_endless_blob_is_left_when_it_is_too_long(opened):
    async with stub(_answering(Reply(200, {}, CONTENT, endless=True))) as server:
        with pytest.raises(SizeMismatch, match="is longer than"):
            await read(opened(server.address).fetch(BLOB.descriptor))


async def test_missing_blob_raises_blob_unknown(address, opened):
    with pytest.raises(BlobUnknown, match=f"team/app@{BLOB.descriptor.digest}: no such blob"):
        await read(opened(address).fetch(BLOB.descriptor))


async def test_reader_that_leaves_early_frees_the_connection(opened):
    async def endless(asked: Asked) -> Reply:
        return json_reply({}) if asked.path == "/v2/" else Reply(200, {}, b"x" * 100_000, endless=True)

    async with stub(endless) as server:
        huge = Descriptor(OCI_LAYER, BLOB.descriptor.digest, 10**12)
        stream = opened(server.address).fetch(huge)
        await anext(stream)
        await stream.aclose()
        await asyncio.wait_for(server.left.wait(), 10)


async def test_connection_that_is_slow_is_not_taken_for_a_silent_one(opened):
    content = CONTENT[:1_000_000]
    blob = a_blob(content, OCI_LAYER).descriptor

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            body = b"{}" if head.startswith(b"GET /v2/ ") else content
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            async for piece in pieces(body, 20_000):
                writer.write(piece)
                await asyncio.sleep(0.05)  # that is what makes it slow

    async with listening(slowly) as address:
        assert await read(opened(address, silence=1.0).fetch(blob)) == content


async def test_pieces_are_bytes_and_not_large(registry, opened):
    repository = opened(registry.address)
    await repository.push(BLOB.descriptor, pieces(CONTENT, 500_000))
    found = [piece async for piece in repository.fetch(BLOB.descriptor)]
    assert {type(piece) for piece in found} == {bytes}
    assert max(map(len, found)) <= PIECE


@pytest.mark.parametrize("status", [400, 403, 405, 501])
async def test_exists_asks_with_get_where_head_is_refused(registry, opened, status):
    there, absent = a_blob(b"there"), a_blob(b"absent")
    await opened(registry.address).push(there.descriptor, pieces(there.content))
    async with front(registry.address, lambda asked: Reply(status) if asked.method == "HEAD" else None) as server:
        repository = opened(server.address)
        assert await repository.exists(there.descriptor)
        assert not await repository.exists(absent.descriptor)
    assert [asked.method for asked in server.asked] == ["GET", "HEAD", "GET", "GET"]


@pytest.mark.parametrize("status", [400, 403, 405, 501])
async def test_size_is_asked_with_get_where_head_is_refused(registry, opened, status):
    await opened(registry.address).push(BLOB.descriptor, pieces(CONTENT, 500_000))
    async with front(registry.address, lambda asked: Reply(status) if asked.method == "HEAD" else None) as server:
        assert await opened(server.address).size(BLOB.descriptor.digest) == len(CONTENT)


async def test_blob_that_may_not_be_seen_is_refused_in_the_registrys_words(registry, opened):
    denied = refused(403, "DENIED", "ask the owner of team/app")
    async with front(registry.address, lambda asked: None if asked.path == "/v2/" else denied) as server:
        with pytest.raises(Denied, match="ask the owner of team/app"):
            await opened(server.address).exists(BLOB.descriptor)
