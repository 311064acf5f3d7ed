"""`wherry admin`, on folders with and without a server."""

import json
import os
import sqlite3
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.server.asking import ask, begin, digest_of, push_blob, push_image
from wherry.server.folder import held_folder
from wherry.server.running import running


@pytest.fixture
async def data(tmp_path):
    folder = tmp_path / "data"
    async with running(data=folder) as server:
        await push_image(server, "a", "t", b"layer")
        await push_blob(server, "a", b"alone")
    return folder


@pytest.mark.parametrize("command", ["gc", "fsck", "uploads"])
async def test_a_folder_that_is_no_registry_is_refused_in_two_lines(wherry, tmp_path, command):
    done = await wherry("admin", command, "--data", tmp_path)
    assert (done.code, done.out) == (1, b"")
    assert [line.partition(":")[0] for line in done.err.splitlines()] == ["wherry", "try"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("served", [False, True])
async def test_fsck_of_a_whole_registry(wherry, data, served, registry_factory):
    if served:
        await registry_factory(data=data)
    done = await wherry("admin", "fsck", "--data", data, "--deep")
    assert (done.code, done.out, done.err) == (0, b"", "everything is as it should be\n")


async def test_fsck_finds_damage_while_the_server_runs_and_a_push_heals_it(wherry, data, registry_factory):
    server = await registry_factory(data=data)
    digest = digest_of(b"layer")
    path = data / "blobs" / "sha256" / digest[7:9] / digest[7:]
    path.write_bytes(b"wrong")
    assert (await wherry("admin", "fsck", "--data", data)).code == 0
    done = await wherry("admin", "fsck", "--data", data, "--deep", "--json", "--repair")
    assert done.code == 1
    [found] = json.loads(done.out)["findings"]
    assert (found["problem"], found["digest"], found["repaired"]) == ("bytes", digest, True)
    assert (await ask(server, "GET", f"/v2/a/blobs/{digest}")).status == 404
    await push_blob(server, "a", b"layer")
    assert (await ask(server, "GET", f"/v2/a/blobs/{digest}")).body == b"layer"
    assert (await wherry("admin", "fsck", "--data", data, "--deep")).code == 0
    assert (data / "damaged" / digest.replace(":", "-")).read_bytes() == b"wrong"


@pytest.mark.parametrize("served", [False, True])
@pytest.mark.parametrize("command", ["gc", "fsck", "uploads"])
async def test_a_database_without_a_table_cannot_be_used(wherry, data, served, command):
    with sqlite3.connect(data / "registry.sqlite") as database:
        database.execute("DROP TABLE blobs")
    database.close()
    with held_folder(data) if served else nullcontext():
        done = await wherry("admin", command, "--data", data)
    assert (done.code, done.out) == (1, b"")
    assert "registry.sqlite cannot be used as a registry's database: no such table: blobs\ntry: " in done.err


async def test_a_database_without_a_column_cannot_be_used(wherry, data):
    with sqlite3.connect(data / "registry.sqlite") as database:
        database.execute("ALTER TABLE blobs RENAME COLUMN epoch TO era")
    database.close()
    done = await wherry("admin", "fsck", "--data", data)
    assert (done.code, done.out) == (1, b"")
    assert "registry.sqlite cannot be used: no such column: blobs.epoch\ntry: " in done.err


async def test_an_emptied_database_is_damage(wherry, data):
    (data / "registry.sqlite").write_bytes(b"")
    for each in (data / "blobs").glob("*/*/*"):
        os.utime(each, (0, 0))
    done = await wherry("admin", "fsck", "--data", data)
    assert done.code == 1
    assert done.out.startswith(b"database: it knows of no repository, and blobs are kept")


async def test_gc_keeps_what_is_young(wherry, data):
    done = await wherry("admin", "gc", "--data", data)
    assert (done.code, done.lines) == (0, ["deleted 0 blobs, 0 B"])
    assert json.loads((await wherry("admin", "gc", "--data", data, "--dry-run", "--json")).out) == {"doomed": []}


async def test_gc_deletes_under_a_running_server_what_it_said_it_would(wherry, data, registry_factory):
    leave_collection_to_us(data)
    server = await registry_factory(data=data)
    digest = digest_of(b"alone")
    assert (await ask(server, "GET", f"/v2/a/blobs/{digest}")).status == 200  # now the server has it in memory
    let_two_days_pass(data)
    done = await wherry("admin", "gc", "--data", data, "--dry-run")
    assert [line.split() for line in done.lines] == [["link", "a", digest, "5", "B"], ["blob", "-", digest, "5", "B"]]
    assert (await ask(server, "GET", f"/v2/a/blobs/{digest}")).status == 200
    done = await wherry("admin", "gc", "--data", data)
    assert done.lines == ["deleted 1 blobs, 5 B"]
    assert (await ask(server, "GET", f"/v2/a/blobs/{digest}")).status == 404
    assert (await ask(server, "GET", "/v2/a/manifests/t")).status == 200


def leave_collection_to_us(data: Path) -> None:
    """The server's own collector would be quicker, sometimes."""
    with sqlite3.connect(data / "registry.sqlite") as connection:
        connection.execute(
            "INSERT OR REPLACE INTO jobs (name, holder, until) VALUES ('collection', 'a test', ?)", (2**40,)
        )
    connection.close()


def let_two_days_pass(data: Path) -> None:
    database = sqlite3.connect(data / "registry.sqlite")
    database.execute("UPDATE reviews SET due = due - 200000")
    database.execute("UPDATE repository_blobs SET leased = leased - 200000")
    database.commit()
    database.close()


async def test_uploads_are_listed_and_expire(wherry, data, registry_factory):
    server = await registry_factory(data=data)
    location = await begin(server, "team/app")
    await ask(server, "PATCH", location, b"x" * 1000)
    [line] = (await wherry("admin", "uploads", "--data", data)).lines
    assert line.split()[1:] == ["1.0", "kB", "team/app", location.rpartition("/")[2]]
    assert (await wherry("admin", "uploads", "--data", data, "--expire")).err == "0 thrown away\n"
    os.utime(data / "uploads" / location.rpartition("/")[2], (0, 0))
    done = await wherry("admin", "uploads", "--data", data, "--expire", "--older-than", "1h", "--json")
    assert (done.code, done.err, json.loads(done.out)) == (0, "1 thrown away\n", {"uploads": []})
    answer = await ask(server, "PATCH", location, b"more")
    assert (answer.status, answer.codes) == (404, ["BLOB_UPLOAD_UNKNOWN"])


@pytest.mark.parametrize("text", ["", "7", "h", "1.5h", "-1h", "١h", "9999999999s"])
async def test_a_time_that_is_none_is_refused(wherry, data, text):
    done = await wherry("admin", "uploads", "--data", data, "--expire", "--older-than", text)
    assert (done.code, done.out) == (2, b"")
