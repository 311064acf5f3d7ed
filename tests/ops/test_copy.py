import asyncio
import json
from collections.abc import AsyncIterable
from pathlib import Path

import pytest

from tests.content import (
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
    read,
)
from tests.ops.recording import Cut, CutStore, RecordingStore
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import (
    BlobUnknown,
    DigestMismatch,
    ManifestInvalid,
    ManifestUnknown,
    NameUnknown,
    SizeMismatch,
    Unsupported,
)
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST
from wherry.oci.reference import Tag
from wherry.ops._run import SMALL
from wherry.ops.copy import copy
from wherry.ops.progress import Ended, Event, Passed, Planned, Tally
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore

ONE = Tag("1")
BASE = a_layer({"base": b"b" * 50_000})
SCHEMA1 = Path(__file__).parents[1] / "data" / "schema1" / "registry-1.prettyjws.json"


async def holding(content: Content, *tags: str) -> RecordingStore:
    """A store with this in it."""
    store = RecordingStore()
    await put(content, store, *tags)
    store.forget()
    return store


async def everything_is_in(store: MemoryStore, content: Content) -> None:
    for manifest in content.all_manifests().values():
        assert await store.manifest(manifest.digest) == manifest
    for blob in content.all_blobs().values():
        if blob.content is not None:
            assert await read(store.fetch(blob.descriptor)) == blob.content


def an_index_with(*entries: Descriptor) -> Manifest:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry.to_json() for entry in entries]}
    return Manifest(json.dumps(document).encode(), OCI_INDEX)


MULTI = an_index_of(
    an_image(layers=(BASE, a_layer({"amd64": b"1"}))),
    an_image(platform="linux/arm64", layers=(BASE, a_layer({"arm64": b"2"}))),
)

WHOLE = {
    "image": an_image(),
    "docker image": an_image(docker=True),
    "index": MULTI,
    "docker list": an_index_of(an_image(docker=True), an_image(docker=True, platform="linux/arm/v7"), docker=True),
    "index of indexes": an_index_of(MULTI, an_index_of(an_index_of(an_image("deep")))),
    "empty index": an_index_of(),
    "artifact": an_artifact(),
    "sha512": an_index_of(an_image(algorithm="sha512"), algorithm="sha512"),
}


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE.keys())
async def test_copy_moves_everything_a_tag_leads_to(content: Content) -> None:
    source = await holding(content, "1")
    destination = RecordingStore()
    copied = await copy(source, ONE, destination, tags=[ONE])
    assert copied.root == content.manifest.descriptor
    assert copied.manifests == len(content.all_manifests())
    assert copied.moved.blobs == len(content.all_blobs())
    assert copied.moved.bytes == sum(blob.descriptor.size for blob in content.all_blobs().values())
    assert await destination.manifest(ONE) == content.manifest
    await everything_is_in(destination, content)


@pytest.mark.parametrize("content", WHOLE.values(), ids=WHOLE.keys())
async def test_second_copy_moves_and_pushes_nothing(content: Content) -> None:
    source = await holding(content, "1")
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE])
    destination.forget()
    source.forget()
    copied = await copy(source, ONE, destination, tags=[ONE])
    assert (copied.moved, copied.mounted, copied.manifests) == (Tally(), Tally(), 0)
    assert destination.pushed == source.fetched == []


async def test_second_copy_of_an_image_reads_no_manifest() -> None:
    source = await holding(an_image(), "1")
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE])
    source.forget()
    destination.forget()
    await copy(source, ONE, destination, tags=[ONE])
    assert source.read == destination.asked == []


async def test_copy_by_digest_without_tags_leaves_no_tag() -> None:
    source = await holding(MULTI, "1")
    destination = RecordingStore()
    copied = await copy(source, MULTI.digest, destination)
    assert copied.root.digest == MULTI.digest
    assert [tag async for tag in destination.tags()] == []
    await everything_is_in(destination, MULTI)
    destination.forget()
    assert (await copy(source, MULTI.digest, destination)).manifests == 0


