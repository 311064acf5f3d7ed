"""Uploads that were cut short are found again, by one at a time; what is wrong with their notes costs a request. `kill -9`: tests/faults."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from tests.clock import Waits
from tests.content import a_blob, pieces, read
from tests.stores.remote.stub import Asked, Reply, front, refused
from wherry.oci.digest import Digest
from wherry.oci.errors import Denied, DigestMismatch, Unavailable
from wherry.oci.mediatype import OCI_LAYER
from wherry.oci.reference import Reference
from wherry.stores.remote import Client
from wherry.stores.remote.hosts import Host
from wherry.stores.remote.interrupted import NOTEWORTHY, Interrupted
from wherry.stores.remote.session import Request

REPOSITORY = Reference.parse_repository("registry.example/team/app")
DIGEST = Digest.of(b"x")
CONTENT = bytes(range(251)) * (NOTEWORTHY // 251 + 1)
BLOB = a_blob(CONTENT, OCI_LAYER)
HALF = NOTEWORTHY // 2


class Again:
    """Content that can be had again; `begun` is where it was."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.begun: list[int] = []

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.from_byte(0)

    def from_byte(self, offset: int) -> AsyncGenerator[bytes, None]:
        self.begun.append(offset)
        return pieces(self.content[offset:], 100_000)


@pytest.fixture
def interrupted(tmp_path: Path) -> Interrupted:
    return Interrupted(tmp_path)


def _files(folder: Path) -> list[Path]:
    return list((folder / "uploads").glob("*"))


def test_upload_that_was_left_is_taken_over_where_it_went_on_last(interrupted, tmp_path):
    claim = interrupted.begin(REPOSITORY, DIGEST, "/uploads/1")
    claim.move("/uploads/2?_state=x")
    claim.leave()
    taken = Interrupted(tmp_path).take(REPOSITORY, DIGEST)
    assert taken.location == "/uploads/2?_state=x"
    taken.drop()
    assert _files(tmp_path) == []
    assert interrupted.take(REPOSITORY, DIGEST) is None


def test_upload_that_somebody_is_busy_with_is_neither_taken_nor_noted_again(interrupted, tmp_path):
    claim = interrupted.begin(REPOSITORY, DIGEST, "/uploads/1")
    other = Interrupted(tmp_path)
    assert other.take(REPOSITORY, DIGEST) is None
    assert other.begin(REPOSITORY, DIGEST, "/uploads/2") is None
    claim.leave()
    assert other.take(REPOSITORY, DIGEST).location == "/uploads/1"


def test_upload_is_of_one_blob_in_one_repository(interrupted):
    interrupted.begin(REPOSITORY, DIGEST, "/uploads/1").leave()
    assert interrupted.take(Reference.parse_repository("registry.example/team/other"), DIGEST) is None
    assert interrupted.take(REPOSITORY, Digest.of(b"y")) is None


def test_upload_is_forgotten_after_a_day(interrupted, tmp_path):
    interrupted.begin(REPOSITORY, DIGEST, "/uploads/1").leave()
    later = Interrupted(tmp_path, lambda: time.time() + 86_401)
    assert later.take(REPOSITORY, DIGEST) is None
    interrupted.begin(REPOSITORY, DIGEST, "/uploads/1").leave()
    later.begin(REPOSITORY, Digest.of(b"y"), "/uploads/2").leave()
    assert len(_files(tmp_path)) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        pytest.param(b'{"else": ' + b"[" * 10_000, id="nested deeply"),
        b'{"what": "else", "location": "/uploads/1", "at": 1}',
    ],
)
def test_damaged_note_is_as_good_as_none_and_goes(interrupted, tmp_path, content):
    interrupted.begin(REPOSITORY, DIGEST, "/uploads/1").leave()
    [file] = _files(tmp_path)
    file.write_bytes(content)
    assert interrupted.take(REPOSITORY, DIGEST) is None
    assert _files(tmp_path) == []


