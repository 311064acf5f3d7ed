import asyncio

import pytest
from msgspec.structs import replace

from tests.content import Content, an_artifact, an_image, an_index_of, put
from tests.ops.recording import RecordingStore
from tests.ops.test_copy import BASE, everything_is_in, holding
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestInvalid, ManifestUnknown
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_LIST, OCI_INDEX
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops import index_edit
from wherry.ops.index import assemble
from wherry.ops.index_change import Contended, change
from wherry.ops.index_edit import assembled
from wherry.ops.index_sources import Entry, Named, bring, gather, merged
from wherry.ops.selection import SUBJECT
from wherry.stores.memory import MemoryStore

AMD64 = an_image()
ARM64 = an_image(platform="linux/arm64/v8")
WINDOWS = an_image("win", platform="windows(10.0.1)/amd64")
NEWER = an_image("newer", platform="linux/arm64/v8")
ARM = Platform("linux", "arm")


def twice() -> Manifest:
    """One image in an index for two platforms, and an attestation about it."""
    [image, about] = attested(ARM64).view.manifests
    return assemble([image, replace(image, platform=ARM), about])


def platforms(manifest: Manifest) -> list[str]:
    return [str(entry.platform) for entry in manifest.view.manifests]


def attested(*images: Content) -> Manifest:
    """An index as BuildKit makes it: the images, and then an attestation about each."""

    def about(image: Content) -> Descriptor:
        return replace(
            an_artifact(str(image.digest).encode()).descriptor,
            platform=Platform("unknown", "unknown"),
            annotations={SUBJECT: str(image.digest), "vnd.docker.reference.type": "attestation-manifest"},
        )

    return assemble([*(image.descriptor for image in images), *map(about, images)])


def entries(manifest: Manifest) -> list[Digest]:
    return [entry.digest for entry in manifest.view.manifests]


def entry(*images: Content) -> list[Entry]:
    return [Entry(image.descriptor, MemoryStore()) for image in images]


@pytest.fixture
async def source() -> MemoryStore:
    store = MemoryStore()
    for tag, content in {"amd64": AMD64, "arm64": ARM64, "win": WINDOWS, "index": an_index_of(ARM64, AMD64)}.items():
        await put(content, store, tag)
    return store


async def gathered(store: MemoryStore, *tags: str) -> list:
    return await gather([Named(store, Tag(tag), tag) for tag in tags])


async def test_entries_stand_in_the_order_of_the_arguments(source) -> None:
    made = assembled(await gathered(source, "win", "amd64", "arm64"))
    assert entries(made.manifest) == [WINDOWS.digest, AMD64.digest, ARM64.digest]
    assert [entry.platform for entry in made.manifest.view.manifests] == [
        WINDOWS.platform,
        AMD64.platform,
        ARM64.platform,
    ]


async def test_an_index_stands_for_its_entries_and_each_digest_comes_once(source) -> None:
    made = assembled(await gathered(source, "amd64", "index", "win"))
    assert entries(made.manifest) == [AMD64.digest, ARM64.digest, WINDOWS.digest]


async def test_an_image_for_two_platforms_is_listed_for_both(source) -> None:
    await put(an_artifact(str(ARM64.digest).encode()), source)
    await source.push_manifest(twice(), Tag("twice"))
    made = assembled(await gathered(source, "twice", "amd64", "arm64", "twice")).manifest
    assert platforms(made) == ["linux/arm64/v8", "linux/arm", "unknown/unknown", "linux/amd64"]
    found = await gathered(source, "twice")
    assert assembled(found, annotations={"a": "b"}).manifest.view.manifests == twice().view.manifests
    assert platforms(assembled(found, platforms=[ARM]).manifest) == ["linux/arm", "unknown/unknown"]


def test_what_states_no_platform_is_the_first_of_its_digest_that_does() -> None:
    arm, silent, nothing = (replace(ARM64.descriptor, platform=each) for each in (ARM, None, Platform()))
    for order, expected in (
        ([silent, ARM64.descriptor, arm, nothing], ["linux/arm64/v8", "linux/arm"]),
        ([arm, silent, ARM64.descriptor], ["linux/arm", "linux/arm64/v8"]),
        ([nothing, arm], ["linux/arm"]),
        ([silent, silent], ["None"]),
    ):
        store = MemoryStore()
        made = merged([Entry(each, store) for each in order])
        assert [str(each.descriptor.platform) for each in made] == expected


