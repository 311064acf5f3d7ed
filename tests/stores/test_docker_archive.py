"""Docker archives: of the older generation, which has no manifests, and of the newer, which is an OCI layout too."""

import asyncio
import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.content import Content, a_foreign_layer, an_artifact, an_image, an_index_of, put
from wherry.oci.errors import ContentMismatch, ManifestUnknown, NameUnknown, StoreError
from wherry.oci.mediatype import DOCKER_LAYER, DOCKER_LAYER_TAR, DOCKER_MANIFEST, OCI_LAYER_ZSTD, OCI_MANIFEST
from wherry.oci.reference import Reference, Tag
from wherry.ops.copy import copy
from wherry.stores.archive import Archive, docker_archive, oci_archive
from wherry.stores.memory import MemoryStore

APP, OTHER = Reference.parse_repository("team/app"), Reference.parse_repository("registry.example/other")
LAYERS = (b"first layer" * 200, b"second layer" * 200)


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def a_config(*layers: bytes, **fields: Any) -> bytes:
    diff_ids = [f"sha256:{digest_of(layer)}" for layer in layers]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    return json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs} | fields).encode()


def saved(path: Path, files: dict[str, bytes | str], images: Any) -> Archive:
    """A docker archive: files (those that are text are links to what the text says), and its list."""
    with tarfile.open(path, "w") as archive:
        for name, content in {**files, "manifest.json": json.dumps(images).encode()}.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return docker_archive(path)


def an_image_of(
    *layers: bytes, names: tuple[str, ...] = ("team/app:1",)
) -> tuple[dict[str, bytes | str], dict[str, Any]]:
    """Files of an image as Docker 24 saves them, and its entry in the list."""
    config = a_config(*layers)
    folders = [digest_of(b"folder" + layer) for layer in layers]
    files: dict[str, bytes | str] = {f"{digest_of(config)}.json": config}
    for folder, layer in zip(folders, layers, strict=True):
        files |= {f"{folder}/VERSION": b"1.0", f"{folder}/json": b"{}", f"{folder}/layer.tar": layer}
    entry = {
        "Config": f"{digest_of(config)}.json",
        "RepoTags": list(names),
        "Layers": [f"{folder}/layer.tar" for folder in folders],
    }
    return files, entry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "saved.tar"


async def tags_of(archive: Archive) -> list[str]:
    return [tag async for tag in archive.tags()]


async def test_image_without_a_manifest_gets_one(path: Path) -> None:
    files, entry = an_image_of(*LAYERS)
    archive = saved(path, files, [entry])
    assert await tags_of(archive) == ["1"]
    manifest = await archive.manifest(Tag("1"))
    config = a_config(*LAYERS)
    assert manifest.media_type == DOCKER_MANIFEST
    assert json.loads(manifest.content) == {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": f"sha256:{digest_of(config)}",
            "size": len(config),
        },
        "layers": [
            {"mediaType": DOCKER_LAYER_TAR, "digest": f"sha256:{digest_of(layer)}", "size": len(layer)}
            for layer in LAYERS
        ],
    }
    copied = await copy(archive, Tag("1"), MemoryStore())
    assert copied.root.digest == manifest.digest


async def test_same_image_has_the_same_digest_whatever_lies_around_it(tmp_path: Path) -> None:
    files, entry = an_image_of(*LAYERS)
    more, other = an_image_of(LAYERS[1], names=("team/app:2",))
    one = saved(tmp_path / "one.tar", files, [entry])
    two = saved(tmp_path / "two.tar", {**dict(reversed(more.items())), **files, "README": b"x"}, [other, entry])
    assert await one.resolve(Tag("1")) == await two.resolve(Tag("1"))


async def test_layers_that_are_links_are_read(path: Path) -> None:
    files, entry = an_image_of(*LAYERS)
    first, second = entry["Layers"]
    files |= {first: f"../{digest_of(LAYERS[0])}.tar", f"{digest_of(LAYERS[0])}.tar": LAYERS[0]}
    files[second] = f"../blobs/sha256/{digest_of(LAYERS[1])}"
    files[f"blobs/sha256/{digest_of(LAYERS[1])}"] = LAYERS[1]
    await copy(saved(path, files, [entry]), Tag("1"), MemoryStore())


