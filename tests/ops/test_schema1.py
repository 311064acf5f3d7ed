"""Signed schema 1 becomes schema 2: from bytes that Debian's registry signs, and from histories made by hand."""

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from pyreqwest.client import ClientBuilder

from tests.content import Blob, Content, a_blob, a_layer, an_image, pieces, put, read
from tests.stores.remote.stub import Asked, Reply, front
from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUnknown, ContentMismatch, ManifestInvalid, Unsupported
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_LAYER_TAR, DOCKER_MANIFEST, DOCKER_SCHEMA1_SIGNED
from wherry.oci.reference import Reference, Tag
from wherry.oci.schema1_history import EMPTY_LAYER
from wherry.ops.copy import copy
from wherry.ops.errand import Copied
from wherry.server.running import Running
from wherry.stores.archive import oci_archive
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.protocol import Store
from wherry.stores.remote import Client

ONE = Tag("1")
REAL = Path(__file__).parents[1] / "data" / "schema1" / "registry-1.prettyjws.json"
BASE, TOP = a_layer({"base": b"base"}, docker=True), a_layer({"top": b"top"}, docker=True)
RAW = a_blob(b"a tar that is not compressed")


def diff_id(blob: Blob) -> str:
    content = zlib.decompress(blob.content, wbits=31) if blob.content.startswith(b"\x1f\x8b") else blob.content
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def told(name: str, parent: str | None, command: str, **fields: Any) -> dict[str, Any]:
    """What is told of a layer."""
    chain = {"parent": parent} if parent else {}
    return {
        "id": name,
        **chain,
        "created": f"2015-01-0{name}T00:00:00Z",
        "container_config": {"Cmd": [command]},
        **fields,
    }


def schema1(*steps: tuple[Digest, Any], **fields: Any) -> Manifest:
    """A manifest of these steps, the top one first."""
    document = {
        "schemaVersion": 1,
        "name": "team/app",
        "tag": "1",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": str(layer)} for layer, _ in steps],
        "history": [{"v1Compatibility": told if isinstance(told, str) else json.dumps(told)} for _, told in steps],
        **fields,
    }
    return Manifest(json.dumps(document).encode(), DOCKER_SCHEMA1_SIGNED)


FOUR_STEPS = schema1(
    (TOP.descriptor.digest, told("4", "3", "COPY top /", architecture="amd64", os="linux", config={"Cmd": ["/top"]}, Size=3, strange=1)),
    (EMPTY_LAYER, told("3", "2", "ENV a=b", author="somebody", comment="a comment")),
    (BASE.descriptor.digest, told("2", "1", "ENV c=d", throwaway=True)),
    (BASE.descriptor.digest, told("1", None, "ADD base /")),
)  # fmt: skip


async def holding(manifest: Manifest, *blobs: Blob, store: Store | None = None) -> Store:
    store = store or MemoryStore()
    for blob in blobs:
        await store.push(blob.descriptor, pieces(blob.content))
    await store.push_manifest(manifest, ONE)
    return store


async def converted(source: Store, store: Store | None = None) -> tuple[Copied, Manifest, dict[str, Any]]:
    """The result, the manifest and the config of a conversion."""
    destination = store or MemoryStore()
    copied = await copy(source, ONE, destination, tags=[ONE], convert_schema1=True)
    manifest = await destination.manifest(ONE)
    assert manifest.view.config is not None
    return copied, manifest, json.loads(await read(destination.fetch(manifest.view.config)))


async def test_history_and_layers_are_those_of_the_old_manifest() -> None:
    copied, manifest, config = await converted(await holding(FOUR_STEPS, BASE, TOP))
    assert copied.root.media_type == DOCKER_MANIFEST
    assert copied.converted == FOUR_STEPS.descriptor
    assert copied.root.digest != FOUR_STEPS.digest
    assert manifest.view.layers == (BASE.descriptor, TOP.descriptor)
    assert config == {
        "created": "2015-01-04T00:00:00Z",
        "container_config": {"Cmd": ["COPY top /"]},
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/top"]},
        "strange": 1,
        "rootfs": {"type": "layers", "diff_ids": [diff_id(BASE), diff_id(TOP)]},
        "history": [
            {"created": "2015-01-01T00:00:00Z", "created_by": "ADD base /"},
            {"created": "2015-01-02T00:00:00Z", "created_by": "ENV c=d", "empty_layer": True},
            {
                "created": "2015-01-03T00:00:00Z",
                "author": "somebody",
                "created_by": "ENV a=b",
                "comment": "a comment",
                "empty_layer": True,
            },
            {"created": "2015-01-04T00:00:00Z", "created_by": "COPY top /"},
        ],
    }


