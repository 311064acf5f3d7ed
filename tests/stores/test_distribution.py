"""A repository in distribution's storage folder, read without its registry."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.content import Content, a_blob, an_artifact, an_image, an_index_of, read
from tests.storages import DistributionFolder
from wherry.oci.errors import (
    BlobUnknown,
    DigestMismatch,
    ManifestInvalid,
    ManifestUnknown,
    NameUnknown,
    SizeMismatch,
    StoreError,
)
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import OCI_MANIFEST
from wherry.oci.reference import Tag
from wherry.stores.distribution import StorageFolder, StoredRepository
from wherry.stores.protocol import Source

IMAGE = an_image()
CONFIG, LAYER = IMAGE.blobs


@pytest.fixture
def storage(tmp_path: Path) -> DistributionFolder:
    """With one image, tagged `1`, in `team/app`."""
    folder = DistributionFolder(tmp_path / "storage")
    folder.put(IMAGE, "team/app", "1")
    return folder


@pytest.mark.parametrize("below", ["", "docker", "docker/registry", "docker/registry/v2"])
def test_storage_is_found_from_any_folder_on_the_way(storage: DistributionFolder, below: str) -> None:
    found = StorageFolder.find(storage.path / below)
    assert found is not None
    assert list(found.names()) == ["team/app"]


def test_other_folders_are_no_storage(tmp_path: Path) -> None:
    assert StorageFolder.find(tmp_path) is None


def test_repositories_below_repositories_are_found(storage: DistributionFolder) -> None:
    for name in ("team", "team/app/deeper", "zoo"):
        storage.put(IMAGE, name, "1")
    found = StorageFolder.find(storage.path)
    assert found is not None
    assert sorted(found.names()) == ["team", "team/app", "team/app/deeper", "zoo"]


async def test_it_is_a_source(storage: DistributionFolder) -> None:
    repository = storage.repository("team/app")
    assert isinstance(repository, Source)
    assert [tag async for tag in repository.tags()] == ["1"]
    assert await repository.revisions() == [IMAGE.digest]
    assert await repository.resolve(Tag("1")) == IMAGE.manifest.descriptor
    assert await repository.manifest(IMAGE.digest) == IMAGE.manifest
    assert await repository.exists(IMAGE.manifest.descriptor)
    assert await repository.exists(LAYER.descriptor)
    assert await read(repository.fetch(LAYER.descriptor)) == LAYER.content
    assert LAYER.content is not None
    assert await read(repository.fetch(LAYER.descriptor, offset=100)) == LAYER.content[100:]


async def test_media_type_comes_from_the_bytes(storage: DistributionFolder) -> None:
    for content in (an_image(docker=True), an_index_of(IMAGE), an_index_of(IMAGE, docker=True), an_artifact()):
        storage.put(content, "team/app", "1")
        assert await storage.repository("team/app").manifest(Tag("1")) == content.manifest


async def test_referrers_are_found_by_their_subject(storage: DistributionFolder) -> None:
    artifact = an_artifact(subject=IMAGE.manifest.descriptor)
    storage.put(artifact, "team/app")
    repository = storage.repository("team/app")
    assert [each.digest async for each in repository.referrers(IMAGE.digest)] == [artifact.digest]
    assert [each async for each in repository.referrers(IMAGE.digest, "another/type")] == []


async def test_absent_things_are_unknown(storage: DistributionFolder) -> None:
    repository, absent = storage.repository("team/app"), a_blob(b"absent").descriptor
    assert not await repository.exists(absent)
    with pytest.raises(BlobUnknown, match="does not hold"):
        await read(repository.fetch(absent))
    with pytest.raises(ManifestUnknown, match="no such tag"):
        await repository.manifest(Tag("2"))
    with pytest.raises(ManifestUnknown, match="is not in the repository"):
        await repository.manifest(absent.digest)
    with pytest.raises(NameUnknown):
        [tag async for tag in storage.repository("absent").tags()]


async def test_a_deleted_blob_is_unknown_though_its_bytes_are_there(storage: DistributionFolder) -> None:
    storage.layer("team/app", LAYER.descriptor).unlink()
    assert not await storage.repository("team/app").exists(LAYER.descriptor)
    with pytest.raises(BlobUnknown, match="does not hold"):
        await read(storage.repository("team/app").fetch(LAYER.descriptor))


async def test_a_deleted_manifest_is_unknown_and_its_tag_dangles(storage: DistributionFolder) -> None:
    storage.revision("team/app", IMAGE.digest).unlink()
    repository = storage.repository("team/app")
    assert await repository.revisions() == []
    with pytest.raises(ManifestUnknown, match=r"tag 1 points at manifest sha256:\w+, which is not in the repository"):
        await repository.manifest(Tag("1"))


async def test_lost_bytes_are_told_from_what_never_was(storage: DistributionFolder) -> None:
    storage.data(LAYER.descriptor.digest).unlink()
    storage.data(IMAGE.digest).unlink()
    repository = storage.repository("team/app")
    assert not await repository.exists(LAYER.descriptor)
    with pytest.raises(BlobUnknown, match=r"bytes of blob .* are lost"):
        await read(repository.fetch(LAYER.descriptor))
    with pytest.raises(ManifestUnknown, match=r"bytes of manifest .* are lost"):
        await repository.manifest(Tag("1"))


@pytest.mark.parametrize("text", ["", "\0" * 71, "sha256:abc"], ids=["empty", "zeros", "short"])
async def test_a_damaged_link_says_which_file_it_is(storage: DistributionFolder, text: str) -> None:
    link = storage.tag("team/app", "1")
    link.write_text(text)
    with pytest.raises(StoreError, match="is damaged: bad digest") as raised:
        await storage.repository("team/app").manifest(Tag("1"))
    assert str(link) in str(raised.value)


async def test_damaged_bytes_are_never_handed_out_as_whole(storage: DistributionFolder) -> None:
    repository = storage.repository("team/app")
    assert LAYER.content is not None
    storage.data(LAYER.descriptor.digest).write_bytes(b"x" + LAYER.content[1:])
    with pytest.raises(DigestMismatch):
        await read(repository.fetch(LAYER.descriptor))
    storage.data(LAYER.descriptor.digest).write_bytes(LAYER.content[:-1])
    assert not await repository.exists(LAYER.descriptor)
    with pytest.raises(SizeMismatch):
        await read(repository.fetch(LAYER.descriptor))
    storage.data(IMAGE.digest).write_bytes(IMAGE.manifest.content + b" ")
    with pytest.raises(DigestMismatch):
        await repository.manifest(IMAGE.digest)


async def test_bytes_that_are_no_manifest_are_invalid(storage: DistributionFolder) -> None:
    storage.put(Content(Manifest(b"[]", OCI_MANIFEST)), "team/app", "1")
    with pytest.raises(ManifestInvalid, match="no manifest of a kind that is known"):
        await storage.repository("team/app").manifest(Tag("1"))


async def test_folders_with_names_that_nobody_can_ask_for_are_left_out(storage: DistributionFolder) -> None:
    (storage.tag("team/app", "not a tag").parent).mkdir(parents=True)
    storage.tag("team/app", "not a tag").write_text(str(IMAGE.digest))
    stray = storage.revision("team/app", IMAGE.digest).parent.parent / "stray"
    stray.mkdir()
    (stray / "link").write_text(str(IMAGE.digest))
    repository = storage.repository("team/app")
    assert [tag async for tag in repository.tags()] == ["1"]
    assert await repository.revisions() == [IMAGE.digest]


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("put_there", "words"), [(Path.mkdir, "no regular file"), (pipe, "no regular file")], ids=["folder", "pipe"]
)
async def test_something_else_in_the_place_of_bytes_is_told_at_once(
    storage: DistributionFolder, put_there: Callable[[Path], None], words: str
) -> None:
    repository = storage.repository("team/app")
    for digest in (LAYER.descriptor.digest, IMAGE.digest):
        storage.data(digest).unlink()
        put_there(storage.data(digest))
    assert not await repository.exists(LAYER.descriptor)
    with pytest.raises(StoreError, match=words):
        await read(repository.fetch(LAYER.descriptor))
    with pytest.raises(StoreError, match=words):
        await repository.manifest(Tag("1"))


@pytest.mark.parametrize(
    ("put_there", "words"),
    [(lambda _: None, "has lost its link"), (Path.mkdir, "no regular file"), (pipe, "no regular file")],
    ids=["missing", "folder", "pipe"],
)
async def test_a_tag_that_has_lost_its_link_is_listed_and_told(
    storage: DistributionFolder, put_there: Callable[[Path], None], words: str
) -> None:
    storage.tag("team/app", "1").unlink()
    put_there(storage.tag("team/app", "1"))
    repository = storage.repository("team/app")
    assert [tag async for tag in repository.tags()] == ["1"]
    with pytest.raises(StoreError, match=words) as raised:
        await repository.manifest(Tag("1"))
    assert str(storage.tag("team/app", "1")) in str(raised.value)


async def read_tags(repository: StoredRepository) -> list[Tag]:
    return [tag async for tag in repository.tags()]


@pytest.mark.parametrize("place", ["_manifests", "_manifests/tags", "_manifests/revisions"])
async def test_a_file_in_the_place_of_a_folder_is_told(storage: DistributionFolder, place: str) -> None:
    folder = storage.root / "repositories" / "team" / "app" / place
    shutil.rmtree(folder)
    shutil.rmtree(storage.root / "repositories" / "team" / "app" / "_layers")
    folder.write_text("")
    found = StorageFolder.find(storage.path)
    assert found is not None
    assert list(found.names()) == ["team/app"]
    repository = storage.repository("team/app")
    listing = repository.revisions() if place.endswith("revisions") else read_tags(repository)
    with pytest.raises(StoreError, match=f"{folder}: is no folder"):
        await listing


async def test_a_revision_whose_link_is_no_file_is_listed_and_told(storage: DistributionFolder) -> None:
    storage.revision("team/app", IMAGE.digest).unlink()
    storage.revision("team/app", IMAGE.digest).mkdir()
    assert await storage.repository("team/app").revisions() == [IMAGE.digest]
    with pytest.raises(ManifestUnknown):
        await storage.repository("team/app").manifest(IMAGE.digest)
