"""Any graph, cut short anywhere: what must hold of every copy."""

import asyncio
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tests.content import Content, a_layer, an_artifact, an_image, an_index_of, put, read
from tests.ops.recording import Cut, CutStore, RecordingStore
from wherry.oci.digest import Digest
from wherry.oci.reference import Tag
from wherry.ops.copy import copy
from wherry.stores.memory import MemoryStore

TAG = Tag("tag")
# Few of each, so that graphs share layers and children.
LAYERS = st.integers(0, 5).map(lambda n: a_layer({f"file{n}": bytes([n]) * n * 700}))
IMAGES = st.builds(
    an_image,
    st.sampled_from(["a", "b", "c"]),
    platform=st.sampled_from(["linux/amd64", "linux/arm64", "windows/amd64"]),
    layers=st.lists(LAYERS, max_size=4).map(tuple),
    docker=st.booleans(),
)
ARTIFACTS = st.builds(an_artifact, st.sampled_from([b"x", b"y"]))
GRAPHS = st.recursive(
    IMAGES | ARTIFACTS,
    lambda children: st.lists(children, max_size=4).map(lambda chosen: an_index_of(*chosen)),
    max_leaves=8,
)


async def contents(store: MemoryStore, graph: Content) -> Mapping[Digest, bytes]:
    """Everything reachable, read from the store."""
    found = {digest: (await store.manifest(digest)).content for digest in graph.all_manifests()}
    for digest, blob in graph.all_blobs().items():
        found[digest] = await read(store.fetch(blob.descriptor))
    return found


@given(graph=GRAPHS, jobs=st.integers(1, 5))
def test_everything_reachable_arrives_and_the_second_copy_moves_nothing(graph: Content, jobs: int) -> None:
    async def scenario() -> None:
        source, destination = RecordingStore(), RecordingStore()
        await put(graph, source, TAG)
        copied = await copy(source, TAG, destination, tags=[TAG], jobs=jobs)  # the store asserts the order of writes
        assert await contents(destination, graph) == await contents(source, graph)
        assert len(destination.pushed) == len(set(destination.pushed)), "something was pushed twice"
        assert copied.moved.blobs + copied.manifests == len(destination.pushed)
        destination.forget()
        source.forget()
        again = await copy(source, TAG, destination, tags=[TAG], jobs=jobs)
        assert (destination.pushed, source.fetched) == ([], [])
        assert (again.moved.blobs, again.manifests) == (0, 0)

    asyncio.run(scenario())


@given(graph=GRAPHS, jobs=st.integers(1, 5), budget=st.integers(0, 30))
def test_copy_cut_short_anywhere_shows_no_tag_and_the_next_one_finishes_it(
    graph: Content, jobs: int, budget: int
) -> None:
    async def scenario() -> None:
        source, destination = RecordingStore(), CutStore()
        await put(graph, source, TAG)
        destination.budget = budget
        try:
            await copy(source, TAG, destination, tags=[TAG], jobs=jobs)
        except Cut:
            assert [tag async for tag in destination.tags()] == []
        destination.budget = None
        destination.forget()
        await copy(source, TAG, destination, tags=[TAG], jobs=jobs)
        assert (await destination.resolve(TAG)).digest == graph.digest
        assert await contents(destination, graph) == await contents(source, graph)

    asyncio.run(scenario())
