"""The order of tags: by name, by version, by when the image was made."""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest

from tests.content import Content, an_artifact, an_image, an_index_of, put
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ConnectionFailed
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_SCHEMA1_SIGNED
from wherry.oci.reference import Tag
from wherry.ops.tag_order import Order, digests_of, in_order
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore

VERSIONS = [
    *("alpine", "latest", "nightly-2"),  # no versions
    *("0.9", "1.0.0-alpha.1", "1.0.0-alpha.2", "1.0.0-alpha.10", "1.0.0-rc.1", "1.0.0", "v1.2", "1.2.1", "1.10", "2", "10.0.0"),
]  # fmt: skip


def tags(*names: str) -> list[Tag]:
    return [*map(Tag, names)]


@pytest.mark.parametrize("seed", range(5))
async def test_versions_go_by_precedence_and_what_is_none_goes_first(seed) -> None:
    shuffled = tags(*VERSIONS)
    random.Random(seed).shuffle(shuffled)
    assert await in_order(MemoryStore(), shuffled, Order.SEMVER) == VERSIONS


async def test_one_version_in_several_spellings_goes_by_name_and_its_builds_come_after() -> None:
    names = ["1.0_b", "1.0_a", "v1.0", "1.0", "1.0.0"]
    assert await in_order(MemoryStore(), tags(*names), Order.SEMVER) == ["1.0", "1.0.0", "v1.0", "1.0_a", "1.0_b"]


async def test_names_go_by_their_bytes() -> None:
    assert await in_order(MemoryStore(), tags("b", "10", "_", "B", "9"), Order.NAME) == ["10", "9", "B", "_", "b"]


async def a_store(**contents: Content) -> MemoryStore:
    store = MemoryStore()
    for tag, content in contents.items():
        await put(content, store, tag)
    return store


def made(created: str) -> Content:
    return an_image(created, created=created)


async def test_images_go_by_when_they_were_made_whatever_the_time_zone() -> None:
    store = await a_store(
        c=made("2026-01-01T12:00:00Z"),
        b=made("2026-01-01T12:30:00+02:00"),
        a=made("2026-01-01T12:00:00.5Z"),
        d=made("2026-01-01T11:00:00"),
    )
    assert await in_order(store, tags("a", "b", "c", "d"), Order.CREATED) == ["b", "d", "c", "a"]


async def test_images_of_the_same_time_go_by_name() -> None:
    image = made("2026-01-01T12:00:00Z")
    store = await a_store(b=image, a=image, c=image)
    assert await in_order(store, tags("c", "a", "b"), Order.CREATED) == ["a", "b", "c"]


async def test_index_was_made_when_its_first_image_was() -> None:
    young, old = made("2026-03-01T00:00:00Z"), made("2026-01-01T00:00:00Z")
    store = await a_store(
        nested=an_index_of(an_index_of(young, old)), between=made("2026-02-01T00:00:00Z"), plain=an_index_of(old, young)
    )
    assert await in_order(store, tags("nested", "between", "plain"), Order.CREATED) == ["plain", "between", "nested"]


async def test_what_does_not_say_when_it_was_made_goes_first() -> None:
    schema1 = {"schemaVersion": 1, "fsLayers": [], "history": [], "signatures": []}
    store = await a_store(
        old=made("1970-01-01T00:00:00Z"),
        artifact=an_artifact(),
        empty=an_index_of(),
        unclear=made("yesterday"),
        without=made(""),
        schema1=Content(Manifest(json.dumps(schema1).encode(), DOCKER_SCHEMA1_SIGNED)),
    )
    names = tags("old", "artifact", "empty", "unclear", "without", "schema1", "gone")
    assert await in_order(store, names, Order.CREATED) == [*sorted(names[1:]), "old"]


async def test_image_whose_config_is_missing_goes_first(tmp_path: Path) -> None:
    layout, holed = Layout(tmp_path), made("2026-01-01T00:00:00Z")
    await put(holed, layout, "z")
    await put(made("1990-01-01T00:00:00Z"), layout, "a")
    (tmp_path / "blobs" / "sha256" / holed.blobs[0].descriptor.digest.encoded).unlink()
    assert await in_order(layout, tags("a", "z"), Order.CREATED) == ["z", "a"]


@pytest.mark.parametrize("what", ["manifest", "config"])
async def test_damaged_image_goes_first(tmp_path: Path, what: str) -> None:
    layout, damaged = Layout(tmp_path), made("2026-01-01T00:00:00Z")
    await put(damaged, layout, "z")
    await put(made("1990-01-01T00:00:00Z"), layout, "a")
    digest = damaged.digest if what == "manifest" else damaged.blobs[0].descriptor.digest
    (tmp_path / "blobs" / "sha256" / digest.encoded).write_bytes(b"damaged")
    assert await in_order(layout, tags("a", "z"), Order.CREATED) == ["z", "a"]


async def test_config_of_several_tags_is_read_once() -> None:
    class Noted(MemoryStore):
        read: ClassVar[list[Digest]] = []

        def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
            self.read.append(blob.digest)
            return super().fetch(blob, offset=offset)

    store, image = Noted(), made("2026-01-01T00:00:00Z")
    await put(image, store, "a", "b", "c")
    assert await in_order(store, tags("c", "b", "a"), Order.CREATED) == ["a", "b", "c"]
    assert store.read == [image.blobs[0].descriptor.digest]


class Broken(MemoryStore):
    """Gives nothing."""

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        raise ConnectionFailed("cut", registry="r")

    async def manifest(self, name: Tag | Digest) -> Manifest:
        raise ConnectionFailed("cut", registry="r")


async def test_failure_of_the_place_is_not_taken_for_absence() -> None:
    with pytest.raises(ConnectionFailed):
        await in_order(Broken(), tags("a"), Order.CREATED)
    with pytest.raises(ConnectionFailed):
        await digests_of(Broken(), tags("a"))


async def test_digests_stand_beside_tags_in_their_order() -> None:
    a, b = an_image("a"), an_index_of(an_image("b"))
    store = await a_store(a=a, b=b)
    assert await digests_of(store, tags("b", "gone", "a", "b")) == [
        ("b", b.digest), ("gone", None), ("a", a.digest), ("b", b.digest)
    ]  # fmt: skip