def test_notes_of_uploads_are_for_their_owner_alone(interrupted, tmp_path):
    interrupted.begin(REPOSITORY, DIGEST, "/uploads/1").leave()
    [file] = _files(tmp_path)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_folder_that_cannot_be_written_means_that_nothing_is_noted(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    interrupted = Interrupted(tmp_path / "file")
    assert interrupted.begin(REPOSITORY, DIGEST, "/uploads/1") is None
    assert interrupted.take(REPOSITORY, DIGEST) is None


def test_link_in_the_place_of_a_note_is_not_followed(interrupted, tmp_path):
    interrupted.begin(REPOSITORY, DIGEST, "/uploads/1").leave()
    [file] = _files(tmp_path)
    elsewhere = file.rename(tmp_path / "elsewhere")
    file.symlink_to(elsewhere)
    assert interrupted.take(REPOSITORY, DIGEST) is None
    assert interrupted.begin(REPOSITORY, DIGEST, "/uploads/2") is None
    assert json.loads(elsewhere.read_text())["location"] == "/uploads/1"


async def _with_half(client: Client, address: str, content: bytes) -> str:
    """Open an upload that has this much; its path."""
    session = client.direct(Host(address))
    opened, _ = await session.ask(Request("POST", "/v2/team/app/blobs/uploads/", "", expected=(202,), body=b""))
    location = opened.header("Location")
    await session.ask(Request("PATCH", location, "", body=content, expected=(202,)))
    return location


def _place(address: str) -> Reference:
    return Reference.parse_repository(f"{address}/team/app")


async def test_next_client_reads_and_sends_only_what_has_not_arrived(registry, interrupted, tmp_path):
    async with front(registry.address) as server, Client(notes=tmp_path) as client:
        location = await _with_half(client, server.address, CONTENT[:HALF])
        interrupted.begin(_place(server.address), BLOB.descriptor.digest, location).leave()
        content = Again(CONTENT)
        server.asked.clear()
        await client.repository(_place(server.address)).push(BLOB.descriptor, content)
        assert await read(client.repository(_place(server.address)).fetch(BLOB.descriptor)) == CONTENT
    assert [each.method for each in server.asked] == ["GET", "PATCH", "PUT", "GET"]
    assert content.begun == [HALF]
    assert _files(tmp_path) == []


async def test_upload_of_which_all_arrived_is_only_closed(registry, interrupted, tmp_path):
    async with front(registry.address) as server, Client(notes=tmp_path) as client:
        location = await _with_half(client, server.address, CONTENT)
        interrupted.begin(_place(server.address), BLOB.descriptor.digest, location).leave()
        server.asked.clear()
        await client.repository(_place(server.address)).push(BLOB.descriptor, Again(CONTENT))
        assert await read(client.repository(_place(server.address)).fetch(BLOB.descriptor)) == CONTENT
    assert [each.method for each in server.asked] == ["GET", "PUT", "GET"]


@pytest.mark.parametrize("status", [200, 401, 404, 500])
async def test_upload_that_is_gone_costs_a_request(registry, interrupted, tmp_path, status):
    def gone(asked: Asked) -> Reply | None:
        return Reply(status) if asked.method == "GET" and "/uploads/" in asked.path else None

    async with front(registry.address, gone) as server, Client(notes=tmp_path) as client:
        interrupted.begin(_place(server.address), BLOB.descriptor.digest, "/v2/team/app/blobs/uploads/1").leave()
        await client.repository(_place(server.address)).push(BLOB.descriptor, Again(CONTENT))
        assert await client.repository(_place(server.address)).exists(BLOB.descriptor)
    assert [each.method for each in server.asked][1:] == ["GET", "POST", "PUT", "HEAD"]


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/uploads/1", "http://[broken", "file:///etc/passwd", "x"])
async def test_note_that_leads_nowhere_costs_a_request(registry, interrupted, tmp_path, location):
    async with Client(notes=tmp_path) as client:
        interrupted.begin(_place(registry.address), BLOB.descriptor.digest, location).leave()
        repository = client.repository(_place(registry.address))
        await repository.push(BLOB.descriptor, Again(CONTENT))
        assert await repository.exists(BLOB.descriptor)


async def test_upload_whose_first_part_is_something_else_is_sent_once_more(registry, interrupted, tmp_path):
    """Only the registry sees the whole of what is resumed: it compares the digest, and then everything is sent."""
    async with front(registry.address) as server, Client(notes=tmp_path) as client:
        location = await _with_half(client, server.address, b"\1" * HALF)
        interrupted.begin(_place(server.address), BLOB.descriptor.digest, location).leave()
        content = Again(CONTENT)
        repository = client.repository(_place(server.address))
        await repository.push(BLOB.descriptor, content)
        assert await read(repository.fetch(BLOB.descriptor)) == CONTENT
    assert content.begun == [HALF, 0]


@pytest.mark.parametrize("status", [201, 400, 403, 404, 405, 416])
async def test_upload_whose_rest_is_not_taken_is_begun_anew(registry, interrupted, tmp_path, status):
    def unwilling(asked: Asked) -> Reply | None:
        is_rest = asked.headers.get("content-range", "").startswith(f"{HALF}-")
        return Reply(status) if asked.method == "PATCH" and is_rest else None

    async with front(registry.address, unwilling) as server, Client(notes=tmp_path, clock=Waits()) as client:
        location = await _with_half(client, server.address, CONTENT[:HALF])
        interrupted.begin(_place(server.address), BLOB.descriptor.digest, location).leave()
        content = Again(CONTENT)
        repository = client.repository(_place(server.address))
        await repository.push(BLOB.descriptor, content)
        assert await read(repository.fetch(BLOB.descriptor)) == CONTENT
    assert content.begun == [HALF, 0]
    assert _files(tmp_path) == []


async def test_content_that_is_had_only_once_is_sent_whole(registry, interrupted, tmp_path):
    async with front(registry.address) as server, Client(notes=tmp_path) as client:
        location = await _with_half(client, server.address, CONTENT[:HALF])
        interrupted.begin(_place(server.address), BLOB.descriptor.digest, location).leave()
        server.asked.clear()
        await client.repository(_place(server.address)).push(BLOB.descriptor, pieces(CONTENT, 100_000))
    assert [each.method for each in server.asked] == ["POST", "PUT"]


async def test_upload_that_is_given_up_is_left_to_the_next(registry, tmp_path):
    uploading = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        for start in range(0, HALF, HALF // 4):  # one is read ahead: when the last has been asked for, some have gone
            yield CONTENT[start : start + HALF // 4]
        uploading.set()
        await asyncio.Event().wait()

    async with front(registry.address) as server, Client(notes=tmp_path) as client:
        push = asyncio.create_task(client.repository(_place(server.address)).push(BLOB.descriptor, stalling()))
        await uploading.wait()
        push.cancel()
        with pytest.raises(asyncio.CancelledError):
            await push
    assert "DELETE" not in [each.method for each in server.asked]
    assert len(_files(tmp_path)) == 1


async def test_upload_that_fails_because_of_its_content_is_cancelled(registry, tmp_path):
    async with front(registry.address) as server, Client(notes=tmp_path) as client:
        with pytest.raises(DigestMismatch):
            await client.repository(_place(server.address)).push(BLOB.descriptor, pieces(CONTENT[:-1] + b"x", 100_000))
    assert server.asked[-1].method == "DELETE"
    assert _files(tmp_path) == []


async def test_registry_in_trouble_is_left_what_it_has(registry, tmp_path):
    def trouble(asked: Asked) -> Reply | None:
        return Reply(503) if asked.method == "PUT" else None

    async with front(registry.address, trouble) as server, Client(notes=tmp_path, clock=Waits()) as client:
        with pytest.raises(Unavailable):
            await client.repository(_place(server.address)).push(BLOB.descriptor, Again(CONTENT))
    assert len(_files(tmp_path)) == 1


async def test_refusal_is_not_gone_on_with(registry, tmp_path):
    def refusing(asked: Asked) -> Reply | None:
        return refused(403, "DENIED") if asked.method == "PUT" else None

    async with front(registry.address, refusing) as server, Client(notes=tmp_path) as client:
        with pytest.raises(Denied):
            await client.repository(_place(server.address)).push(BLOB.descriptor, Again(CONTENT))
    assert server.asked[-1].method == "DELETE"
    assert _files(tmp_path) == []
