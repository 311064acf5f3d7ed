"""Some platforms of an index: what is kept, what the new bytes are, and what is refused."""

import json
from pathlib import Path

import pytest

from tests.content import Content, an_artifact, an_image, an_index_of, put
from tests.ops.recording import RecordingStore
from tests.ops.test_copy import ONE, everything_is_in, holding
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestBlobUnknown, ManifestUnknown, RegistryError
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import OCI_INDEX
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference, Tag
from wherry.ops.copy import copy
from wherry.ops.particulars import config_of, described
from wherry.server.policy import Sparse
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.remote import Client

AMD64, ARM64, ARM7 = (an_image(platform=each) for each in ("linux/amd64", "linux/arm64", "linux/arm/v7"))


def attestation_of(image: Content) -> Content:
    return an_image(f"attests {image.platform}", platform="unknown/unknown")


PROOF_AMD64, PROOF_ARM64 = attestation_of(AMD64), attestation_of(ARM64)


def entry(content: Content, about: Content | None = None, **more: object) -> dict[str, object]:
    found = content.descriptor.to_json() | more
    if about is not None:
        found["annotations"] = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": str(about.digest),
        }
    return found


def index_of(*entries: dict[str, object], children: tuple[Content, ...]) -> Content:
    """An index as somebody's pretty printer wrote it, with a field that nobody knows."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": list(entries),
        "annotations": {"made by": "hand <3"},
        "x-odd": [1.50, None],
    }
    return Content(Manifest(json.dumps(document, indent=5).encode() + b"\n", OCI_INDEX), children=children)


WHOLE = index_of(
    entry(AMD64, **{"x-kept": "é"}),
    entry(ARM64),
    entry(ARM7),
    entry(PROOF_AMD64, AMD64),
    entry(PROOF_ARM64, ARM64),
    children=(AMD64, ARM64, ARM7, PROOF_AMD64, PROOF_ARM64),
)


def platforms(*texts: str) -> list[Platform]:
    return [Platform.parse(text) for text in texts]


async def kept(store: RecordingStore, tag: Tag = ONE) -> list[Digest]:
    return [child.digest for child in (await store.manifest(tag)).view.manifests]


async def test_platform_keeps_its_entries_and_their_attestations_in_order() -> None:
    destination = RecordingStore()
    copied = await copy(await holding(WHOLE, "1"), ONE, destination, tags=[ONE], platforms=platforms("linux/amd64"))
    assert await kept(destination) == [AMD64.digest, PROOF_AMD64.digest]
    assert copied.root.digest == (await destination.resolve(ONE)).digest != WHOLE.digest
    assert copied.narrowed is not None
    assert (copied.narrowed.original.digest, copied.narrowed.kept, copied.narrowed.of) == (WHOLE.digest, 1, 3)
    await everything_is_in(destination, AMD64)
    await everything_is_in(destination, PROOF_AMD64)
    assert not await destination.exists(ARM64.descriptor)
    assert not await destination.exists(WHOLE.descriptor)


async def test_smaller_index_has_the_bytes_of_the_original_otherwise() -> None:
    destination = RecordingStore()
    wanted = platforms("linux/arm64", "linux/amd64")
    await copy(await holding(WHOLE, "1"), ONE, destination, tags=[ONE], platforms=wanted)
    document = json.loads(WHOLE.manifest.content)
    document["manifests"] = [document["manifests"][position] for position in (0, 1, 3, 4)]
    expected = json.dumps(document, indent=5).encode() + b"\n"
    assert (await destination.manifest(ONE)).content == expected


async def test_several_platforms_and_variants() -> None:
    destination = RecordingStore()
    wanted = platforms("linux/arm", "linux/aarch64")
    await copy(await holding(WHOLE, "1"), ONE, destination, tags=[ONE], platforms=wanted)
    assert await kept(destination) == [ARM64.digest, ARM7.digest, PROOF_ARM64.digest]


async def test_all_platforms_change_nothing() -> None:
    index = an_index_of(AMD64, ARM64)
    destination = RecordingStore()
    wanted = platforms("linux/arm64", "linux/amd64")
    copied = await copy(await holding(index, "1"), ONE, destination, tags=[ONE], platforms=wanted)
    assert copied.root.digest == index.digest


async def test_second_copy_of_a_platform_pushes_nothing() -> None:
    source, destination = await holding(WHOLE, "1"), RecordingStore()
    for _ in range(2):
        destination.forget()
        source.forget()
        await copy(source, ONE, destination, tags=[ONE], platforms=platforms("linux/amd64"))
    assert destination.pushed == source.fetched == []


async def test_platform_in_one_store_puts_the_smaller_index_under_the_tag() -> None:
    store = await holding(WHOLE, "1")
    copied = await copy(store, ONE, store, tags=[Tag("amd64")], platforms=platforms("linux/amd64"))
    assert copied.manifests == 1
    assert await kept(store, Tag("amd64")) == [AMD64.digest, PROOF_AMD64.digest]
    assert (await store.resolve(ONE)).digest == WHOLE.digest


async def test_platform_that_is_not_there_is_refused_with_those_that_are() -> None:
    destination = RecordingStore()
    with pytest.raises(ManifestUnknown, match="no image for linux/s390x") as caught:
        await copy(
            await holding(WHOLE, "1"), ONE, destination, tags=[ONE], platforms=platforms("linux/amd64", "linux/s390x")
        )
    assert caught.value.hint == "it has linux/amd64, linux/arm64, linux/arm/v7"
    assert destination.pushed == []


async def test_image_for_the_platform_is_copied_as_it_is() -> None:
    destination = RecordingStore()
    wanted = platforms("linux/amd64", "linux/arm64")
    copied = await copy(await holding(ARM64, "1"), ONE, destination, tags=[ONE], platforms=wanted)
    assert copied.root.digest == ARM64.digest


async def test_image_for_another_platform_is_refused() -> None:
    destination = RecordingStore()
    with pytest.raises(ManifestUnknown, match="an image for linux/arm64, not for linux/amd64") as caught:
        await copy(await holding(ARM64, "1"), ONE, destination, tags=[ONE], platforms=platforms("linux/amd64"))
    assert caught.value.hint
    assert destination.pushed == []


async def test_artifact_has_no_platform() -> None:
    with pytest.raises(ManifestUnknown, match="states no platform"):
        await copy(
            await holding(an_artifact(), "1"), ONE, RecordingStore(), tags=[ONE], platforms=platforms("linux/amd64")
        )


async def test_entry_without_platform_is_looked_into() -> None:
    inner = an_index_of(ARM64)
    bare = index_of(
        AMD64.manifest.descriptor.to_json(),
        inner.manifest.descriptor.to_json(),
        an_artifact().manifest.descriptor.to_json(),
        children=(AMD64, inner, an_artifact()),
    )
    for wanted, expected in (("linux/amd64", AMD64), ("linux/arm64", inner)):
        destination = RecordingStore()
        await copy(await holding(bare, "1"), ONE, destination, tags=[ONE], platforms=platforms(wanted))
        assert await kept(destination) == [expected.digest]


async def test_unwrap_copies_the_image_itself() -> None:
    destination = RecordingStore()
    copied = await copy(
        await holding(WHOLE, "1"), ONE, destination, tags=[ONE], platforms=platforms("linux/arm64"), unwrap=True
    )
    assert copied.root == ARM64.manifest.descriptor
    assert not await destination.exists(PROOF_ARM64.descriptor)


TWICE = index_of(
    entry(ARM64),
    entry(ARM64, platform={"os": "linux", "architecture": "arm", "variant": "v6"}),
    entry(ARM64, platform={"os": "linux", "architecture": "arm"}),
    entry(PROOF_ARM64, ARM64),
    children=(ARM64, PROOF_ARM64),
)


async def test_of_an_image_for_several_platforms_the_entries_for_one_are_kept() -> None:
    destination = RecordingStore()
    await copy(await holding(TWICE, "1"), ONE, destination, tags=[ONE], platforms=platforms("linux/arm/v6"))
    found = (await destination.manifest(ONE)).view.manifests
    assert [str(child.platform) for child in found] == ["linux/arm/v6", "unknown/unknown"]


async def test_unwrap_takes_the_image_out_of_an_index_in_the_index() -> None:
    bare = index_of(WHOLE.manifest.descriptor.to_json(), entry(AMD64), children=(WHOLE, AMD64))
    for wanted, expected in (("linux/arm64", ARM64), ("linux/amd64", AMD64)):
        destination, source = RecordingStore(), await holding(bare, "1")
        copied = await copy(source, ONE, destination, tags=[ONE], platforms=platforms(wanted), unwrap=True)
        assert copied.root.digest == expected.digest
        assert (await described(source, ONE, platform=Platform.parse(wanted))).digest == expected.digest
        config = await config_of(source, ONE, platform=Platform.parse(wanted))
        assert config == expected.blobs[0].content
    with pytest.raises(ManifestUnknown, match="has no image for linux/s390x"):
        await copy(source, ONE, destination, tags=[ONE], platforms=platforms("linux/s390x"), unwrap=True)


async def test_unwrap_of_one_image_for_several_platforms_copies_it() -> None:
    destination = RecordingStore()
    wanted = platforms("linux/arm")
    copied = await copy(await holding(TWICE, "1"), ONE, destination, tags=[ONE], platforms=wanted, unwrap=True)
    assert copied.root.digest == ARM64.digest


async def test_unwrap_names_what_tells_images_apart() -> None:
    other = an_image("other", platform="linux/arm64")
    index = index_of(
        entry(ARM64),
        entry(ARM64, platform={"os": "linux", "architecture": "arm"}),
        entry(ARM7, platform={"os": "linux", "architecture": "arm", "variant": "v6"}),
        entry(other),
        children=(ARM64, ARM7, other),
    )
    wanted = platforms("linux/arm", "linux/arm64")
    with pytest.raises(ManifestUnknown, match="has 2 images for that platform") as caught:
        await copy(await holding(index, "1"), ONE, RecordingStore(), tags=[ONE], platforms=wanted, unwrap=True)
    assert caught.value.hint == f"be more exact: {ARM64.digest}, linux/arm, {other.digest}"


async def test_attestation_that_is_missing_can_be_left_behind() -> None:
    source = await holding(WHOLE, "1")
    await source.delete(PROOF_AMD64.digest)
    with pytest.raises(ManifestUnknown, match=PROOF_AMD64.digest.encoded) as caught:
        await copy(source, ONE, RecordingStore(), tags=[ONE], platforms=platforms("linux/amd64"))
    assert "--unwrap" in (caught.value.hint or "")
    await copy(source, ONE, RecordingStore(), tags=[ONE], platforms=platforms("linux/amd64"), unwrap=True)


async def test_unwrap_of_several_images_is_refused() -> None:
    source = await holding(an_index_of(ARM7, an_image(platform="linux/arm/v6")), "1")
    with pytest.raises(ManifestUnknown, match="has 2 images") as caught:
        await copy(source, ONE, RecordingStore(), tags=[ONE], platforms=platforms("linux/arm"), unwrap=True)
    assert "linux/arm/v6" in (caught.value.hint or "")


async def test_sparse_keeps_the_index_and_copies_only_what_is_asked(registry_factory) -> None:
    elsewhere = await registry_factory(sparse=Sparse.INDEX)
    async with Client() as client:
        destination = client.repository(Reference.parse(f"{elsewhere.address}/team/app"))
        copied = await copy(
            await holding(WHOLE, "1"), ONE, destination, tags=[ONE], platforms=platforms("linux/amd64"), sparse=True
        )
        assert copied.root.digest == WHOLE.digest
        assert await destination.manifest(ONE) == WHOLE.manifest
        assert await destination.exists(AMD64.descriptor)
        assert await destination.exists(PROOF_AMD64.descriptor)
        assert not await destination.exists(ARM64.descriptor)
        # And what is missing can be brought later, by copying all.
        await copy(await holding(WHOLE, "1"), ONE, destination, tags=[ONE])
        assert await destination.exists(ARM64.descriptor)


async def sparse_is_refused_before_anything_moves(destination) -> RegistryError:
    source = await holding(WHOLE, "1")
    with pytest.raises(RegistryError, match="sparse copy") as caught:
        await copy(source, ONE, destination, tags=[ONE], platforms=platforms("linux/amd64"), sparse=True)
    assert source.fetched == []
    assert "--sparse" in (caught.value.hint or "")
    with pytest.raises(ManifestUnknown):
        await destination.resolve(ONE)
    return caught.value


async def test_store_that_refuses_holes_says_so_before_anything_moves(tmp_path: Path) -> None:
    assert isinstance(await sparse_is_refused_before_anything_moves(MemoryStore()), ManifestBlobUnknown)
    await sparse_is_refused_before_anything_moves(Layout(tmp_path / "layout"))


async def test_registry_that_refuses_holes_says_so_before_anything_moves(registry) -> None:
    async with Client() as client:
        await sparse_is_refused_before_anything_moves(
            client.repository(Reference.parse(f"{registry.address}/team/app"))
        )


@pytest.mark.peer("docker-registry")
async def test_debians_registry_refuses_holes_too(debian_registry: str) -> None:
    async with Client() as client:
        await sparse_is_refused_before_anything_moves(client.repository(Reference.parse(f"{debian_registry}/team/app")))


async def test_sparse_where_everything_is_there_already_is_no_hole() -> None:
    destination = RecordingStore()
    await put(WHOLE, destination)
    destination.forget()
    await copy(await holding(WHOLE, "1"), ONE, destination, tags=[ONE], platforms=platforms("linux/amd64"), sparse=True)
    assert (await destination.resolve(ONE)).digest == WHOLE.digest


async def test_sparse_that_leaves_nothing_out_is_a_copy_like_any() -> None:
    destination, both = MemoryStore(), an_index_of(AMD64, ARM64)
    asked = platforms("linux/amd64", "linux/arm64")
    await copy(await holding(both, "1"), ONE, destination, tags=[ONE], platforms=asked, sparse=True)
    await everything_is_in(destination, both)


async def test_sparse_where_what_is_left_out_is_there_makes_no_hole() -> None:
    destination, both = MemoryStore(), an_index_of(AMD64, ARM64)
    await put(ARM64, destination)
    source = await holding(both, "1")
    await copy(source, ONE, destination, tags=[ONE], platforms=platforms("linux/amd64"), sparse=True)
    await everything_is_in(destination, both)
    assert (await destination.resolve(ONE)).digest == both.digest


async def test_descriptor_of_a_nested_index_is_kept_as_it_stands() -> None:
    inner = an_index_of(AMD64, ARM64)
    described = Descriptor(OCI_INDEX, inner.digest, len(inner.manifest.content), platform=Platform("linux", "amd64"))
    outer = index_of(described.to_json(), entry(ARM7), children=(inner, ARM7))
    destination = RecordingStore()
    await copy(await holding(outer, "1"), ONE, destination, tags=[ONE], platforms=platforms("linux/amd64"))
    assert await kept(destination) == [inner.digest]
    await everything_is_in(destination, inner)
