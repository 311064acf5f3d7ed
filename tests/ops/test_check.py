"""What a check finds in content that is damaged on purpose, and that it finds nothing where nothing is wrong."""

import gzip
import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.content import (
    CREATED,
    Blob,
    Content,
    a_blob,
    a_foreign_layer,
    a_layer,
    an_artifact,
    an_image,
    an_index_of,
    pieces,
    put,
)
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ConnectionFailed, ManifestUnknown
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import (
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1_SIGNED,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
)
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference, Tag
from wherry.ops.check import Checked, Problem, check
from wherry.ops.copy import copy
from wherry.ops.progress import Ended, Event, Passed, Planned
from wherry.server.running import Sparse
from wherry.stores.archive import docker_archive, oci_archive
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.remote import Client

AMD64, ARM64 = an_image(), an_image(platform="linux/arm64")
INDEX = an_index_of(AMD64, ARM64)
ONE = Tag("1")


@pytest.fixture
async def layout(tmp_path: Path) -> Layout:
    """A layout with an index of two images under the tag 1."""
    found = Layout(tmp_path / "layout")
    await put(INDEX, found, "1")
    return found


def file_of(layout: Layout, digest: Digest) -> Path:
    return layout.path / "blobs" / digest.algorithm / digest.encoded


def layer_of(image: Content) -> Descriptor:
    return image.manifest.view.layers[0]


def config_of(image: Content) -> Descriptor:
    found = image.manifest.view.config
    assert found is not None
    return found


