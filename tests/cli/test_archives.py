"""Archives on the command line, wherever a place is named; and schema 1, converted when it is asked for."""

import json
import tarfile
from pathlib import Path

from tests.content import a_blob, a_layer, an_image, an_index_of, pieces, put
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_SCHEMA1_SIGNED
from wherry.oci.reference import Reference, Tag
from wherry.stores.archive import oci_archive
from wherry.stores.layout import Layout

INDEX = an_index_of(an_image(), an_image(platform="linux/arm64"))


def listed(path: Path) -> list[dict]:
    with tarfile.open(path) as archive:
        return json.loads(archive.extractfile("manifest.json").read())


async def test_image_in_a_docker_archive_has_the_name_of_its_source(registry, wherry, pushed, tmp_path: Path) -> None:
    source = await pushed(INDEX, "team/app:1")
    path = tmp_path / "x.tar"
    done = await wherry("copy", source, f"docker-archive:{path}")
    assert done.lines == [f"docker-archive:{path}:{source}@{INDEX.digest}"]
    assert [image["RepoTags"] for image in listed(path)] == [[source]]
    back = await wherry("copy", f"docker-archive:{path}", f"{registry.address}/back")
    assert back.lines == [f"{registry.address}/back:1@{INDEX.digest}"]
    assert (await wherry("inspect", *done.lines)).code == 0


async def test_image_keeps_its_name_from_one_docker_archive_to_the_next(wherry, tmp_path: Path) -> None:
    one, other, third = (f"docker-archive:{tmp_path / name}.tar" for name in ("one", "other", "third"))
    layout = Layout(tmp_path / "layout")
    await put(INDEX, layout, "1")
    await wherry("copy", f"{layout}:1", f"{one}:team/app:1")
    done = await wherry("copy", "--platform", "linux/arm64", one, other)
    assert done.lines[0].startswith(f"{other}:team/app:1@")
    assert (await wherry("copy", "--all-tags", one, third)).lines == [f"{third}:team/app:1@{INDEX.digest}"]


async def test_all_tags_go_into_an_archive_and_out_again(registry, wherry, pushed, tmp_path: Path) -> None:
    for tag in ("1", "2", "3"):
        await pushed(an_image(tag), f"team/app:{tag}")
    archive = f"oci-archive:{tmp_path / 'x.tar'}"
    assert (await wherry("copy", "--all-tags", f"{registry.address}/team/app", archive)).code == 0
    assert (await wherry("ls", archive)).lines == ["1", "2", "3"]
    await wherry("copy", "--all-tags", archive, f"{registry.address}/back")
    assert (await wherry("ls", f"{registry.address}/back")).lines == ["1", "2", "3"]


async def test_index_is_made_of_archives_and_in_one(wherry, tmp_path: Path) -> None:
    await put(an_image(), oci_archive(tmp_path / "amd64.tar"), "1")
    await put(an_image(platform="linux/arm64"), oci_archive(tmp_path / "arm64.tar"), "1")
    target = f"oci-archive:{tmp_path / 'both.tar'}:1"
    done = await wherry(
        "index", "create", "-t", target, *(f"oci-archive:{tmp_path / name}.tar" for name in ("amd64", "arm64"))
    )
    assert done.code == 0, done.err
    shown = json.loads((await wherry("inspect", "--json", target)).out)
    assert len(shown["manifests"]) == 2
    assert (await wherry("index", "rm", target, "linux/arm64")).code == 0


async def test_archive_that_is_none_is_told_in_two_lines(wherry, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    await put(an_image(), oci_archive(path), "1")
    done = await wherry("inspect", f"docker-archive:{path}")
    assert done.code == 1
    assert done.err.splitlines() == [
        f"wherry: {path}: is an OCI archive, and no docker archive",
        f"try: oci-archive:{path}",
    ]


async def test_tag_alone_is_refused_before_anything_moves(wherry, tmp_path: Path) -> None:
    await put(an_image(), Layout(tmp_path / "layout"), "1")
    done = await wherry("copy", f"oci:{tmp_path / 'layout'}:1", f"docker-archive:{tmp_path / 'x.tar'}")
    assert done.code == 1
    assert "moved" not in done.err
    assert f"try: docker-archive:{tmp_path / 'x.tar'}:NAME:1" in done.err


async def test_schema1_is_converted_when_it_is_asked_for(registry, wherry, tmp_path: Path) -> None:
    layer = a_layer({"a": b"a"}, docker=True)
    told = {"id": "1", "architecture": "amd64", "os": "linux", "created": "2015-01-01T00:00:00Z"}
    document = {
        "schemaVersion": 1,
        "name": "old",
        "tag": "1",
        "fsLayers": [{"blobSum": str(layer.descriptor.digest)}],
        "history": [{"v1Compatibility": json.dumps(told)}],
    }
    manifest = a_blob(json.dumps(document).encode())
    store = Layout(tmp_path / "old")
    await store.push(layer.descriptor, pieces(layer.content))
    old = Manifest(manifest.content, DOCKER_SCHEMA1_SIGNED)
    await store.push_manifest(old, Tag("1"))
    source, destination = f"oci:{store.path}:1", f"{registry.address}/new:1"
    refused = await wherry("copy", source, destination)
    assert "--convert-schema1" in refused.err
    done = await wherry("copy", "--convert-schema1", source, destination)
    made = Reference.parse(done.lines[0]).digest
    assert f"signed schema 1 converted: the digest is new, {made} instead of {old.digest}" in done.err
    again = await wherry("copy", "--json", "--convert-schema1", source, destination)
    assert json.loads(again.lines[-1])["converted"] == {"from": str(old.digest), "mediaType": DOCKER_SCHEMA1_SIGNED}


async def test_name_without_a_tag_is_latest_where_the_source_has_none(wherry, tmp_path: Path) -> None:
    layout, archive = f"oci:{tmp_path / 'layout'}", f"docker-archive:{tmp_path / 'x.tar'}"
    await put(INDEX, Layout(tmp_path / "layout"))
    for source, name in ((layout, "foo"), (f"{layout}@{INDEX.digest}", "bar")):
        done = await wherry("copy", source, f"{archive}:{name}")
        assert done.lines == [f"{archive}:{name}:latest@{INDEX.digest}"]
        assert (await wherry("ls", f"{archive}:{name}")).lines == ["latest"]
        assert (await wherry("digest", f"{archive}:{name}")).lines == [str(INDEX.digest)]
    refused = await wherry("digest", f"{archive}:nosuch")
    assert (refused.code, refused.out) == (1, b"")
    assert "no image of that name; there are images of foo, bar" in refused.err


async def test_name_without_a_tag_keeps_the_tag_of_the_source(wherry, tmp_path: Path) -> None:
    await put(INDEX, Layout(tmp_path / "layout"), "1")
    archive = f"docker-archive:{tmp_path / 'x.tar'}"
    done = await wherry("copy", f"oci:{tmp_path / 'layout'}:1", f"{archive}:foo")
    assert done.lines == [f"{archive}:foo:1@{INDEX.digest}"]