async def test_one_index_and_nothing_asked_is_taken_byte_for_byte(source) -> None:
    assert assembled(await gathered(source, "index")).manifest == an_index_of(ARM64, AMD64).manifest


async def test_a_platform_keeps_its_attestations() -> None:
    index, store = attested(AMD64, ARM64), MemoryStore()
    for image in (AMD64, ARM64):
        await put(image, store)
        await put(an_artifact(str(image.digest).encode()), store)
    await store.push_manifest(index, Tag("attested"))
    found = await gathered(store, "attested")
    made = assembled(found, platforms=[Platform("linux", "arm64")])
    assert entries(made.manifest) == [entries(index)[1], entries(index)[3]]
    with pytest.raises(ManifestUnknown, match="no source has an image for linux/s390x"):
        assembled(found, platforms=[Platform("linux", "arm64"), Platform("linux", "s390x")])


async def test_annotations_and_media_types_are_as_asked(source) -> None:
    found = await gathered(source, "index")
    annotated = assembled(found, annotations={"k": "v"}).manifest
    assert (annotated.media_type, annotated.view.annotations) == (OCI_INDEX, {"k": "v"})
    assert assembled(found, media_type=DOCKER_LIST).manifest.media_type == DOCKER_LIST
    with pytest.raises(ManifestInvalid):
        assembled(found, media_type=DOCKER_LIST, annotations={"k": "v"})


@pytest.fixture
async def spoken(source) -> Manifest:
    """An index under the tag `spoken` that says things of itself."""
    made = assemble(
        [AMD64.descriptor],
        annotations={"k": "v"},
        artifact_type="application/vnd.example.set",
        subject=WINDOWS.manifest.descriptor,
    )
    content = made.content.replace(b'"schemaVersion": 2', b'"schemaVersion": 2, "x-odd": 1')
    index = Manifest(content, made.media_type)
    await source.push_manifest(index, Tag("spoken"))
    return index


async def test_appending_keeps_what_the_index_says_of_itself(source, spoken) -> None:
    made = assembled(await gathered(source, "spoken", "arm64"), append=True).manifest
    assert entries(made) == [AMD64.digest, ARM64.digest]
    assert {**made.document, "manifests": None} == {**spoken.document, "manifests": None}
    assert assembled(await gathered(source, "spoken", "amd64"), append=True).manifest is spoken


async def test_appending_adds_annotations_to_those_that_are_there(source, spoken) -> None:
    found = await gathered(source, "spoken", "arm64")
    made = assembled(found, annotations={"a": "b"}, append=True).manifest
    assert {**made.document, "manifests": None} == {
        **spoken.document,
        "manifests": None,
        "annotations": {"k": "v", "a": "b"},
    }
    assert assembled(found, annotations={"k": "new"}, append=True).manifest.view.annotations == {"k": "new"}
    with pytest.raises(ManifestInvalid, match="a Docker list has no annotations"):
        assembled(found, media_type=DOCKER_LIST, append=True)


async def test_appending_to_a_docker_list_keeps_it_one_where_it_can(source) -> None:
    docker, more = an_image(docker=True), an_image("more", docker=True)
    await put(an_index_of(docker, docker=True), source, "list")
    await put(more, source, "more")
    found = await gathered(source, "list", "more")
    assert assembled(found, append=True).manifest.media_type == DOCKER_LIST
    annotated = assembled(found, annotations={"a": "b"}, append=True).manifest
    assert (annotated.media_type, annotated.view.annotations) == (OCI_INDEX, {"a": "b"})
    assert assembled(found, media_type=OCI_INDEX, append=True).manifest.media_type == OCI_INDEX
    assert assembled(await gathered(source, "list", "arm64"), append=True).manifest.media_type == OCI_INDEX


async def test_appending_to_an_image_makes_an_index_of_it(source) -> None:
    made = assembled(await gathered(source, "amd64", "arm64"), append=True).manifest
    assert entries(made) == [AMD64.digest, ARM64.digest]


async def test_an_absent_source_is_named(source) -> None:
    with pytest.raises(ManifestUnknown, match=r"^absent: "):
        await gathered(source, "amd64", "absent")


