"""What is wrong in a folder is found and named; what is damaged is healed by the next push."""

import hashlib
import os
import sqlite3
import time
from errno import EIO
from pathlib import Path

import pytest

from tests.powerless import powerless
from tests.server.asking import an_image, ask, digest_of, push_blob, push_image, put
from wherry.oci.digest import Digest
from wherry.server.inspection.fsck import inspect
from wherry.server.inspection.protocol import Problem
from wherry.server.policy import Sparse
from wherry.server.running import running


@pytest.fixture
async def server(tmp_path):
    async with running(data=tmp_path) as server:
        yield server


async def findings(server, **options):
    registry = server.registry
    return [each async for each in inspect(registry.inspection, registry.blobs, **options)]


def file_of(server, content: bytes) -> Path:
    digest = Digest.of(content)
    return server.data / "blobs" / "sha256" / digest.encoded[:2] / digest.encoded


def lose(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, 2)


def spoil(path: Path) -> None:
    path.write_bytes(b"r" + path.read_bytes()[1:])


async def test_a_whole_registry_has_no_findings(server):
    await push_image(server, "a", "t", b"layer")
    await push_blob(server, "b", b"alone")
    assert await findings(server, deep=True, orphan_age=0) == []


@pytest.mark.parametrize(
    ("damage", "problem", "deep"),
    [(lose, Problem.LOST, False), (cut, Problem.SIZE, False), (spoil, Problem.BYTES, True)],
)
async def test_a_damaged_blob_is_found_and_healed_by_the_next_push(server, damage, problem, deep):
    manifest, _ = await push_image(server, "a", "t", b"layer")
    await push_image(server, "b", "t", b"layer")
    path = f"/v2/b/blobs/{digest_of(b'layer')}"
    damage(file_of(server, b"layer"))
    found = await findings(server, deep=deep)
    assert [(each.problem, str(each.digest), each.repaired) for each in found] == [
        (problem, digest_of(b"layer"), False)
    ]
    [repaired] = await findings(server, deep=deep, repair=True)
    assert repaired.repaired
    for method in ("GET", "HEAD"):
        assert (await ask(server, method, path)).status == 404
    assert (await ask(server, "POST", f"/v2/c/blobs/uploads/?mount={digest_of(b'layer')}&from=b", b"")).status == 202
    refused = await put(server, "a", "again", manifest)
    assert (refused.status, refused.codes) == (400, ["MANIFEST_BLOB_UNKNOWN"])
    assert [each.problem for each in await findings(server, deep=deep)] == [Problem.DAMAGED]
    await push_blob(server, "a", b"layer")
    assert (await ask(server, "GET", path)).body == b"layer"
    assert (await put(server, "a", "again", manifest)).status == 201
    assert await findings(server, deep=True) == []


async def test_what_was_pushed_while_it_was_looked_at_is_left_alone(server):
    await push_blob(server, "a", b"layer")
    [row] = await server.registry.inspection.blobs(None, 10)
    lose(file_of(server, b"layer"))
    await push_blob(server, "a", b"layer")
    assert not await server.registry.inspection.unchanged(row)
    assert not await server.registry.inspection.mark_damaged(row, lambda: pytest.fail("moved what is whole"))
    assert (await ask(server, "GET", f"/v2/a/blobs/{digest_of(b'layer')}")).body == b"layer"


async def test_a_file_that_no_row_knows_is_found_when_it_is_old_and_deleted_when_asked(server):
    await push_blob(server, "a", b"layer")
    path = file_of(server, b"orphan")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"orphan")
    assert await findings(server) == []
    os.utime(path, (0, time.time() - 7200))
    [found] = await findings(server)
    assert (found.problem, found.problem.damage, str(found.digest)) == (Problem.ORPHAN, False, digest_of(b"orphan"))
    [found] = await findings(server, repair=True)
    assert found.repaired
    assert not path.exists()
    assert await findings(server) == []
    await push_blob(server, "a", b"orphan")
    assert (await ask(server, "GET", f"/v2/a/blobs/{digest_of(b'orphan')}")).body == b"orphan"


async def test_a_manifest_with_other_bytes_is_found(tmp_path):
    async with running(data=tmp_path) as server:
        _, digest = await push_image(server, "a", "t", b"layer")
    database = sqlite3.connect(tmp_path / "registry.sqlite")
    database.execute("UPDATE manifests SET content = CAST(content || ' ' AS BLOB)")
    database.commit()
    database.close()
    async with running(data=tmp_path) as server:
        [found] = await findings(server, deep=True)
        assert (found.problem, found.repository, str(found.digest)) == (Problem.MANIFEST, "a", digest)


async def test_what_the_collector_does_not_know_of_is_told_to_it(server):
    await push_blob(server, "a", b"layer")
    database = sqlite3.connect(server.data / "registry.sqlite")
    database.execute("DELETE FROM reviews")
    database.commit()
    database.close()
    [found] = await findings(server)
    assert (found.problem, found.repository, found.problem.damage) == (Problem.UNREVIEWED, "a", False)
    await findings(server, repair=True)
    assert await findings(server) == []


