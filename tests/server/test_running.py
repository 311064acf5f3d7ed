"""A registry's life: its folder, its address, its end."""

import asyncio
import os
import resource
import socket
import sqlite3

import pytest

from tests.server.asking import ask, begin, connect, digest_of, head, parse, push_blob, push_image, wait_for_bytes
from wherry.oci.errors import StoreError
from wherry.server.listening import CannotListen, most_connections
from wherry.server.running import running

CONTENT = os.urandom(20_000_000)
DIGEST = digest_of(CONTENT)


async def test_it_answers_when_the_block_begins_and_is_gone_when_it_ends():
    async with running(data=None) as registry:
        assert (await ask(registry, "GET", "/v2/")).status == 200
        folder = registry.data
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        await connect(registry)


async def test_several_run_beside_each_other():
    async with running(data=None) as one, running(data=None) as other:
        digest = await push_blob(one, "a", b"x")
        assert (await ask(one, "HEAD", f"/v2/a/blobs/{digest}")).status == 200
        assert (await ask(other, "HEAD", f"/v2/a/blobs/{digest}")).status == 404


async def test_they_may_start_at_once():
    async def live() -> int:
        async with running(data=None) as registry:
            return (await ask(registry, "GET", "/v2/")).status

    assert await asyncio.gather(*(live() for _ in range(4))) == [200] * 4


async def test_everything_is_there_after_a_restart(tmp_path):
    async with running(data=tmp_path) as registry:
        manifest, digest = await push_image(registry, "a/b", "v1", CONTENT)
    async with running(data=tmp_path) as registry:
        assert (await ask(registry, "GET", "/v2/a/b/manifests/v1")).body == manifest
        assert (await ask(registry, "GET", f"/v2/a/b/manifests/{digest}")).body == manifest
        assert (await ask(registry, "GET", f"/v2/a/b/blobs/{DIGEST}")).body == CONTENT
        assert (await ask(registry, "GET", "/v2/_catalog")).json == {"repositories": ["a/b"]}


async def test_a_second_server_on_the_folder_is_refused(tmp_path):
    async with running(data=tmp_path):
        with pytest.raises(StoreError, match="in use by another wherry server"):
            async with running(data=tmp_path):
                pass
    async with running(data=tmp_path):
        pass


async def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError, match="cannot be used"):
            async with running(data=folder):
                pass


async def test_what_is_no_database_is_refused(tmp_path):
    (tmp_path / "registry.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="not a database"):
        async with running(data=tmp_path):
            pass


async def test_a_newer_database_is_refused(tmp_path):
    async with running(data=tmp_path):
        pass
    with sqlite3.connect(tmp_path / "registry.sqlite") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(StoreError, match="newer wherry"):
        async with running(data=tmp_path):
            pass


async def test_a_port_that_is_taken_is_refused():
    async with running(data=None) as registry:
        port = int(registry.address.rpartition(":")[2])
        with pytest.raises(CannotListen, match="the port is taken"):
            async with running(data=None, port=port):
                pass


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 300])
async def test_an_address_that_is_not_ours_is_refused(host):
    with pytest.raises(CannotListen):
        async with running(data=None, host=host):
            pass


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
async def test_ipv6_stands_in_brackets():
    async with running(data=None, host="::1") as registry:
        assert registry.url.startswith("http://[::1]:")
        assert (await ask(registry, "GET", "/v2/")).status == 200


async def test_the_end_waits_for_an_upload_that_is_under_way(tmp_path):
    async with running(data=tmp_path, patience=30) as registry:
        location = await begin(registry, "a")
        reader, writer = await connect(registry)
        put = head("PUT", f"{location}?digest={DIGEST}", [("Content-Length", str(len(CONTENT)))])
        writer.write(put + CONTENT[:10_000_000])
        await writer.drain()
        await wait_for_bytes(registry, location)

        async def finish() -> int:
            async with asyncio.timeout(10):
                while True:  # until nobody new is let in: then the end has begun
                    try:
                        _, late = await connect(registry)
                    except ConnectionRefusedError:
                        break
                    late.close()
            writer.write(CONTENT[10_000_000:])
            return parse(await reader.read()).status

        finishing = asyncio.create_task(finish())
    assert await finishing == 201
    writer.close()
    async with running(data=tmp_path) as registry:
        assert (await ask(registry, "GET", f"/v2/a/blobs/{DIGEST}")).body == CONTENT


