"""Taking over the folders of other registries, whole and damaged."""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.content import Content, a_layer, an_artifact, an_image, an_index_of, put, read
from tests.powerless import powerless
from tests.storages import DistributionFolder, snapshot
from wherry.oci.errors import InvalidName, StoreError
from wherry.oci.reference import Reference, Tag
from wherry.ops.progress import Ended, Event
from wherry.server.importing import Imported, find_repositories, import_repositories, registry_for_import
from wherry.server.policy import Durability, Policy, Sparse
from wherry.server.registry import Registry
from wherry.server.running import running
from wherry.server.store import RegistryStore
from wherry.stores.layout import Layout
from wherry.stores.remote import Client

IMAGE = an_image()
OTHER = an_image("other")
INDEX = an_index_of(IMAGE, an_image(platform="linux/arm64"))
ARTIFACT = an_artifact(subject=IMAGE.manifest.descriptor)


class Cut(Exception):
    """Ends an import in the middle."""


RELAXED = Policy(durability=Durability.RELAXED)


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[Registry]:
    """A registry's storage, empty."""
    (tmp_path / "registry").mkdir()
    registry = Registry.open(tmp_path / "registry", RELAXED)
    yield registry
    await registry.close()


@pytest.fixture
def storage(tmp_path: Path) -> DistributionFolder:
    return DistributionFolder(tmp_path / "storage")


@pytest.fixture
def as_any_user() -> Iterator[None]:
    """Without root's power to read whatever it wants."""
    with powerless():
        yield


async def taken_over(folder: Path, target: Registry, *names: str) -> dict[str, Imported]:
    done = await import_repositories(find_repositories(folder, names), target)
    return {each.repository: each for each in done}


async def check_whole(target: Registry, repository: str, content: Content, *tags: str) -> None:
    """Everything of it is there, byte for byte."""
    store = RegistryStore(target, repository)
    for tag in tags:
        assert (await store.resolve(Tag(tag))).digest == content.digest
    for digest, manifest in content.all_manifests().items():
        assert await store.manifest(digest) == manifest
    for blob in content.all_blobs().values():
        assert await read(store.fetch(blob.descriptor)) == blob.content


async def test_tags_and_untagged_manifests_of_every_repository_are_taken_over(
    storage: DistributionFolder, target: Registry
) -> None:
    storage.put(INDEX, "team/app", "1", "latest")
    storage.put(ARTIFACT, "team/app")
    storage.put(OTHER, "zoo", "1")
    done = await taken_over(storage.path, target)
    await check_whole(target, "team/app", INDEX, "1", "latest")
    await check_whole(target, "team/app", ARTIFACT)
    await check_whole(target, "zoo", OTHER, "1")
    store = RegistryStore(target, "team/app")
    assert [each.digest async for each in store.referrers(IMAGE.digest)] == [ARTIFACT.digest]
    assert {name: (each.tags, each.failures) for name, each in done.items()} == {"team/app": (2, ()), "zoo": (1, ())}


async def test_running_it_again_moves_nothing(storage: DistributionFolder, target: Registry) -> None:
    storage.put(INDEX, "team/app", "1")
    storage.put(OTHER, "team/app")
    first = (await taken_over(storage.path, target))["team/app"]
    again = (await taken_over(storage.path, target))["team/app"]
    assert first.moved.blobs == 6
    assert (again.moved.blobs, again.mounted.blobs, again.manifests) == (0, 0, 0)
    assert (again.tags, again.failures) == (first.tags, ())


async def test_what_was_cut_short_goes_on_where_it_stopped(storage: DistributionFolder, target: Registry) -> None:
    storage.put(INDEX, "team/app", "1")

    def cut(event: Event) -> None:
        if isinstance(event, Ended):
            raise Cut

    with pytest.raises(Cut):
        await import_repositories(find_repositories(storage.path), target, progress=cut)
    store = RegistryStore(target, "team/app")
    there = [blob for blob in INDEX.all_blobs().values() if await store.exists(blob.descriptor)]
    assert there, "something had arrived"
    done = (await taken_over(storage.path, target))["team/app"]
    assert done.moved.blobs <= len(INDEX.all_blobs()) - len(there)
    await check_whole(target, "team/app", INDEX, "1")


async def test_the_folder_is_only_read(storage: DistributionFolder, target: Registry) -> None:
    storage.put(INDEX, "team/app", "1")
    before = snapshot(storage.path)
    await taken_over(storage.path, target)
    assert snapshot(storage.path) == before


async def test_a_blob_that_another_repository_has_got_is_not_read_again(
    storage: DistributionFolder, target: Registry
) -> None:
    base = a_layer({"base": b"base"})
    one, two, three = (an_image(name, layers=(base,)) for name in ("one", "two", "three"))
    storage.put(one, "one", "1")
    await taken_over(storage.path, target)
    storage.put(two, "two", "1")
    storage.put(three, "three", "1")
    storage.layer("three", base.descriptor).unlink()
    done = await taken_over(storage.path, target)
    assert done["two"].mounted.blobs == 1
    await check_whole(target, "two", two, "1")
    assert len(done["three"].failures) == 1, "who does not hold it at the source is not given it"