async def test_gzipped_layer_stays_gzipped(path: Path) -> None:
    files, entry = an_image_of(*LAYERS)
    packed = gzip.compress(LAYERS[0][:700], mtime=0) + gzip.compress(LAYERS[0][700:], mtime=0)
    files[entry["Layers"][0]] = packed
    archive = saved(path, files, [entry])
    first, second = (await archive.manifest(Tag("1"))).view.layers
    assert (first.media_type, first.digest.encoded) == (DOCKER_LAYER, digest_of(packed))
    assert (second.media_type, second.digest.encoded) == (DOCKER_LAYER_TAR, digest_of(LAYERS[1]))
    await copy(archive, Tag("1"), MemoryStore())


async def test_image_with_a_zstd_layer_is_an_oci_image(path: Path) -> None:
    files, entry = an_image_of(*LAYERS)
    files[entry["Layers"][0]] = b"\x28\xb5\x2f\xfd and so on"
    manifest = await saved(path, files, [entry]).manifest(Tag("1"))
    assert manifest.media_type == OCI_MANIFEST
    assert [layer.media_type for layer in manifest.view.layers] == [
        OCI_LAYER_ZSTD,
        "application/vnd.oci.image.layer.v1.tar",
    ]


async def test_several_images_of_several_repositories(path: Path) -> None:
    files, entry = an_image_of(*LAYERS, names=("team/app:1", "team/app:latest", "registry.example/other:5"))
    more, untagged = an_image_of(LAYERS[1], names=())
    archive = saved(path, {**files, **more}, [entry, untagged | {"RepoTags": None}])
    for attempt in (archive.only(), archive.resolve(Tag("1")), tags_of(archive)):
        with pytest.raises(
            ManifestUnknown, match=r"images of 2 repositories: team/app, registry\.example/other"
        ) as caught:
            await attempt
        assert caught.value.hint == f"name one of them, for example docker-archive:{path}:team/app:1"
    assert await tags_of(docker_archive(path, APP)) == ["1", "latest"]
    assert await tags_of(docker_archive(path, OTHER)) == ["5"]
    with pytest.raises(NameUnknown, match=r"there are images of team/app, registry\.example/other"):
        await tags_of(docker_archive(path, Reference.parse_repository("nobody")))
    assert await docker_archive(path, OTHER).resolve(Tag("5")) == await docker_archive(path, APP).resolve(Tag("1"))


async def test_image_without_a_name_is_the_one_that_is_meant(path: Path) -> None:
    files, entry = an_image_of(*LAYERS, names=("<none>:<none>",))
    archive = saved(path, files, [entry])
    assert await tags_of(archive) == []
    await copy(archive, await archive.only(), MemoryStore())


def a_referrer() -> Content:
    return an_artifact(b"signed", subject=an_image().manifest.descriptor)


async def test_one_image_is_meant_whatever_refers_to_it(path: Path) -> None:
    await put(an_image(), docker_archive(path, APP), "1")
    await put(a_referrer(), docker_archive(path, APP))
    await put(an_artifact(b"more", subject=a_referrer().manifest.descriptor), docker_archive(path, APP))
    for archive in (docker_archive(path), docker_archive(path, APP), oci_archive(path)):
        assert await archive.only() == Tag("1")


async def test_hint_names_an_image_as_it_is_read(path: Path) -> None:
    for tag in ("1", "2"):
        await put(an_image(tag), docker_archive(path, APP), tag)
    for archive in (docker_archive(path), docker_archive(path, APP)):
        with pytest.raises(ManifestUnknown, match="has 2 manifests") as caught:
            await archive.only()
        assert caught.value.hint == f"name one of its tags, for example docker-archive:{path}:team/app:1"


