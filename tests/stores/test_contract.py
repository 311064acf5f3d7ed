"""The contract of every store. A new store adds a fixture in conftest.py, not tests."""

import pytest

from tests.content import Content, a_blob, a_foreign_layer, an_artifact, an_image, an_index_of, pieces, put, read
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import (
    BlobUnknown,
    ContentMismatch,
    ManifestBlobUnknown,
    ManifestUnknown,
    NotFound,
    SizeMismatch,
    WherryError,
)
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Tag
from wherry.stores.protocol import Source, Store, Swapper

NOWHERE = Digest.of(b"nowhere")


async def all_tags(store: Source) -> list[str]:
    return [tag async for tag in store.tags()]


def test_store_has_both_halves_of_the_protocol(store: Store) -> None:
    assert isinstance(store, Source)
    assert isinstance(store, Store)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_pushed_blob_is_fetched_as_it_was(store: Store, algorithm: str) -> None:
    blob = a_blob(bytes(range(256)) * 40, algorithm=algorithm)
    assert not await store.exists(blob.descriptor)
    await store.push(blob.descriptor, pieces(blob.content))
    assert await store.exists(blob.descriptor)
    assert await read(store.fetch(blob.descriptor)) == blob.content


async def test_empty_blob_is_a_blob(store: Store) -> None:
    blob = a_blob(b"")
    await store.push(blob.descriptor, pieces(b""))
    assert await store.exists(blob.descriptor)
    assert await read(store.fetch(blob.descriptor)) == b""


async def test_blob_is_larger_than_any_piece(store: Store) -> None:
    blob = a_blob(b"0123456789abcdef" * 200_000)
    await store.push(blob.descriptor, pieces(blob.content, size=700_001))
    assert await read(store.fetch(blob.descriptor)) == blob.content


@pytest.mark.parametrize("offset", [1, 500, 999])
async def test_fetch_goes_on_from_an_offset(store: Store, offset: int) -> None:
    blob = a_blob(bytes(range(250)) * 4)
    await store.push(blob.descriptor, pieces(blob.content))
    assert await read(store.fetch(blob.descriptor, offset=offset)) == blob.content[offset:]


async def test_fetch_of_missing_blob_raises_blob_unknown(store: Store) -> None:
    await put(an_image(), store, "1")
    with pytest.raises(BlobUnknown, match=NOWHERE.encoded):
        await read(store.fetch(Descriptor("text/plain", NOWHERE, 7)))


async def test_fetch_with_too_small_a_size_fails(store: Store) -> None:
    blob = a_blob(b"seven bytes and more")
    await store.push(blob.descriptor, pieces(blob.content))
    with pytest.raises(SizeMismatch, match=blob.descriptor.digest.encoded):
        await read(store.fetch(Descriptor("text/plain", blob.descriptor.digest, 7)))


async def test_blob_with_other_bytes_is_refused_and_not_kept(store: Store) -> None:
    described = Descriptor("text/plain", Digest.of(b"what it should be"), 17)
    with pytest.raises(WherryError, match=described.digest.encoded):
        await store.push(described, pieces(b"what it should b3"))
    assert not await store.exists(described)


@pytest.mark.parametrize("content", [b"short", b"what it should be and more"])
async def test_blob_of_another_size_is_refused_and_not_kept(store: Store, content: bytes) -> None:
    described = Descriptor("text/plain", Digest.of(b"what it should be"), 17)
    with pytest.raises(ContentMismatch):
        await store.push(described, pieces(content))
    assert not await store.exists(described)


async def test_push_that_fails_in_the_middle_leaves_nothing(store: Store) -> None:
    blob = a_blob(b"0123456789" * 1000)

    async def broken():
        yield blob.content[:5000]
        raise BlobUnknown("the source has gone")

    with pytest.raises(BlobUnknown, match="the source has gone"):
        await store.push(blob.descriptor, broken())
    assert not await store.exists(blob.descriptor)
    await store.push(blob.descriptor, pieces(blob.content))
    assert await read(store.fetch(blob.descriptor)) == blob.content


async def test_blob_that_is_there_may_be_pushed_again(store: Store) -> None:
    blob = a_blob(b"again")
    await store.push(blob.descriptor, pieces(blob.content))
    await store.push(blob.descriptor, pieces(blob.content))
    assert await read(store.fetch(blob.descriptor)) == b"again"