async def test_same_manifest_becomes_the_same_digest(tmp_path: Path) -> None:
    stores = (MemoryStore(), Layout(tmp_path / "layout"), oci_archive(tmp_path / "x.tar"))
    results = [await converted(await holding(FOUR_STEPS, BASE, TOP, store=store)) for store in stores]
    assert len({copied.root.digest for copied, _, _ in results}) == 1


async def test_conversion_again_moves_nothing() -> None:
    source, destination = await holding(FOUR_STEPS, BASE, TOP), MemoryStore()
    first, _, _ = await converted(source, destination)
    again, _, _ = await converted(source, destination)
    assert again.root == first.root
    assert again.moved.blobs == again.manifests == 0


async def test_image_is_converted_in_its_place() -> None:
    store = await holding(FOUR_STEPS, BASE, TOP)
    copied, manifest, _ = await converted(store, store)
    assert manifest.digest == copied.root.digest
    assert copied.moved.blobs == 1  # the config


async def test_layer_that_is_not_compressed_keeps_its_digest() -> None:
    manifest = schema1((RAW.descriptor.digest, told("1", None, "ADD raw /")))
    _, made, config = await converted(await holding(manifest, RAW))
    assert [layer.media_type for layer in made.view.layers] == [DOCKER_LAYER_TAR]
    assert config["rootfs"]["diff_ids"] == [str(RAW.descriptor.digest)]
    assert config["architecture"] == "amd64"


async def test_layer_that_is_listed_twice_counts_once() -> None:
    """Docker's versions of 2015 did that."""
    steps = ((TOP.descriptor.digest, told("2", "1", "COPY")),) * 2 + ((BASE.descriptor.digest, told("1", None, "ADD")),)
    _, made, config = await converted(await holding(schema1(*steps), BASE, TOP))
    assert made.view.layers == (BASE.descriptor, TOP.descriptor)
    assert len(config["history"]) == 2


async def test_without_being_asked_nothing_is_converted() -> None:
    source, destination = await holding(FOUR_STEPS, BASE, TOP), MemoryStore()
    with pytest.raises(Unsupported, match="signed schema 1") as caught:
        await copy(source, ONE, destination, tags=[ONE])
    assert "--convert-schema1" in (caught.value.hint or "")


async def test_other_images_are_copied_as_they_are() -> None:
    source, destination = MemoryStore(), MemoryStore()
    await put(an_image(), source, "1")
    copied = await copy(source, ONE, destination, tags=[ONE], convert_schema1=True)
    assert copied.converted is None
    assert copied.root.digest == an_image().digest


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (schema1(), "has 0 entries for 0 layers"),
        (schema1((BASE.descriptor.digest, told("1", None, "x")), history=[]), "has 0 entries for 1 layers"),
        (schema1((BASE.descriptor.digest, "no JSON")), r"history\[0\].v1Compatibility is not JSON"),
        (schema1((BASE.descriptor.digest, "[]")), "but not an object"),
        (schema1((BASE.descriptor.digest, {}), history=[{}]), r"history\[0\].v1Compatibility is missing"),
        (schema1((BASE.descriptor.digest, {}), history=[7]), r"history\[0\].v1Compatibility is missing"),
        (schema1((BASE.descriptor.digest, {"created": 7})), "created must be a string"),
        (schema1((BASE.descriptor.digest, {"container_config": "x"})), "container_config must be an object"),
        (
            schema1((TOP.descriptor.digest, told("3", "2", "x")), (BASE.descriptor.digest, told("1", None, "y"))),
            "is no chain: 3 has the parent 2, not 1",
        ),
    ],
)
async def test_history_that_says_nothing_is_refused(manifest: Manifest, words: str) -> None:
    destination = MemoryStore()
    with pytest.raises(ManifestInvalid, match=words):
        await copy(await holding(manifest, BASE, TOP), ONE, destination, tags=[ONE], convert_schema1=True)
    assert [tag async for tag in destination.tags()] == []