async def test_copy_under_several_tags() -> None:
    destination = RecordingStore()
    await copy(await holding(MULTI, "1"), ONE, destination, tags=[Tag("a"), Tag("b"), Tag("a")])
    assert destination.tagged == ["a", "b"]


async def test_copy_adds_a_missing_tag_without_moving_content() -> None:
    source = await holding(MULTI, "1")
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE])
    destination.forget()
    source.forget()
    copied = await copy(source, ONE, destination, tags=[ONE, Tag("2")])
    assert copied.manifests == 1
    assert destination.pushed == [MULTI.digest]
    assert source.fetched == []


async def test_copy_moves_a_tag_from_another_manifest() -> None:
    destination = RecordingStore()
    await put(an_image("old"), destination, "1")
    destination.forget()
    await copy(await holding(an_image("new"), "1"), ONE, destination, tags=[ONE])
    assert (await destination.resolve(ONE)).digest == an_image("new").digest


async def test_blob_that_many_images_share_is_moved_once() -> None:
    source = await holding(MULTI, "1")
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE])
    assert source.fetched.count(BASE.descriptor.digest) == 1
    assert destination.pushed.count(BASE.descriptor.digest) == 1


async def test_child_that_is_named_twice_is_moved_once() -> None:
    child = an_image()
    twice = Content(an_index_with(child.descriptor, child.manifest.descriptor), children=(child,))
    source = await holding(twice, "1")
    destination = RecordingStore()
    copied = await copy(source, ONE, destination, tags=[ONE])
    assert copied.manifests == 2
    assert source.read.count(child.digest) == 1


async def test_blobs_that_are_there_are_skipped() -> None:
    source = await holding(MULTI, "1")
    destination = RecordingStore()
    await destination.push(BASE.descriptor, pieces(BASE.content))
    destination.forget()
    copied = await copy(source, ONE, destination, tags=[ONE])
    assert copied.skipped == Tally(1, BASE.descriptor.size)
    assert BASE.descriptor.digest not in source.fetched


async def test_image_that_is_there_is_not_walked() -> None:
    there, missing = MULTI.children
    source = await holding(MULTI, "1")
    destination = RecordingStore()
    await put(there, destination)
    destination.forget()
    await copy(source, ONE, destination, tags=[ONE])
    assert there.digest not in source.read
    assert there.blobs[0].descriptor.digest not in destination.asked
    assert missing.digest in destination.pushed


async def test_recheck_looks_at_every_blob() -> None:
    source = await holding(MULTI, "1")
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE])
    lost = MULTI.children[0].blobs[1].descriptor.digest
    del destination._blobs[lost]
    destination.forget()
    assert (await copy(source, ONE, destination, tags=[ONE])).moved.blobs == 0
    assert (await copy(source, ONE, destination, tags=[ONE], recheck=True)).moved.blobs == 1
    await everything_is_in(destination, MULTI)


async def test_index_with_holes_at_the_destination_is_filled() -> None:
    source = await holding(MULTI, "1")
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE])
    hole = MULTI.children[1]
    await destination.delete(hole.digest)
    destination.forget()
    copied = await copy(source, ONE, destination, tags=[ONE])
    assert copied.manifests == 1
    assert destination.pushed == [hole.digest]


async def test_destination_that_lost_content_of_a_child_is_repaired_when_it_refuses_the_parent() -> None:
    class Forgetful(RecordingStore):
        """Has a child, and says that something is missing below it when the parent comes: as a cache may."""

        async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
            for child in manifest.view.manifests:
                self._check_whole(await self.manifest(child.digest))
            await super().push_manifest(manifest, *tags)

    source = await holding(MULTI, "1")
    destination = Forgetful()
    await put(MULTI.children[0], destination)
    lost = MULTI.children[0].blobs[1].descriptor.digest
    del destination._blobs[lost]
    destination.forget()
    await copy(source, ONE, destination, tags=[ONE])
    await everything_is_in(destination, MULTI)