async def test_the_end_waits_for_a_download_that_is_under_way():
    async with running(data=None, patience=30) as registry:
        await push_blob(registry, "a", CONTENT)
        reader, writer = await connect(registry)
        writer.write(head("GET", f"/v2/a/blobs/{DIGEST}", [("Connection", "close")]))
        start = await reader.read(1000)
        rest = asyncio.create_task(reader.read())
    assert parse(start + await rest).body == CONTENT
    writer.close()


async def test_the_end_does_not_wait_for_ever_for_an_upload():
    async with running(data=None, patience=0.2) as registry:
        location = await begin(registry, "a")
        reader, writer = await connect(registry)
        writer.write(head("PATCH", location, [("Content-Length", "3000000")]) + CONTENT[:2_000_000])
        await wait_for_bytes(registry, location)
    answer = parse(await asyncio.wait_for(reader.read(), 10))
    writer.close()
    assert (answer.status, answer.codes) == (503, ["UNAVAILABLE"])


async def test_the_end_does_not_wait_for_ever_for_a_download():
    async with running(data=None, patience=0.2) as registry:
        await push_blob(registry, "a", CONTENT)
        reader, writer = await connect(registry)
        writer.write(head("GET", f"/v2/a/blobs/{DIGEST}"))
        await reader.read(1)
    writer.close()


async def test_idle_connections_do_not_hold_up_the_end():
    async with running(data=None, patience=60) as registry:
        reader, writer = await connect(registry)
        writer.write(head("GET", "/v2/"))
        await reader.read(10)
        _, silent = await connect(registry)
    writer.close()
    silent.close()


@pytest.mark.parametrize(
    ("limit", "connections"),
    [(0, 64), (256, 78), (1024, 462), (20_000, 9950), (2**30, 1_000_000), (resource.RLIM_INFINITY, 1_000_000)],
)
def test_there_may_be_as_many_connections_as_leave_a_descriptor_for_a_file_each(monkeypatch, limit, connections):
    monkeypatch.setattr("wherry.server.listening.resource.getrlimit", lambda _: (limit, limit))
    assert most_connections() == connections


async def test_one_connection_more_waits_until_one_ends(monkeypatch):
    monkeypatch.setattr("wherry.server.listening.most_connections", lambda: 3)
    async with running(data=None) as registry, asyncio.timeout(10):
        opened = []
        for _ in range(3):
            reader, writer = await connect(registry)
            writer.write(head("GET", "/v2/"))
            await reader.readuntil(b"{}")
            opened.append((reader, writer))
        late, waiting = await connect(registry)
        waiting.write(head("GET", "/v2/", [("Connection", "close")]))
        answer = asyncio.create_task(late.read())
        for reader, writer in opened:  # these are answered meanwhile
            writer.write(head("GET", "/v2/"))
            await reader.readuntil(b"{}")
        assert not answer.done()
        opened[0][1].close()
        assert parse(await answer).status == 200
        for _, writer in (*opened, (late, waiting)):
            writer.close()


@pytest.mark.parametrize("name", ["with?mode=ro", "a#b", "per%20cent", "new\nline"])
async def test_a_folder_may_have_any_name(tmp_path, name):
    async with running(data=tmp_path / name):
        assert (tmp_path / name / "registry.sqlite").is_file()
    assert [each.name for each in tmp_path.iterdir()] == [name]


async def test_nothing_is_added_to_the_database_of_another_program(tmp_path):
    with sqlite3.connect(tmp_path / "registry.sqlite") as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()
    with pytest.raises(StoreError, match="not a database of wherry's"):
        async with running(data=tmp_path):
            pass
    with sqlite3.connect(tmp_path / "registry.sqlite") as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    database.close()


@pytest.mark.parametrize("name", ["blobs", "uploads"])
async def test_a_file_where_blobs_belong_is_told(tmp_path, name):
    (tmp_path / name).write_text("x")
    with pytest.raises(StoreError, match=f"{name} cannot be used for blobs: File exists"):
        async with running(data=tmp_path):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
@pytest.mark.parametrize("name", ["registry.sqlite", "blobs", "uploads"])
async def test_what_this_user_may_not_write_is_told_at_once(tmp_path, name):
    async with running(data=tmp_path):
        pass
    mode = (tmp_path / name).stat().st_mode
    (tmp_path / name).chmod(mode & 0o500)
    with pytest.raises(StoreError, match="by this user"):
        async with running(data=tmp_path):
            pass
    (tmp_path / name).chmod(mode)
