"""Archives and layouts: what skopeo, podman, buildah, umoci, crane and regctl write we read, and what we write they read."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.content import Content
from tests.interop.conftest import Run
from wherry.oci.digest import Digest
from wherry.oci.mediatype import Kind
from wherry.oci.reference import Reference, Tag
from wherry.ops.copy import copy
from wherry.server.running import Running
from wherry.stores.archive import docker_archive, oci_archive
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.protocol import Source
from wherry.stores.remote import Client

APP = Reference.parse_repository("registry.example/team/app")
SKOPEO = ("skopeo", "--insecure-policy")


@pytest.fixture
async def storage(run: Run) -> AsyncIterator[tuple[str, ...]]:
    """Options for storage that ends with the test. Its path is short: podman takes no long one."""
    with TemporaryDirectory(prefix="w", ignore_cleanup_errors=True) as folder:
        options = f"--root={folder}/storage", f"--runroot={folder}/run", "--storage-driver=vfs"
        for name in filter(shutil.which, ("podman", "buildah")):
            try:
                await run(name, *options, "info")
            except AssertionError as error:  # no user namespaces, as in many sandboxes
                pytest.skip(f"{name} does not run here: {str(error).splitlines()[0]}")
        yield options


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "archive.tar"


async def whole(source: Source, name: Tag | Digest) -> MemoryStore:
    """A copy of everything that a name leads to: every byte of it is verified."""
    store = MemoryStore()
    await copy(source, name, store, tags=[Tag("copied")])
    return store


async def configs_of(source: Source, name: Tag | Digest) -> list[Digest]:
    """The configs of what a name leads to: what stays when layers are compressed otherwise."""
    store = await whole(source, name)
    root = await store.manifest(Tag("copied"))
    images = [root] if root.kind is not Kind.INDEX else [await store.manifest(c.digest) for c in root.view.manifests]
    return [image.view.config.digest for image in images if image.view.config]


def config_of(image: Content) -> Digest:
    return image.blobs[0].descriptor.digest


def config_in(folder: Path) -> str:
    """The config of the image that skopeo has put into a folder."""
    return json.loads((folder / "manifest.json").read_bytes())["config"]["digest"]


@pytest.mark.peer("skopeo")
async def test_skopeo_reads_our_oci_archive(
    run: Run, layout: Path, index: Content, archive: Path, pulled: Path
) -> None:
    await copy(Layout(layout), Tag("index"), oci_archive(archive), tags=[Tag("1")])
    await copy(Layout(layout), Tag("image"), oci_archive(archive), tags=[Tag("2")])
    await run(*SKOPEO, "copy", "--all", "--preserve-digests", f"oci-archive:{archive}:1", f"oci:{pulled}:1")
    assert (await Layout(pulled).resolve(Tag("1"))).digest == index.digest
    await whole(Layout(pulled), Tag("1"))


@pytest.mark.peer("skopeo")
async def test_we_read_skopeos_oci_archive(run: Run, layout: Path, index: Content, archive: Path) -> None:
    await run(*SKOPEO, "copy", "--all", "--preserve-digests", f"oci:{layout}:index", f"oci-archive:{archive}:1")
    assert (await oci_archive(archive).resolve(Tag("1"))).digest == index.digest
    await whole(oci_archive(archive), Tag("1"))


@pytest.mark.peer("skopeo")
async def test_skopeo_reads_our_docker_archive(
    run: Run, layout: Path, image: Content, archive: Path, pulled: Path
) -> None:
    await copy(Layout(layout), Tag("image"), docker_archive(archive, APP), tags=[Tag("1")])
    await run(*SKOPEO, "copy", f"docker-archive:{archive}:{APP.context}:1", f"dir:{pulled}")
    assert config_in(pulled) == str(config_of(image))


@pytest.mark.peer("skopeo")
async def test_we_read_skopeos_docker_archive(run: Run, layout: Path, image: Content, archive: Path) -> None:
    await run(*SKOPEO, "copy", f"oci:{layout}:image", f"docker-archive:{archive}:{APP.context}:1")
    store = docker_archive(archive)
    assert [tag async for tag in store.tags()] == ["1"]
    assert await configs_of(store, Tag("1")) == [config_of(image)]
    manifest = json.loads(await run(*SKOPEO, "inspect", "--raw", f"docker-archive:{archive}"))
    ours = await store.manifest(Tag("1"))
    assert [str(layer.digest) for layer in ours.view.layers] == [layer["digest"] for layer in manifest["layers"]]


@pytest.mark.peer("skopeo")
async def test_image_is_added_to_skopeos_docker_archive(
    run: Run, layout: Path, image: Content, archive: Path, pulled: Path
) -> None:
    await run(*SKOPEO, "copy", f"oci:{layout}:image", f"docker-archive:{archive}:{APP.context}:1")
    before = await docker_archive(archive).resolve(Tag("1"))
    await copy(Layout(layout), Tag("index"), docker_archive(archive), tags=[Tag("2")])
    assert await docker_archive(archive).resolve(Tag("1")) == before
    for tag in ("1", "2"):
        await run(*SKOPEO, "copy", f"docker-archive:{archive}:{APP.context}:{tag}", f"dir:{pulled}-{tag}")
        assert config_in(Path(f"{pulled}-{tag}")) == str(config_of(image))


@pytest.mark.peer("podman")
async def test_podman_loads_our_archives(
    run: Run, layout: Path, image: Content, archive: Path, storage: tuple[str, ...]
) -> None:
    store = docker_archive(archive, APP)
    await copy(Layout(layout), Tag("image"), store, tags=[Tag("1"), Tag("latest")])
    await copy(Layout(layout), Tag("index"), store, tags=[Tag("2")])
    hub = docker_archive(archive, Reference.parse_repository("alpine"))
    await copy(Layout(layout), Tag("image"), hub, tags=[Tag("3")])
    await run("podman", *storage, "load", "--input", archive)
    for name in (f"{APP.context}:1", f"{APP.context}:latest", f"{APP.context}:2", "docker.io/library/alpine:3"):
        (seen,) = json.loads(await run("podman", *storage, "image", "inspect", name))
        assert seen["Id"] == config_of(image).encoded
    await copy(Layout(layout), Tag("image"), oci_archive(archive.parent / "oci.tar"), tags=[Tag("1")])
    await run("podman", *storage, "load", "--input", archive.parent / "oci.tar")


@pytest.mark.peer("podman")
async def test_we_read_what_podman_saves(
    run: Run, layout: Path, image: Content, archive: Path, storage: tuple[str, ...]
) -> None:
    await copy(Layout(layout), Tag("image"), docker_archive(archive, APP), tags=[Tag("1")])
    await run("podman", *storage, "load", "--input", archive)
    name, other = f"{APP.context}:1", "docker.io/library/other:2"
    await run("podman", *storage, "tag", name, other)
    one, two, oci = archive.parent / "one.tar", archive.parent / "two.tar", archive.parent / "oci.tar"
    await run("podman", *storage, "save", "--output", one, name)
    await run("podman", *storage, "save", "--multi-image-archive", "--output", two, name, other)
    await run("podman", *storage, "save", "--format=oci-archive", "--output", oci, name)
    assert await configs_of(docker_archive(one), Tag("1")) == [config_of(image)]
    assert await configs_of(docker_archive(two, APP), Tag("1")) == [config_of(image)]
    assert await configs_of(docker_archive(two, Reference.parse_repository("other")), Tag("2")) == [config_of(image)]
    store = oci_archive(oci)
    assert len(await configs_of(store, await store.only())) == 1


@pytest.mark.peer("buildah")
async def test_we_read_what_buildah_builds(
    run: Run, home: Path, archive: Path, tmp_path: Path, storage: tuple[str, ...]
) -> None:
    (home / "context").mkdir()
    (home / "context" / "file").write_text("a file\n")
    (home / "context" / "Containerfile").write_text("FROM scratch\nCOPY file /file\n")
    await run("buildah", *storage, "bud", "--isolation=chroot", "--tag", f"{APP.context}:1", home / "context")
    oci = tmp_path / "oci.tar"
    await run("buildah", *storage, "push", f"{APP.context}:1", f"docker-archive:{archive}:{APP.context}:1")
    await run("buildah", *storage, "push", f"{APP.context}:1", f"oci-archive:{oci}:1")
    await run("buildah", *storage, "push", f"{APP.context}:1", f"oci:{tmp_path / 'built'}:1")
    for store in (docker_archive(archive), oci_archive(oci), Layout(tmp_path / "built")):
        assert len(await configs_of(store, Tag("1"))) == 1


@pytest.mark.peer("umoci")
async def test_umoci_and_we_write_into_one_layout(run: Run, layout: Path, image: Content) -> None:
    await run("umoci", "tag", "--image", f"{layout}:image", "theirs")
    assert (await Layout(layout).resolve(Tag("theirs"))).digest == image.digest
    await run("umoci", "config", "--image", f"{layout}:image", "--tag", "changed", "--config.user", "nobody")
    await copy(Layout(layout), Tag("changed"), Layout(layout), tags=[Tag("again")])
    stat = json.loads(await run("umoci", "stat", "--image", f"{layout}:again", "--json"))
    assert len(stat["history"]) == 2
    await whole(Layout(layout), Tag("changed"))
    listed = (await run("umoci", "list", "--layout", layout)).decode().split()
    assert sorted(listed) == ["again", "changed", "image", "index", "theirs"]


@pytest.mark.peer("umoci")
async def test_we_read_a_layout_that_umoci_made(run: Run, tmp_path: Path) -> None:
    made = tmp_path / "made"
    await run("umoci", "init", "--layout", made)
    await run("umoci", "new", "--image", f"{made}:1")
    await whole(Layout(made), Tag("1"))


@pytest.mark.peer("crane")
async def test_crane_pushes_our_archives_and_we_read_its_own(
    run: Run, layout: Path, image: Content, archive: Path, registry: Running
) -> None:
    await copy(Layout(layout), Tag("image"), docker_archive(archive, APP), tags=[Tag("1")])
    remote = Reference.parse(f"{registry.address}/team/app:1")
    await run("crane", "push", archive, str(remote))
    async with Client() as client:
        assert await configs_of(client.repository(remote), Tag("1")) == [config_of(image)]
    theirs = archive.parent / "theirs.tar"
    await run("crane", "pull", str(remote), theirs)
    store = docker_archive(theirs)
    assert await configs_of(store, await store.only()) == [config_of(image)]
    await run("crane", "pull", "--format=oci", str(remote), archive.parent / "oci")
    assert await configs_of(Layout(archive.parent / "oci"), await Layout(archive.parent / "oci").only()) == [
        config_of(image)
    ]


@pytest.mark.peer("regctl")
async def test_regctl_and_we_exchange_archives(
    run: Run, layout: Path, image: Content, index: Content, archive: Path
) -> None:
    await run("regctl", "image", "export", f"ocidir://{layout}:image", archive)
    store = oci_archive(archive)
    assert (await whole(store, await store.only())) is not None
    assert (await store.manifest(await store.only())).digest == image.digest
    old = docker_archive(archive)
    assert await configs_of(old, await old.only()) == [config_of(image)]
    ours = archive.parent / "ours.tar"
    await copy(Layout(layout), Tag("index"), oci_archive(ours), tags=[Tag("1")])
    await run("regctl", "image", "import", f"ocidir://{archive.parent / 'imported'}:1", ours)
    assert (await Layout(archive.parent / "imported").resolve(Tag("1"))).digest == index.digest


@pytest.mark.peer("tar")
async def test_tar_unpacks_our_archive_to_a_layout_and_packs_one_that_we_read(
    layout: Path, index: Content, archive: Path, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec("tar", "czf", archive, "-C", layout, ".")
    assert await process.wait() == 0
    assert (await oci_archive(archive).resolve(Tag("index"))).digest == index.digest
    await whole(oci_archive(archive), Tag("index"))