async def test_foreign_layers_are_left_where_they_are() -> None:
    foreign = a_foreign_layer("windows")
    image = an_image(layers=(foreign, a_layer({"a": b"a"}, docker=True)), docker=True)
    source = await holding(image, "1")
    destination = RecordingStore()
    copied = await copy(source, ONE, destination, tags=[ONE])
    assert copied.foreign == Tally(1, foreign.descriptor.size)
    assert foreign.descriptor.digest not in source.fetched
    assert copied.moved.blobs == 2


async def test_foreign_layers_are_fetched_when_asked() -> None:
    content = a_layer({"a": b"foreign"}).content
    described = Descriptor(
        a_foreign_layer("x").descriptor.media_type, Digest.of(content), len(content), urls=("https://foreign.example/",)
    )
    image = an_image(layers=(Blob(described, content),))
    source = await holding(image, "1")
    destination = RecordingStore()
    copied = await copy(source, ONE, destination, tags=[ONE], foreign=True)
    assert copied.foreign == Tally()
    await everything_is_in(destination, image)


async def test_foreign_layer_that_is_asked_for_and_missing_fails() -> None:
    source = await holding(an_image(layers=(a_foreign_layer("x"),)), "1")
    with pytest.raises(BlobUnknown):
        await copy(source, ONE, RecordingStore(), tags=[ONE], foreign=True)


async def test_signed_schema1_is_refused_with_the_reason() -> None:
    source = RecordingStore()
    await source.push_manifest(Manifest(SCHEMA1.read_bytes(), DOCKER_SCHEMA1_SIGNED), ONE)
    destination = RecordingStore()
    with pytest.raises(Unsupported, match="schema 1") as caught:
        await copy(source, ONE, destination, tags=[ONE])
    assert caught.value.hint
    assert destination.pushed == []


async def test_signed_schema1_in_an_index_is_refused_before_anything_moves() -> None:
    old = Manifest(SCHEMA1.read_bytes(), DOCKER_SCHEMA1_SIGNED)
    image = an_image()
    source = await holding(image)
    await source.push_manifest(old)
    await source.push_manifest(an_index_with(image.descriptor, old.descriptor), ONE)
    destination = RecordingStore()
    with pytest.raises(Unsupported, match=old.digest.encoded):
        await copy(source, ONE, destination, tags=[ONE])
    assert destination.pushed == []


async def test_subject_is_not_copied_with_its_referrer() -> None:
    image = an_image()
    signature = an_artifact(subject=image.manifest.descriptor)
    source = await holding(image, "1")
    await put(signature, source, "signature")
    source.forget()
    destination = RecordingStore()
    await copy(source, Tag("signature"), destination, tags=[Tag("signature")])
    assert await destination.exists(signature.descriptor)
    assert not await destination.exists(image.descriptor)


async def test_data_of_a_descriptor_is_used_instead_of_a_request() -> None:
    artifact = an_artifact()
    source = await holding(artifact, "1")
    del source._blobs[artifact.blobs[0].descriptor.digest]
    destination = RecordingStore()
    events: list[Event] = []
    copied = await copy(source, ONE, destination, tags=[ONE], progress=events.append)
    await everything_is_in(destination, artifact)
    assert sum(event.bytes for event in events if isinstance(event, Passed)) == copied.moved.bytes


async def test_data_of_a_child_is_used_instead_of_a_request() -> None:
    child = an_image()
    described = Descriptor(OCI_MANIFEST, child.digest, len(child.manifest.content), data=child.manifest.content)
    index = Content(an_index_with(described), children=(child,))
    source = await holding(index, "1")
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE])
    assert child.digest not in source.read
    await everything_is_in(destination, index)


async def test_data_that_is_not_what_its_digest_says_is_not_used() -> None:
    child = an_image()
    described = Descriptor(OCI_MANIFEST, child.digest, len(child.manifest.content), data=b"{}")
    index = Content(an_index_with(described), children=(child,))
    source = await holding(index, "1")
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE])
    assert child.digest in source.read
    await everything_is_in(destination, index)