async def test_layer_that_is_missing_or_damaged_is_told() -> None:
    with pytest.raises(BlobUnknown, match=TOP.descriptor.digest.encoded):
        await converted(await holding(FOUR_STEPS, BASE))
    source = await holding(FOUR_STEPS, BASE, TOP)
    source._blobs[TOP.descriptor.digest] = BASE.content
    with pytest.raises(ContentMismatch):
        await converted(source)
    cut = a_blob(TOP.content[:-9])
    with pytest.raises(ManifestInvalid, match="is gzipped, and damaged"):
        await converted(await holding(schema1((cut.descriptor.digest, told("1", None, "x"))), cut))


async def test_manifest_that_a_registry_signed_is_read() -> None:
    """The layer of the real bytes is not at hand: everything up to it is read."""
    manifest = Manifest(REAL.read_bytes(), DOCKER_SCHEMA1_SIGNED)
    (layer,) = manifest.view.fs_layers
    with pytest.raises(BlobUnknown, match=layer.encoded):
        await copy(await holding(manifest), ONE, MemoryStore(), tags=[ONE], convert_schema1=True)


def an_image_with_steps() -> Content:
    """Two layers, and between them a step that changed no file."""
    plain = an_image("signed", docker=True, layers=(BASE, TOP))
    config = json.loads(plain.blobs[0].content) | {
        "history": [
            {"created": "2015-01-01T00:00:00Z", "created_by": "ADD base /"},
            {"created": "2015-01-02T00:00:00Z", "created_by": "ENV a=b", "author": "somebody", "empty_layer": True},
            {"created": "2015-01-03T00:00:00Z", "created_by": "COPY top /"},
        ]
    }
    blob = a_blob(json.dumps(config).encode(), DOCKER_CONFIG)
    document = json.loads(plain.manifest.content) | {"config": blob.descriptor.to_json()}
    return Content(Manifest(json.dumps(document).encode(), DOCKER_MANIFEST), blobs=(blob, BASE, TOP))


@pytest.mark.peer("docker-registry")
async def test_image_that_debians_registry_signed_comes_back(debian_registry: str, registry: Running) -> None:
    """Pushed as schema 2, asked for as schema 1, converted: layers, diff IDs, settings and history are the same again."""
    image = an_image_with_steps()
    async with Client() as client:
        await put(image, client.repository(Reference.parse(f"{debian_registry}/team/app")), "1")
    async with ClientBuilder().build() as http:
        signed = await http.get(f"http://{debian_registry}/v2/team/app/manifests/1").build().send()
        content, digest = (await signed.bytes()).to_bytes(), signed.get_header("Docker-Content-Digest")
    assert b'"signatures"' in content

    def as_signed(asked: Asked) -> Reply | None:
        if "/manifests/" not in asked.path:
            return None
        headers = {"Content-Type": DOCKER_SCHEMA1_SIGNED, "Docker-Content-Digest": digest or ""}
        return Reply(headers=headers, body=b"" if asked.method == "HEAD" else content)

    async with front(debian_registry, as_signed) as old, Client() as client:
        source = client.repository(Reference.parse(f"{old.address}/team/app"))
        destination = client.repository(Reference.parse(f"{registry.address}/team/app"))
        _, manifest, config = await converted(source, destination)
    before = json.loads(image.blobs[0].content)
    assert manifest.view.layers == (BASE.descriptor, TOP.descriptor)
    assert [layer.media_type for layer in manifest.view.layers] == [DOCKER_LAYER] * 2
    assert config["history"][:2] == before["history"][:2]  # of the last step it tells no more than the image's own time
    assert len(config["history"]) == 3
    for field in ("config", "rootfs", "os", "architecture"):
        assert config[field] == before[field]
