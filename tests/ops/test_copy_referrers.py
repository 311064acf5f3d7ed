"""Signatures, SBOMs and attestations: what is found, in which order it goes, and how it is found again."""

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.content import Content, an_artifact, an_image, an_index_of, put
from tests.ops.recording import Cut, CutStore, RecordingStore
from tests.ops.test_copy import ONE, everything_is_in, holding
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.document import encode
from wherry.oci.errors import Denied, ManifestUnknown
from wherry.oci.manifest import Manifest
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference, Tag
from wherry.ops.copy import copy
from wherry.stores.layout import Layout
from wherry.stores.protocol import Source, Store
from wherry.stores.remote import Client
from wherry.stores.remote.referrers import fallback_tag

AMD64, ARM64 = an_image(), an_image(platform="linux/arm64")
INDEX = an_index_of(AMD64, ARM64)
SIGNATURE = an_artifact(b"signed", artifact_type="application/x-signature", subject=INDEX.manifest.descriptor)
SBOM = an_artifact(b"parts", artifact_type="application/x-sbom", subject=AMD64.manifest.descriptor)
SBOM_SIGNED = an_artifact(b"parts, signed", artifact_type="application/x-signature", subject=SBOM.manifest.descriptor)
REFERRERS = (SIGNATURE, SBOM, SBOM_SIGNED)


def cosign_tag(content: Content, suffix: str) -> str:
    return f"sha256-{content.digest.encoded}.{suffix}"


async def also(store: RecordingStore, content: Content, *tags: str) -> None:
    """Put more into a store."""
    await put(content, store, *tags)
    store.forget()


async def holding_all() -> RecordingStore:
    source = await holding(INDEX, "1")
    for referrer in REFERRERS:
        await also(source, referrer)
    source.forget()
    return source


async def referrers_of(store: Source, subject: Content) -> list[Digest]:
    return [found.digest async for found in store.referrers(subject.digest)]


async def referrers_are_in(store: Store) -> None:
    assert await referrers_of(store, INDEX) == [SIGNATURE.digest]
    assert await referrers_of(store, AMD64) == [SBOM.digest]
    assert await referrers_of(store, SBOM) == [SBOM_SIGNED.digest]


async def test_referrers_stay_behind_unless_they_are_asked_for() -> None:
    destination = RecordingStore()
    await copy(await holding_all(), ONE, destination, tags=[ONE])
    assert not await destination.exists(SIGNATURE.descriptor)


async def test_referrers_of_index_children_and_referrers_are_copied() -> None:
    destination = RecordingStore()
    copied = await copy(await holding_all(), ONE, destination, tags=[ONE], referrers=True)
    for content in (INDEX, *REFERRERS):
        await everything_is_in(destination, content)
    assert copied.manifests == 6
    await referrers_are_in(destination)


async def test_subject_goes_before_its_referrer_and_the_tag_last() -> None:
    destination = RecordingStore()
    await copy(await holding_all(), ONE, destination, tags=[ONE], referrers=True)
    order = [digest for digest in destination.pushed if digest in {each.digest for each in (INDEX, *REFERRERS)}]
    assert order.index(INDEX.digest) < order.index(SIGNATURE.digest)
    assert order.index(SBOM.digest) < order.index(SBOM_SIGNED.digest)
    assert order[-1] == INDEX.digest  # once more, with its tag; the store asserts that nothing comes after it


async def test_second_copy_pushes_nothing() -> None:
    source, destination = await holding_all(), RecordingStore()
    await copy(source, ONE, destination, tags=[ONE], referrers=True)
    destination.forget()
    source.forget()
    copied = await copy(source, ONE, destination, tags=[ONE], referrers=True)
    assert destination.pushed == source.fetched == []
    assert copied.manifests == 0


async def test_signature_that_came_later_is_brought_to_an_image_that_is_there() -> None:
    source, destination = await holding(AMD64, "1"), RecordingStore()
    await copy(source, ONE, destination, tags=[ONE], referrers=True)
    await also(source, SBOM)
    destination.forget()
    await copy(source, ONE, destination, tags=[ONE], referrers=True)
    assert await referrers_of(destination, AMD64) == [SBOM.digest]
    assert AMD64.digest not in destination.pushed


async def test_cosigns_tags_are_copied_with_what_they_are_about() -> None:
    source, destination = await holding(INDEX, "1"), RecordingStore()
    signature, sbom, signed = an_artifact(b"sig"), an_artifact(b"sbom"), an_artifact(b"sig of sig")
    await also(source, signature, cosign_tag(INDEX, "sig"))
    await also(source, sbom, cosign_tag(AMD64, "sbom"))
    await also(source, signed, cosign_tag(signature, "sig"))
    await also(source, an_artifact(b"of another"), f"sha256-{'0' * 64}.sig")
    await copy(source, ONE, destination, tags=[ONE], referrers=True)
    for content, tag in (
        (signature, cosign_tag(INDEX, "sig")),
        (sbom, cosign_tag(AMD64, "sbom")),
        (signed, cosign_tag(signature, "sig")),
    ):
        assert (await destination.resolve(Tag(tag))).digest == content.digest
        await everything_is_in(destination, content)
    assert len([tag async for tag in destination.tags()]) == 4


