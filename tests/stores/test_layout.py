"""What is true of a layout as a folder: its files, other tools, damage, writers that died."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.content import a_blob, an_artifact, an_image, an_index_of, pieces, put, read
from wherry.oci.digest import Digest
from wherry.oci.errors import ContentMismatch, DigestMismatch, ManifestUnknown, NameUnknown, StoreError
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import OCI_INDEX
from wherry.oci.reference import Tag
from wherry.ops.copy import copy
from wherry.stores._folder import Folder
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore

INDEX = an_index_of(an_image(), an_image(platform="linux/arm64"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "deep" / "layout")


def listed(layout: Layout) -> list[dict]:
    return json.loads((layout.path / "index.json").read_bytes())["manifests"]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def path_of(layout: Layout, digest: Digest) -> Path:
    return layout.path / "blobs" / digest.algorithm / digest.encoded


async def test_reading_makes_nothing(layout: Layout) -> None:
    with pytest.raises(ManifestUnknown, match="no such folder"):
        await layout.resolve(Tag("1"))
    with pytest.raises(NameUnknown, match="no such folder"):
        [tag async for tag in layout.tags()]
    assert not await layout.exists(an_image().descriptor)
    assert not layout.path.exists()


async def test_layout_has_the_files_of_the_specification(layout: Layout) -> None:
    image = an_image()
    await put(image, layout, "1.0")
    assert json.loads((layout.path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((layout.path / "index.json").read_bytes()) == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            image.manifest.descriptor.to_json() | {"annotations": {"org.opencontainers.image.ref.name": "1.0"}}
        ],
    }
    assert path_of(layout, image.digest).read_bytes() == image.manifest.content
    assert names_in(layout.path) == ["blobs", "index.json", "oci-layout"]


async def test_list_has_roots_only(layout: Layout) -> None:
    await put(INDEX, layout, "1")
    assert [each["digest"] for each in listed(layout)] == [str(INDEX.digest)]


async def test_child_that_has_a_tag_stays_in_the_list(layout: Layout) -> None:
    await put(an_image(), layout, "amd64")
    await put(INDEX, layout, "1")
    assert [each["digest"] for each in listed(layout)] == [str(an_image().digest), str(INDEX.digest)]


async def test_referrer_is_in_the_list_and_so_found_again(layout: Layout) -> None:
    await put(an_image(), layout, "1")
    signature = an_artifact(subject=an_image().manifest.descriptor)
    await put(signature, layout)
    again = Layout(layout.path)
    assert [each.digest async for each in again.referrers(an_image().digest)] == [signature.digest]


async def test_referrers_of_many_are_found_by_reading_each_manifest_once(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [an_image(str(number)) for number in range(8)]
    for image in images:
        await put(image, layout, image.digest.encoded[:8])
        await put(an_artifact(b"signs it", subject=image.manifest.descriptor), layout)
    read: list[Digest] = []
    content = Folder.content

    def note(folder: Folder, digest: Digest) -> bytes | None:
        read.append(digest)
        return content(folder, digest)

    monkeypatch.setattr(Folder, "content", note)
    for image in images:
        assert len([each async for each in layout.referrers(image.digest)]) == 1
    assert len(read) == 16
    await put(an_artifact(b"signs it, too", subject=images[0].manifest.descriptor), Layout(layout.path))
    assert len([each async for each in layout.referrers(images[0].digest)]) == 2


async def test_nameless_manifest_takes_a_name(layout: Layout) -> None:
    await put(an_image(), layout)
    await layout.tag(an_image().manifest.descriptor, Tag("1"))
    assert len(listed(layout)) == 1


async def test_fields_that_nobody_knows_are_kept(layout: Layout) -> None:
    await put(an_image(), layout, "1")
    document = json.loads((layout.path / "index.json").read_bytes())
    document["future"] = {"a": [1]}
    document["annotations"] = {"x": "y"}
    document["manifests"][0]["later"] = 7
    document["manifests"][0]["annotations"]["org.example"] = "kept"
    (layout.path / "index.json").write_text(json.dumps(document))
    await put(an_image("other"), layout, "2")
    after = json.loads((layout.path / "index.json").read_bytes())
    assert after["manifests"][0] == document["manifests"][0]
    assert {name: after[name] for name in ("future", "annotations")} == {
        "future": {"a": [1]},
        "annotations": {"x": "y"},
    }
    assert len(after["manifests"]) == 2


def rename(layout: Layout, *names: str) -> None:
    """Give the listed manifests other names, as somebody else may have written them."""
    document = json.loads((layout.path / "index.json").read_bytes())
    for entry, name in zip(document["manifests"], names, strict=True):
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
    (layout.path / "index.json").write_text(json.dumps(document))


def names_of(layout: Layout) -> list[str]:
    return [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in listed(layout)]


@pytest.mark.parametrize("list_of_none", ['{"schemaVersion":2,"manifests":null}', '{"schemaVersion":2,"manifests":[]}'])
async def test_layout_that_umoci_has_begun_is_empty(layout: Layout, list_of_none: str) -> None:
    (layout.path / "blobs").mkdir(parents=True)
    (layout.path / "oci-layout").write_text('{"imageLayoutVersion": "1.1.0", "future": 1}')
    (layout.path / "index.json").write_text(list_of_none)
    assert [tag async for tag in layout.tags()] == []
    await put(an_image(), layout, "1")
    assert (await layout.resolve(Tag("1"))).digest == an_image().digest
    assert (layout.path / "oci-layout").read_text() == '{"imageLayoutVersion": "1.1.0", "future": 1}'


@pytest.mark.parametrize("name", ["team/app", "Not A Name:1", f"a@sha256:{'0' * 64}", ":1", ""])
async def test_names_that_are_no_tags_are_kept_and_not_listed(layout: Layout, name: str) -> None:
    await put(an_image(), layout, "1")
    rename(layout, name)
    await put(an_image("other"), layout, "2")
    assert [tag async for tag in layout.tags()] == ["2"]
    assert names_of(layout) == [name, "2"]


@pytest.mark.parametrize("name", ["docker.io/library/alpine:3.20", "127.0.0.1:5000/team/app:3.20", "alpine:3.20"])
async def test_whole_reference_that_podman_writes_is_known_by_its_tag(layout: Layout, name: str) -> None:
    await put(an_image(), layout, "1")
    rename(layout, name)
    assert await layout.only() == Tag("3.20")
    assert (await layout.resolve(Tag("3.20"))).digest == an_image().digest
    await put(an_image("other"), layout, "3.20")
    assert (await layout.resolve(Tag("3.20"))).digest == an_image("other").digest
    assert names_of(layout) == [name]
    await layout.delete(Tag("3.20"))
    assert listed(layout) == []


async def test_tag_of_several_whole_references_is_not_guessed(layout: Layout) -> None:
    await put(an_image(), layout, "1")
    await put(an_image("other"), layout, "2")
    rename(layout, "localhost/one:1", "localhost/two:1")
    assert [tag async for tag in layout.tags()] == []
    with pytest.raises(ManifestUnknown, match="2 manifests are called 1") as caught:
        await layout.resolve(Tag("1"))
    assert str(an_image().digest) in (caught.value.hint or "")
    await put(an_image("third"), layout, "1")
    assert (await layout.resolve(Tag("1"))).digest == an_image("third").digest
    assert names_of(layout) == ["localhost/one:1", "localhost/two:1", "1"]


async def test_tag_that_is_listed_twice_is_not_guessed_and_a_push_takes_both(layout: Layout) -> None:
    await put(an_image(), layout, "1")
    await put(an_image("other"), layout, "2")
    rename(layout, "1", "1")
    with pytest.raises(ManifestUnknown, match="2 manifests are called 1"):
        await layout.resolve(Tag("1"))
    await put(an_image("third"), layout, "1")
    assert (await layout.resolve(Tag("1"))).digest == an_image("third").digest
    assert names_of(layout) == ["1"]


async def test_pushing_what_is_there_writes_nothing(layout: Layout) -> None:
    await put(INDEX, layout, "1")
    before = (layout.path / "index.json").stat()
    await layout.push_manifest(INDEX.manifest, Tag("1"))
    assert (layout.path / "index.json").stat().st_ino == before.st_ino


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("index.json", b"", "is not JSON"),
        ("index.json", b'{"schemaVersion": 2, "manifests": [', "is not JSON"),
        ("index.json", b"[]", "not an object"),
        ("index.json", b"{}", "no list of manifests"),
        ("index.json", b'{"manifests": {}}', "must be a list"),
        ("index.json", b'{"manifests": [7]}', "must be an object"),
        ("index.json", b'{"manifests": [{"mediaType": "x", "digest": "sha256:abc", "size": 1}]}', "sha256:abc"),
        ("index.json", b'{"manifests": [{"mediaType": "x", "size": 1}]}', "digest is missing"),
        ("oci-layout", b"", "is not JSON"),
        ("oci-layout", b'{"imageLayoutVersion": "9.0.0"}', "9.0.0"),
        ("oci-layout", b"[]", "version"),
    ],
)
async def test_damaged_file_is_named(layout: Layout, file: str, content: bytes, words: str) -> None:
    await put(an_image(), layout, "1")
    (layout.path / file).write_bytes(content)
    for attempt in (layout.resolve(Tag("1")), layout.push_manifest(an_image().manifest, Tag("2"))):
        with pytest.raises(StoreError, match=words) as caught:
            await attempt
        assert str(layout.path / file) in str(caught.value)


async def test_listed_manifest_that_is_missing_is_unknown_and_named(layout: Layout) -> None:
    await put(an_image(), layout, "1")
    path_of(layout, an_image().digest).unlink()
    for name in (Tag("1"), an_image().digest):
        with pytest.raises(
            ManifestUnknown, match=rf"{an_image().digest.encoded}: is missing, and index\.json lists it"
        ):
            await layout.resolve(name)


def make_missing(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"schemaVersion", b"schemaversion"))


DAMAGES = pytest.mark.parametrize("damage", [make_missing, cut, change])


@DAMAGES
@pytest.mark.parametrize("name", [Tag("1"), an_image().digest], ids=["tag", "digest"])
async def test_listed_manifest_that_is_damaged_can_be_deleted(layout: Layout, damage, name: Tag | Digest) -> None:
    await put(an_image(), layout, "1")
    await put(an_image("other"), layout, "2")
    damage(path_of(layout, an_image().digest))
    await layout.delete(name)
    assert [tag async for tag in layout.tags()] == ["2"]
    with pytest.raises(ManifestUnknown):
        await layout.resolve(Tag("1"))


@DAMAGES
@pytest.mark.parametrize("recheck", [False, True], ids=["", "recheck"])
async def test_copy_brings_a_damaged_manifest_back(layout: Layout, damage, recheck: bool) -> None:
    origin = MemoryStore()
    await put(an_image(), origin, "1")
    await put(an_image(), layout, "1")
    damage(path_of(layout, an_image().digest))
    copied = await copy(origin, Tag("1"), layout, tags=[Tag("1")], recheck=recheck)
    assert (copied.manifests, copied.moved.blobs) == (1, 0)
    assert await layout.manifest(Tag("1")) == an_image().manifest
    await copy(layout, Tag("1"), MemoryStore())


async def test_recheck_replaces_what_is_damaged_and_has_its_size(layout: Layout) -> None:
    origin = MemoryStore()
    await put(INDEX, origin, "1")
    await put(INDEX, layout, "1")
    blob, child = INDEX.children[0].blobs[1].descriptor.digest, INDEX.children[1].digest
    for digest in (blob, child):
        path_of(layout, digest).write_bytes(path_of(layout, digest).read_bytes()[::-1])
    before = (path_of(layout, INDEX.children[1].blobs[0].descriptor.digest)).stat().st_mtime_ns
    assert (await copy(origin, Tag("1"), layout, tags=[Tag("1")])).moved.blobs == 0
    plan = await copy(origin, Tag("1"), layout, tags=[Tag("1")], recheck=True, dry_run=True)
    done = await copy(origin, Tag("1"), Layout(layout.path), tags=[Tag("1")], recheck=True)
    assert plan == done
    assert (done.moved.blobs, done.skipped.blobs, done.manifests) == (1, len(INDEX.all_blobs()) - 1, 1)
    await copy(layout, Tag("1"), MemoryStore())
    assert (path_of(layout, INDEX.children[1].blobs[0].descriptor.digest)).stat().st_mtime_ns == before
    again = await copy(origin, Tag("1"), layout, tags=[Tag("1")], recheck=True)
    assert (again.moved.blobs, again.manifests) == (0, 0)


@DAMAGES
async def test_copy_gives_the_tag_of_a_damaged_manifest_to_another(layout: Layout, damage) -> None:
    origin = MemoryStore()
    await put(an_image("other"), origin, "2")
    await put(an_image(), layout, "1")
    damage(path_of(layout, an_image().digest))
    await copy(origin, Tag("2"), layout, tags=[Tag("1")])
    assert (await layout.resolve(Tag("1"))).digest == an_image("other").digest


async def test_copy_mends_a_size_that_the_list_has_wrong(layout: Layout) -> None:
    origin = MemoryStore()
    await put(an_image(), origin, "1")
    await put(an_image(), layout, "1")
    index = json.loads((layout.path / "index.json").read_bytes())
    index["manifests"][0]["size"] += 1
    (layout.path / "index.json").write_text(json.dumps(index))
    with pytest.raises(ContentMismatch):
        await layout.resolve(Tag("1"))
    await copy(origin, Tag("1"), layout, tags=[Tag("1")])
    assert (await layout.resolve(Tag("1"))).size == an_image().manifest.descriptor.size
    assert len(listed(layout)) == 1


async def test_what_refers_to_the_only_image_is_not_meant(layout: Layout) -> None:
    await put(an_image(), layout, "1")
    await put(an_artifact(b"signed", subject=an_image().manifest.descriptor), layout)
    assert await layout.only() == Tag("1")
    await layout.delete(Tag("1"))
    await layout.push_manifest(an_image().manifest)
    assert await layout.only() == an_image().digest


async def test_one_image_with_two_tags_is_not_called_several(layout: Layout) -> None:
    await put(an_image(), layout, "1", "2")
    with pytest.raises(ManifestUnknown, match="has one manifest under 2 names, and none is called latest") as caught:
        await layout.only()
    assert caught.value.hint == f"name one of its tags, for example {layout}:1"


async def test_what_is_listed_and_is_no_manifest_is_passed_by(layout: Layout) -> None:
    await put(an_image(), layout, "1")
    await put(an_artifact(b"signed", subject=an_image().manifest.descriptor), layout)
    await put(an_image("gone"), layout, "gone")
    document = json.loads((layout.path / "index.json").read_bytes())
    blob = an_image().blobs[1].descriptor
    document["manifests"].append({"mediaType": "application/xml", "digest": str(blob.digest), "size": blob.size})
    (layout.path / "index.json").write_text(json.dumps(document))
    path_of(layout, an_image("gone").digest).unlink()
    assert len([each async for each in layout.referrers(an_image().digest)]) == 1
    await layout.delete(Tag("gone"))
    assert await layout.only() == Tag("1")


async def test_image_without_a_tag_is_not_passed_over(layout: Layout) -> None:
    await put(an_image(), layout, "1")
    await put(an_image("other"), layout)
    with pytest.raises(ManifestUnknown, match="has 2 manifests, and none is called latest") as caught:
        await layout.only()
    assert caught.value.hint == f"name one of its tags, for example {layout}:1"
    path_of(layout, an_image("other").digest).unlink()
    with pytest.raises(ManifestUnknown, match="has 2 manifests"):
        await layout.only()


async def test_manifest_with_other_bytes_is_refused(layout: Layout) -> None:
    await put(INDEX, layout, "1")
    for digest in (INDEX.digest, INDEX.children[0].digest):
        path = path_of(layout, digest)
        content = path.read_bytes()
        path.write_bytes(content.replace(b"schemaVersion", b"schemaversion"))
        with pytest.raises(DigestMismatch, match=digest.encoded):
            await layout.manifest(digest)
        path.write_bytes(content)


async def test_truncated_blob_is_not_there_and_is_written_again(layout: Layout) -> None:
    blob = a_blob(b"0123456789" * 100)
    await layout.push(blob.descriptor, pieces(blob.content))
    path_of(layout, blob.descriptor.digest).write_bytes(blob.content[:100])
    with pytest.raises(ContentMismatch):
        await read(layout.fetch(blob.descriptor))
    assert not await layout.exists(blob.descriptor)
    await layout.push(blob.descriptor, pieces(blob.content))
    assert await read(layout.fetch(blob.descriptor)) == blob.content


async def test_layout_without_its_marker_is_read(layout: Layout) -> None:
    await put(an_image(), layout, "1")
    (layout.path / "oci-layout").unlink()
    assert await layout.manifest(Tag("1")) == an_image().manifest


async def test_layout_whose_making_was_cut_short_is_empty_and_goes_on(layout: Layout) -> None:
    layout.path.mkdir(parents=True)
    (layout.path / ".wherry-0123456789abcdef").write_bytes(b"{")
    assert [tag async for tag in layout.tags()] == []
    (layout.path / "oci-layout").write_bytes(b'{"imageLayoutVersion":"1.0.0"}')
    assert [tag async for tag in layout.tags()] == []
    await put(an_image(), layout, "1")
    assert [tag async for tag in layout.tags()] == ["1"]
    assert names_in(layout.path) == ["blobs", "index.json", "oci-layout"]


async def test_file_is_no_layout(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    layout = Layout(tmp_path / "file")
    with pytest.raises(StoreError, match="is a file"):
        await layout.resolve(Tag("1"))
    with pytest.raises(StoreError, match="is a file"):
        await layout.push(an_image().blobs[0].descriptor, pieces(b""))


async def test_other_folder_is_no_layout_and_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    layout = Layout(tmp_path)
    with pytest.raises(StoreError, match="is no OCI layout"):
        [tag async for tag in layout.tags()]
    with pytest.raises(StoreError, match="is no OCI layout"):
        await put(an_image(), layout, "1")
    assert names_in(tmp_path) == ["letter.txt"]


async def test_many_writers_lose_no_name(layout: Layout) -> None:
    images = [an_image(f"image{number}") for number in range(20)]
    await asyncio.gather(*(put(image, Layout(layout.path), f"t{n}") for n, image in enumerate(images)))
    assert sorted([tag async for tag in layout.tags()]) == sorted(f"t{n}" for n in range(20))


async def test_two_writers_of_one_blob_do_not_disturb_each_other(layout: Layout) -> None:
    blob = a_blob(b"0123456789abcdef" * 300_000)
    await asyncio.gather(*(Layout(layout.path).push(blob.descriptor, pieces(blob.content, 90_000)) for _ in range(4)))
    assert await read(layout.fetch(blob.descriptor)) == blob.content
    assert not list(layout.path.glob(".wherry-*"))


async def test_cancelled_push_leaves_no_file(layout: Layout) -> None:
    blob = a_blob(b"0123456789" * 500_000)
    begun = asyncio.Event()

    async def endless():
        yield blob.content[:2_000_000]
        yield blob.content[2_000_000:4_000_000]
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(layout.push(blob.descriptor, endless()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await layout.exists(blob.descriptor)
    assert not list(layout.path.glob(".wherry-*"))


KILLED = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.content import a_blob
from wherry.stores.layout import Layout

async def main():
    blob = a_blob(b"x" * 5_000_000)
    async def content():
        yield blob.content[:3_000_000]
        yield blob.content[3_000_000:4_500_000]
        print("writing", flush=True)
        await asyncio.Event().wait()
    await Layout(Path(sys.argv[1])).push(blob.descriptor, content())

asyncio.run(main())
"""