@pytest.mark.parametrize(
    "content",
    [
        an_image(),
        an_image(docker=True),
        an_image(algorithm="sha512"),
        an_artifact(),
        an_index_of(an_image(), an_image(platform="linux/arm64")),
        an_index_of(an_image(docker=True), docker=True),
        an_index_of(an_index_of(an_image())),
        an_index_of(),
        an_image(layers=(a_foreign_layer("windows"),), docker=True),
    ],
    ids=["oci", "docker", "sha512", "artifact", "index", "list", "nested", "empty index", "foreign layer"],
)
async def test_pushed_manifest_is_read_as_it_was(store: Store, content: Content) -> None:
    await put(content, store, "1.0")
    for name in (Tag("1.0"), content.digest):
        assert await store.resolve(name) == content.manifest.descriptor
        found = await store.manifest(name)
        assert found == content.manifest
        assert found.digest == content.digest
    assert await store.exists(content.manifest.descriptor)


async def test_manifest_pushed_without_a_tag_is_there_by_digest(store: Store) -> None:
    image = an_image()
    await put(image, store)
    assert (await store.manifest(image.digest)).content == image.manifest.content
    assert await all_tags(store) == []


async def test_children_of_an_index_are_there_by_digest(store: Store) -> None:
    child = an_image(platform="linux/arm64")
    await put(an_index_of(an_image(), child), store, "1")
    assert await store.manifest(child.digest) == child.manifest


async def test_manifest_is_pushed_under_several_tags(store: Store) -> None:
    image = an_image()
    await put(image, store, "1", "1.0", "latest")
    assert await all_tags(store) == ["1", "1.0", "latest"]
    for tag in ("1", "1.0", "latest"):
        assert (await store.resolve(Tag(tag))).digest == image.digest


async def test_tag_moves_with_a_push(store: Store) -> None:
    old, new = an_image("old"), an_image("new")
    await put(old, store, "1")
    await put(new, store, "1")
    assert (await store.resolve(Tag("1"))).digest == new.digest
    assert (await store.resolve(old.digest)).digest == old.digest
    assert await all_tags(store) == ["1"]


async def test_manifest_that_is_there_may_be_pushed_again(store: Store) -> None:
    await put(an_image(), store, "1")
    await put(an_image(), store, "2")
    assert await all_tags(store) == ["1", "2"]


@pytest.mark.parametrize("name", [Tag("missing"), NOWHERE], ids=["tag", "digest"])
async def test_unknown_name_raises_manifest_unknown(store: Store, name: Tag | Digest) -> None:
    await put(an_image(), store, "1")
    with pytest.raises(ManifestUnknown, match="missing" if isinstance(name, Tag) else NOWHERE.encoded):
        await store.resolve(name)
    with pytest.raises(ManifestUnknown):
        await store.manifest(name)


async def test_blob_is_not_a_manifest(store: Store) -> None:
    image = an_image()
    await put(image, store, "1")
    with pytest.raises(ManifestUnknown):
        await store.manifest(image.blobs[0].descriptor.digest)


