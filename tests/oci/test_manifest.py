import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestInvalid
from wherry.oci.manifest import EMPTY_CONFIG, Manifest, sniff, successors
from wherry.oci.mediatype import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    OCI_ARTIFACT_MANIFEST,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Kind,
)

DATA = Path(__file__).resolve().parent.parent / "data"
HELLO = DATA / "hello-world"
HELLO_IMAGES = sorted(path for path in HELLO.glob("*.json") if path.name != "list.json")
SCHEMA1 = DATA / "schema1" / "registry-1.prettyjws.json"

CONFIG = {"mediaType": OCI_CONFIG, "digest": str(Digest.of(b"config")), "size": 6}
LAYER = {"mediaType": OCI_LAYER, "digest": str(Digest.of(b"layer")), "size": 5}
CHILD = {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(b"child")), "size": 5}
IMAGE = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": CONFIG, "layers": [LAYER]}
INDEX = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [CHILD]}
ARTIFACT = {"mediaType": OCI_ARTIFACT_MANIFEST, "artifactType": "application/vnd.example", "blobs": [LAYER]}


def made(document: object, media_type: str | None = None) -> Manifest:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Manifest(content, media_type or json.loads(content)["mediaType"])


def described(document: dict) -> Descriptor:
    return Descriptor.from_json(document, "")


@pytest.mark.parametrize("path", HELLO_IMAGES, ids=lambda path: path.stem)
def test_images_of_hello_world_are_what_their_list_says(path):
    listed = {
        child.digest: child
        for child in Manifest.received(HELLO.joinpath("list.json").read_bytes(), None).view.manifests
    }
    image = Manifest.received(path.read_bytes(), DOCKER_MANIFEST)
    child = listed[image.digest]
    assert (child.media_type, child.size) == (image.media_type, len(image.content))
    assert image.kind is Kind.IMAGE
    assert image.view.config
    assert image.view.config.media_type == DOCKER_CONFIG
    assert child.platform
    system, architecture, *more = path.stem.split("-")
    assert (child.platform.os, child.platform.architecture) == (system, architecture)
    assert [child.platform.variant or child.platform.os_version][: len(more)] == more
    foreign = [layer.is_foreign for layer in image.view.layers]
    assert any(foreign) is (system == "windows")


def test_the_list_of_hello_world_has_eleven_children_in_its_order():
    listed = Manifest.received(HELLO.joinpath("list.json").read_bytes(), DOCKER_LIST)
    assert listed.kind is Kind.INDEX
    assert len(listed.view.manifests) == len(HELLO_IMAGES) == 11
    assert listed.view.manifests[0].digest == Digest.of(HELLO.joinpath("linux-amd64.json").read_bytes())
    assert successors(listed) == listed.view.manifests
    assert [str(child.platform) for child in listed.view.manifests][-2:] == [
        "windows(10.0.20348.473)/amd64",
        "windows(10.0.17763.2458)/amd64",
    ]


def test_signed_schema_1_is_read_for_its_layers():
    manifest = Manifest.received(SCHEMA1.read_bytes(), DOCKER_SCHEMA1_SIGNED)
    assert manifest.kind is Kind.SCHEMA1
    assert manifest.view.fs_layers
    assert all(isinstance(layer, Digest) for layer in manifest.view.fs_layers)
    assert successors(manifest) == ()
    assert sniff(manifest.content) == DOCKER_SCHEMA1_SIGNED


def test_the_bytes_are_kept_and_the_digest_is_theirs():
    content = b' {"mediaType":"' + OCI_INDEX.encode() + b'" ,\n"manifests":[], "unknown": 1.50 }\n'
    manifest = Manifest.received(content, f"{OCI_INDEX}; charset=utf-8")
    assert manifest.view.manifests == ()
    assert manifest.content is content
    assert manifest.media_type == OCI_INDEX
    assert manifest.digest == Digest.of(content)
    assert manifest.document["unknown"] == 1.5
    assert manifest.descriptor == Descriptor(OCI_INDEX, Digest.of(content), len(content))
    assert Manifest(content, OCI_INDEX, algorithm="sha512").digest == Digest.of(content, "sha512")


def test_manifests_are_equal_when_bytes_and_media_type_are():
    content = json.dumps(IMAGE).encode()
    assert Manifest(content, OCI_MANIFEST) == Manifest(content, OCI_MANIFEST)
    assert hash(Manifest(content, OCI_MANIFEST)) == hash(Manifest(content, OCI_MANIFEST))
    assert Manifest(content, OCI_MANIFEST) != Manifest(content, DOCKER_MANIFEST)
    assert Manifest(content, OCI_MANIFEST) != Manifest(content + b" ", OCI_MANIFEST)
    assert Manifest(content, OCI_MANIFEST) != content