def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_writes_is_not(layout: Layout) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", KILLED, str(layout.path), str(root)]
    writers = []
    try:
        for _ in range(2):
            writers.append(subprocess.Popen(command, stdout=subprocess.PIPE))
            assert writers[-1].stdout.readline() == b"writing\n"
        assert len(list(layout.path.glob(".wherry-*"))) == 2
        writers[0].kill()
        writers[0].wait()
        asyncio.run(put(an_image(), layout, "1"))
        assert len(list(layout.path.glob(".wherry-*"))) == 1
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            writer.stdout.close()
    asyncio.run(put(an_image("other"), Layout(layout.path), "2"))
    assert not list(layout.path.glob(".wherry-*"))
    assert [each["digest"] for each in listed(layout)] == [str(an_image(name).digest) for name in ("hello", "other")]


async def test_files_can_be_read_by_others(layout: Layout) -> None:
    before = os.umask(0o022)
    try:
        await put(an_image(), layout, "1")
    finally:
        os.umask(before)
    for path in layout.path.rglob("*"):
        assert path.stat().st_mode & 0o044 == 0o044


def skopeo(*arguments: str) -> bytes:
    command = shutil.which("skopeo")
    if command is None:
        pytest.skip("skopeo is not installed")
    return subprocess.run([command, *arguments], check=True, capture_output=True).stdout


