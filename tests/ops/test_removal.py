"""What goes along when a manifest is deleted."""

from pathlib import Path

import pytest

from tests.content import an_image, an_index_of, put
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ConnectionFailed, NameUnknown
from wherry.oci.reference import Reference, Tag
from wherry.ops.removal import tags_on
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.protocol import Store
from wherry.stores.remote import Client

IMAGE, OTHER = an_image(), an_image("other")
NAMES = ("10", "2", "Z", "a", "b")


@pytest.fixture(params=["memory", "layout", "registry"])
async def store(request, tmp_path: Path, registry) -> Store:
    async with Client() as client:
        stores: dict[str, Store] = {
            "memory": MemoryStore(),
            "layout": Layout(tmp_path / "layout"),
            "registry": client.repository(Reference.parse_repository(f"{registry.address}/team/app")),
        }
        found = stores[request.param]
        await put(IMAGE, found, "b", "10", "Z")
        await put(an_index_of(IMAGE), found, "2")
        await put(OTHER, found, "a")
        yield found


async def test_tags_that_lead_to_a_manifest_in_byte_order(store) -> None:
    assert await tags_on(store, IMAGE.digest) == ["10", "Z", "b"]
    assert await tags_on(store, OTHER.digest) == ["a"]


async def test_manifest_that_only_an_index_names_has_no_tags(store) -> None:
    await store.delete(Tag("a"))
    assert await tags_on(store, OTHER.digest) == []
    assert await tags_on(store, Digest.of(b"absent")) == []


async def test_tag_of_a_damaged_manifest_hinders_no_other(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    await put(IMAGE, layout, "1")
    await put(OTHER, layout, "2")
    (layout.path / "blobs" / "sha256" / OTHER.digest.encoded).write_bytes(b"damaged")
    assert await tags_on(layout, IMAGE.digest) == ["1"]


async def test_what_is_listed_goes_with_the_manifest(store) -> None:
    listed = await tags_on(store, OTHER.digest)
    before = [tag async for tag in store.tags()]
    await store.delete(OTHER.digest)
    assert [tag async for tag in store.tags()] == [tag for tag in before if tag not in listed]


class Watched(MemoryStore):
    """Counts questions; a tag may go, or the network, between the list and the question."""

    def __init__(self, gone: str = "", broken: str = "") -> None:
        super().__init__()
        self.questions: list[Tag | Digest] = []
        self.gone, self.broken = gone, broken

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        self.questions.append(name)
        if name == self.gone:
            await self.delete(name)
        if name == self.broken:
            raise ConnectionFailed("cut", registry="r")
        return await super().resolve(name)


async def test_each_tag_is_asked_for_once() -> None:
    store = Watched()
    await put(IMAGE, store, *NAMES)
    assert await tags_on(store, IMAGE.digest) == sorted(NAMES)
    assert sorted(store.questions) == sorted(NAMES)


async def test_tag_that_somebody_deletes_in_the_meantime_is_none() -> None:
    store = Watched(gone="a")
    await put(IMAGE, store, *NAMES)
    assert await tags_on(store, IMAGE.digest) == ["10", "2", "Z", "b"]


async def test_failure_is_not_taken_for_absence() -> None:
    store = Watched(broken="a")
    await put(IMAGE, store, *NAMES)
    with pytest.raises(ConnectionFailed):
        await tags_on(store, IMAGE.digest)


async def test_repository_that_does_not_exist_is_an_error(registry) -> None:
    async with Client() as client:
        with pytest.raises(NameUnknown):
            await tags_on(client.repository(Reference.parse_repository(f"{registry.address}/absent")), IMAGE.digest)