def test_a_manifest_shows_what_it_is_and_not_its_bytes():
    manifest = made(IMAGE)
    assert repr(manifest) == f"Manifest({OCI_MANIFEST}, {manifest.digest}, {len(manifest.content)} bytes)"


def test_an_image_says_what_it_is_made_of():
    view = made(IMAGE | {"annotations": {"a": "b"}, "subject": CHILD}).view
    assert view.kind is Kind.IMAGE
    assert view.config == described(CONFIG)
    assert view.layers == (described(LAYER),)
    assert view.manifests == view.fs_layers == ()
    assert view.subject == described(CHILD)
    assert view.annotations == {"a": "b"}
    assert view.artifact_type == OCI_CONFIG


def test_the_artifact_type_of_an_image_is_its_own_before_its_configs():
    assert made(IMAGE | {"artifactType": "application/vnd.example"}).view.artifact_type == "application/vnd.example"
    assert made(IMAGE | {"artifactType": ""}).view.artifact_type == OCI_CONFIG


def test_an_image_may_have_no_layers():
    assert made(IMAGE | {"layers": []}).view.layers == ()
    assert made({name: value for name, value in IMAGE.items() if name != "layers"}).view.layers == ()


def test_an_index_says_what_it_leads_to():
    view = made(INDEX | {"artifactType": "application/vnd.example", "subject": CHILD, "annotations": {}}).view
    assert view.kind is Kind.INDEX
    assert view.manifests == (described(CHILD),)
    assert view.config is None
    assert view.subject == described(CHILD)
    assert view.artifact_type == "application/vnd.example"
    assert made(INDEX).view.artifact_type is None
    assert made(INDEX).view.annotations is None


def test_an_artifact_manifest_says_what_it_is_made_of():
    view = made(ARTIFACT | {"subject": CHILD}).view
    assert view.kind is Kind.ARTIFACT
    assert view.layers == (described(LAYER),)
    assert view.artifact_type == "application/vnd.example"
    assert view.subject == described(CHILD)


def test_a_view_is_made_once():
    manifest = made(IMAGE)
    assert manifest.view is manifest.view
    assert manifest.document is manifest.document