async def test_image_of_another_name_is_not_meant(path: Path) -> None:
    await put(an_image(), docker_archive(path, APP), "1")
    await put(an_image("other"), docker_archive(path, OTHER), "5")
    assert await docker_archive(path, APP).only() == Tag("1")
    assert await docker_archive(path, OTHER).only() == Tag("5")
    with pytest.raises(NameUnknown, match=r"no image of that name; there are images of team/app, registry\.example"):
        await docker_archive(path, Reference.parse_repository("nobody")).only()


async def test_name_that_the_only_image_does_not_have_is_refused(path: Path) -> None:
    await put(an_image(), docker_archive(path, APP))
    assert await docker_archive(path).only() == an_image().digest
    with pytest.raises(NameUnknown, match=f"{path}:team/app: no image of that name; what is there has none") as caught:
        await docker_archive(path, APP).only()
    assert caught.value.hint == f"without a name: docker-archive:{path}"


async def test_tag_without_a_name_cannot_be_written(path: Path) -> None:
    origin = MemoryStore()
    await put(an_image(), origin, "1")
    with pytest.raises(StoreError, match="only the tag 1 is known") as caught:
        await copy(origin, Tag("1"), docker_archive(path), tags=[Tag("1")])
    assert caught.value.hint == f"docker-archive:{path}:NAME:1"
    assert names_beside(path) == []


def names_beside(path: Path) -> list[str]:
    return [each.name for each in path.parent.iterdir()]


async def test_what_is_added_leaves_what_is_there(path: Path) -> None:
    files, entry = an_image_of(*LAYERS)
    before = await saved(path, files, [entry]).resolve(Tag("1"))
    await put(an_image("new"), docker_archive(path, OTHER), "2")
    assert await docker_archive(path, APP).resolve(Tag("1")) == before
    assert (await docker_archive(path, OTHER).resolve(Tag("2"))).digest == an_image("new").digest
    await copy(docker_archive(path, APP), Tag("1"), MemoryStore())
    assert [image["RepoTags"] for image in listed(path)] == [["docker.io/team/app:1"], ["registry.example/other:2"]]


def listed(path: Path) -> list[dict[str, Any]]:
    with tarfile.open(path) as archive:
        return json.loads(archive.extractfile("manifest.json").read())


async def test_what_we_write_is_an_oci_archive_too(path: Path) -> None:
    index = an_index_of(an_image())
    await put(index, docker_archive(path, APP), "1")
    assert (await oci_archive(path).resolve(Tag("1"))).digest == index.digest


async def test_of_an_index_the_image_that_most_can_run_is_listed(path: Path) -> None:
    windows, arm, amd = (an_image("x", platform=text) for text in ("windows/amd64", "linux/arm64", "linux/amd64"))
    archive = docker_archive(path, APP)
    await put(an_index_of(windows, arm, amd), archive, "all")
    await put(an_index_of(windows, arm), archive, "some")
    await put(an_index_of(windows), archive, "one")
    configs = {image["RepoTags"][0].rpartition(":")[2]: image["Config"] for image in listed(path)}
    expected = {"all": amd, "some": arm, "one": windows}
    assert configs == {
        tag: f"blobs/sha256/{image.blobs[0].descriptor.digest.encoded}" for tag, image in expected.items()
    }


@pytest.mark.parametrize("content", [an_artifact(), an_image(layers=(a_foreign_layer("x"),)), an_index_of()])
async def test_what_docker_could_not_load_is_not_listed(path: Path, content: Any) -> None:
    archive = docker_archive(path, APP)
    await put(content, archive, "1")
    await put(an_image(), archive, "2")
    assert [image["RepoTags"] for image in listed(path)] == [["docker.io/team/app:2"]]
    assert (await docker_archive(path, APP).resolve(Tag("1"))).digest == content.digest


