"""What is true of archives as files: replaced as a whole, kept by whoever adds to them, gzipped, damaged, hostile."""

import asyncio
import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.content import a_blob, an_image, an_index_of, pieces, put, read
from wherry.oci.errors import DigestMismatch, ManifestUnknown, NameUnknown, StoreError, WherryError
from wherry.oci.reference import Reference, Tag
from wherry.ops.copy import copy
from wherry.ops.copy_many import Errand, copy_many
from wherry.stores._archive_form import Held
from wherry.stores._archive_whole import complete
from wherry.stores._docker_form import DockerForm
from wherry.stores._names import Names
from wherry.stores.archive import Archive, docker_archive, oci_archive
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore

INDEX = an_index_of(an_image(), an_image(platform="linux/arm64"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "images.tar"


def a_tar(path: Path, *members: tarfile.TarInfo | tuple[str, bytes], **options) -> Path:
    """A tar with these files and other members."""
    with tarfile.open(path, "w", **options) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def a_link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def names_in(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return archive.getnames()


def files_in(path: Path) -> Mapping[str, bytes]:
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isreg()}


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def make_mode(path: Path, mode: int) -> None:
    path.chmod(mode)


def written(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def names_beside(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


async def beside(path: Path) -> list[str]:
    """What is in an archive's folder when no thread is busy there any more."""
    await asyncio.get_running_loop().shutdown_default_executor()
    return names_beside(path)


def unpacked(path: Path) -> Path:
    folder = path.parent / "unpacked"
    subprocess.run(["tar", "xf", path, f"--one-top-level={folder}"], check=True)
    return folder


async def tags_of(archive: Archive) -> list[str]:
    return [tag async for tag in archive.tags()]


async def a_copy(path: Path) -> bytes:
    """The bytes of an archive with an image in it."""
    await put(an_image(), oci_archive(path), "1")
    return content_of(path)


async def test_reading_makes_nothing(path: Path) -> None:
    archive = oci_archive(path)
    with pytest.raises(ManifestUnknown, match="no such file"):
        await archive.resolve(Tag("1"))
    with pytest.raises(NameUnknown, match="no such file"):
        await tags_of(archive)
    assert not await archive.exists(an_image().descriptor)
    assert names_beside(path) == []


async def test_archive_is_a_layout_in_a_tar(path: Path) -> None:
    await put(INDEX, oci_archive(path), "1.0")
    layout = Layout(unpacked(path))
    assert (await layout.manifest(Tag("1.0"))).content == INDEX.manifest.content
    await copy(layout, Tag("1.0"), MemoryStore())


async def test_same_content_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        await put(INDEX, oci_archive(tmp_path / name), "1")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


async def test_what_is_added_leaves_what_is_there(path: Path) -> None:
    await put(an_image("old"), oci_archive(path), "old")
    await put(an_image("new"), oci_archive(path), "new")
    archive = oci_archive(path)
    assert await tags_of(archive) == ["new", "old"]
    for tag in ("old", "new"):
        await copy(archive, Tag(tag), MemoryStore())
    assert len(names_in(path)) == len(set(names_in(path)))


async def test_other_files_in_an_archive_are_kept(path: Path) -> None:
    await put(an_image(), oci_archive(path), "1")
    files = {**files_in(path), "README": b"hello"}
    a_tar(path, *files.items())
    await put(an_image("new"), oci_archive(path), "2")
    files_in_copy = files_in(path)
    assert files_in_copy["README"] == b"hello"
    assert files.keys() <= files_in_copy.keys()


async def test_copy_writes_an_archive_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = MemoryStore()
    for number in range(5):
        await put(an_image(f"image{number}"), origin, f"t{number}")
    before = path.parent.stat().st_mtime_ns
    renamed = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: (renamed.append(target), replace(self, target))[1])
    archive = oci_archive(path)
    outcomes = await copy_many([Errand(origin, Tag(f"t{n}"), archive, (Tag(f"t{n}"),)) for n in range(5)])
    assert all(outcome.error is None for outcome in outcomes)
    assert renamed == [path]
    assert path.parent.stat().st_mtime_ns > before
    assert await tags_of(oci_archive(path)) == [f"t{n}" for n in range(5)]


async def test_copy_that_fails_leaves_the_archive_as_it_was(path: Path) -> None:
    before = await a_copy(path)
    origin = MemoryStore()
    await put(an_image("broken"), origin, "1")
    layer = an_image("broken").blobs[1].descriptor
    origin._blobs[layer.digest] = b"x" * layer.size
    archive = oci_archive(path)
    with pytest.raises(WherryError, match=layer.digest.encoded):
        await copy(origin, Tag("1"), archive, tags=[Tag("2")])
    assert content_of(path) == before
    assert await tags_of(archive) == ["1"]
    await put(an_image("good"), archive, "3")
    assert await tags_of(archive) == ["1", "3"]
    assert await beside(path) == [path.name]


async def test_copy_that_is_cancelled_in_its_last_moment_leaves_the_archive_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = oci_archive(path)
    await put(an_image(), archive, "1")
    before, begun, go_on = content_of(path), threading.Event(), threading.Event()

    def held(*arguments: Any) -> None:
        begun.set()
        go_on.wait()
        complete(*arguments)

    async def change() -> None:
        async with archive.together():
            await put(an_image("other"), archive, "2")

    with monkeypatch.context() as patch:
        patch.setattr("wherry.stores._archive.complete", held)
        task = asyncio.create_task(change())
        await asyncio.to_thread(begun.wait)
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert content_of(path) == before
    await put(an_image("third"), archive, "3")
    assert names_beside(path) == [path.name]
    assert await tags_of(oci_archive(path)) == ["1", "3"]


async def test_blob_that_was_cut_short_is_not_in_the_archive(path: Path) -> None:
    archive = oci_archive(path)
    blob = a_blob(b"0123456789" * 1000)

    async def broken():
        yield blob.content[:5000]
        raise RuntimeError("gone")

    async with archive.together():
        with pytest.raises(RuntimeError, match="gone"):
            await archive.push(blob.descriptor, broken())
        await put(an_image(), archive, "1")
    assert not await archive.exists(blob.descriptor)
    assert f"blobs/sha256/{blob.descriptor.digest.encoded}" not in names_in(path)
    await copy(oci_archive(path), Tag("1"), MemoryStore())
    assert await beside(path) == [path.name]


async def test_many_blobs_arrive_at_once(path: Path) -> None:
    archive = oci_archive(path)
    blobs = [a_blob(bytes([number]) * 3_000_001) for number in range(4)]
    async with archive.together():
        await asyncio.gather(*(archive.push(each.descriptor, pieces(each.content, 400_000)) for each in blobs))
        await put(an_image(), archive, "1")
    for each in blobs:
        assert await read(oci_archive(path).fetch(each.descriptor)) == each.content


WRITER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.content import an_image, put
from wherry.stores.archive import oci_archive

async def main():
    for number in range(4):
        name = f"{sys.argv[3]}-{number}"
        await put(an_image(name), oci_archive(Path(sys.argv[1])), name)

asyncio.run(main())
"""


def test_processes_that_add_at_once_lose_no_tag(path: Path) -> None:
    root = str(Path(__file__).parents[2])
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), root, name]) for name in ("a", "b", "c")]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert asyncio.run(tags_of(oci_archive(path))) == [f"{name}-{n}" for name in "abc" for n in range(4)]
    assert names_beside(path) == [path.name]


async def test_open_archive_sees_what_others_have_made_of_it(path: Path) -> None:
    mine, theirs = oci_archive(path), oci_archive(path)
    await put(an_image("mine"), mine, "mine")
    await put(an_image("theirs"), theirs, "theirs")
    assert await tags_of(mine) == ["mine", "theirs"]


async def test_change_that_another_made_meanwhile_is_kept(path: Path) -> None:
    mine = oci_archive(path)
    async with mine.together():
        await put(an_image("mine"), mine, "mine")
        await put(an_image("theirs"), oci_archive(path), "theirs")
    assert await tags_of(oci_archive(path)) == ["mine", "theirs"]


async def test_change_that_another_made_while_the_lists_were_written_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Reference.parse_repository("team/app")
    mine, theirs = docker_archive(path, app), docker_archive(path, app)
    await put(an_image("first"), mine, "first")
    write_lists, others = DockerForm.lists, [put(an_image("theirs"), theirs, "theirs")]

    def lists(form: DockerForm, names: Names, held: Held) -> Mapping[str, bytes]:
        while others:
            asyncio.run(others.pop())
        return write_lists(form, names, held)

    monkeypatch.setattr(DockerForm, "lists", lists)
    await put(an_image("mine"), mine, "mine")
    assert others == []
    assert await tags_of(docker_archive(path, app)) == ["first", "mine", "theirs"]


async def test_what_another_took_away_meanwhile_is_missed(path: Path) -> None:
    await put(an_image(), oci_archive(path), "1")
    mine = oci_archive(path)

    async def change() -> None:
        async with mine.together():
            await mine.push_manifest(an_index_of(an_image()).manifest, Tag("2"))
            await oci_archive(path).delete(an_image().digest)

    with pytest.raises(StoreError, match="somebody else has changed it"):
        await change()
    assert await tags_of(oci_archive(path)) == []


async def test_copy_brings_a_damaged_manifest_back(path: Path) -> None:
    origin = MemoryStore()
    await put(an_image(), origin, "1")
    whole = await a_copy(path)
    manifest = an_image().manifest.content
    assert whole.count(manifest) == 1
    written(path, whole.replace(manifest, manifest.replace(b"schemaVersion", b"schemaversion")))
    with pytest.raises(DigestMismatch):
        await oci_archive(path).resolve(Tag("1"))
    await copy(origin, Tag("1"), oci_archive(path), tags=[Tag("1")])
    assert await oci_archive(path).manifest(Tag("1")) == an_image().manifest
    assert len(names_in(path)) == len(set(names_in(path)))


async def test_recheck_replaces_a_damaged_blob(path: Path) -> None:
    origin = MemoryStore()
    await put(an_image(), origin, "1")
    whole = await a_copy(path)
    layer = an_image().blobs[1].content
    assert whole.count(layer) == 1
    written(path, whole.replace(layer, layer[::-1]))
    copied = await copy(origin, Tag("1"), oci_archive(path), tags=[Tag("1")], recheck=True)
    assert (copied.moved.blobs, copied.manifests) == (1, 0)
    await copy(oci_archive(path), Tag("1"), MemoryStore())
    assert len(names_in(path)) == len(set(names_in(path)))


async def test_tag_of_a_missing_manifest_can_be_deleted(path: Path) -> None:
    await put(an_image(), oci_archive(path), "1")
    manifest = f"blobs/sha256/{an_image().digest.encoded}"
    a_tar(path, *[(name, content) for name, content in files_in(path).items() if name != manifest])
    with pytest.raises(ManifestUnknown, match=f"{manifest}: is missing"):
        await oci_archive(path).resolve(Tag("1"))
    await oci_archive(path).delete(Tag("1"))
    assert await tags_of(oci_archive(path)) == []


async def test_link_to_an_archive_stays_one(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link.tar"
    link.symlink_to(tmp_path / "elsewhere" / "real.tar")
    await put(an_image(), oci_archive(link), "1")
    await put(an_image("new"), oci_archive(link), "2")
    assert link.is_symlink()
    assert await tags_of(oci_archive(tmp_path / "elsewhere" / "real.tar")) == ["1", "2"]


async def test_mode_of_an_archive_is_kept(path: Path) -> None:
    await put(an_image(), oci_archive(path), "1")
    make_mode(path, 0o640)
    await put(an_image("new"), oci_archive(path), "2")
    assert mode_of(path) == 0o640


async def test_empty_file_is_yet_to_be_written_and_keeps_its_mode(path: Path) -> None:
    written(path, b"")
    make_mode(path, 0o600)
    with pytest.raises(ManifestUnknown, match="the file is empty"):
        await oci_archive(path).resolve(Tag("1"))
    await put(an_image(), oci_archive(path), "1")
    assert (await oci_archive(path).resolve(Tag("1"))).digest == an_image().digest
    assert mode_of(path) == 0o600


async def test_files_of_others_beside_an_archive_are_left_alone(path: Path) -> None:
    for name in (".wherry-config", ".wherry-0123456789abcdeg", ".wherry-"):
        (path.parent / name).write_text("theirs")
    (path.parent / ".wherry-0123456789abcdef").write_text("left by a writer that was killed")
    await put(an_image(), oci_archive(path), "1")
    assert await beside(path) == [".wherry-", ".wherry-0123456789abcdeg", ".wherry-config", path.name]


async def test_gzipped_archive_is_read_and_not_written_to(path: Path) -> None:
    written(path, gzip.compress(await a_copy(path)))
    archive = oci_archive(path)
    assert await tags_of(archive) == ["1"]
    await copy(archive, Tag("1"), MemoryStore())
    before = content_of(path)
    with pytest.raises(StoreError, match="is compressed") as caught:
        await put(an_image("new"), archive, "2")
    assert caught.value.hint == f"decompress it first: gunzip {path}"
    assert content_of(path) == before
    assert await beside(path) == [path.name]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x" * 5_000, "is not a tar"),
        (b"\x28\xb5\x2f\xfd" + b"x" * 600, "compressed with zstd"),
        (b"\xfd7zXZ\x00" + b"x" * 600, "compressed with xz"),
        (b"BZh9" + b"x" * 600, "compressed with bzip2"),
        (b"\x1f\x8b" + b"x" * 600, "is gzipped, and damaged"),
        pytest.param(gzip.compress(b"x" * 100_000)[:-20], "is gzipped, and damaged", id="cut"),
        (bytes(10_240), "is no OCI archive: it has no index.json"),
    ],
)
async def test_what_is_no_archive_is_told_so(path: Path, content: bytes, words: str) -> None:
    written(path, content)
    for attempt in (oci_archive(path).resolve(Tag("1")), put(an_image(), oci_archive(path), "1")):
        with pytest.raises(StoreError, match=words) as caught:
            await attempt
        assert str(path) in str(caught.value)
    assert content_of(path) == content


async def test_folder_and_pipe_are_no_archives(path: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder") as caught:
        await oci_archive(tmp_path).resolve(Tag("1"))
    assert caught.value.hint == f"for an OCI layout: oci:{tmp_path}"
    os.mkfifo(path)
    with pytest.raises(StoreError, match="no regular file"):
        await oci_archive(path).resolve(Tag("1"))


async def test_archive_that_is_cut_anywhere_is_told_so(path: Path) -> None:
    content = await a_copy(path)
    index = content.rindex(b"index.json")
    for size in (*range(512, index, 1_111), index + 1, index + 512, index + 700, index + 1024):
        written(path, content[:size])
        with pytest.raises(StoreError, match=r"cut short|damaged|no index\.json"):
            await oci_archive(path).resolve(Tag("1"))


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("index.json", b"{}"), ("index.json", b"{}")], "'index.json' more than once"),
        ([("./index.json", b"{}"), ("x/../index.json", b"{}")], "'index.json' more than once"),
        ([a_link("index.json", "/etc/passwd")], "leads out of the archive"),
        ([a_link("index.json", "../../etc/passwd")], "leads out of the archive"),
        ([a_link("index.json", "../x", tarfile.LNKTYPE)], "leads out of the archive"),
        ([a_link("index.json", "a"), a_link("a", "index.json")], "a link to a link"),
        ([("/index.json", b"{}")], "no index.json"),
        ([("../index.json", b"{}")], "no index.json"),
        ([("index.json", b"{")], "is not JSON"),
        ([("index.json", b"[]")], "not an object"),
        ([("index.json", b'{"manifests": []}'), ("oci-layout", b'{"imageLayoutVersion": "9"}')], "version '9'"),
        ([("index.json", b'{"manifests": []}'), ("oci-layout", b"no")], "is not JSON"),
        ([("manifest.json", b"[]")], "is a docker archive"),
    ],
)
async def test_hostile_tar_gets_one_clear_line(path: Path, members: list, words: str) -> None:
    a_tar(path, *members)
    with pytest.raises(StoreError, match=words) as caught:
        await oci_archive(path).resolve(Tag("1"))
    assert "\n" not in str(caught.value)


async def test_blob_behind_a_link_that_leads_out_is_not_read(path: Path) -> None:
    content = dict(files_in(await _written(path)))
    layer = f"blobs/sha256/{an_image().blobs[1].descriptor.digest.encoded}"
    del content[layer]
    a_tar(path, *content.items(), a_link(layer, "/etc/passwd"))
    with pytest.raises(StoreError, match="leads out of the archive"):
        await copy(oci_archive(path), Tag("1"), MemoryStore())


async def test_blob_with_other_bytes_is_not_copied(path: Path) -> None:
    content = dict(files_in(await _written(path)))
    digest = an_image().blobs[1].descriptor.digest
    content[f"blobs/sha256/{digest.encoded}"] = b"x" * an_image().blobs[1].descriptor.size
    a_tar(path, *content.items())
    with pytest.raises(WherryError, match=f"blob {digest} has bytes of digest"):
        await copy(oci_archive(path), Tag("1"), MemoryStore())


async def test_blobs_may_be_links_to_each_other(path: Path) -> None:
    content = dict(files_in(await _written(path)))
    layer = f"blobs/sha256/{an_image().blobs[1].descriptor.digest.encoded}"
    content["layers/one.tar.gz"] = content.pop(layer)
    a_tar(path, *content.items(), a_link(layer, "../../layers/one.tar.gz"))
    await copy(oci_archive(path), Tag("1"), MemoryStore())


async def test_long_header_is_not_read(path: Path) -> None:
    info = tarfile.TarInfo("index.json")
    info.pax_headers = {"comment": "x" * 2_000_000}
    a_tar(path, info, format=tarfile.PAX_FORMAT)
    with pytest.raises(StoreError, match=r"a header of 200\d+ bytes"):
        await oci_archive(path).resolve(Tag("1"))


async def _written(path: Path) -> Path:
    await a_copy(path)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255)), min_size=1, max_size=6),
    docker=st.booleans(),
)
def test_changed_bytes_never_do_more_than_fail(tmp_path: Path, changes: list[tuple[int, int]], docker: bool) -> None:
    path = tmp_path / "changed.tar"
    path.unlink(missing_ok=True)
    name = Reference.parse_repository("team/app")
    asyncio.run(put(an_image(), docker_archive(path, name), "1"))
    content = bytearray(content_of(path))
    lists = content.rindex(b"index.json") if docker else 0
    for position, value in changes:
        content[(lists + position) % len(content)] = value
    written(path, content)
    archive = docker_archive(path, name) if docker else oci_archive(path)
    with suppress(WherryError):
        asyncio.run(copy(archive, Tag("1"), MemoryStore()))


async def test_docker_archive_lists_its_images(path: Path) -> None:
    await put(an_image(), docker_archive(path, Reference.parse_repository("team/app")), "1")
    assert json.loads(files_in(path)["manifest.json"])[0]["RepoTags"] == ["docker.io/team/app:1"]