async def test_damaged_blob_stops_its_image_alone(storage: DistributionFolder, target: Registry) -> None:
    storage.put(IMAGE, "team/app", "bad")
    storage.put(OTHER, "team/app", "good")
    layer = IMAGE.blobs[1]
    assert layer.content is not None
    storage.data(layer.descriptor.digest).write_bytes(b"x" + layer.content[1:])
    done = (await taken_over(storage.path, target))["team/app"]
    await check_whole(target, "team/app", OTHER, "good")
    assert [tag async for tag in RegistryStore(target, "team/app").tags()] == ["good"]
    assert not await RegistryStore(target, "team/app").exists(layer.descriptor)
    (failure,) = done.failures
    assert failure.name == "bad"
    assert str(layer.descriptor.digest) in failure.reason


async def test_dangling_and_damaged_links_are_told_and_skipped(storage: DistributionFolder, target: Registry) -> None:
    storage.put(IMAGE, "team/app", "good", "dangling", "damaged", "lost")
    storage.put(OTHER, "team/app", "gone")
    storage.tag("team/app", "dangling").write_text(f"sha256:{'0' * 64}")
    storage.tag("team/app", "damaged").write_text("")
    storage.revision("team/app", OTHER.digest).unlink()
    done = (await taken_over(storage.path, target))["team/app"]
    assert [tag async for tag in RegistryStore(target, "team/app").tags()] == ["good", "lost"]
    assert sorted(str(each.name) for each in done.failures) == ["damaged", "dangling", "gone"]
    reasons = {str(each.name): each.reason for each in done.failures}
    assert "is not in the repository" in reasons["dangling"]
    assert "is damaged" in reasons["damaged"]


def lose_link(link: Path) -> None:
    link.unlink()


def block_link(link: Path) -> None:
    link.unlink()
    os.mkfifo(link)


@pytest.mark.parametrize("damage", [lose_link, block_link])
async def test_a_tag_that_has_lost_its_link_is_told(
    storage: DistributionFolder, target: Registry, damage: Callable[[Path], None]
) -> None:
    storage.put(IMAGE, "team/app", "bad")
    storage.put(OTHER, "team/app", "good")
    damage(storage.tag("team/app", "bad"))
    done = (await taken_over(storage.path, target))["team/app"]
    await check_whole(target, "team/app", OTHER, "good")
    await check_whole(target, "team/app", IMAGE)
    assert [str(each.name) for each in done.failures] == ["bad"]


async def test_a_file_in_the_place_of_all_manifests_is_told(storage: DistributionFolder, target: Registry) -> None:
    storage.put(IMAGE, "team/app", "1")
    storage.put(OTHER, "zoo", "1")
    folder = storage.root / "repositories" / "team" / "app" / "_manifests"
    shutil.rmtree(folder)
    folder.write_text("")
    done = await taken_over(storage.path, target)
    await check_whole(target, "zoo", OTHER, "1")
    (failure,) = done["team/app"].failures
    assert (failure.name, failure.reason) == (None, f"{folder}: is no folder")


@pytest.mark.parametrize("kind", ["distribution", "layout"])
@pytest.mark.parametrize("damage", ["folder", "pipe", "unreadable"])
@pytest.mark.usefixtures("as_any_user")
async def test_a_manifest_that_cannot_be_read_stops_its_tag_alone(
    storage: DistributionFolder, target: Registry, damage: str, kind: str
) -> None:
    if kind == "distribution":
        storage.put(IMAGE, "team/app", "bad")
        storage.put(OTHER, "team/app", "good")
        data, names = storage.data(IMAGE.digest), ()
    else:
        await put(IMAGE, Layout(storage.path), "bad")
        await put(OTHER, Layout(storage.path), "good")
        data, names = storage.path / "blobs" / "sha256" / IMAGE.digest.encoded, ("team/app",)
    if damage == "unreadable":
        data.chmod(0)
    else:
        data.unlink()
        data.mkdir() if damage == "folder" else os.mkfifo(data)
    done = (await taken_over(storage.path, target, *names))["team/app"]
    await check_whole(target, "team/app", OTHER, "good")
    assert [tag async for tag in RegistryStore(target, "team/app").tags()] == ["good"]
    assert {str(each.name) for each in done.failures} == {"bad", str(IMAGE.digest)}
    assert all(str(data) in each.reason for each in done.failures)


@pytest.mark.parametrize("kind", ["distribution", "layout"])
async def test_index_with_holes_needs_the_policy(storage: DistributionFolder, tmp_path: Path, kind: str) -> None:
    if kind == "distribution":
        storage.put(INDEX, "app", "1")
        storage.revision("app", INDEX.children[1].digest).unlink()
    else:
        await put(INDEX, Layout(storage.path), "1")
        (storage.path / "blobs" / "sha256" / INDEX.children[1].digest.encoded).unlink()
    names = () if kind == "distribution" else ("app",)
    for sparse, failures in ((Sparse.NONE, ["1"]), (Sparse.INDEX, [])):
        policy = Policy(durability=Durability.RELAXED, sparse=sparse)
        async with registry_for_import(tmp_path / "registry", policy, dry_run=False) as registry:
            assert registry is not None
            (done,) = await import_repositories(find_repositories(storage.path, names), registry)
            assert [str(each.name) for each in done.failures] == failures
            if sparse is Sparse.INDEX:
                await check_whole(registry, "app", IMAGE)
                assert await RegistryStore(registry, "app").manifest(Tag("1")) == INDEX.manifest