async def test_names_that_are_in_the_list_only_are_found(path: Path) -> None:
    """As regctl exports: the OCI side has the tag, and docker's side the name."""
    await put(an_image(), oci_archive(path), "1")
    with tarfile.open(path, "a") as archive:
        config, layer = (blob.descriptor.digest.encoded for blob in an_image().blobs)
        content = json.dumps(
            [{"Config": f"blobs/sha256/{config}", "RepoTags": ["team/app:1"], "Layers": [f"blobs/sha256/{layer}"]}]
        ).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    assert (await docker_archive(path, APP).resolve(Tag("1"))).digest == an_image().digest


async def test_layer_of_another_diff_id_is_not_copied(path: Path) -> None:
    files, entry = an_image_of(*LAYERS)
    files[entry["Layers"][1]] = b"x" * len(LAYERS[1])
    with pytest.raises(ContentMismatch, match=digest_of(LAYERS[1])):
        await copy(saved(path, files, [entry]), Tag("1"), MemoryStore())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Config": "missing.json"}, "names 'missing.json', which is not in it"),
        ({"Config": None}, "Config is missing"),
        ({"Config": 7}, "must be a string"),
        ({"Config": "../../etc/passwd"}, "which is not in it"),
        ({"Config": "/etc/passwd"}, "which is not in it"),
        ({"Layers": ["nowhere/layer.tar", "x"]}, "names 'nowhere/layer.tar', which is not in it"),
        ({"Layers": []}, "names 0 layers, and .* has 2 diff IDs"),
        ({"Layers": "x"}, "must be a list"),
        ({"Layers": [1, 2]}, "strings"),
        ({"RepoTags": [7]}, "strings"),
    ],
)
async def test_damaged_entry_is_told(path: Path, change: dict[str, Any], words: str) -> None:
    files, entry = an_image_of(*LAYERS)
    with pytest.raises(StoreError, match=words):
        await tags_of(saved(path, files, [entry | change]))


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        pytest.param(gzip.compress(b"other"), "has bytes of diff ID sha256:.*, and the config says", id="other"),
        pytest.param(gzip.compress(LAYERS[0])[:-9], "is gzipped, and damaged", id="cut"),
        pytest.param(b"\x1f\x8b no gzip", "is gzipped, and damaged", id="no gzip"),
    ],
)
async def test_gzipped_layer_is_compared_with_its_diff_id(path: Path, layer: bytes, words: str) -> None:
    files, entry = an_image_of(*LAYERS)
    files[entry["Layers"][0]] = layer
    with pytest.raises(StoreError, match=words):
        await tags_of(saved(path, files, [entry]))


@pytest.mark.parametrize("images", [{}, 7, [7], None])
async def test_list_that_is_none_is_told(path: Path, images: Any) -> None:
    with pytest.raises(StoreError, match=r"manifest\.json"):
        await tags_of(saved(path, {}, images))


async def test_config_that_is_none_is_told(path: Path) -> None:
    files, entry = an_image_of(*LAYERS)
    files[entry["Config"]] = b"no JSON"
    with pytest.raises(StoreError, match="the config is not JSON"):
        await tags_of(saved(path, files, [entry]))


async def test_other_archives_are_told_apart(path: Path, tmp_path: Path) -> None:
    await put(an_image(), oci_archive(path), "1")
    with pytest.raises(StoreError, match="is an OCI archive") as caught:
        await tags_of(docker_archive(path))
    assert caught.value.hint == f"oci-archive:{path}"
    old = tmp_path / "old.tar"
    with tarfile.open(old, "w") as archive:
        archive.addfile(tarfile.TarInfo("repositories"))
    with pytest.raises(StoreError, match=r"Docker before 1\.10"):
        await tags_of(docker_archive(old))
    with tarfile.open(old, "w") as archive:
        archive.addfile(tarfile.TarInfo("etc/passwd"))
    with pytest.raises(StoreError, match="is no docker archive"):
        await tags_of(docker_archive(old))


def test_archive_with_no_image_has_none(path: Path) -> None:
    archive = saved(path, {}, [])
    assert asyncio.run(tags_of(archive)) == []
    with pytest.raises(ManifestUnknown, match="nothing is in it"):
        asyncio.run(archive.only())