WRONG = {
    "not JSON": (b"{", OCI_MANIFEST, "is not JSON"),
    "not an object": (b"[]", OCI_MANIFEST, "not an object"),
    "no config": ({"layers": []}, OCI_MANIFEST, "config"),
    "a config that is no object": (IMAGE | {"config": "x"}, OCI_MANIFEST, "config"),
    "an index as an image": (INDEX, OCI_MANIFEST, "manifests"),
    "an image as an index": (IMAGE, OCI_INDEX, "config"),
    "both as an image": (IMAGE | INDEX, OCI_MANIFEST, "manifests"),
    "both as an index": (IMAGE | INDEX, OCI_INDEX, "config"),
    "layers that are no list": (IMAGE | {"layers": {}}, OCI_MANIFEST, "layers"),
    "a layer that is no object": (IMAGE | {"layers": [LAYER, 1]}, OCI_MANIFEST, "layers[1]"),
    "a layer without size": (IMAGE | {"layers": [{**LAYER, "size": None}]}, OCI_MANIFEST, "layers[0].size"),
    "children that are no list": (INDEX | {"manifests": "x"}, OCI_INDEX, "manifests"),
    "a child with a wrong digest": (INDEX | {"manifests": [CHILD | {"digest": "x"}]}, OCI_INDEX, "manifests[0].digest"),
    "a subject that is no object": (IMAGE | {"subject": []}, OCI_MANIFEST, "subject"),
    "a subject without type": (INDEX | {"subject": {}}, OCI_INDEX, "subject.mediaType"),
    "annotations that are no texts": (IMAGE | {"annotations": {"a": 1}}, OCI_MANIFEST, "annotations['a']"),
    "an artifact type that is no text": (INDEX | {"artifactType": 1}, OCI_INDEX, "artifactType"),
    "blobs that are no list": (ARTIFACT | {"blobs": {}}, OCI_ARTIFACT_MANIFEST, "blobs"),
    "layers of schema 1 that are no list": ({"fsLayers": {}}, DOCKER_SCHEMA1, "fsLayers"),
    "a layer of schema 1 that is no object": ({"fsLayers": [1]}, DOCKER_SCHEMA1, "fsLayers[0].blobSum"),
    "a layer of schema 1 without digest": ({"fsLayers": [{}]}, DOCKER_SCHEMA1, "fsLayers[0].blobSum"),
    "a layer of schema 1 with a wrong digest": ({"fsLayers": [{"blobSum": "x"}]}, DOCKER_SCHEMA1, "bad digest 'x'"),
    "a type that is no manifest's": (IMAGE, OCI_CONFIG, "not the media type of a manifest"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_manifest_that_is_not_what_it_promises_says_where(wrong):
    document, media_type, words = WRONG[wrong]
    manifest = made(document, media_type)
    with pytest.raises(ManifestInvalid) as caught:
        _ = manifest.view
    assert words in str(caught.value)
    with pytest.raises(ManifestInvalid):
        successors(manifest)


def test_a_type_that_is_no_manifests_has_no_kind():
    with pytest.raises(ManifestInvalid, match="not the media type of a manifest"):
        _ = made(IMAGE, OCI_CONFIG).kind


def test_successors_are_named_in_order_and_once():
    other = LAYER | {"digest": str(Digest.of(b"other"))}
    image = made(IMAGE | {"layers": [LAYER, other, LAYER, {**CONFIG, "mediaType": OCI_LAYER}], "subject": CHILD})
    assert [each.digest for each in successors(image)] == [
        Digest.parse(each["digest"]) for each in (CONFIG, LAYER, other)
    ]


def test_a_blob_and_a_manifest_of_one_digest_are_two_successors():
    index = made(INDEX | {"manifests": [CHILD, CHILD | {"mediaType": OCI_LAYER}]})
    assert [each.is_manifest for each in successors(index)] == [True, False]


SNIFFED = [
    (IMAGE, OCI_MANIFEST),
    (INDEX, OCI_INDEX),
    (ARTIFACT, OCI_ARTIFACT_MANIFEST),
    (IMAGE | {"mediaType": DOCKER_MANIFEST}, DOCKER_MANIFEST),
    ({"mediaType": DOCKER_LIST}, DOCKER_LIST),
    ({"config": CONFIG}, OCI_MANIFEST),
    ({"config": CONFIG | {"mediaType": DOCKER_CONFIG}}, DOCKER_MANIFEST),
    ({"config": {}}, OCI_MANIFEST),
    ({"config": {"mediaType": 1}}, OCI_MANIFEST),
    ({"mediaType": "application/json", "manifests": []}, OCI_INDEX),
    ({"mediaType": 1, "manifests": []}, OCI_INDEX),
    ({"manifests": []}, OCI_INDEX),
    ({"blobs": []}, OCI_ARTIFACT_MANIFEST),
    ({"schemaVersion": 1, "signatures": []}, DOCKER_SCHEMA1_SIGNED),
    ({"schemaVersion": 1}, DOCKER_SCHEMA1),
    ({"schemaVersion": 2}, None),
    ({"manifests": {}}, None),
    ({"config": "x"}, None),
    ({}, None),
    ([], None),
    ("text", None),
]


@pytest.mark.parametrize(("document", "media_type"), SNIFFED)
def test_a_body_tells_what_it_is(document, media_type):
    assert sniff(json.dumps(document).encode()) == media_type


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[" * 100_000])
def test_a_body_that_is_no_json_is_no_manifest(body):
    assert sniff(body) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_sniffed_at_without_harm(body):
    assert sniff(body) is None or body.lstrip().startswith(b"{")


@pytest.mark.parametrize(
    "content_type", [None, "", "application/json", "text/plain; charset=utf-8", "application/octet-stream"]
)
def test_a_type_that_says_nothing_is_replaced_by_what_the_body_is(content_type):
    assert Manifest.received(json.dumps(IMAGE).encode(), content_type).media_type == OCI_MANIFEST


def test_a_type_that_says_something_is_believed():
    assert Manifest.received(json.dumps(IMAGE).encode(), DOCKER_MANIFEST).media_type == DOCKER_MANIFEST
    assert Manifest.received(b"", OCI_INDEX.upper(), algorithm="sha512").digest == Digest.of(b"", "sha512")


@pytest.mark.parametrize(("content_type", "shown"), [("text/html", "text/html"), (None, "nothing")])
def test_what_is_no_manifest_by_header_nor_body_is_refused(content_type, shown):
    with pytest.raises(ManifestInvalid, match=f"the registry calls it {shown}"):
        Manifest.received(b"<html></html>", content_type)


def test_the_empty_config_is_the_one_of_the_specification():
    assert EMPTY_CONFIG.to_json() == {
        "mediaType": OCI_EMPTY,
        "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        "size": 2,
        "data": "e30=",
    }