@pytest.mark.peer("skopeo")
async def test_skopeo_reads_what_we_write(layout: Layout, tmp_path: Path) -> None:
    await put(INDEX, layout, "1.0")
    assert skopeo("inspect", "--raw", f"oci:{layout.path}:1.0") == INDEX.manifest.content
    skopeo("copy", "--all", "--preserve-digests", f"oci:{layout.path}:1.0", f"oci:{tmp_path / 'theirs'}:2.0")


@pytest.mark.peer("skopeo")
async def test_we_read_what_skopeo_writes(layout: Layout, tmp_path: Path) -> None:
    await put(INDEX, layout, "1.0")
    theirs = Layout(tmp_path / "theirs")
    skopeo("copy", "--all", "--preserve-digests", f"oci:{layout.path}:1.0", f"oci:{theirs.path}:2.0")
    assert [tag async for tag in theirs.tags()] == ["2.0"]
    destination = MemoryStore()
    copied = await copy(theirs, Tag("2.0"), destination, tags=[Tag("2.0")])
    assert copied.root.digest == INDEX.digest
    assert copied.moved.blobs == len(INDEX.all_blobs())


@pytest.mark.peer("skopeo")
async def test_skopeo_and_we_write_into_one_layout(layout: Layout, tmp_path: Path) -> None:
    await put(INDEX, layout, "ours")
    other = Layout(tmp_path / "other")
    await put(an_image("other"), other, "x")
    skopeo("copy", f"oci:{other.path}:x", f"oci:{layout.path}:theirs")
    await put(an_image("third"), layout, "third")
    assert [tag async for tag in layout.tags()] == ["ours", "theirs", "third"]
    assert (await layout.resolve(Tag("theirs"))).digest == an_image("other").digest


async def test_manifest_that_is_too_large_to_be_one_is_refused(layout: Layout) -> None:
    await put(an_image(), layout, "1")
    path = path_of(layout, an_image().digest)
    with path.open("r+b") as file:
        file.truncate(1_000_000_000)
    with pytest.raises(Exception, match="no manifest"):
        await layout.manifest(Tag("1"))


@pytest.mark.parametrize("name", ["index.json", "oci-layout", "manifest", "blob"])
async def test_pipe_in_the_place_of_a_file_is_an_error_and_not_waited_for(layout: Layout, name: str) -> None:
    image = an_image()
    await put(image, layout, "1")
    blob = image.blobs[0].descriptor
    places = {"manifest": path_of(layout, image.digest), "blob": path_of(layout, blob.digest)}
    path = places.get(name, layout.path / name)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreError, match="is no regular file"):
        await (read(layout.fetch(blob)) if name == "blob" else layout.manifest(Tag("1")))


async def test_manifest_equality_is_about_bytes(layout: Layout) -> None:
    await put(INDEX, layout, "1")
    assert await layout.manifest(INDEX.digest) == Manifest(INDEX.manifest.content, OCI_INDEX)