def flip(path: Path) -> None:
    """Change one bit, and nothing else."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def found_in(checked: Checked) -> list[tuple[str, str | None]]:
    return [(problem.cause, problem.where) for problem in checked.problems]


async def into(path: Path, *blobs: Blob | Manifest, root: Manifest) -> Layout:
    """A layout that nobody has checked while it was written, as other tools write them."""
    layout = Layout(path)
    folder = path / "blobs" / "sha256"
    folder.mkdir(parents=True)
    for each in (*blobs, root):
        digest = each.digest if isinstance(each, Manifest) else each.descriptor.digest
        if each.content is not None:
            (folder / digest.encoded).write_bytes(each.content)
    entry = root.descriptor.to_json() | {"annotations": {"org.opencontainers.image.ref.name": "1"}}
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return layout


def an_image_of(config: dict[str, Any] | bytes, *layers: Blob, **fields: Any) -> Content:
    """An image with exactly this config."""
    content = config if isinstance(config, bytes) else json.dumps(config).encode()
    blob = a_blob(content, OCI_CONFIG)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": blob.descriptor.to_json(),
        "layers": [layer.descriptor.to_json() for layer in layers],
    } | fields
    return Content(Manifest(json.dumps(document).encode(), OCI_MANIFEST), blobs=(blob, *layers))


def a_config(*diff_ids: str, architecture: str = "amd64") -> dict[str, Any]:
    return {"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": list(diff_ids)}}


def diff_id(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def an_index(*entries: dict[str, Any], media_type: str = OCI_INDEX) -> Manifest:
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)}
    return Manifest(json.dumps(document).encode(), media_type)


@pytest.mark.parametrize("deep", [False, True], ids=["shallow", "deep"])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(INDEX, id="index"),
        pytest.param(an_index_of(AMD64, an_index_of(ARM64)), id="nested"),
        pytest.param(AMD64, id="image"),
        pytest.param(an_image(docker=True), id="docker"),
        pytest.param(an_index_of(an_image(docker=True), docker=True), id="docker list"),
        pytest.param(an_image(algorithm="sha512"), id="sha512"),
        pytest.param(an_artifact(), id="artifact"),
        pytest.param(an_image(layers=()), id="no layers"),
    ],
)
async def test_nothing_is_found_where_nothing_is_wrong(content: Content, deep: bool) -> None:
    store = MemoryStore()
    await put(content, store, "1")
    checked = await check(store, ONE, deep=deep)
    assert checked.problems == ()
    assert checked.digest == content.digest
    assert checked.manifests == len(content.all_manifests())
    assert checked.blobs == len(content.all_blobs())
    blobs = sum(blob.descriptor.size for blob in content.all_blobs().values())
    assert checked.bytes == blobs + sum(len(each.content) for each in content.all_manifests().values())


async def test_same_in_a_layout_an_archive_and_a_registry(registry, layout, tmp_path) -> None:
    name = Reference.parse_repository(f"{registry.address}/team/app")
    async with Client() as client:
        stores = [
            layout,
            oci_archive(tmp_path / "oci.tar"),
            docker_archive(tmp_path / "docker.tar", name),
            client.repository(name),
        ]
        for store in stores[1:]:
            await copy(layout, ONE, store, tags=[ONE])
        expected = await check(layout, ONE, deep=True)
        assert (expected.manifests, expected.blobs, expected.problems) == (3, 4, ())
        for store in stores:
            assert await check(store, ONE, deep=True) == expected
            assert await check(store, ONE) == expected


async def test_reference_that_leads_nowhere_is_an_error(layout) -> None:
    with pytest.raises(ManifestUnknown):
        await check(layout, Tag("absent"))


async def test_missing_blob_is_named_with_its_place_and_platform(layout) -> None:
    layer = layer_of(ARM64)
    file_of(layout, layer.digest).unlink()
    for deep in (False, True):
        (problem,) = (await check(layout, ONE, deep=deep)).problems
        assert problem.cause == "blob-unknown"
        assert problem.where == "manifests[1].layers[0]"
        assert str(problem.platform) == "linux/arm64"
        assert problem.digest == layer.digest
        assert problem.problem == f"blob unknown to {layout}: {layer.digest}"
        assert "wherry copy --recheck" in problem.cure


async def test_missing_config_is_one_problem(layout) -> None:
    file_of(layout, config_of(AMD64).digest).unlink()
    for deep in (False, True):
        assert found_in(await check(layout, ONE, deep=deep)) == [("blob-unknown", "manifests[0].config")]


async def test_missing_child_is_one_problem_and_its_siblings_are_checked(layout) -> None:
    file_of(layout, AMD64.digest).unlink()
    file_of(layout, layer_of(ARM64).digest).unlink()
    checked = await check(layout, ONE)
    assert found_in(checked) == [("manifest-unknown", "manifests[0]"), ("blob-unknown", "manifests[1].layers[0]")]
    assert str(checked.problems[0].platform) == "linux/amd64"
    assert checked.manifests == 2


async def test_missing_child_that_has_a_tag_of_its_own_is_unknown_too(layout) -> None:
    await layout.tag(AMD64.manifest.descriptor, Tag("amd64"))
    file_of(layout, AMD64.digest).unlink()
    assert found_in(await check(layout, ONE)) == [("manifest-unknown", "manifests[0]")]


async def test_all_problems_are_found_in_one_go(layout) -> None:
    file_of(layout, layer_of(AMD64).digest).unlink()
    flip(file_of(layout, layer_of(ARM64).digest))
    flip(file_of(layout, config_of(ARM64).digest))
    checked = await check(layout, ONE, deep=True)
    assert found_in(checked) == [
        ("blob-unknown", "manifests[0].layers[0]"),
        ("digest-differs", "manifests[1].config"),
        ("digest-differs", "manifests[1].layers[0]"),
    ]


async def test_changed_bytes_of_a_blob_are_found_by_reading_it_only(layout) -> None:
    flip(file_of(layout, layer_of(AMD64).digest))
    assert (await check(layout, ONE)).problems == ()
    (problem,) = (await check(layout, ONE, deep=True)).problems
    assert (problem.cause, problem.where) == ("digest-differs", "manifests[0].layers[0]")
    assert f"blob {layer_of(AMD64).digest} has bytes of digest sha256:" in problem.problem
    assert "take the damaged bytes away" in problem.cure


async def test_changed_bytes_of_a_child_are_found_without_depth(layout) -> None:
    flip(file_of(layout, AMD64.digest))
    assert found_in(await check(layout, ONE)) == [("digest-differs", "manifests[0]")]


async def test_changed_bytes_of_the_root_are_a_problem_of_the_root(layout) -> None:
    flip(file_of(layout, INDEX.digest))
    for name in (ONE, INDEX.digest):
        checked = await check(layout, name)
        assert found_in(checked) == [("digest-differs", None)]
        assert checked.digest == (name if name is not ONE else None)


@pytest.mark.parametrize("deep", [False, True], ids=["shallow", "deep"])
async def test_blob_that_is_too_short_is_found(layout, deep) -> None:
    path = file_of(layout, layer_of(AMD64).digest)
    path.write_bytes(path.read_bytes()[:-1])
    (problem,) = (await check(layout, ONE, deep=deep)).problems
    assert (problem.cause, problem.where) == ("size-differs", "manifests[0].layers[0]")
    if deep:
        assert "take the damaged bytes away" in problem.cure


@pytest.mark.parametrize("more", [1, -1], ids=["more", "less"])
async def test_deep_check_tells_a_wrong_size_from_wrong_bytes(tmp_path, more) -> None:
    layer = a_layer({"a": b"a"})
    wrong = Blob(replace(layer.descriptor, size=layer.descriptor.size + more), layer.content)
    image = an_image(layers=(wrong,))
    layout = await into(tmp_path / "layout", *image.blobs, root=image.manifest)
    assert found_in(await check(layout, ONE)) == [("size-differs", "layers[0]")]
    (problem,) = (await check(layout, ONE, deep=True)).problems
    size = layer.descriptor.size
    assert problem.problem == (
        f"blob {layer.descriptor.digest} is whole with {size} bytes, and its descriptor says {size + more}"
    )


async def test_wrong_size_of_a_child_is_found_and_the_child_is_checked(tmp_path) -> None:
    entry = AMD64.descriptor.to_json() | {"size": 7}
    layout = await into(tmp_path / "layout", AMD64.manifest, AMD64.blobs[0], root=an_index(entry))
    assert found_in(await check(layout, ONE)) == [
        ("size-differs", "manifests[0]"),
        ("blob-unknown", "manifests[0].layers[0]"),
    ]


async def test_blob_that_several_images_share_is_one_problem_with_all_its_places(tmp_path) -> None:
    base = a_layer({"base": b"base"})
    one, two = (an_image(platform=each, layers=(base,)) for each in ("linux/amd64", "linux/arm64"))
    index = an_index_of(one, two)
    layout = Layout(tmp_path / "layout")
    await put(index, layout, "1")
    file_of(layout, base.descriptor.digest).unlink()
    for deep in (False, True):
        (problem,) = (await check(layout, ONE, deep=deep)).problems
        assert (problem.where, problem.also) == ("manifests[0].layers[0]", ("manifests[1].layers[0]",))


async def test_manifest_that_is_named_twice_is_read_once_and_compared_twice(tmp_path) -> None:
    entries = (
        AMD64.descriptor.to_json(),
        AMD64.descriptor.to_json() | {"platform": Platform.parse("linux/s390x").to_json()},
    )
    layout = await into(tmp_path / "layout", AMD64.manifest, *AMD64.blobs, root=an_index(*entries))
    checked = await check(layout, ONE)
    assert found_in(checked) == [("platform-differs", "manifests[1]")]
    assert checked.problems[0].problem == "the index says linux/s390x, and the image's config linux/amd64"
    assert checked.manifests == 2


@pytest.mark.parametrize(
    ("stated", "image", "differs"),
    [
        ("linux/amd64", "linux/arm64", True),
        ("windows/amd64", "linux/amd64", True),
        ("linux/arm/v6", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm", False),
        ("linux/arm64", "linux/arm64/v8", False),
        ("unknown/unknown", "linux/amd64", False),
    ],
)
async def test_platform_of_an_entry_is_compared_with_the_config(stated, image, differs) -> None:
    content = an_image(platform=image)
    store = MemoryStore()
    index = an_index_of(Content(content.manifest, content.blobs, platform=Platform.parse(stated)))
    await put(index, store, "1")
    expected = [("platform-differs", "manifests[0]")] if differs else []
    assert found_in(await check(store, ONE)) == expected


async def test_only_the_platforms_asked_for_are_checked(layout) -> None:
    file_of(layout, ARM64.digest).unlink()
    assert (await check(layout, ONE, platforms=[Platform.parse("linux/amd64")])).problems == ()
    arm = await check(layout, ONE, platforms=[Platform.parse("linux/arm64")])
    assert found_in(arm) == [("manifest-unknown", "manifests[1]")]
    with pytest.raises(ManifestUnknown, match="no image for linux/s390x"):
        await check(layout, ONE, platforms=[Platform.parse("linux/s390x")])


async def test_child_under_another_media_type_is_found_and_looked_into(tmp_path) -> None:
    entry = AMD64.descriptor.to_json() | {"mediaType": DOCKER_MANIFEST}
    layout = await into(tmp_path / "layout", AMD64.manifest, AMD64.blobs[0], root=an_index(entry))
    checked = await check(layout, ONE)
    assert found_in(checked) == [
        ("media-type-differs", "manifests[0]"),
        ("blob-unknown", "manifests[0].layers[0]"),
    ]
    assert checked.problems[0].problem == f"it is named as {DOCKER_MANIFEST}, and by itself it is {OCI_MANIFEST}"


async def test_index_that_is_named_as_an_image_is_looked_into_as_an_index(tmp_path) -> None:
    entry = INDEX.manifest.descriptor.to_json() | {"mediaType": OCI_MANIFEST}
    layout = await into(tmp_path / "layout", INDEX.manifest, root=an_index(entry))
    assert found_in(await check(layout, ONE)) == [
        ("index-under-image-type", "manifests[0]"),
        ("manifest-unknown", "manifests[0].manifests[0]"),
        ("manifest-unknown", "manifests[0].manifests[1]"),
    ]


async def test_child_that_is_served_under_another_media_type_is_found() -> None:
    store = MemoryStore()
    await put(INDEX, store, "1")
    await store.push_manifest(Manifest(AMD64.manifest.content, DOCKER_MANIFEST))
    (problem,) = (await check(store, ONE)).problems
    assert (problem.cause, problem.where) == ("media-type-differs", "manifests[0]")
    assert problem.problem == f"it is served as {DOCKER_MANIFEST}, and by itself it is {OCI_MANIFEST}"


async def test_manifest_that_does_not_say_its_media_type_is_what_it_is_called(tmp_path) -> None:
    image = an_image(docker=True)
    document = json.loads(image.manifest.content)
    del document["mediaType"]
    child = Manifest(json.dumps(document).encode(), OCI_MANIFEST)
    layout = await into(tmp_path / "layout", child, *image.blobs, root=an_index(child.descriptor.to_json()))
    assert (await check(layout, ONE, deep=True)).problems == ()


async def test_child_that_is_no_manifest_at_all_is_told_apart_from_one_that_is_missing(tmp_path) -> None:
    page = Manifest(b"<html>Log in</html>", OCI_MANIFEST)
    layout = await into(tmp_path / "layout", page, root=an_index(page.descriptor.to_json()))
    (problem,) = (await check(layout, ONE)).problems
    assert (problem.cause, problem.where) == ("html", "manifests[0]")


async def test_large_manifest_is_no_problem_unless_it_cannot_be_read(tmp_path) -> None:
    document = json.loads(AMD64.manifest.content) | {"annotations": {"a": "b" * 5_000_000}}
    root = Manifest(json.dumps(document).encode(), OCI_MANIFEST)
    layout = await into(tmp_path / "readable", *AMD64.blobs, root=root)
    assert (await check(layout, ONE)).problems == ()
    root = Manifest(json.dumps(document | {"layers": 1}).encode(), OCI_MANIFEST)
    layout = await into(tmp_path / "unreadable", *AMD64.blobs, root=root)
    assert found_in(await check(layout, ONE)) == [("bad-field", None)]


@pytest.mark.parametrize(
    ("change", "cause", "where"),
    [
        ({"schemaVersion": 3}, "schema-version", "manifests[0].schemaVersion"),
        ({"config": None}, "bad-field", "manifests[0].config"),
        (
            {"layers": [{"mediaType": OCI_LAYER, "digest": "sha256:abc", "size": 1}]},
            "bad-digest",
            "manifests[0].layers[0].digest",
        ),
        (
            {"layers": [{"mediaType": OCI_LAYER, "digest": diff_id(b""), "size": -1}]},
            "bad-size",
            "manifests[0].layers[0].size",
        ),
    ],
    ids=["version", "config", "digest", "size"],
)
async def test_invalid_manifest_is_told_in_the_words_of_diagnose(tmp_path, change, cause, where) -> None:
    document = json.loads(AMD64.manifest.content) | change
    child = Manifest(json.dumps(document).encode(), OCI_MANIFEST)
    layout = await into(tmp_path / "layout", child, *AMD64.blobs, root=an_index(child.descriptor.to_json()))
    assert found_in(await check(layout, ONE)) == [(cause, where)]


async def test_config_that_is_no_json_is_a_problem(tmp_path) -> None:
    image = an_image_of(b"not json", a_layer({"a": b"a"}))
    layout = await into(tmp_path / "layout", *image.blobs, root=image.manifest)
    for deep in (False, True):
        (problem,) = (await check(layout, ONE, deep=deep)).problems
        assert (problem.cause, problem.where) == ("bad-config", "config")
        assert "the config is not JSON" in problem.problem


async def test_config_of_an_artifact_need_not_be_an_image_config(tmp_path) -> None:
    image = an_image_of(b"{}", a_blob(b"text", "text/plain"))
    layout = await into(tmp_path / "layout", *image.blobs, root=image.manifest)
    assert (await check(layout, ONE, deep=True)).problems == ()


async def test_number_of_diff_ids_is_compared_without_reading_layers(tmp_path) -> None:
    image = an_image_of(a_config(diff_id(b"a"), diff_id(b"b")), a_layer({"a": b"a"}))
    layout = await into(tmp_path / "layout", *image.blobs, root=image.manifest)
    for deep in (False, True):
        (problem,) = (await check(layout, ONE, deep=deep)).problems
        assert (problem.cause, problem.where) == ("diff-id-count", "config")
        assert problem.problem == "layers in the manifest: 1; diff IDs in its config: 2"


TAR = b"not really a tar, but for a digest it will do " * 100
GZIPPED = gzip.compress(TAR, mtime=0)


@pytest.mark.parametrize(
    ("media_type", "content", "inside", "expected"),
    [
        (OCI_LAYER_GZIP, GZIPPED, TAR, []),
        (DOCKER_LAYER, GZIPPED, TAR, []),
        (OCI_LAYER_GZIP, GZIPPED + GZIPPED, TAR + TAR, []),
        (OCI_LAYER, TAR, TAR, []),
        (OCI_LAYER, b"", b"", []),
        (OCI_LAYER, b"x", b"x", []),
        (OCI_LAYER_GZIP, GZIPPED, b"something else", ["diff-id-differs"]),
        (OCI_LAYER, TAR, b"something else", ["diff-id-differs"]),
        (OCI_LAYER_GZIP, TAR, TAR, ["compression-differs"]),
        (OCI_LAYER, GZIPPED, TAR, ["compression-differs"]),
        (OCI_LAYER_GZIP, GZIPPED[:-20], TAR, ["bad-compression"]),
        (OCI_LAYER_GZIP, GZIPPED + b"rubbish", TAR, ["bad-compression"]),
    ],
    ids=[
        "gzip", "docker gzip", "two members", "tar", "empty", "one byte", "gzip of something else", "tar of something else",
        "tar called gzip", "gzip called tar", "cut gzip", "gzip with a tail",
    ],
)  # fmt: skip
async def test_layers_are_compared_with_their_diff_ids_by_reading_them(
    tmp_path, media_type, content, inside, expected
) -> None:
    image = an_image_of(a_config(diff_id(inside)), a_blob(content, media_type))
    layout = await into(tmp_path / "layout", *image.blobs, root=image.manifest)
    assert (await check(layout, ONE)).problems == ()
    checked = await check(layout, ONE, deep=True)
    assert found_in(checked) == [(cause, "layers[0]") for cause in expected]
    assert checked.unopened == 0


async def test_layer_in_zstd_is_read_and_not_opened(tmp_path) -> None:
    image = an_image_of(a_config(diff_id(b"whatever")), a_blob(b"\x28\xb5\x2f\xfd and more", OCI_LAYER_ZSTD))
    layout = await into(tmp_path / "layout", *image.blobs, root=image.manifest)
    checked = await check(layout, ONE, deep=True)
    assert (checked.problems, checked.unopened) == ((), 1)


async def test_one_layer_with_two_diff_ids_is_read_once_and_wrong_once(tmp_path) -> None:
    layer = a_blob(GZIPPED)
    right, wrong = an_image_of(a_config(diff_id(TAR)), layer), an_image_of(a_config(diff_id(b"other")), layer)
    index = an_index(right.descriptor.to_json(), wrong.descriptor.to_json())
    layout = await into(tmp_path / "layout", *right.blobs, *wrong.blobs, right.manifest, wrong.manifest, root=index)
    checked = await check(layout, ONE, deep=True)
    assert found_in(checked) == [("diff-id-differs", "manifests[1].layers[0]")]
    assert checked.blobs == 3


async def test_attestations_and_signatures_are_no_images(tmp_path) -> None:
    config = {"os": "unknown", "architecture": "unknown", "rootfs": {"type": "layers", "diff_ids": []}}
    statement = an_image_of(config, a_blob(b'{"predicate":{}}', "application/vnd.in-toto+json"))
    entry = statement.descriptor.to_json() | {"platform": {"os": "unknown", "architecture": "unknown"}}
    layout = await into(tmp_path / "layout", *statement.blobs, statement.manifest, root=an_index(entry))
    assert (await check(layout, ONE, deep=True)).problems == ()


@pytest.mark.parametrize("deep", [False, True], ids=["shallow", "deep"])
async def test_foreign_layer_that_is_not_there_is_noted_and_no_problem(deep) -> None:
    image = an_image(layers=(a_foreign_layer("windows"),))
    config = json.loads(image.blobs[0].content or b"") | {
        "rootfs": {"type": "layers", "diff_ids": [diff_id(b"windows")]}
    }
    image = an_image_of(config, a_foreign_layer("windows"))
    store = MemoryStore()
    await put(image, store, "1")
    checked = await check(store, ONE, deep=deep)
    assert (checked.problems, checked.foreign) == ((), 1)


async def test_content_that_a_descriptor_carries_must_be_there_all_the_same(tmp_path) -> None:
    artifact = an_artifact()
    empty, text = artifact.blobs
    layout = await into(tmp_path / "layout", text, root=artifact.manifest)
    assert empty.descriptor.data is not None
    assert found_in(await check(layout, ONE)) == [("blob-unknown", "config")]


async def test_blob_in_an_index_is_checked_as_a_blob(tmp_path) -> None:
    cache = a_blob(b"cached", "application/vnd.buildkit.cacheconfig.v0")
    layout = await into(tmp_path / "layout", cache, root=an_index(cache.descriptor.to_json()))
    checked = await check(layout, ONE, deep=True)
    assert (checked.problems, checked.manifests, checked.blobs) == ((), 1, 1)


async def test_layers_of_schema1_must_be_there(tmp_path) -> None:
    here, gone = a_layer({"a": b"a"}), Digest.of(b"gone")
    document = {
        "schemaVersion": 1,
        "name": "a",
        "tag": "1",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": str(gone)}, {"blobSum": str(here.descriptor.digest)}],
        "history": [{"v1Compatibility": "{}"}, {"v1Compatibility": "{}"}],
        "signatures": [],
    }
    manifest = Manifest(json.dumps(document).encode(), DOCKER_SCHEMA1_SIGNED)
    layout = await into(tmp_path / "layout", here, root=manifest)
    for deep in (False, True):
        checked = await check(layout, ONE, deep=deep)
        assert found_in(checked) == [("blob-unknown", "fsLayers[0]")]
        assert checked.bytes == len(manifest.content) + here.descriptor.size


SIGNATURE = an_artifact(b"signed", artifact_type="application/x-signature", subject=INDEX.manifest.descriptor)
SBOM = an_artifact(b"parts", artifact_type="application/x-sbom", subject=AMD64.manifest.descriptor)


async def test_referrers_are_checked_where_they_are_asked_for(layout) -> None:
    for each in (SIGNATURE, SBOM):
        await put(each, layout)
    await put(an_artifact(b"cosigned"), layout, f"sha256-{ARM64.digest.encoded}.sig")
    whole = await check(layout, ONE, referrers=True, deep=True)
    assert (whole.problems, whole.manifests) == ((), 6)
    for artifact in (SIGNATURE, SBOM, an_artifact(b"cosigned")):
        file_of(layout, layer_of(artifact).digest).unlink()
    assert (await check(layout, ONE)).problems == ()
    assert found_in(await check(layout, ONE, referrers=True)) == [
        ("blob-unknown", "manifests[0].referrers[0].layers[0]"),
        ("blob-unknown", f"manifests[1].tags[sha256-{ARM64.digest.encoded}.sig].layers[0]"),
        ("blob-unknown", "referrers[0].layers[0]"),
    ]


async def test_list_of_referrers_that_cannot_be_read_is_one_problem(layout) -> None:
    await put(SIGNATURE, layout)
    flip(file_of(layout, SIGNATURE.digest))
    checked = await check(layout, ONE, referrers=True)
    assert [(problem.cause, problem.digest) for problem in checked.problems] == [("unreadable", None)]
    assert str(SIGNATURE.digest.encoded) in checked.problems[0].problem


class _Lists(MemoryStore):
    """Lists as referrers what it is told to."""

    subject = INDEX.digest
    listed: tuple[Descriptor, ...] = ()

    async def referrers(self, subject: Digest, artifact_type: str | None = None) -> Any:
        for each in self.listed if subject == self.subject else ():
            yield each


async def test_referrer_of_another_subject_is_passed_by_and_one_that_is_gone_is_a_problem() -> None:
    store = _Lists()
    await put(INDEX, store, "1")
    await put(SBOM, store)
    store.listed = (INDEX.manifest.descriptor, SBOM.manifest.descriptor, SIGNATURE.manifest.descriptor)
    del store._blobs[layer_of(SBOM).digest]
    assert found_in(await check(store, ONE, referrers=True)) == [("manifest-unknown", "referrers[2]")]


async def test_child_that_is_listed_as_a_referrer_too_is_walked_all_the_same() -> None:
    store, nested = _Lists(), an_index_of(an_index_of(AMD64))
    await put(nested, store, "1")
    store.subject, store.listed = nested.digest, (AMD64.manifest.descriptor,)
    del store._blobs[layer_of(AMD64).digest]
    assert found_in(await check(store, ONE, referrers=True)) == [
        ("blob-unknown", "manifests[0].manifests[0].layers[0]")
    ]


class _Fails(MemoryStore):
    """Its registry goes away when a blob is asked for."""

    async def size(self, blob: Digest) -> int:
        if blob == layer_of(ARM64).digest:
            raise ConnectionFailed("gone", registry="registry.example")
        return await super().size(blob)

    async def manifest(self, name: Tag | Digest) -> Manifest:
        if name == AMD64.digest:
            raise ManifestUnknown("no such manifest")
        return await super().manifest(name)


async def test_place_that_fails_ends_the_check_and_what_was_found_was_told() -> None:
    store = _Fails()
    await put(INDEX, store, "1")
    noticed: list[Problem] = []
    with pytest.raises(ConnectionFailed):
        await check(store, ONE, noticed=noticed.append)
    assert [problem.where for problem in noticed] == ["manifests[0]"]


async def test_large_blobs_are_read_in_pieces_and_told_as_they_pass(tmp_path) -> None:
    content = bytes(3_000_000)
    image = an_image_of(a_config(diff_id(content), diff_id(b"")), a_blob(content, OCI_LAYER), a_blob(b"", OCI_LAYER))
    store = MemoryStore()
    await put(image, store, "1")
    events: list[Event] = []
    assert (await check(store, ONE, deep=True, progress=events.append)).problems == ()
    (planned,) = (event for event in events if isinstance(event, Planned))
    passed = [event.bytes for event in events if isinstance(event, Passed)]
    assert (planned.missing.blobs, planned.missing.bytes) == (2, 3_000_000)
    assert len(passed) > 2
    assert sum(passed) == 3_000_000
    assert sum(isinstance(event, Ended) for event in events) == 2


async def test_holes_of_an_index_in_a_registry_are_found(registry_factory) -> None:
    registry = await registry_factory(sparse=Sparse.ALL)
    async with Client() as client:
        store = client.repository(Reference.parse_repository(f"{registry.address}/team/app"))
        config, layer = AMD64.blobs
        await store.push(config.descriptor, pieces(config.content or b""))
        await store.push_manifest(AMD64.manifest)
        await store.push_manifest(INDEX.manifest, ONE)
        for deep in (False, True):
            checked = await check(store, ONE, deep=deep)
            assert found_in(checked) == [
                ("blob-unknown", "manifests[0].layers[0]"),
                ("manifest-unknown", "manifests[1]"),
            ]
            assert checked.problems[0].problem == f"blob unknown to {store}: {layer.descriptor.digest}"


@pytest.mark.parametrize("damage", ["changed", "cut", "removed"])
async def test_files_that_are_damaged_beneath_a_registry_are_found(registry, damage) -> None:
    digest = layer_of(ARM64).digest
    async with Client() as client:
        store = client.repository(Reference.parse_repository(f"{registry.address}/team/app"))
        await put(INDEX, store, "1")
        (path,) = (each for each in registry.data.rglob(digest.encoded) if each.is_file())
        path.chmod(0o600)
        if damage == "changed":
            flip(path)
        elif damage == "cut":
            path.write_bytes(path.read_bytes()[:-1])
        else:
            path.unlink()
        checked = await check(store, ONE, deep=True)
    cause = "digest-differs" if damage == "changed" else "blob-unknown"
    assert found_in(checked) == [(cause, "manifests[1].layers[0]")]


async def test_file_that_cannot_be_read_is_a_problem_and_the_check_goes_on(layout) -> None:
    for digest in (AMD64.digest, layer_of(ARM64).digest):
        file_of(layout, digest).unlink()
        file_of(layout, digest).mkdir()
    checked = await check(layout, ONE, deep=True)
    assert found_in(checked) == [("unreadable", "manifests[0]"), ("unreadable", "manifests[1].layers[0]")]
    assert checked.problems[0].problem == f"{file_of(layout, AMD64.digest)}: is no regular file"


@pytest.mark.parametrize("form", ["oci", "docker"])
async def test_bytes_changed_in_an_archive_are_found(layout, tmp_path, form) -> None:
    path = tmp_path / "a.tar"
    archive = oci_archive(path) if form == "oci" else docker_archive(path, Reference.parse_repository("team/app"))
    await copy(layout, ONE, archive, tags=[ONE])
    content = bytearray(path.read_bytes())
    layer = next(blob.content for blob in ARM64.blobs if blob.descriptor == layer_of(ARM64))
    assert layer is not None
    content[content.index(layer) + 600] ^= 1
    path.write_bytes(content)
    assert (await check(archive, ONE)).problems == ()
    assert found_in(await check(archive, ONE, deep=True)) == [("digest-differs", "manifests[1].layers[0]")]


async def test_docker_list_is_checked_as_an_index(tmp_path) -> None:
    layout = await into(tmp_path / "layout", root=an_index(AMD64.descriptor.to_json(), media_type=DOCKER_LIST))
    assert found_in(await check(layout, ONE)) == [("manifest-unknown", "manifests[0]")]


async def test_order_is_that_of_the_graph_whatever_comes_first(tmp_path) -> None:
    images = [an_image(f"image {number}", platform=f"linux/a{number}", created=CREATED) for number in range(12)]
    layout = Layout(tmp_path / "layout")
    await put(an_index_of(*images), layout, "1")
    gone: Collection[Content] = (images[10], images[2], images[0])
    for image in gone:
        file_of(layout, layer_of(image).digest).unlink()
    assert [problem.where for problem in (await check(layout, ONE)).problems] == [
        f"manifests[{number}].layers[0]" for number in (0, 2, 10)
    ]
