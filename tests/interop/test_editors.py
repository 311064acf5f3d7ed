"""crane, regctl and skopeo change images that are in our registry, and find them again."""

import json
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.interop.conftest import Run
from wherry.oci.mediatype import Kind
from wherry.oci.reference import Reference, Tag
from wherry.server.running import Running
from wherry.stores.remote import Client


@pytest.fixture
def layers(home: Path) -> list[Path]:
    """Two archives of a file each."""
    made = []
    for name in ("one", "two"):
        made.append(home / f"{name}.tar")
        with tarfile.open(made[-1], "w") as archive:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            archive.addfile(member, BytesIO(name.encode()))
    return made


@pytest.mark.peer("crane")
async def test_what_crane_makes_of_images_is_whole(run: Run, registry: Running, layers: list[Path]) -> None:
    one, two = layers
    base, app = f"{registry.address}/base", f"{registry.address}/team/app"
    await run("crane", "append", "-f", one, "-t", f"{base}:old")
    await run("crane", "append", "-f", one, "-f", two, "-t", f"{base}:new")
    await run("crane", "append", "-b", f"{base}:old", "-f", two, "-t", f"{app}:1")
    await run("crane", "mutate", f"{app}:1", "--label=a=b", "--set-platform=linux/arm64", "-t", f"{app}:arm")
    await run("crane", "flatten", f"{app}:1", "-t", f"{app}:flat")
    await run("crane", "rebase", f"{app}:1", f"--old_base={base}:old", f"--new_base={base}:new", "-t", f"{app}:rebased")
    await run("crane", "index", "append", "-m", f"{app}:1", "-m", f"{app}:arm", "-t", f"{app}:index")
    await run("crane", "copy", f"{app}:index", f"{registry.address}/other/app:1")
    for name in (f"{app}:flat", f"{app}:rebased", f"{app}:index", f"{registry.address}/other/app:1"):
        await run("crane", "validate", "--remote", name)
    exported = await run("crane", "export", f"{app}:flat", "-")
    with tarfile.open(fileobj=BytesIO(exported)) as archive:
        assert sorted(archive.getnames()) == ["one", "two"]


@pytest.mark.peer("regctl")
async def test_what_regctl_makes_of_images_is_whole(
    run: Run, regctl: tuple[str, ...], registry: Running, layout: Path
) -> None:
    remote = f"{registry.address}/team/app"
    await run(*regctl, "image", "copy", f"ocidir://{layout}:index", f"{remote}:1")
    modify = (*regctl, "image", "mod", f"{remote}:1", "--create")
    await run(*modify, "sha512", "--digest-algo=sha512")
    await run(*modify, "zstd", "--layer-compress=zstd", "--annotation=a=b")
    await run(*regctl, "index", "create", f"{remote}:made", f"--ref={remote}:1", "--subject=1", "--artifact-type=a/b")
    await run(*regctl, "image", "copy", "--referrers", "--digest-tags", f"{remote}:1", f"{registry.address}/copy:1")
    await run(*regctl, "image", "copy", f"{remote}:sha512", f"{registry.address}/copy:sha512")
    async with Client() as client:
        repository = client.repository(Reference.parse(f"{registry.address}/copy"))
        pushed = await repository.manifest(Tag("sha512"))
        assert {each.digest.algorithm for each in pushed.view.manifests} == {"sha512"}
        subject = await repository.resolve(Tag("1"))
        assert [each.artifact_type async for each in repository.referrers(subject.digest)] == ["a/b"]


@pytest.mark.peer("skopeo")
async def test_what_skopeo_compresses_anew_is_whole(run: Run, registry: Running, layout: Path, home: Path) -> None:
    remote = f"docker://{registry.address}/team/app"
    copy = "skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"
    await run(*copy, f"oci:{layout}:image", f"{remote}:1")
    await run(
        *copy, "--format=oci", "--dest-compress-format=zstd", "--dest-compress-level=3", f"{remote}:1", f"dir:{home}/as"
    )
    await run(*copy, "--format=oci", f"dir:{home}/as", f"{remote}:dir")
    await run(*copy, "--format=v2s2", f"{remote}:dir", f"{remote}:docker")
    seen = json.loads(await run("skopeo", "inspect", "--raw", "--tls-verify=false", f"{remote}:docker"))
    assert seen["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    async with Client() as client:
        repository = client.repository(Reference.parse(f"{registry.address}/team/app"))
        assert [tag async for tag in repository.tags()] == ["1", "dir", "docker"]
        assert (await repository.manifest(Tag("docker"))).kind is Kind.IMAGE
