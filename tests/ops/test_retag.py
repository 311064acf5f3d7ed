"""More tags for what is there: nothing but tags is written, in order, and as one change where a store gathers."""

from pathlib import Path

import pytest

from tests.content import an_image, an_index_of, put
from tests.ops.recording import RecordingStore
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestUnknown
from wherry.oci.reference import Reference, Tag
from wherry.ops.retag import retag
from wherry.stores.archive import oci_archive
from wherry.stores.memory import MemoryStore
from wherry.stores.remote import Client

IMAGE = an_image()
ONE, TWO, THREE = map(Tag, "123")


async def tags_of(store: MemoryStore) -> dict[Tag, Digest]:
    return {tag: (await store.resolve(tag)).digest async for tag in store.tags()}


async def test_tags_are_pointed_at_what_a_tag_leads_to() -> None:
    store = MemoryStore()
    await put(IMAGE, store, "1")
    assert await retag(store, ONE, [TWO, THREE]) == IMAGE.manifest.descriptor
    assert await tags_of(store) == dict.fromkeys((ONE, TWO, THREE), IMAGE.digest)


async def test_manifest_without_a_tag_gets_one_by_its_digest() -> None:
    store = MemoryStore()
    index = an_index_of(IMAGE)
    await put(index, store)
    assert (await retag(store, index.digest, [ONE])).digest == index.digest
    assert await tags_of(store) == {ONE: index.digest}


async def test_tag_moves_and_the_manifest_that_it_was_on_stays() -> None:
    store, other = MemoryStore(), an_image("other")
    await put(IMAGE, store, "1")
    await put(other, store, "2")
    await retag(store, ONE, [TWO])
    assert await tags_of(store) == {ONE: IMAGE.digest, TWO: IMAGE.digest}
    assert (await store.manifest(other.digest)) == other.manifest


async def test_no_blob_and_no_other_manifest_is_touched() -> None:
    store = RecordingStore()
    await put(IMAGE, store, "1")
    store.forget()
    await retag(store, ONE, [TWO])
    assert (store.read, store.fetched, store.asked, store.pushed) == ([ONE], [], [], [])


async def test_what_is_not_there_gets_no_tag() -> None:
    store = MemoryStore()
    await put(IMAGE, store, "1")
    with pytest.raises(ManifestUnknown):
        await retag(store, TWO, [THREE])
    assert await tags_of(store) == {ONE: IMAGE.digest}


class Refusing(MemoryStore):
    """Takes no tag that is called so."""

    async def tag(self, manifest: object, tag: Tag) -> None:
        if tag == TWO:
            raise ManifestUnknown("not this one")
        await super().tag(manifest, tag)  # type: ignore[arg-type]  # as it came


async def test_first_failure_stops_the_rest() -> None:
    store = Refusing()
    await put(IMAGE, store, "0")
    with pytest.raises(ManifestUnknown, match="not this one"):
        await retag(store, Tag("0"), [ONE, TWO, THREE])
    assert set(await tags_of(store)) == {Tag("0"), ONE}


async def test_archive_is_written_once_and_not_at_all_if_a_tag_fails(tmp_path: Path) -> None:
    file = tmp_path / "app.tar"
    await put(IMAGE, oci_archive(file), "1")
    before = file.stat().st_ino
    archive = oci_archive(file)
    replaced: list[int] = []
    original = archive.tag

    async def watched(manifest: object, tag: Tag) -> None:
        replaced.append(file.stat().st_ino)
        if tag == Tag("bad"):
            raise ManifestUnknown("not this one")
        await original(manifest, tag)  # type: ignore[arg-type]  # as it came

    archive.tag = watched  # type: ignore[method-assign]  # it only looks, or stops
    with pytest.raises(ManifestUnknown):
        await retag(archive, ONE, [TWO, Tag("bad")])
    assert (file.stat().st_ino, [tag async for tag in oci_archive(file).tags()]) == (before, [ONE])
    await retag(archive, ONE, [TWO, THREE])
    assert file.stat().st_ino != before
    assert replaced == [before] * 4
    assert [tag async for tag in oci_archive(file).tags()] == [ONE, TWO, THREE]


async def test_in_a_registry_every_tag_leads_there(registry) -> None:
    async with Client() as client:
        repository = client.repository(Reference.parse_repository(f"{registry.address}/team/app"))
        await put(IMAGE, repository, "1")
        await retag(repository, ONE, [TWO, THREE])
        assert [(await repository.resolve(tag)).digest for tag in (TWO, THREE)] == [IMAGE.digest] * 2


async def test_each_tag_is_told_when_it_is_there(tmp_path: Path) -> None:
    for store in (MemoryStore(), oci_archive(tmp_path / "a.tar")):
        await put(IMAGE, store, "1")
        told: list[Tag] = []
        await retag(store, ONE, [THREE, TWO], placed=told.append)
        assert told == [THREE, TWO]