async def test_index_of_blobs_is_copied_as_blobs() -> None:
    # What BuildKit wrote as a cache for years: an index whose entries are layers.
    layer, config = a_layer({"cache": b"1"}), a_blob(b"{}", "application/vnd.buildkit.cacheconfig.v0")
    index = Content(an_index_with(layer.descriptor, config.descriptor), blobs=(layer, config))
    source = await holding(index, "cache")
    destination = RecordingStore()
    copied = await copy(source, Tag("cache"), destination, tags=[Tag("cache")])
    assert copied.moved.blobs == 2
    await everything_is_in(destination, index)


async def test_layer_with_the_media_type_of_a_manifest_is_a_blob() -> None:
    inner = a_blob(an_image().manifest.content, OCI_MANIFEST)
    outer = an_image("outer", layers=(inner,))
    source = await holding(outer, "1")
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE])
    assert await read(destination.fetch(inner.descriptor)) == inner.content


async def test_unknown_name_raises_manifest_unknown() -> None:
    destination = RecordingStore()
    with pytest.raises(ManifestUnknown, match="missing"):
        await copy(await holding(an_image(), "1"), Tag("missing"), destination, tags=[ONE])
    assert destination.pushed == []


async def test_index_with_a_hole_at_the_source_names_the_hole_and_moves_nothing() -> None:
    source = await holding(MULTI, "1")
    hole = MULTI.children[1].digest
    await source.delete(hole)
    destination = RecordingStore()
    with pytest.raises(ManifestUnknown, match=hole.encoded) as caught:
        await copy(source, ONE, destination, tags=[ONE])
    assert "holes" in (caught.value.hint or "")
    assert "--platform" in (caught.value.hint or "")
    assert destination.pushed == []


async def test_missing_blob_at_the_source_names_the_blob_and_leaves_no_tag() -> None:
    source = await holding(MULTI, "1")
    del source._blobs[BASE.descriptor.digest]
    destination = RecordingStore()
    with pytest.raises(BlobUnknown, match=BASE.descriptor.digest.encoded):
        await copy(source, ONE, destination, tags=[ONE])
    assert [tag async for tag in destination.tags()] == []


async def test_damaged_blob_at_the_source_comes_out_as_itself() -> None:
    source = await holding(MULTI, "1")
    source._blobs[BASE.descriptor.digest] = b"x" * BASE.descriptor.size
    destination = RecordingStore()
    with pytest.raises(DigestMismatch, match=BASE.descriptor.digest.encoded):
        await copy(source, ONE, destination, tags=[ONE])
    assert not await destination.exists(BASE.descriptor)


async def test_child_with_another_size_than_its_descriptor_says_is_refused() -> None:
    child = an_image()
    source = await holding(child)
    await source.push_manifest(an_index_with(Descriptor(OCI_MANIFEST, child.digest, 7)), ONE)
    with pytest.raises(SizeMismatch, match=child.digest.encoded):
        await copy(source, ONE, RecordingStore(), tags=[ONE])


async def test_child_under_another_type_than_its_bytes_is_refused() -> None:
    child = an_image()
    source = await holding(child)
    described = Descriptor(OCI_INDEX, child.digest, len(child.manifest.content))
    await source.push_manifest(an_index_with(described), ONE)
    destination = RecordingStore()
    with pytest.raises(ManifestInvalid, match=child.digest.encoded):
        await copy(source, ONE, destination, tags=[ONE])
    assert destination.pushed == []


async def test_at_most_so_many_large_blobs_are_in_flight_as_there_are_jobs() -> None:
    image = an_image(layers=tuple(a_layer({"a": bytes([n]) * 300_000}) for n in range(20)))
    for jobs in (1, 3):
        destination = RecordingStore()
        await copy(await holding(image, "1"), ONE, destination, tags=[ONE], jobs=jobs)
        assert destination.busiest == jobs + 1  # and the config, which is small


