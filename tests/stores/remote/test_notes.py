"""What one client finds out about a registry, the next one knows; and nothing goes wrong where that is wrong."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.content import a_blob, an_artifact, an_image, pieces, put
from tests.stores.remote.stub import Asked, Reply, front, json_reply, stub
from wherry.oci.errors import PayloadTooLarge
from wherry.oci.mediatype import OCI_LAYER
from wherry.oci.reference import Reference
from wherry.stores.remote import Client
from wherry.stores.remote.learnt import Learnt
from wherry.stores.remote.notes import Notes

DAY = 86_400.0
HOST = "registry.example:5000"
SMALL_BLOB = a_blob(b"some bytes", OCI_LAYER)
OTHER_BLOB = a_blob(b"other bytes", OCI_LAYER)
IMAGE = an_image()


class Clock:
    def __init__(self) -> None:
        self.time = time.time()

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notes(tmp_path: Path, clock: Clock) -> Notes:
    return Notes(tmp_path / "cache", clock)


def _values(notes: Notes, host: str = HOST) -> dict[str, bool | int]:
    return {name: note.value for name, note in notes.known(host).items()}


def test_refusals_and_sizes_are_known_later(notes):
    notes.keep(HOST, Learnt(single_post=False, too_large=100_000, page=0, mount=False))
    learnt = notes.learnt(HOST)
    assert (learnt.single_post, learnt.too_large, learnt.page, learnt.mount) == (False, 100_000, 0, False)
    assert notes.learnt("registry.example") == Learnt()


def test_that_a_registry_does_something_is_shown_and_not_relied_on(notes):
    notes.keep(HOST, Learnt(single_post=True, referrers=True, mount=True))
    assert _values(notes) == {"single_post": True, "referrers": True, "mount": True}
    learnt = notes.learnt(HOST)
    assert (learnt.single_post, learnt.referrers, learnt.mount) == (None, None, None)


def test_missing_referrers_api_is_unsure_until_it_shows_again(notes):
    notes.keep(HOST, Learnt(referrers=False))
    learnt = notes.learnt(HOST)
    assert learnt.referrers is False
    assert learnt.unsure == {"referrers"}
    notes.keep(HOST, learnt)
    learnt.found("referrers", True)
    notes.keep(HOST, learnt)
    assert _values(notes) == {"referrers": True}


@pytest.mark.parametrize(("host", "believed"), [(HOST, 7 * DAY), ("127.0.0.1:5000", 600), ("localhost", 600)])
def test_notes_are_believed_for_a_while(notes, clock, host, believed):
    notes.keep(host, Learnt(single_post=False))
    clock.time += believed - 1
    assert notes.learnt(host).single_post is False
    clock.time += 2
    assert notes.learnt(host) == Learnt()


def test_notes_from_the_future_are_not_believed(notes, clock):
    notes.keep(HOST, Learnt(single_post=False))
    clock.time -= 10
    assert notes.learnt(HOST) == Learnt()


def test_what_is_known_already_is_not_written_again(notes):
    notes.keep(HOST, Learnt(single_post=False))
    before = notes.place(HOST).stat().st_ino
    notes.keep(HOST, notes.learnt(HOST))
    notes.keep(HOST, Learnt())
    assert notes.place(HOST).stat().st_ino == before


def test_what_others_have_noted_meanwhile_stays(notes):
    mine, theirs = notes.learnt(HOST), notes.learnt(HOST)
    mine.single_post, theirs.mount = False, False
    notes.keep(HOST, theirs)
    notes.keep(HOST, mine)
    assert _values(notes) == {"single_post": False, "mount": False}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\x00",
        b"[]",
        pytest.param(b'{"else": ' + b"[" * 10_000, id="nested deeply"),
        b'{"registry": 1}',
        b'{"registry": "elsewhere", "notes": {"single_post": {"value": false, "at": 1}}}',
        json.dumps({"registry": HOST, "notes": {"single_post": {"value": "no", "at": 1}}}).encode(),
    ],
)
def test_damaged_file_is_as_good_as_none_and_replaced(notes, content):
    notes.place(HOST).parent.mkdir(parents=True)
    notes.place(HOST).write_bytes(content)
    assert notes.learnt(HOST) == Learnt()
    notes.keep(HOST, Learnt(mount=False))
    assert _values(notes) == {"mount": False}


def test_facts_that_make_no_sense_are_left_out(notes, clock):
    facts = {"too_large": 1, "page": -1, "single_post": 7, "mount": False, "unknown": True, "whole_put": True}
    document = {"registry": HOST, "notes": {name: {"value": each, "at": clock()} for name, each in facts.items()}}
    notes.place(HOST).parent.mkdir(parents=True)
    notes.place(HOST).write_text(json.dumps(document))
    assert _values(notes) == {"mount": False, "whole_put": True}


def test_folder_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    for folder in (tmp_path / "file", Path("/proc/nobody/writes/here")):
        notes = Notes(folder)
        notes.keep(HOST, Learnt(mount=False))
        assert notes.learnt(HOST) == Learnt()
        assert not (folder / "registries").exists()


def test_notes_are_for_their_owner_alone_and_nothing_is_left_beside_them(notes):
    notes.keep("[::1]:5000", Learnt(mount=False))
    place = notes.place("[::1]:5000")
    assert place.stat().st_mode & 0o777 == 0o600
    assert place.parent.stat().st_mode & 0o777 == 0o700
    assert list(place.parent.iterdir()) == [place]


def test_old_files_go_when_something_is_written(notes, clock):
    notes.keep("127.0.0.1:1", Learnt(mount=False))
    notes.keep(HOST, Learnt(mount=False))
    clock.time = time.time() + 601
    notes.keep("registry.example", Learnt(mount=False))
    assert not notes.place("127.0.0.1:1").exists()
    assert notes.place(HOST).exists()


def test_old_thing_that_cannot_be_removed_hinders_no_note(notes, clock):
    (notes.place(HOST).parent / "folder").mkdir(parents=True)
    clock.time = time.time() + 8 * DAY
    notes.keep(HOST, Learnt(mount=False))
    assert _values(notes) == {"mount": False}


def test_forgetting(notes):
    notes.keep(HOST, Learnt(mount=False))
    assert notes.forget(HOST)
    assert not notes.forget(HOST)
    assert notes.learnt(HOST) == Learnt()


def _repository(client: Client, address: str, name: str = "team/app"):
    return client.repository(Reference.parse_repository(f"{address}/{name}"))


async def test_registry_without_single_post_is_not_sent_the_bytes_twice_by_the_next_client(debian_registry, tmp_path):
    async with front(debian_registry) as server:
        for blob in (SMALL_BLOB, OTHER_BLOB):
            async with Client(notes=tmp_path) as client:
                await _repository(client, server.address).push(blob.descriptor, pieces(blob.content))
    assert [each.line.partition("?")[2][:7] for each in server.asked if each.method == "POST"] == ["digest=", ""]


async def test_single_post_that_is_refused_because_of_the_repository_is_not_held_against_the_registry(tmp_path):
    async with stub(lambda asked: json_reply({}) if asked.path == "/v2/" else Reply(404)) as server:
        async with Client(notes=tmp_path) as client:
            with pytest.raises(Exception, match=r"no such|does not know"):
                await _repository(client, server.address).push(SMALL_BLOB.descriptor, pieces(SMALL_BLOB.content))
        async with Client(notes=tmp_path) as client:
            assert client.noted(server.address) == {}


async def test_registry_that_takes_nothing_of_a_blob_is_not_taken_for_one_with_a_limit(registry, tmp_path):
    is_full = True

    def full(asked: Asked) -> Reply | None:
        has_bytes = asked.method in {"PUT", "PATCH"} and asked.headers["content-length"] != "0"
        return Reply(413, {"Connection": "close"}, close=True) if is_full and has_bytes else None

    blob = a_blob(bytes(1_000_000), OCI_LAYER)
    async with front(registry.address, early=full) as server:
        async with Client(notes=tmp_path) as client:
            with pytest.raises(PayloadTooLarge):
                await _repository(client, server.address).push(blob.descriptor, pieces(blob.content, 70_000))
        is_full = False
        server.asked.clear()
        async with Client(notes=tmp_path) as client:
            await _repository(client, server.address).push(blob.descriptor, pieces(blob.content, 70_000))
    assert [each.method for each in server.asked] == ["GET", "POST", "PUT"]


async def test_refused_heads_are_not_sent_by_the_next_client(registry, tmp_path):
    def no_head(asked: Asked) -> Reply | None:
        return Reply(405) if asked.method == "HEAD" else None

    async with Client() as client:
        await put(IMAGE, _repository(client, registry.address), "v1")
    async with front(registry.address, no_head) as server:
        for _ in range(2):
            async with Client(notes=tmp_path) as client:
                repository = _repository(client, server.address)
                assert (await repository.resolve(IMAGE.digest)).digest == IMAGE.digest
                assert await repository.exists(IMAGE.manifest.view.layers[0])
    assert [each.method for each in server.asked] == ["GET", "HEAD", "GET", "HEAD", "GET", *["GET"] * 3]


async def test_note_that_mounts_are_declined_has_others_ask_first(registry, tmp_path):
    def declining(asked: Asked) -> Reply | None:
        return Reply(202, {"Location": "/uploads/1"}) if "mount=" in asked.target else None

    async with front(registry.address, declining) as server:
        async with Client(notes=tmp_path) as client:
            origin, target = _repository(client, server.address, "base"), _repository(client, server.address)
            assert not target.declines_mounts
            await target.mount(SMALL_BLOB.descriptor, origin)
            assert target.declines_mounts
        async with Client(notes=tmp_path) as client:
            assert _repository(client, server.address).declines_mounts


async def test_mount_that_is_granted_counts_more_than_those_that_are_declined():
    learnt = Learnt()
    for granted, then in ((False, False), (True, True), (False, True)):
        learnt.saw_mount(granted=granted)
        assert learnt.mount is then


async def test_referrers_that_only_the_api_lists_are_seen_in_spite_of_a_note(registry, tmp_path):
    """The registry has learnt it since: what the note says costs a request, and hides nothing."""
    note = an_artifact(subject=IMAGE.manifest.descriptor)
    Notes(tmp_path).keep(registry.address, Learnt(referrers=False))
    async with Client(notes=tmp_path) as client:
        repository = _repository(client, registry.address)
        await put(IMAGE, repository)
        await put(note, repository)
    Notes(tmp_path).keep(registry.address, Learnt(referrers=False))
    async with Client(notes=tmp_path) as client:
        found = [each.digest async for each in _repository(client, registry.address).referrers(IMAGE.digest)]
        assert found == [note.digest]
    assert _values(Notes(tmp_path), registry.address)["referrers"] is True


async def test_registry_that_had_no_referrers_api_is_asked_both_ways_at_once(debian_registry, tmp_path):
    note = an_artifact(subject=IMAGE.manifest.descriptor)
    async with Client(notes=tmp_path) as client:
        repository = _repository(client, debian_registry)
        await put(IMAGE, repository)
        await put(note, repository)
        assert [each.digest async for each in repository.referrers(IMAGE.digest)] == [note.digest]
    asked = asyncio.Event()

    async def both(request: Asked) -> Reply | None:
        if "/manifests/sha256-" in request.path:
            asked.set()
        elif "/referrers/" in request.path:
            await asyncio.wait_for(asked.wait(), 10)
        return None

    async with front(debian_registry, both) as server:
        Notes(tmp_path).place(debian_registry).rename(Notes(tmp_path).place(server.address))
        file = Notes(tmp_path).place(server.address)
        file.write_text(file.read_text().replace(debian_registry, server.address))
        async with Client(notes=tmp_path) as client:
            repository = _repository(client, server.address)
            for _ in range(2):
                assert [each.digest async for each in repository.referrers(IMAGE.digest)] == [note.digest]
    assert sum("/referrers/" in each.path for each in server.asked) == 1
