"""What a comparison says of two images, two indexes, or one of each; and that it takes no side."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from tests.content import Blob, Content, a_blob, a_layer, an_artifact, an_image, an_index_of, put
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestUnknown
from wherry.oci.manifest import EMPTY_CONFIG, Manifest
from wherry.oci.mediatype import DOCKER_MANIFEST, DOCKER_SCHEMA1_SIGNED, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference
from wherry.ops._changes import config_changes
from wherry.ops._pairing import pair
from wherry.ops.compare import Change, Compared, Comparison, compare, same
from wherry.ops.errand import Tally
from wherry.ops.inspect import Child
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.protocol import Store
from wherry.stores.remote import Client

BASE, ONE, TWO = (a_layer({name: name.encode() * 100}) for name in ("base", "one", "two"))


async def compared(a: Content, b: Content, platform: str | None = None) -> Compared:
    """Compare two contents, each in a store of its own."""
    stores = MemoryStore(), MemoryStore()
    for content, store in zip((a, b), stores, strict=True):
        await put(content, store)
    on = None if platform is None else Platform.parse(platform)
    found = await compare(stores[0], a.digest, stores[1], b.digest, platform=on)
    quickly = await same(stores[0], a.digest, stores[1], b.digest, platform=on)
    assert quickly == found.comparison.same
    return found


async def differences(a: Content, b: Content) -> Comparison:
    found = (await compared(a, b)).comparison
    assert not found.same
    return found


def image_with(config: Any, *layers: Blob, annotations: dict[str, str] | None = None) -> Content:
    """An image whose config is this value, written compactly, or these bytes."""
    blob = a_blob(config if isinstance(config, bytes) else json.dumps(config).encode(), OCI_CONFIG)
    return image_of(blob, *layers, annotations=annotations)


def image_of(config: Blob, *layers: Blob, **more: Any) -> Content:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor.to_json(),
        "layers": [layer.descriptor.to_json() for layer in layers],
    } | {name: value for name, value in more.items() if value is not None}
    return Content(Manifest(json.dumps(document).encode(), OCI_MANIFEST), (config, *layers))


def on(platform: str, *, variant: str = "") -> Content:
    """An image that an index lists under a platform."""
    return an_image(f"app{variant}", platform=platform)


def attested(image: Content, text: str = "built") -> Content:
    """BuildKit's attestation of an image; it belongs in the same index."""
    statement = an_artifact(text.encode(), artifact_type="application/vnd.in-toto")
    return Content(statement.manifest, statement.blobs, platform=Platform.parse("unknown/unknown"))