async def test_cosigns_tag_that_moved_moves_at_the_destination() -> None:
    source, destination = await holding(AMD64, "1"), RecordingStore()
    tag = Tag(cosign_tag(AMD64, "sig"))
    for words in (b"one", b"one and two"):
        await also(source, an_artifact(words), tag)
        destination.forget()
        await copy(source, ONE, destination, tags=[ONE], referrers=True)
    assert (await destination.resolve(tag)).digest == an_artifact(b"one and two").digest
    destination.forget()
    await copy(source, ONE, destination, tags=[ONE], referrers=True)
    assert destination.pushed == []


async def test_cosigns_tags_are_found_where_tags_are_not_listed() -> None:
    class Secretive(RecordingStore):
        """Gives images, and no list."""

        async def tags(self) -> AsyncIterator[Tag]:
            raise Denied("no list for you")
            yield Tag("never")

    source = Secretive()
    await also(source, AMD64, "1")
    await also(source, an_artifact(b"sig"), cosign_tag(AMD64, "sig"))
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE], referrers=True)
    assert await destination.exists(an_artifact(b"sig").descriptor)


async def test_referrer_that_is_listed_and_gone_is_passed_by() -> None:
    class Forgetful(RecordingStore):
        """Its list has one more than there is, as a list that clients keep may have."""

        async def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
            yield an_artifact(b"deleted", subject=AMD64.manifest.descriptor).descriptor
            async for found in super().referrers(subject, artifact_type):
                yield found

    source = Forgetful()
    await also(source, AMD64, "1")
    await also(source, SBOM)
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE], referrers=True)
    assert await referrers_of(destination, AMD64) == [SBOM.digest]


async def test_what_is_listed_and_refers_to_something_else_is_passed_by() -> None:
    class Confused(RecordingStore):
        """Takes the fallback tag for a digest, and lists the children of the subject (GitLab did)."""

        async def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
            for child in INDEX.children:
                yield child.descriptor
            yield an_image("stranger").descriptor

    source = Confused()
    await also(source, INDEX, "1")
    await also(source, an_image("stranger"))
    destination = RecordingStore()
    await copy(source, ONE, destination, tags=[ONE], referrers=True)
    assert not await destination.exists(an_image("stranger").descriptor)
    await everything_is_in(destination, INDEX)


async def test_referrer_that_is_an_index_is_copied_with_its_children() -> None:
    proof = an_image("proof")
    document = b'{"schemaVersion":2,"mediaType":"%s","manifests":[%s],"subject":%s}'

    filled = document % (
        b"application/vnd.oci.image.index.v1+json",
        encode(proof.descriptor.to_json()),
        encode(AMD64.manifest.descriptor.to_json()),
    )
    index = Content(Manifest(filled, "application/vnd.oci.image.index.v1+json"), children=(proof,))
    source, destination = await holding(AMD64, "1"), RecordingStore()
    await also(source, index)
    await copy(source, ONE, destination, tags=[ONE], referrers=True)
    await everything_is_in(destination, index)


async def test_smaller_index_has_no_referrers_and_its_children_have() -> None:
    destination = RecordingStore()
    platforms = [Platform.parse("linux/amd64")]
    await copy(await holding_all(), ONE, destination, tags=[ONE], referrers=True, platforms=platforms)
    assert not await destination.exists(SIGNATURE.descriptor)
    assert await destination.exists(SBOM.descriptor)
    assert await destination.exists(SBOM_SIGNED.descriptor)


@pytest.mark.parametrize("budget", range(0, 22, 2))
async def test_copy_that_dies_shows_no_tag_without_its_signature(budget: int) -> None:
    source, destination = await holding_all(), CutStore()
    destination.budget = budget
    with pytest.raises(Cut):
        await copy(source, ONE, destination, tags=[ONE], referrers=True, jobs=2)
    with pytest.raises(ManifestUnknown):
        await destination.resolve(ONE)
    destination.budget = None
    await copy(source, ONE, destination, tags=[ONE], referrers=True)
    await referrers_are_in(destination)


async def test_referrers_come_round_over_registries_and_layouts(registry, registry_factory, tmp_path: Path) -> None:
    elsewhere = await registry_factory()
    layout, back = Layout(tmp_path / "layout"), RecordingStore()
    async with Client() as client:
        first, second = (client.repository(Reference.parse(f"{each.address}/a")) for each in (registry, elsewhere))
        stores = [await holding_all(), first, second, layout, back]
        for source, destination in pairwise(stores):
            await copy(source, ONE, destination, tags=[ONE], referrers=True)
            await referrers_are_in(destination)


@pytest.mark.peer("docker-registry")
async def test_registry_without_the_api_gets_the_fallback_tags(debian_registry: str) -> None:
    back = RecordingStore()
    async with Client() as client:
        old = client.repository(Reference.parse(f"{debian_registry}/team/app"))
        await copy(await holding_all(), ONE, old, tags=[ONE], referrers=True)
        tags = {tag async for tag in old.tags()}
        assert tags == {ONE, *(fallback_tag(each.digest) for each in (INDEX, AMD64, SBOM))}
        assert (await copy(await holding_all(), ONE, old, tags=[ONE], referrers=True)).manifests == 0
        await copy(old, ONE, back, tags=[ONE], referrers=True)
    await referrers_are_in(back)
