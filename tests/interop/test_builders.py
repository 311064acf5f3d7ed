"""buildah, podman and docker's command line push to our registry and pull from it; with storage of their own, and no daemon."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.content import Content, an_image, put
from tests.interop.conftest import Run
from wherry.oci.mediatype import Kind
from wherry.oci.reference import Reference, Tag
from wherry.server.running import Running
from wherry.stores.remote import Client


@pytest.fixture
async def storage(run: Run) -> AsyncIterator[tuple[str, ...]]:
    """Options for storage that ends with the test. Its path is short: podman takes no long one."""
    with TemporaryDirectory(prefix="w", ignore_cleanup_errors=True) as folder:
        options = f"--root={folder}/storage", f"--runroot={folder}/run", "--storage-driver=vfs"
        for name in ("podman", "buildah"):
            if shutil.which(name) is not None:
                try:
                    await run(name, *options, "info")
                except AssertionError as error:  # no user namespaces, as in many sandboxes
                    pytest.skip(f"{name} does not run here: {str(error).splitlines()[0]}")
        yield options


@pytest.mark.peer("buildah", "podman")
async def test_buildah_builds_and_pushes_and_podman_pulls(
    run: Run, registry: Running, home: Path, storage: tuple[str, ...]
) -> None:
    (home / "context").mkdir()
    (home / "context" / "file").write_text("a file\n")
    (home / "context" / "Containerfile").write_text("FROM scratch\nCOPY file /file\nLABEL made.by=buildah\n")
    remote = f"{registry.address}/team/built:1"
    await run("buildah", *storage, "bud", "--isolation=chroot", "--tag", remote, home / "context")
    await run("buildah", *storage, "push", "--tls-verify=false", "--digestfile", home / "digest", remote)
    async with Client() as client:
        repository = client.repository(Reference.parse(remote))
        pushed = await repository.manifest(Tag("1"))
    assert (home / "digest").read_text() == str(pushed.digest)
    await run("podman", *storage, "rmi", remote)
    await run("podman", *storage, "pull", "--tls-verify=false", remote)
    (seen,) = json.loads(await run("podman", *storage, "image", "inspect", remote))
    assert seen["Digest"] == str(pushed.digest)
    assert seen["Labels"]["made.by"] == "buildah"


@pytest.mark.peer("podman")
async def test_podman_makes_and_pushes_a_list(
    run: Run, registry: Running, storage: tuple[str, ...], image: Content
) -> None:
    other = an_image("interop", platform="linux/arm64")
    remote = f"{registry.address}/team/app"
    async with Client() as client:
        repository = client.repository(Reference.parse(remote))
        await put(image, repository, "amd64")
        await put(other, repository, "arm64")
        await run("podman", *storage, "manifest", "create", "made")
        for architecture in ("amd64", "arm64"):
            name = f"docker://{remote}:{architecture}"
            await run("podman", *storage, "manifest", "add", "--tls-verify=false", "made", name)
        await run(
            "podman", *storage, "manifest", "push", "--tls-verify=false", "--all", "made", f"docker://{remote}:list"
        )
        pushed = await repository.manifest(Tag("list"))
    assert pushed.kind is Kind.INDEX
    assert {each.digest for each in pushed.view.manifests} == {image.digest, other.digest}


@pytest.mark.peer("podman")
async def test_podman_finds_repositories_and_tags(
    run: Run, registry: Running, storage: tuple[str, ...], image: Content
) -> None:
    async with Client() as client:
        for name in ("team/app", "team/tool", "other"):
            for tag in ("1", "2"):
                await put(image, client.repository(Reference.parse(f"{registry.address}/{name}")), tag)
    search = "podman", *storage, "search", "--tls-verify=false", "--format={{.Name}}"
    found = (await run(*search, f"{registry.address}/team")).decode().split()
    assert found == [f"{registry.address}/team/{name}" for name in ("app", "tool")]
    tags = json.loads(await run(*search[:-1], "--list-tags", "--format=json", f"{registry.address}/team/app"))
    assert tags[0]["Tags"] == ["1", "2"]


@pytest.mark.peer("docker")
async def test_docker_makes_and_pushes_and_reads_a_list(run: Run, registry: Running) -> None:
    images = {each: an_image("app", platform=f"linux/{each}", docker=True) for each in ("amd64", "arm64")}
    remote = f"{registry.address}/team/app"
    async with Client() as client:
        repository = client.repository(Reference.parse(remote))
        for architecture, content in images.items():
            await put(content, repository, architecture)
        names = [f"{remote}:{architecture}" for architecture in images]
        await run("docker", "manifest", "create", "--insecure", f"{remote}:list", *names)
        await run("docker", "manifest", "annotate", "--variant=v8", f"{remote}:list", f"{remote}:arm64")
        digest = (await run("docker", "manifest", "push", "--insecure", f"{remote}:list")).decode().strip()
        pushed = await repository.manifest(Tag("list"))
    assert digest == str(pushed.digest)
    assert [each.digest for each in pushed.view.manifests] == [each.digest for each in images.values()]
    seen = json.loads(await run("docker", "manifest", "inspect", "--insecure", f"{remote}:list"))
    assert [each["platform"].get("variant") for each in seen["manifests"]] == [None, "v8"]