async def test_big_blobs_go_first() -> None:
    image = an_image(layers=tuple(a_layer({"a": b"x" * size}) for size in (300_000, 900_000, 400_000, 1_300_000)))
    destination = RecordingStore()
    await copy(await holding(image, "1"), ONE, destination, tags=[ONE], jobs=1)
    sizes = {blob.descriptor.digest: blob.descriptor.size for blob in image.blobs}
    pushed = [sizes[digest] for digest in destination.pushed[:-1] if sizes[digest] > SMALL]
    assert pushed == sorted(pushed, reverse=True)


async def test_small_blobs_do_not_wait_for_a_large_one() -> None:
    class Slow(RecordingStore):
        """Its large blob goes on when everything small has arrived, and not before."""

        arrived = asyncio.Event()

        async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
            if blob.size > SMALL:
                await self.arrived.wait()
            await super().push(blob, content)
            if len(self.pushed) == len(image.blobs) - 1:
                self.arrived.set()

    image = an_image(layers=(a_layer({"a": b"x" * 300_000}), *(a_layer({"a": bytes([n])}) for n in range(20))))
    destination = Slow()
    destination.arrived = asyncio.Event()
    async with asyncio.timeout(20):
        await copy(await holding(image, "1"), ONE, destination, tags=[ONE], jobs=1)
    await everything_is_in(destination, image)


async def test_retag_in_one_store_pushes_the_root_alone() -> None:
    store = await holding(MULTI, "1")
    copied = await copy(store, ONE, store, tags=[Tag("stable")])
    assert store.pushed == [MULTI.digest]
    assert copied.manifests == 1
    assert (await store.resolve(Tag("stable"))).digest == MULTI.digest
    store.forget()
    assert (await copy(store, ONE, store, tags=[Tag("stable")])).manifests == 0


async def test_destination_that_mounts_gets_no_bytes() -> None:
    class Mounting(RecordingStore):
        """Takes all but the base layer from its neighbour."""

        def is_beside(self, origin: RecordingStore) -> bool:
            return isinstance(origin, RecordingStore)

        async def mount(self, blob: Descriptor, origin: RecordingStore) -> bool:
            if blob.digest == BASE.descriptor.digest:
                return False
            self._blobs[blob.digest] = origin._blobs[blob.digest]
            return True

    source = await holding(MULTI, "1")
    destination = Mounting()
    events: list[Event] = []
    copied = await copy(source, ONE, destination, tags=[ONE], progress=events.append)
    assert source.fetched == [BASE.descriptor.digest]
    assert (copied.moved.blobs, copied.mounted.blobs) == (1, len(MULTI.all_blobs()) - 1)
    assert sum(event.mounted for event in events if isinstance(event, Ended)) == copied.mounted.blobs


async def test_progress_tells_the_plan_and_every_byte() -> None:
    source = await holding(MULTI, "1")
    destination = RecordingStore()
    await destination.push(BASE.descriptor, pieces(BASE.content))
    events: list[Event] = []
    copied = await copy(source, ONE, destination, tags=[ONE], progress=events.append)
    assert events[0] == Planned(copied.moved, Tally(1, BASE.descriptor.size))
    assert sum(event.bytes for event in events if isinstance(event, Passed)) == copied.moved.bytes
    assert sum(isinstance(event, Ended) for event in events) == copied.moved.blobs


@pytest.mark.parametrize("budget", range(14))
async def test_copy_that_dies_leaves_no_tag_and_the_next_one_finishes_it(budget: int) -> None:
    content = WHOLE["index of indexes"]
    source = await holding(content, "1")
    destination = CutStore()
    destination.budget = budget
    with pytest.raises(Cut):
        await copy(source, ONE, destination, tags=[ONE], jobs=2)
    assert [tag async for tag in destination.tags()] == []
    destination.budget = None
    arrived = {digest for digest in destination.pushed if digest in content.all_blobs()}
    destination.forget()
    copied = await copy(source, ONE, destination, tags=[ONE])
    assert copied.moved.blobs <= len(content.all_blobs()) - len(arrived)
    await everything_is_in(destination, content)