async def test_nothing_is_in_a_new_store(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.resolve(Tag("1"))
    with pytest.raises(NotFound):
        await read(store.fetch(an_image().blobs[0].descriptor))
    assert not await store.exists(an_image().descriptor)
    assert not await store.exists(an_image().blobs[0].descriptor)


async def test_manifest_with_a_missing_layer_is_refused_and_not_kept(store: Store) -> None:
    image = an_image()
    config, layer = image.blobs
    await store.push(config.descriptor, pieces(config.content))
    with pytest.raises(ManifestBlobUnknown, match=layer.descriptor.digest.encoded):
        await store.push_manifest(image.manifest, Tag("1"))
    assert not await store.exists(image.manifest.descriptor)
    with pytest.raises(NotFound):
        await store.resolve(Tag("1"))


async def test_index_with_a_missing_child_is_refused(store: Store) -> None:
    here, missing = an_image(), an_image(platform="linux/arm64")
    await put(here, store)
    with pytest.raises(ManifestBlobUnknown, match=missing.digest.encoded):
        await store.push_manifest(an_index_of(here, missing).manifest, Tag("1"))


async def test_swap_moves_a_tag_only_while_it_leads_where_it_did(store: Store) -> None:
    if not isinstance(store, Swapper):
        pytest.skip(f"{store} does not swap tags")
    first, second, late = an_image("first"), an_image("second"), an_image("late")
    for image in (first, second, late):
        await put(image, store)
    tag = Tag("1")
    assert await store.swap(first.manifest, tag, None) is True
    assert await store.swap(late.manifest, tag, None) is False
    assert await store.swap(second.manifest, tag, first.digest) is True
    assert await store.swap(late.manifest, tag, first.digest) is False
    assert (await store.resolve(tag)).digest == second.digest
    assert await all_tags(store) == ["1"]


async def test_tags_are_in_byte_order(store: Store) -> None:
    await put(an_image(), store, "b", "a", "B", "1.10", "1.9", "_x")
    assert await all_tags(store) == ["1.10", "1.9", "B", "_x", "a", "b"]


async def test_tag_points_at_a_manifest_that_is_there(store: Store) -> None:
    image = an_image()
    await put(image, store, "1")
    await store.tag(image.manifest.descriptor, Tag("stable"))
    assert await store.manifest(Tag("stable")) == image.manifest


async def test_tag_on_a_missing_manifest_raises_manifest_unknown(store: Store) -> None:
    await put(an_image(), store, "1")
    with pytest.raises(ManifestUnknown):
        await store.tag(an_image("other").manifest.descriptor, Tag("stable"))
    assert await all_tags(store) == ["1"]


async def test_deleted_tag_is_gone_and_its_manifest_stays(store: Store) -> None:
    image = an_image()
    await put(image, store, "1", "2")
    await store.delete(Tag("1"))
    assert await all_tags(store) == ["2"]
    assert await store.manifest(image.digest) == image.manifest


async def test_last_tag_of_a_manifest_is_deleted_alone(store: Store) -> None:
    image = an_image()
    await put(image, store, "1")
    await store.delete(Tag("1"))
    assert await store.manifest(image.digest) == image.manifest


async def test_deleted_manifest_is_gone_with_its_tags(store: Store) -> None:
    image, other = an_image(), an_image("other")
    await put(image, store, "1", "2")
    await put(other, store, "3")
    await store.delete(image.digest)
    assert await all_tags(store) == ["3"]
    with pytest.raises(ManifestUnknown):
        await store.resolve(image.digest)


@pytest.mark.parametrize("name", [Tag("missing"), NOWHERE], ids=["tag", "digest"])
async def test_delete_of_what_is_not_there_raises_manifest_unknown(store: Store, name: Tag | Digest) -> None:
    await put(an_image(), store, "1")
    with pytest.raises(ManifestUnknown):
        await store.delete(name)


async def test_referrers_are_found_by_subject_and_type(store: Store) -> None:
    image = an_image()
    await put(image, store, "1")
    signature = an_artifact(
        b"signed", artifact_type="application/vnd.example.signature", subject=image.manifest.descriptor
    )
    bill = an_artifact(b"bill", subject=image.manifest.descriptor, annotations={"made": "today"})
    await put(signature, store)
    await put(bill, store)
    found = {each.digest: each async for each in store.referrers(image.digest)}
    assert set(found) == {signature.digest, bill.digest}
    assert found[bill.digest].artifact_type == "application/vnd.example.text"
    assert found[bill.digest].annotations == {"made": "today"}
    assert found[bill.digest].size == len(bill.manifest.content)
    filtered = [each.digest async for each in store.referrers(image.digest, "application/vnd.example.signature")]
    assert filtered == [signature.digest]


async def test_manifest_without_referrers_has_none(store: Store) -> None:
    image = an_image()
    await put(image, store, "1")
    assert [each async for each in store.referrers(image.digest)] == []


async def test_subject_need_not_be_there(store: Store) -> None:
    subject = an_image("elsewhere").manifest.descriptor
    artifact = an_artifact(subject=subject)
    await put(artifact, store)
    assert [each.digest async for each in store.referrers(subject.digest)] == [artifact.digest]


async def test_bytes_of_a_manifest_are_never_written_anew(store: Store) -> None:
    image = an_image()
    odd = Manifest(
        b"\n  " + image.manifest.content.replace(b'"layers"', b'"future": [1e0], "layers"') + b"\n\n",
        image.manifest.media_type,
    )
    for blob in image.blobs:
        await store.push(blob.descriptor, pieces(blob.content))
    await store.push_manifest(odd, Tag("odd"))
    assert (await store.manifest(Tag("odd"))).content == odd.content
