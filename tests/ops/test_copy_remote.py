"""The same copies over sockets: from memory to a registry, to another one, to a layout, and back."""

from pathlib import Path

import pytest

from tests.content import Content, a_blob, a_layer, an_image
from tests.ops.recording import RecordingStore
from tests.ops.test_copy import MULTI, ONE, WHOLE, an_index_with, everything_is_in, holding
from wherry.oci.errors import BlobUnknown, NotFound
from wherry.oci.mediatype import OCI_MANIFEST
from wherry.oci.reference import Reference, Tag
from wherry.ops.copy import copy
from wherry.server.running import Running
from wherry.stores.layout import Layout
from wherry.stores.remote import Client

CACHE = (a_layer({"cache": b"1"}), a_blob(b"{}", "application/vnd.buildkit.cacheconfig.v0"))
ODD = {
    "index of blobs": Content(an_index_with(*(blob.descriptor for blob in CACHE)), blobs=CACHE),
    "manifest as a layer": an_image("outer", layers=(a_blob(an_image().manifest.content, OCI_MANIFEST),)),
}


def repository(client: Client, registry: Running, name: str = "team/app"):
    return client.repository(Reference.parse(f"{registry.address}/{name}"))


@pytest.mark.parametrize("content", [*WHOLE.values(), *ODD.values()], ids=[*WHOLE, *ODD])
async def test_content_comes_round_unchanged(registry, registry_factory, tmp_path: Path, content: Content) -> None:
    elsewhere = await registry_factory()
    async with Client() as client:
        first, second = repository(client, registry), repository(client, elsewhere)
        layout, back = Layout(tmp_path / "layout"), RecordingStore()
        await copy(await holding(content, "1"), ONE, first, tags=[ONE])
        copied = await copy(first, ONE, second, tags=[ONE])
        assert copied.moved.blobs == len(content.all_blobs())
        await copy(second, ONE, layout, tags=[ONE])
        await copy(layout, ONE, back, tags=[ONE])
        assert (await copy(layout, ONE, first, tags=[ONE])).manifests == 0
    await everything_is_in(back, content)


async def test_blobs_are_mounted_between_repositories_of_a_registry(registry) -> None:
    async with Client() as client:
        first, second = repository(client, registry), repository(client, registry, "other/app")
        await copy(await holding(MULTI, "1"), ONE, first, tags=[ONE])
        copied = await copy(first, ONE, second, tags=[ONE])
        assert copied.mounted.blobs == len(MULTI.all_blobs())
        assert copied.moved.blobs == 0


async def test_copy_that_fails_leaves_no_tag_in_the_registry(registry) -> None:
    source = await holding(MULTI, "1")
    del source._blobs[MULTI.children[1].blobs[1].descriptor.digest]
    async with Client() as client:
        destination = repository(client, registry)
        with pytest.raises(BlobUnknown):
            await copy(source, ONE, destination, tags=[Tag("1")])
        with pytest.raises(NotFound):
            await destination.resolve(Tag("1"))