async def test_cancelled_copy_leaves_no_tag() -> None:
    class Endless(RecordingStore):
        """Its first piece of a blob arrives, the next one never does."""

        reached = asyncio.Event()

        async def fetch(self, blob: Descriptor, *, offset: int = 0):
            yield (await read(super().fetch(blob)))[:1]
            self.reached.set()
            await asyncio.Event().wait()

    source = Endless()
    source.reached = asyncio.Event()
    await put(MULTI, source, "1")
    destination = RecordingStore()
    running = asyncio.create_task(copy(source, ONE, destination, tags=[ONE]))
    await source.reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert destination.pushed == []
    assert destination.busy == 0


async def test_copy_between_layouts_and_back(tmp_path: Path) -> None:
    content = WHOLE["index of indexes"]
    memory, again = await holding(content, "1"), RecordingStore()
    first, second = Layout(tmp_path / "first"), Layout(tmp_path / "second")
    await copy(memory, ONE, first, tags=[ONE])
    await copy(first, ONE, second, tags=[Tag("2")])
    copied = await copy(second, Tag("2"), again, tags=[ONE])
    assert copied.root == content.manifest.descriptor
    await everything_is_in(again, content)
    assert [tag async for tag in second.tags()] == ["2"]


async def test_media_type_of_a_child_is_the_one_that_its_index_gives(tmp_path: Path) -> None:
    # An OCI manifest may leave its media type out, and then a layout cannot tell but from the index.
    image = an_image(docker=True)
    bare = json.loads(image.manifest.content)
    del bare["mediaType"]
    child = Content(Manifest(json.dumps(bare).encode(), OCI_MANIFEST), blobs=image.blobs)
    index = Content(an_index_with(child.manifest.descriptor), children=(child,))
    layout = Layout(tmp_path / "layout")
    await put(index, layout, "1")
    destination = RecordingStore()
    await copy(layout, ONE, destination, tags=[ONE])
    assert (await destination.manifest(child.digest)).media_type == OCI_MANIFEST


async def test_hole_at_a_registry_that_answers_as_if_there_were_no_repository_is_named_too() -> None:
    class Odd(RecordingStore):
        """Says NAME_UNKNOWN for a manifest that it does not have."""

        async def manifest(self, name: Tag | Digest) -> Manifest:
            try:
                return await super().manifest(name)
            except ManifestUnknown as error:
                raise NameUnknown(error.message) from error

    source = Odd()
    await put(MULTI, source, "1")
    await source.delete(MULTI.children[1].digest)
    destination = RecordingStore()
    with pytest.raises(NameUnknown) as caught:
        await copy(source, ONE, destination, tags=[ONE])
    assert "holes" in (caught.value.hint or "")
    assert destination.pushed == []


async def test_second_look_counts_each_blob_once() -> None:
    class Minding(RecordingStore):
        """Refuses an index while an image below it is not whole."""

        async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
            for child in manifest.view.manifests:
                self._check_whole(await self.manifest(child.digest))
            await super().push_manifest(manifest, *tags)

    source, destination = await holding(MULTI, "1"), Minding()
    there, missing = MULTI.children
    await put(there, destination)
    lost = there.blobs[2].descriptor
    del destination._blobs[lost.digest]
    destination.forget()
    copied = await copy(source, ONE, destination, tags=[ONE])
    own = {blob.descriptor.digest for blob in missing.blobs} - {BASE.descriptor.digest}
    assert copied.moved.blobs == len(own) + 1
    assert copied.moved.blobs + copied.skipped.blobs == len(MULTI.all_blobs())
    await everything_is_in(destination, MULTI)


async def test_arguments_that_cannot_be_meant_are_refused_at_once() -> None:
    source = await holding(an_image(), "1")
    with pytest.raises(TypeError, match=r"tags=\[Tag\('v10'\)\]"):
        await copy(source, Tag("1"), MemoryStore(), tags=Tag("v10"))  # type: ignore[arg-type]  # that is the mistake
    with pytest.raises(ValueError, match="jobs is 0"):
        await copy(source, Tag("1"), MemoryStore(), jobs=0)
