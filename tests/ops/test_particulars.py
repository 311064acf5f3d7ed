"""Single facts: the descriptor and the config's bytes of what is meant, with as few questions as it takes."""

import json
from pathlib import Path

import pytest

from tests.content import Content, an_artifact, an_image, an_index_of, put
from tests.ops.recording import RecordingStore
from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUnknown, DigestMismatch, ManifestInvalid, ManifestUnknown
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_SCHEMA1_SIGNED, OCI_MANIFEST
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops.particulars import config_of, described
from wherry.stores.layout import Layout

ONE = Tag("1")
AMD64, ARM64 = an_image(), an_image(platform="linux/arm64/v8")
INDEX = an_index_of(AMD64, ARM64)


async def a_store(content: Content = INDEX) -> RecordingStore:
    store = RecordingStore()
    await put(content, store, "1")
    store.forget()
    return store


def on(text: str) -> Platform:
    return Platform.parse(text)


def config(image: Content) -> bytes:
    content = image.blobs[0].content
    assert content is not None
    return content


async def test_descriptor_is_had_without_reading_anything() -> None:
    store = await a_store()
    assert await described(store, ONE) == INDEX.manifest.descriptor
    assert await described(store, ARM64.digest) == ARM64.manifest.descriptor
    assert (store.read, store.fetched) == ([], [])


async def test_descriptor_for_a_platform_is_that_of_the_index() -> None:
    store = await a_store()
    assert await described(store, ONE, platform=on("linux/arm64")) == ARM64.descriptor
    assert store.read == [ONE], "the index has the descriptor: the image need not be read"


async def test_image_alone_is_taken_if_it_is_for_the_platform() -> None:
    store = await a_store(ARM64)
    assert (await described(store, ONE, platform=on("linux/arm64"))).digest == ARM64.digest
    with pytest.raises(ManifestUnknown, match="is an image for linux/arm64/v8, not for linux/amd64"):
        await described(store, ONE, platform=on("linux/amd64"))


@pytest.mark.parametrize("function", [described, config_of])
async def test_platform_that_is_not_there_lists_those_that_are(function) -> None:
    with pytest.raises(ManifestUnknown, match="has no image for linux/s390x") as raised:
        await function(await a_store(), ONE, platform=on("linux/s390x"))
    assert raised.value.hint == "it has linux/amd64, linux/arm64/v8"


@pytest.mark.parametrize("function", [described, config_of])
async def test_several_images_for_a_platform_are_an_error(function) -> None:
    servers = [an_image(platform=f"windows(10.0.{build}.1)/amd64") for build in (17763, 20348)]
    with pytest.raises(ManifestUnknown, match="has 2 images for that platform") as raised:
        await function(await a_store(an_index_of(*servers)), ONE, platform=on("windows/amd64"))
    assert raised.value.hint == "be more exact: windows(10.0.17763.1)/amd64, windows(10.0.20348.1)/amd64"


@pytest.mark.parametrize("function", [described, config_of])
async def test_of_several_images_for_a_platform_the_one_that_is_written_so_is_meant(function) -> None:
    names = ("linux/amd64/v3", "linux/amd64", "linux/amd64/v2", "linux/arm/v5", "linux/arm/v7")
    images = {name: an_image(name, platform=name) for name in names}
    store = await a_store(an_index_of(*images.values()))
    for wanted, name in {
        "linux/amd64": "linux/amd64",
        "linux/amd64/v1": "linux/amd64",
        "linux/amd64/v2": "linux/amd64/v2",
        "linux/arm/v7": "linux/arm/v7",
    }.items():
        image = images[name]
        assert await function(store, ONE, platform=on(wanted)) in (image.descriptor, config(image))
    with pytest.raises(ManifestUnknown) as raised:
        await function(store, ONE, platform=on("linux/arm"))
    assert raised.value.hint == "be more exact: linux/arm/v5, linux/arm/v7"


async def test_what_leads_nowhere_is_unknown() -> None:
    for function in (described, config_of):
        with pytest.raises(ManifestUnknown):
            await function(await a_store(), Tag("absent"))


async def test_config_of_an_image_is_its_exact_bytes() -> None:
    assert await config_of(await a_store(AMD64), ONE) == config(AMD64)


async def test_usual_platform_is_for_indexes_alone() -> None:
    usual = on("linux/s390x")
    assert await config_of(await a_store(AMD64), ONE, usual=usual) == config(AMD64)
    with pytest.raises(ManifestUnknown):
        await config_of(await a_store(), ONE, usual=usual)
    assert await config_of(await a_store(), ONE, usual=on("linux/arm64")) == config(ARM64)


async def test_platform_that_was_asked_for_comes_before_the_usual_one() -> None:
    store = await a_store()
    assert await config_of(store, ONE, platform=on("linux/amd64"), usual=on("linux/arm64")) == config(AMD64)
    assert store.read == [ONE, AMD64.digest]
    with pytest.raises(ManifestUnknown):
        await config_of(await a_store(ARM64), ONE, platform=on("linux/amd64"))


async def test_index_has_no_config_of_its_own() -> None:
    with pytest.raises(ManifestInvalid, match=f"{INDEX.digest} has no config: it is application/vnd.oci.image.index"):
        await config_of(await a_store(), ONE)


async def test_schema1_has_no_config() -> None:
    document = {"schemaVersion": 1, "fsLayers": [], "history": [], "signatures": []}
    schema1 = Content(Manifest(json.dumps(document).encode(), DOCKER_SCHEMA1_SIGNED))
    with pytest.raises(ManifestInvalid, match="has no config"):
        await config_of(await a_store(schema1), ONE, usual=on("linux/amd64"))


async def test_empty_config_of_an_artifact_is_read_from_its_descriptor() -> None:
    store = await a_store(an_artifact())
    assert await config_of(store, ONE) == b"{}"
    assert store.fetched == []


async def test_missing_config_has_a_next_step(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    await put(AMD64, layout, "1")
    (tmp_path / "blobs" / "sha256" / AMD64.blobs[0].descriptor.digest.encoded).unlink()
    with pytest.raises(BlobUnknown) as raised:
        await config_of(layout, ONE)
    assert raised.value.hint


async def test_config_that_is_damaged_is_not_handed_out(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    await put(AMD64, layout, "1")
    file = tmp_path / "blobs" / "sha256" / AMD64.blobs[0].descriptor.digest.encoded
    file.write_bytes(file.read_bytes().replace(b"amd64", b"amd46"))
    with pytest.raises(DigestMismatch):
        await config_of(layout, ONE)


async def test_config_that_claims_to_be_huge_is_not_read() -> None:
    huge = {"mediaType": "application/x", "digest": str(Digest.of(b"huge")), "size": 2**40}
    manifest = Manifest(json.dumps({"schemaVersion": 2, "config": huge, "layers": []}).encode(), OCI_MANIFEST)

    class Given(RecordingStore):
        async def manifest(self, name: Tag | Digest) -> Manifest:
            return manifest

    store = Given()
    with pytest.raises(ManifestInvalid, match="a config of 1099511627776 bytes is none"):
        await config_of(store, ONE)
    assert store.fetched == []