async def test_a_sparse_manifest_is_incomplete_and_not_damaged(registry_factory, tmp_path):
    server = await registry_factory(data=tmp_path, sparse=Sparse.ALL)
    foreign = {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar", "urls": ["https://a.test/x"]}
    layer = foreign | {"digest": digest_of(b"x"), "size": 1}
    document = an_image(b"absent", annotations={"a": "b"})
    assert (await put(server, "a", "t", document)).status == 201
    found = await findings(server)
    assert {(each.problem, each.problem.damage) for each in found} == {(Problem.INCOMPLETE, False)}
    assert len(found) == 2
    await push_blob(server, "a", b"{}")
    await push_blob(server, "a", b"absent")
    assert (await put(server, "a", "f", an_image(b"absent", layers=[layer]))).status == 201
    assert await findings(server) == []


def block(path: Path) -> None:
    path.unlink()
    path.mkdir()


def forbid(path: Path) -> None:
    path.chmod(0)


@pytest.fixture
def reading_fails(monkeypatch):
    """One file is on a bad part of the disk."""
    bad = []

    def read(content, algorithm):
        if os.fstat(content.fileno()).st_ino in bad:
            raise OSError(EIO, os.strerror(EIO))
        return hashlib_file_digest(content, algorithm)

    hashlib_file_digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", read)
    return lambda path: bad.append(path.stat().st_ino)


@pytest.mark.parametrize("deep", [False, True], ids=["plain", "deep"])
@pytest.mark.parametrize("damage", [block, forbid])
async def test_what_cannot_be_read_is_one_finding_among_others(tmp_path, damage, deep):
    with powerless():
        async with running(data=tmp_path) as server:
            for content in (b"one", b"two", b"three"):
                await push_blob(server, "a", content)
            damage(file_of(server, b"two"))
            for each in (b"one", b"three"):
                lose(file_of(server, each))
            found = {str(each.digest): each.problem for each in await findings(server, deep=deep)}
            assert found == {
                digest_of(b"one"): Problem.LOST,
                digest_of(b"two"): Problem.UNREADABLE,
                digest_of(b"three"): Problem.LOST,
            }
            assert all(each.repaired for each in await findings(server, deep=deep, repair=True))
            for content in (b"one", b"two", b"three"):
                await push_blob(server, "a", content)
            assert await findings(server, deep=True) == []


async def test_an_error_of_the_disk_is_one_finding_among_others(server, reading_fails):
    for content in (b"one", b"two", b"three"):
        await push_blob(server, "a", content)
        if content != b"two":
            spoil(file_of(server, content))
    reading_fails(file_of(server, b"two"))
    found = {str(each.digest): each.problem for each in await findings(server, deep=True, repair=True)}
    assert found == {
        digest_of(b"one"): Problem.BYTES,
        digest_of(b"two"): Problem.UNREADABLE,
        digest_of(b"three"): Problem.BYTES,
    }


async def test_what_cannot_be_moved_away_is_not_called_repaired(tmp_path):
    with powerless():
        async with running(data=tmp_path) as server:
            await push_blob(server, "a", b"layer")
            folder = file_of(server, b"layer").parent
            folder.chmod(0)
            try:
                found = await findings(server, repair=True)
            finally:
                folder.chmod(0o755)
            assert [(each.problem, each.repaired) for each in found] == [
                (Problem.UNREADABLE, False),
                (Problem.STRAY, False),
            ]
            assert "cannot be moved away: Permission denied" in found[0].what
            assert await findings(server, deep=True) == []


@pytest.mark.parametrize(
    "place",
    [
        "blobs/foo",
        "blobs/sha256/zz",
        "blobs/sha256/00/notes.txt",
        f"blobs/sha256/00/{digest_of(b'layer').partition(':')[2]}",
        "uploads/junk",
    ],
)
async def test_a_file_with_a_name_that_is_none_of_ours_is_told_and_left_alone(server, place):
    path = server.data / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"layer")
    assert await findings(server) == []
    os.utime(path, (0, time.time() - 7200))
    for repair in (False, True):
        [found] = await findings(server, repair=repair)
        assert (found.problem, found.problem.damage, found.repaired) == (Problem.STRAY, False, False)
        assert found.what.startswith(f"{place}: 5 bytes")
    assert path.exists()


async def test_a_folder_with_a_name_that_is_none_of_ours_is_told_once(server):
    for each in ("aa", "bb"):
        (server.data / "blobs" / "md5" / each).mkdir(parents=True)
        (server.data / "blobs" / "md5" / each / "x").write_bytes(b"x")
    (server.data / "blobs" / "lost+found").mkdir()
    [found] = await findings(server, orphan_age=-10)
    assert (found.problem, found.what) == (Problem.STRAY, "blobs/md5: a folder where the registry puts nothing")


async def test_an_emptied_database_is_damage_and_nothing_is_deleted(tmp_path, caplog):
    async with running(data=tmp_path) as server:
        await push_image(server, "a", "t", b"layer")
        assert caplog.records == []
        for content in (b"{}", b"layer"):
            os.utime(file_of(server, content), (0, time.time() - 7200))
    for each in tmp_path.glob("registry.sqlite*"):
        each.unlink()
    async with running(data=tmp_path) as server:
        assert [each.levelname for each in caplog.records] == ["WARNING"]
        assert "knows of no repository" in caplog.text
        found = await findings(server)
        assert [each.problem.damage for each in found] == [True, False, False]
        found = await findings(server, repair=True)
        assert [(each.problem, each.repaired) for each in found] == [
            (Problem.DATABASE, False),
            (Problem.ORPHAN, False),
            (Problem.ORPHAN, False),
        ]
        assert file_of(server, b"layer").exists()


async def test_what_a_crash_in_the_first_push_has_left_is_an_orphan(server):
    await server.registry.blobs.keep(Digest.of(b"layer"), b"layer")
    assert [each.problem for each in await findings(server, repair=True, orphan_age=-10)] == [Problem.ORPHAN]


async def test_a_registry_from_which_all_was_deleted_is_not_emptied(server):
    _, digest = await push_image(server, "a", "t", b"layer")
    assert (await ask(server, "DELETE", f"/v2/a/manifests/{digest}")).status == 202
    assert await findings(server) == []