async def test_what_is_elsewhere_is_brought(source) -> None:
    target = MemoryStore()
    made = assembled(await gathered(source, "index", "win"))
    await bring(made.entries, target)
    await target.push_manifest(made.manifest, Tag("1"))
    for image in (AMD64, ARM64, WINDOWS):
        assert await target.manifest(image.digest) == image.manifest


def test_adding_keeps_what_is_there_and_what_the_index_says() -> None:
    index = an_index_of(AMD64, annotations={"k": "v"}).manifest
    more = index_edit.add(index, entry(ARM64, AMD64))
    assert (entries(more), more.view.annotations) == ([AMD64.digest, ARM64.digest], {"k": "v"})
    assert index_edit.add(more, entry(ARM64)) is more
    assert entries(index_edit.add(None, entry(ARM64))) == [ARM64.digest]


def test_adding_instead_takes_the_place_of_the_same_platform_and_its_attestations() -> None:
    index = attested(AMD64, ARM64)
    changed = index_edit.add(index, entry(NEWER), instead=True)
    assert entries(changed) == [entries(index)[0], entries(index)[2], NEWER.digest]
    assert index_edit.add(changed, entry(NEWER), instead=True) is changed


def test_adding_adds_an_image_for_another_platform() -> None:
    index = assemble([ARM64.descriptor])
    arm = Entry(replace(ARM64.descriptor, platform=ARM), MemoryStore())
    assert platforms(index_edit.add(index, [arm])) == ["linux/arm64/v8", "linux/arm"]


def test_the_usual_variant_is_the_same_platform_whether_it_is_written_or_not() -> None:
    index = attested(AMD64, ARM64)
    plain, newer = (replace(each.descriptor, platform=Platform("linux", "arm64")) for each in (ARM64, NEWER))
    assert index_edit.add(index, [Entry(plain, MemoryStore())]) is index
    assert index_edit.add(index, [Entry(plain, MemoryStore())], instead=True) is index
    assert index_edit.add(index, [Entry(replace(plain, platform=None), MemoryStore())]) is index
    changed = index_edit.add(index, [Entry(newer, MemoryStore())], instead=True)
    assert entries(changed) == [entries(index)[0], entries(index)[2], NEWER.digest]


def test_adding_instead_leaves_the_same_image_for_another_platform() -> None:
    changed = index_edit.add(twice(), entry(NEWER), instead=True)
    assert platforms(changed) == ["linux/arm", "unknown/unknown", "linux/arm64/v8"]
    both = [*entry(NEWER), *entry(ARM64)]
    assert entries(index_edit.add(twice(), both, instead=True)) == [*entries(twice()), NEWER.digest]


def test_a_docker_list_with_an_oci_image_in_it_becomes_an_oci_index() -> None:
    docker = an_image(docker=True)
    index = an_index_of(docker, docker=True).manifest
    assert index_edit.add(index, entry(an_image("x", docker=True))).media_type == DOCKER_LIST
    assert index_edit.add(index, entry(ARM64)).media_type == OCI_INDEX


def test_removing_by_digest_or_platform_takes_attestations_along() -> None:
    index = attested(AMD64, ARM64)
    for name in (ARM64.digest, Platform("linux", "arm64")):
        assert entries(index_edit.remove(index, [name])) == [entries(index)[0], entries(index)[2]]
    with pytest.raises(ManifestUnknown, match="no entry for windows/amd64"):
        index_edit.remove(index, [Platform("windows", "amd64")])
    assert index_edit.remove(index, [Platform("windows", "amd64")], must=False) is index


def test_of_an_image_for_two_platforms_one_is_removed_or_by_digest_both() -> None:
    one = index_edit.remove(twice(), [Platform("linux", "arm64")])
    assert platforms(one) == ["linux/arm", "unknown/unknown"]
    assert entries(index_edit.remove(one, [ARM])) == []
    assert entries(index_edit.remove(twice(), [ARM64.digest])) == []


def test_of_an_image_for_two_platforms_one_is_annotated() -> None:
    one = index_edit.annotate(twice(), {"k": "v"}, [ARM])
    assert [(each.annotations or {}).get("k") for each in one.view.manifests] == [None, "v", None]