async def test_a_name_that_no_repository_may_have_is_told(storage: DistributionFolder, target: Registry) -> None:
    storage.put(IMAGE, "Team", "1")
    storage.put(IMAGE, "team", "1")
    done = await taken_over(storage.path, target)
    assert done["team"].failures == ()
    (failure,) = done["Team"].failures
    assert failure.name is None
    assert "lower-case" in failure.reason


async def test_chosen_repositories_alone_are_taken_over(storage: DistributionFolder, target: Registry) -> None:
    for name in ("one", "two", "three"):
        storage.put(IMAGE, name, "1")
    done = await taken_over(storage.path, target, "one", "three")
    assert sorted(done) == ["one", "three"]
    with pytest.raises(StoreError, match="has no repository four"):
        find_repositories(storage.path, ["four"])
    with pytest.raises(InvalidName):
        find_repositories(storage.path, ["../four"])


async def test_layouts_below_a_folder_are_repositories_as_zot_keeps_them(tmp_path: Path, target: Registry) -> None:
    await put(INDEX, Layout(tmp_path / "zot" / "team" / "app"), "1", "2")
    await put(OTHER, Layout(tmp_path / "zot" / "team" / "app"))
    await put(OTHER, Layout(tmp_path / "zot" / "zoo"), "1")
    shared = OTHER.blobs[1].descriptor.digest
    ours, theirs = (tmp_path / "zot" / name / "blobs" / "sha256" / shared.encoded for name in ("zoo", "team/app"))
    ours.unlink()
    os.link(theirs, ours)  # zot's way to keep the same bytes once
    (tmp_path / "zot" / "_trivy").mkdir()
    (tmp_path / "zot" / "zoo" / ".uploads").mkdir()
    before = snapshot(tmp_path / "zot")
    done = await taken_over(tmp_path / "zot", target)
    assert {name: (each.tags, each.untagged, each.failures) for name, each in done.items()} == {
        "team/app": (2, 1, ()),
        "zoo": (1, 0, ()),
    }
    await check_whole(target, "team/app", INDEX, "1", "2")
    await check_whole(target, "zoo", OTHER, "1")
    assert snapshot(tmp_path / "zot") == before


async def test_damaged_layout_does_not_stop_the_others(tmp_path: Path, target: Registry) -> None:
    for name in ("one", "two", "three"):
        await put(IMAGE, Layout(tmp_path / "zot" / name), "1")
    (tmp_path / "zot" / "one" / "index.json").write_text("{")
    (tmp_path / "zot" / "two" / "index.json").unlink()
    done = await taken_over(tmp_path / "zot", target)
    assert [bool(done[name].failures) for name in ("one", "two", "three")] == [True, True, False]
    assert all("index.json" in each.reason for name in ("one", "two") for each in done[name].failures)


async def test_single_layout_gets_its_name(tmp_path: Path, target: Registry) -> None:
    await put(IMAGE, Layout(tmp_path / "layout"), "1")
    await taken_over(tmp_path / "layout", target, "team/app")
    await check_whole(target, "team/app", IMAGE, "1")
    for names in ((), ("one", "two")):
        with pytest.raises(StoreError, match="no name of its own"):
            find_repositories(tmp_path / "layout", names)


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="neither a registry's storage nor an OCI layout"):
        find_repositories(tmp_path)
    for absent in (tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(StoreError, match="there is no such folder"):
            find_repositories(absent)


async def test_a_server_may_run_on_the_target_meanwhile(storage: DistributionFolder, tmp_path: Path) -> None:
    storage.put(INDEX, "team/app", "1")
    folder = tmp_path / "served"
    async with (
        running(data=folder, policy=RELAXED) as server,
        Client() as client,
        registry_for_import(folder, RELAXED, dry_run=False) as registry,
    ):
        await import_repositories(find_repositories(storage.path), registry)
        repository = client.repository(Reference.parse(f"{server.address}/team/app:1"))
        assert await repository.manifest(Tag("1")) == INDEX.manifest
        layer = IMAGE.blobs[1]
        assert await read(repository.fetch(layer.descriptor)) == layer.content


async def test_dry_run_makes_nothing(storage: DistributionFolder, tmp_path: Path) -> None:
    storage.put(IMAGE, "team/app", "1")
    async with registry_for_import(tmp_path / "absent", RELAXED, dry_run=True) as registry:
        (done,) = await import_repositories(find_repositories(storage.path), registry, dry_run=True)
    assert (done.tags, done.manifests, done.moved.blobs) == (1, 1, 2)
    assert not (tmp_path / "absent").exists()