def index_with(*entries: tuple[Content, dict[str, Any]]) -> Content:
    """An index whose entries have more fields."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [content.descriptor.to_json() | more for content, more in entries],
    }
    return Content(Manifest(json.dumps(document).encode(), OCI_INDEX), children=tuple(each for each, _ in entries))


def attests(image: Content) -> dict[str, Any]:
    return {
        "annotations": {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": str(image.digest),
        }
    }


async def test_same_digest_is_the_same_and_nothing_else_is_said() -> None:
    image = an_image()
    assert (await compared(image, image)).comparison == Comparison(
        image.manifest.descriptor, image.manifest.descriptor, same=True
    )


async def test_same_bytes_under_two_algorithms_are_the_same() -> None:
    content = an_image()
    manifest = Manifest(content.manifest.content, OCI_MANIFEST, algorithm="sha512")
    assert (await compared(content, Content(manifest, content.blobs))).comparison.same


async def test_annotations_that_differ_are_told_by_name() -> None:
    a, b = (
        an_image(annotations={"kept": "1", "old": "1", "moved": "1"}),
        an_image(annotations={"kept": "1", "moved": "2", "new": ""}),
    )
    found = await differences(a, b)
    assert found.manifest == (
        Change(("annotations", "old"), a="1"),
        Change(("annotations", "moved"), "1", "2"),
        Change(("annotations", "new"), b=""),
    )
    assert (found.config, found.layers.differ, found.pull) == ((), False, (Tally(), Tally()))


async def test_fields_of_a_manifest_that_nobody_knows_are_compared() -> None:
    config = a_blob(b"{}", OCI_CONFIG)
    a, b = image_of(config, BASE, future={"deep": {"a": 1, "b": 2}}), image_of(config, BASE, future={"deep": {"a": 1}})
    assert (await differences(a, b)).manifest == (Change(("future", "deep", "b"), a=2),)


async def test_artifact_type_subject_and_media_type_are_compared() -> None:
    subject = an_image().manifest.descriptor
    a, b = an_image(), an_image(docker=True, subject=subject)
    found = {change.path: change for change in (await differences(a, b)).manifest}
    assert found["mediaType",] == Change(("mediaType",), OCI_MANIFEST, DOCKER_MANIFEST)
    assert found["subject", "digest"] == Change(("subject", "digest"), b=str(subject.digest))
    assert found["config", "mediaType"].a == OCI_CONFIG


async def test_shared_layer_under_another_media_type_is_told() -> None:
    as_docker = Blob(replace(BASE.descriptor, media_type="application/vnd.docker.image.rootfs.diff.tar.gzip"), None)
    config = a_blob(b"{}", OCI_CONFIG)
    a = image_of(config, BASE, ONE)
    b = image_of(config, Blob(as_docker.descriptor, BASE.content), TWO)
    (change,) = (await differences(a, b)).manifest
    assert change.path == ("layers", "0", "mediaType")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (
            {"config": {"Env": ["PATH=/bin", "A=1", "SAME=x=y"]}},
            {"config": {"Env": ["A=2", "SAME=x=y", "B="]}},
            [(("config", "Env", "PATH"), "/bin", UNSET), (("config", "Env", "A"), "1", "2"), (("config", "Env", "B"), UNSET, "")],
        ),
        (
            {"config": {"Labels": {"gone": "", "same": "1"}}},
            {"config": {"Labels": {"same": "1"}}},
            [(("config", "Labels", "gone"), "", UNSET)],
        ),
        ({"config": {"Labels": {"a.b/c": "1"}}}, {}, [(("config", "Labels", "a.b/c"), "1", UNSET)]),
        (
            {"config": {"ExposedPorts": {"80/tcp": {}}}},
            {"config": {"ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "Volumes": {"/data": {}}}},
            [(("config", "ExposedPorts", "443/tcp"), UNSET, {}), (("config", "Volumes", "/data"), UNSET, {})],
        ),
        (
            {"config": {"Entrypoint": ["/a"], "Cmd": ["x"], "User": "1", "WorkingDir": "/"}},
            {"config": {"Entrypoint": ["/a", "b"], "User": "2"}},
            [
                (("config", "Entrypoint"), ["/a"], ["/a", "b"]),
                (("config", "Cmd"), ["x"], UNSET),
                (("config", "User"), "1", "2"),
                (("config", "WorkingDir"), "/", UNSET),
            ],
        ),
        ({"created": "1"}, {"created": "2"}, [(("created",), "1", "2")]),
        ({"history": [{}]}, {"history": [{}, {}]}, [(("history",), [{}], [{}, {}])]),
        ({"x.new": {"a": [1]}}, {"x.new": {"a": [True]}}, [(("x.new", "a"), [1], [True])]),
        ({"x.new": [{"a": 1, "b": 2}]}, {"x.new": [{"b": 2, "a": 1}]}, []),
        ({"x.new": 1}, {"x.new": True}, [(("x.new",), 1, True)]),
        ({"config": {"Labels": {}, "Env": [], "Cmd": None, "User": "", "Tty": False}}, {}, []),
        ({"config": {"Env": [1]}}, {"config": {"Env": ["A=1"]}}, None),
        ({"config": []}, {"config": {"User": "1"}}, [(("config", "User"), UNSET, "1")]),
        ({"config": "odd"}, {"config": {"User": "1"}}, [(("config",), "odd", {"User": "1"})]),
    ],
    ids=[
        "env", "label", "only labels", "ports", "command", "created", "history", "list", "objects in a list", "types", "nothing", "odd env",
        "odd config", "config is text",
    ],
)  # fmt: skip
def test_configs_are_compared_by_what_they_say(a, b, expected) -> None:
    found = [(change.path, change.a, change.b) for change in config_changes(a, b)]
    assert found == expected if expected is not None else found
    swapped = {(change.path, change.b, change.a) for change in map(_hashable, config_changes(b, a))}
    assert {(change.path, change.a, change.b) for change in map(_hashable, config_changes(a, b))} == swapped


def _hashable(change: Change) -> Change:
    return Change(change.path, repr(change.a), repr(change.b))


async def test_config_that_says_the_same_in_other_bytes_is_different_in_writing_only() -> None:
    a = image_with({"os": "linux", "config": {"Env": ["A=1", "B=2"]}}, BASE)
    b = image_with({"config": {"Env": ["B=2", "A=1"], "Labels": None}, "os": "linux"}, BASE)
    found = await differences(a, b)
    assert found.is_writing
    assert found.configs == (a.blobs[0].descriptor, b.blobs[0].descriptor)
    assert found.pull == (Tally(1, len(b.blobs[0].content)), Tally(1, len(a.blobs[0].content)))


async def test_layers_are_shared_from_the_bottom_and_the_rest_is_to_be_pulled() -> None:
    a, b = an_image(layers=(BASE, ONE)), an_image(layers=(BASE, TWO, ONE))
    found = await differences(a, b)
    layers = found.layers
    assert (layers.base, layers.only_a, layers.only_b) == (1, (), (TWO.descriptor,))
    assert layers.shared == {BASE.descriptor.digest, ONE.descriptor.digest}
    assert found.pull == (
        Tally.of((TWO.descriptor, b.blobs[0].descriptor)),
        Tally.of((a.blobs[0].descriptor,)),
    )


async def test_layers_in_another_order_are_all_shared_and_differ() -> None:
    config = a_blob(b"{}", OCI_CONFIG)
    found = await differences(image_of(config, ONE, TWO), image_of(config, TWO, ONE))
    assert (found.layers.base, found.layers.only_a, found.layers.differ) == (0, (), True)
    assert not found.is_writing
    assert found.pull == (Tally(), Tally())


async def test_layer_that_is_there_twice_is_pulled_once() -> None:
    found = await differences(an_image(layers=(BASE,)), an_image(layers=(BASE, ONE, ONE)))
    assert found.layers.only_b == (ONE.descriptor,)
    assert found.pull[0].blobs == 2


async def test_layer_with_the_same_diff_id_is_the_same_inside() -> None:
    packed, repacked = a_blob(b"packed"), a_blob(b"repacked")
    config = {"rootfs": {"type": "layers", "diff_ids": [str(Digest.of(b"base")), str(Digest.of(b"files"))]}}
    a, b = image_with(config, BASE, packed), image_with(config | {"created": "x"}, BASE, repacked)
    assert (await differences(a, b)).layers.repacked == ((packed.descriptor.digest, repacked.descriptor.digest),)
    fewer = image_with(config | {"created": "y"}, repacked)
    assert (await differences(a, fewer)).layers.repacked == ()


async def test_image_that_was_compressed_anew_has_the_same_config_and_layers_that_are_the_same_inside() -> None:
    packed, repacked = a_blob(b"packed"), a_blob(b"repacked")
    config = a_blob(json.dumps({"rootfs": {"diff_ids": [str(Digest.of(b"files"))]}}).encode(), OCI_CONFIG)
    found = await differences(image_of(config, packed), image_of(config, repacked))
    assert found.layers.repacked == ((packed.descriptor.digest, repacked.descriptor.digest),)
    assert (found.config, found.problems) == ((), ())
    assert found.pull == (Tally(1, 8), Tally(1, 6))


@pytest.mark.parametrize("content", [b"not json", b"[]", b"\xff"], ids=["text", "list", "bytes"])
async def test_config_that_cannot_be_read_is_a_problem_and_layers_are_compared(content) -> None:
    a, b = image_with({}, BASE, ONE), image_with(content, BASE)
    found = await differences(a, b)
    (problem,) = found.problems
    assert f"config {b.blobs[0].descriptor.digest} is " in problem
    assert (found.layers.base, found.config, found.is_writing) == (1, (), False)


@pytest.mark.parametrize("depth", [100, 900])
def test_value_that_is_nested_deeply_is_compared(depth) -> None:
    def nested(value: int) -> dict[str, Any]:
        found: Any = value
        for _ in range(depth):
            found = {"a": found}
        return {"config": found}

    assert config_changes(nested(1), nested(1)) == ()
    (change,) = config_changes(nested(1), nested(2))
    assert len(change.path) == 32


async def test_config_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    a, b = an_image("a"), an_image("b", layers=an_image("a").blobs[1:])
    layout = Layout(tmp_path)
    await put(a, layout, "a")
    await put(b, layout, "b")
    (tmp_path / "blobs" / "sha256" / b.blobs[0].descriptor.digest.encoded).unlink()
    found = (await compare(layout, a.digest, layout, b.digest)).comparison
    assert [str(b.blobs[0].descriptor.digest) in each for each in found.problems] == [True]
    assert not found.layers.differ


async def test_artifacts_are_compared_by_their_blobs() -> None:
    a, b = an_artifact(b"one"), an_artifact(b"another", artifact_type="text/x")
    found = await differences(a, b)
    assert [change.path for change in found.manifest] == [("artifactType",)]
    assert found.configs == (EMPTY_CONFIG, EMPTY_CONFIG)
    assert found.pull == (Tally(1, 7), Tally(1, 3))


async def test_schema1_is_compared_by_its_layers_which_have_sizes_of_the_place() -> None:
    def schema1(*layers: Blob, architecture: str = "amd64") -> Content:
        document = {
            "schemaVersion": 1,
            "architecture": architecture,
            "fsLayers": [{"blobSum": str(layer.descriptor.digest)} for layer in reversed(layers)],
            "history": [{"v1Compatibility": "{}"} for _ in layers],
            "signatures": [],
        }
        return Content(Manifest(json.dumps(document).encode(), DOCKER_SCHEMA1_SIGNED), layers)

    found = await differences(schema1(BASE, ONE), schema1(BASE, TWO, ONE, architecture="arm64"))
    assert found.layers.base == 1
    assert found.pull == (Tally(1, TWO.descriptor.size), Tally())
    assert Change(("architecture",), "amd64", "arm64") in found.manifest
    against_image = await differences(schema1(BASE, ONE), an_image(layers=(BASE, TWO)))
    assert (against_image.layers.base, against_image.configs) == (1, None)
    assert not (await differences(schema1(BASE), schema1(BASE, architecture="arm"))).is_writing


async def test_index_is_compared_platform_by_platform() -> None:
    kept, changed, other = on("linux/amd64"), on("linux/arm64"), on("linux/arm64", variant="2")
    gone, new = on("linux/s390x"), on("linux/ppc64le")
    found = await differences(an_index_of(kept, changed, gone), an_index_of(kept, new, other))
    entries = found.entries
    assert [(str(each.platform), each.same) for each in entries.both] == [("linux/amd64", True), ("linux/arm64", False)]
    assert [each.descriptor for each in entries.only_a] == [gone.descriptor]
    assert [each.descriptor for each in entries.only_b] == [new.descriptor]
    assert entries.both[0].comparison is None
    below = entries.both[1].comparison
    assert (below.a.digest, below.b.digest) == (changed.digest, other.digest)
    assert ("config", "Cmd") in [change.path for change in below.config]
    assert found.pull == tuple(
        Tally.of(blob.descriptor for image in images for blob in image.blobs)
        for images in ((new, other), (changed, gone))
    )


async def test_annotations_of_an_index_alone_make_it_different() -> None:
    a, b = an_index_of(on("linux/amd64")), an_index_of(on("linux/amd64"), annotations={"a": "b"})
    found = await differences(a, b)
    assert (found.manifest, found.entries.differ) == ((Change(("annotations", "a"), b="b"),), False)


async def test_order_of_entries_is_a_difference() -> None:
    one, two, three = (on(f"linux/{each}") for each in ("amd64", "arm64", "s390x"))
    found = await differences(an_index_of(one, two, three), an_index_of(two, one))
    assert found.entries.reordered
    assert not (await differences(an_index_of(one, two, three), an_index_of(one, three))).entries.reordered


async def test_fields_of_an_entry_that_differ_are_told() -> None:
    image = on("linux/amd64")
    a, b = index_with((image, {"annotations": {"a": "1"}})), index_with((image, {"future": [1]}))
    (found,) = (await differences(a, b)).entries.both
    assert found.entry == (Change(("annotations", "a"), a="1"), Change(("future",), b=[1]))
    assert (found.same, found.comparison) == (False, None)


async def test_attestations_go_with_what_they_attest_to() -> None:
    image, other = on("linux/amd64"), on("linux/arm64")
    one, two = attested(image, "one"), attested(image, "two")
    a = index_with((image, {}), (one, attests(image)), (other, {}))
    b = index_with((image, {}), (other, {}), (two, attests(image)))
    found = (await differences(a, b)).entries
    assert [(str(each.platform), each.same) for each in found.both] == [("linux/amd64", False), ("linux/arm64", True)]
    pair_of = found.both[0]
    assert [[each.digest for each in side.attestations] for side in (pair_of.a, pair_of.b)] == [
        [one.digest],
        [two.digest],
    ]
    assert (found.only_a, found.only_b) == ((), ())


@pytest.mark.parametrize(
    ("a", "b", "pairs"),
    [
        (["linux/arm64"], ["linux/arm64/v8"], [(0, 0)]),
        (["linux/arm"], ["linux/arm/v6", "linux/arm/v7"], [(0, 1)]),
        (["linux/arm/v6"], ["linux/arm/v7"], []),
        (["linux/arm64/v8", "linux/arm64"], ["linux/arm64", "linux/arm64/v8"], [(0, 1), (1, 0)]),
        (["windows(10.0.17763.1)/amd64", "windows(10.0.20348.1)/amd64"], ["windows(10.0.20348.2)/amd64"], [(1, 0)]),
        (
            ["windows(10.0.17763.1)/amd64", "windows(10.0.17763.2)/amd64"],
            ["windows(10.0.17763.2)/amd64", "windows(10.0.17763.3)/amd64"],
            [(0, 1), (1, 0)],
        ),
        (["windows(10.0.1)/amd64"], ["windows/amd64"], []),
        (["windows(10.0.1+win32k)/amd64"], ["windows(10.0.1)/amd64"], []),
        (["linux/amd64", "linux/amd64"], ["linux/amd64"], [(0, 0)]),
        (["unknown/unknown"], ["unknown/unknown"], [(0, 0)]),
        ([], ["linux/amd64"], []),
    ],
    ids=["usual variant", "usual of several", "variants", "letter first", "release", "revision", "no version", "features", "twice", "unknown", "empty"],
)  # fmt: skip
def test_entries_are_paired_by_platform(a, b, pairs) -> None:
    sides = [
        tuple(
            Child(replace(an_image(f"{side}{position}").manifest.descriptor, platform=Platform.parse(text)))
            for position, text in enumerate(texts)
        )
        for side, texts in (("a", a), ("b", b))
    ]
    found = pair(*sides)
    assert [(sides[0].index(one), sides[1].index(other)) for one, other in found.both] == pairs
    assert len(found.only_a) == len(a) - len(pairs)
    assert len(found.only_b) == len(b) - len(pairs)


async def test_same_digest_under_another_platform_is_a_pair_at_last() -> None:
    image = on("linux/amd64")
    relabelled = Content(image.manifest, image.blobs, platform=Platform.parse("linux/386"))
    (found,) = (await differences(an_index_of(image), an_index_of(relabelled))).entries.both
    assert found.entry == (Change(("platform", "architecture"), "amd64", "386"),)


async def test_index_against_an_image_is_compared_by_its_platform() -> None:
    amd64, arm64, other = on("linux/amd64"), on("linux/arm64"), on("linux/arm64", variant="2")
    index = an_index_of(amd64, arm64)
    for pulled in (await compared(index, arm64), await compared(arm64, index)):
        assert pulled.comparison.same
        assert str(pulled.platform) == "linux/arm64"
    found = await compared(index, other)
    assert (found.a.digest, found.comparison.a.digest) == (index.digest, arm64.digest)
    assert not found.comparison.same
    swapped = await compared(other, index)
    assert (swapped.b.digest, swapped.comparison.b.digest) == (index.digest, arm64.digest)


@pytest.mark.parametrize("other", [on("linux/s390x"), an_artifact()], ids=["platform", "artifact"])
async def test_index_against_what_is_not_in_it_is_only_said_to_differ(other) -> None:
    found = await compared(an_index_of(on("linux/amd64")), other)
    assert (found.platform, found.comparison.layers, found.comparison.entries) == (None, None, None)
    assert found.comparison.manifest[0] == Change(("mediaType",), OCI_INDEX, OCI_MANIFEST)
    assert not found.comparison.is_writing


async def test_platform_chooses_an_image_of_each() -> None:
    amd64, arm64, other = on("linux/amd64"), on("linux/arm64"), on("linux/arm64", variant="2")
    a, b = an_index_of(amd64, arm64), an_index_of(amd64, other)
    assert (await compared(a, b, "linux/amd64")).comparison.same
    found = await compared(a, b, "linux/arm64")
    assert (found.comparison.a.digest, found.comparison.b.digest) == (arm64.digest, other.digest)
    assert (await compared(a, arm64, "linux/arm64")).comparison.same
    with pytest.raises(ManifestUnknown, match="has no image for linux/s390x"):
        await compared(a, b, "linux/s390x")
    with pytest.raises(ManifestUnknown, match="is an image for linux/amd64, not for linux/arm64"):
        await compared(a, amd64, "linux/arm64")


async def test_child_that_is_missing_is_a_problem_and_the_rest_is_compared(tmp_path: Path) -> None:
    amd64, arm64 = on("linux/amd64"), on("linux/arm64")
    others = on("linux/amd64", variant="2"), on("linux/arm64", variant="2")
    layout = Layout(tmp_path)
    a, b = an_index_of(amd64, arm64), an_index_of(*others)
    await put(a, layout, "a")
    await put(b, layout, "b")
    (tmp_path / "blobs" / "sha256" / arm64.digest.encoded).unlink()
    found = (await compare(layout, a.digest, layout, b.digest)).comparison
    assert found.pull is None
    assert str(arm64.digest) in found.problems[0]
    whole, holed = found.entries.both
    assert (whole.comparison.problems, whole.comparison.layers.differ) == ((), True)
    assert str(arm64.digest) in holed.comparison.problems[0]


async def test_index_in_an_index_is_looked_into() -> None:
    def nested(image: Content) -> Content:
        return an_index_of(an_index_of(image))

    found = await differences(nested(on("linux/amd64")), nested(on("linux/amd64", variant="2")))
    (outer,) = found.entries.both
    (inner,) = outer.comparison.entries.both
    assert ("config", "Cmd") in [change.path for change in inner.comparison.config]
    assert found.pull[0].blobs == 2


async def test_indexes_that_are_nested_without_end_are_told() -> None:
    def deep(image: Content) -> Content:
        for _ in range(40):
            image = an_index_of(image)
        return image

    found = await differences(deep(on("linux/amd64")), deep(on("linux/amd64", variant="2")))
    assert "is in more than 32 indexes" in found.problems[0]
    while found.entries is not None:
        found = found.entries.both[0].comparison
    assert found.problems == ("indexes in 8 indexes are not looked into",)


async def test_places_of_every_kind_can_be_compared(registry, tmp_path: Path) -> None:
    a, b = an_image(docker=True), an_image("other", docker=True)
    async with Client() as client:
        remote = client.repository(Reference.parse_repository(f"{registry.address}/team/app"))
        layout = Layout(tmp_path / "layout")
        stores: list[Store] = [remote, layout, MemoryStore()]
        for store in stores:
            await put(a, store, "a")
            await put(b, store, "b")
        results = [(await compare(one, a.digest, other, b.digest)).comparison for one in stores for other in stores]
        assert results == [results[0]] * len(results)
        assert all([await same(one, a.digest, other, a.digest) for one in stores for other in stores])


# in one order: two that differ in that alone would differ in how they are written
WORDS = st.dictionaries(st.sampled_from("xyz"), st.sampled_from(["", "1"]), max_size=2).map(
    lambda words: dict(sorted(words.items()))
)
IMAGES = st.builds(
    lambda name, layers, labels, annotations, platform: an_image(
        name, layers=tuple(layers), labels=labels, annotations=annotations or None, platform=platform
    ),
    st.sampled_from(["a", "b"]),
    st.lists(st.sampled_from([BASE, ONE, TWO]), max_size=3),
    WORDS,
    WORDS,
    st.sampled_from(
        ["linux/amd64", "linux/arm64", "linux/arm64/v8", "windows(10.0.1.1)/amd64", "windows(10.0.1.2)/amd64"]
    ),
)
CONTENTS = IMAGES | st.lists(IMAGES, max_size=4).map(lambda images: an_index_of(*images))


def shape(found: Comparison, *, swapped: bool = False) -> Any:
    """Everything that a comparison says, A's first or B's first, with its lists in an order that does not depend on the sides."""

    def sides(a: Any, b: Any) -> tuple[Any, Any]:
        return (b, a) if swapped else (a, b)

    def changes(several: tuple[Change, ...]) -> list[str]:
        return sorted(repr((each.path, *sides(each.a, each.b))) for each in several)

    entries, layers = found.entries, found.layers
    pairs = [
        (
            *sides(each.a, each.b),
            each.same,
            changes(each.entry),
            each.comparison and shape(each.comparison, swapped=swapped),
        )
        for each in (entries.both if entries else ())
    ]
    return (
        *sides(found.a, found.b),
        found.same,
        found.is_writing,
        changes(found.manifest),
        changes(found.config),
        layers
        and (layers.base, *sides(layers.only_a, layers.only_b), sorted(repr(sides(*each)) for each in layers.repacked)),
        entries and (sorted(map(repr, pairs)), *sides(entries.only_a, entries.only_b), entries.reordered),
        found.pull and sides(*found.pull),
    )


@given(CONTENTS, CONTENTS)
async def test_a_comparison_takes_no_side(a: Content, b: Content) -> None:
    assert (await compared(a, a)).comparison.same
    there, back = await compared(a, b), await compared(b, a)
    assert shape(there.comparison) == shape(back.comparison, swapped=True)
    assert there.comparison.same == (there.comparison.a.digest == there.comparison.b.digest)
    if not there.comparison.same:
        assert not there.comparison.is_writing