def test_annotating_entries_or_the_index_itself() -> None:
    index = an_index_of(AMD64, ARM64).manifest
    one = index_edit.annotate(index, {"k": "v"}, [ARM64.digest])
    assert [each.annotations for each in one.view.manifests] == [None, {"k": "v"}]
    itself = index_edit.annotate(one, {"a": "b"})
    assert (itself.view.annotations, itself.view.manifests) == ({"a": "b"}, one.view.manifests)
    assert index_edit.annotate(itself, {"a": "b"}) is itself
    cleared = index_edit.annotate(itself, {}, clear=True)
    assert cleared.view.annotations is None
    assert index_edit.annotate(cleared, {}, [Platform("linux", "arm64")], clear=True).view == index.view


def test_annotating_a_docker_list_makes_an_oci_index() -> None:
    index = an_index_of(an_image(docker=True), docker=True).manifest
    for changed in (index_edit.annotate(index, {"k": "v"}), index_edit.annotate(index, {"k": "v"}, entries(index))):
        assert changed.media_type == OCI_INDEX


def test_an_image_is_no_index() -> None:
    for attempt in (
        lambda: index_edit.add(AMD64.manifest, entry(ARM64)),
        lambda: index_edit.remove(AMD64.manifest, [AMD64.digest]),
        lambda: index_edit.annotate(AMD64.manifest, {"k": "v"}),
    ):
        with pytest.raises(ManifestInvalid, match="is no index"):
            attempt()


class _Contended(MemoryStore):
    """A store in which somebody else pushes right after us, some times."""

    def __init__(self, others: list[Content]) -> None:
        super().__init__()
        self._others = others

    async def swap(self, manifest: Manifest, tag: Tag, before: Digest | None) -> None:
        """As registries are that know no conditions."""
        await self.push_manifest(manifest, tag)

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        await super().push_manifest(manifest, *tags)
        if tags and self._others:
            other = self._others.pop()
            await put(other, self)
            await super().push_manifest(index_edit.add(None, entry(other)), *tags)


async def test_a_change_that_was_overwritten_is_made_again_upon_what_is_there() -> None:
    store = _Contended([WINDOWS, ARM64])
    for image in (AMD64, ARM64, WINDOWS):
        await put(image, store)

    async def edit(present: Manifest | None) -> Manifest:
        return index_edit.add(present, entry(AMD64))

    stayed = await change(store, Tag("1"), edit, settled=0)
    assert entries(stayed) == [WINDOWS.digest, AMD64.digest]
    assert await store.manifest(Tag("1")) == stayed


async def test_a_store_that_swaps_tags_needs_no_second_look() -> None:
    class Quicker(MemoryStore):
        """Somebody else is quicker, once."""

        async def swap(self, manifest: Manifest, tag: Tag, before: Digest | None) -> bool:
            if before is None:
                await super().push_manifest(index_edit.add(None, entry(ARM64)), tag)
            return await super().swap(manifest, tag, before)

    store = Quicker()
    for image in (AMD64, ARM64):
        await put(image, store)

    async def edit(present: Manifest | None) -> Manifest:
        return index_edit.add(present, entry(AMD64))

    # Were it to wait for others, a minute would not end in this test.
    async with asyncio.timeout(30):
        stayed = await change(store, Tag("1"), edit, settled=60)
    assert entries(stayed) == [ARM64.digest, AMD64.digest]
    assert await store.manifest(Tag("1")) == stayed


async def test_a_change_that_never_stays_is_given_up() -> None:
    images = [an_image(str(number)) for number in range(40)]
    store = _Contended(images)
    for image in (AMD64, *images):
        await put(image, store)

    async def edit(present: Manifest | None) -> Manifest:
        return index_edit.add(present, entry(AMD64))

    with pytest.raises(Contended):
        await change(store, Tag("1"), edit, settled=0)


async def test_layer_that_entries_share_is_brought_once() -> None:
    images = [an_image(platform=platform, layers=(BASE,)) for platform in ("linux/amd64", "linux/arm64")]
    stores = [await holding(image) for image in images]
    target = RecordingStore()
    await bring([Entry(image.descriptor, store) for image, store in zip(images, stores, strict=True)], target)
    assert target.pushed.count(BASE.descriptor.digest) == 1
    for image in images:
        await everything_is_in(target, image)
