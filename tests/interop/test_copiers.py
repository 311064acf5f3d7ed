"""skopeo, umoci, crane and regctl push to our registry, pull from it, and look around in it."""

import json
from pathlib import Path

import pytest

from tests.content import Content
from tests.interop.conftest import Run, Same, There
from wherry.oci.reference import Reference, Tag
from wherry.server.running import Running
from wherry.stores.layout import Layout
from wherry.stores.remote import Client


@pytest.mark.peer("skopeo")
async def test_skopeo_pushes_and_pulls(
    run: Run, registry: Running, layout: Path, index: Content, pulled: Path, *, there: There, same: Same
) -> None:
    remote = f"docker://{registry.address}/team/app"
    plain = "--src-tls-verify=false", "--dest-tls-verify=false"
    await run("skopeo", "copy", "--all", *plain, f"oci:{layout}:index", f"{remote}:1")
    await there("team/app:1", index)
    await run("skopeo", "copy", "--all", *plain, f"{remote}:1", f"oci:{pulled}:1")
    await same("1", index)


@pytest.mark.peer("skopeo")
async def test_skopeo_looks_around_and_deletes(run: Run, registry: Running, layout: Path, image: Content) -> None:
    remote = f"docker://{registry.address}/team/app"
    for tag in ("1", "2"):
        await run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:image", f"{remote}:{tag}")
    assert json.loads(await run("skopeo", "list-tags", "--tls-verify=false", remote))["Tags"] == ["1", "2"]
    raw = await run("skopeo", "inspect", "--raw", "--tls-verify=false", f"{remote}:1")
    assert raw == image.manifest.content
    seen = json.loads(await run("skopeo", "inspect", "--tls-verify=false", f"{remote}:1"))
    assert (seen["Digest"], seen["Architecture"]) == (str(image.digest), "amd64")
    await run("skopeo", "delete", "--tls-verify=false", f"{remote}:1")
    async with Client() as client:  # it deletes by digest, so both tags are gone
        repository = client.repository(Reference.parse(f"{registry.address}/team/app"))
        assert [tag async for tag in repository.tags()] == []


@pytest.mark.peer("skopeo")
async def test_skopeo_syncs_a_repository(
    run: Run, registry: Running, layout: Path, image: Content, there: There
) -> None:
    for tag in ("1", "2"):
        to = f"docker://{registry.address}/team/app:{tag}"
        await run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}:image", to)
    plain = "--src-tls-verify=false", "--dest-tls-verify=false"
    places = f"{registry.address}/team/app", f"{registry.address}/mirror"
    await run("skopeo", "sync", "--src=docker", "--dest=docker", *plain, *places)
    for tag in ("1", "2"):
        await there(f"mirror/app:{tag}", image)


@pytest.mark.peer("umoci", "skopeo")
async def test_what_umoci_makes_goes_there_and_back(run: Run, registry: Running, pulled: Path, tmp_path: Path) -> None:
    made, file = tmp_path / "made", tmp_path / "file"
    file.write_text("a file\n")
    await run("umoci", "init", "--layout", made)
    await run("umoci", "new", "--image", f"{made}:1")
    await run("umoci", "insert", "--rootless", "--image", f"{made}:1", file, "/file")
    remote = f"docker://{registry.address}/team/made:1"
    await run("skopeo", "copy", "--dest-tls-verify=false", f"oci:{made}:1", remote)
    await run("skopeo", "copy", "--src-tls-verify=false", remote, f"oci:{pulled}:1")
    assert await Layout(pulled).resolve(Tag("1")) == await Layout(made).resolve(Tag("1"))
    layers = json.loads(await run("umoci", "stat", "--json", "--image", f"{pulled}:1"))["history"]
    assert any(each["layer"] for each in layers)


@pytest.mark.peer("crane")
async def test_crane_pushes_and_pulls(
    run: Run, registry: Running, layout: Path, image: Content, index: Content, *, pulled: Path, there: There
) -> None:
    remote = f"{registry.address}/team/app"
    await run("crane", "push", "--index", layout, f"{remote}:layout")  # the layout's own list, as an index
    await run("crane", "copy", f"{remote}@{index.digest}", f"{remote}:index")
    await run("crane", "tag", f"{remote}@{image.digest}", "image")
    await there("team/app:index", index)
    await there("team/app:image", image)
    await run("crane", "pull", "--format=oci", "--annotate-ref", f"{remote}:image", pulled)
    assert (await Layout(pulled).manifest(image.digest)) == image.manifest


@pytest.mark.peer("crane")
async def test_crane_looks_around_and_deletes(run: Run, registry: Running, layout: Path, image: Content) -> None:
    remote = f"{registry.address}/team/app"
    await run("crane", "push", "--index", layout, f"{remote}:layout")
    await run("crane", "copy", f"{remote}@{image.digest}", f"{registry.address}/team/other:1")
    assert (await run("crane", "catalog", registry.address)).decode().split() == ["team/app", "team/other"]
    assert (await run("crane", "ls", remote)).decode().split() == ["layout"]
    assert (await run("crane", "digest", f"{registry.address}/team/other:1")).decode().strip() == str(image.digest)
    assert (
        await run("crane", "manifest", f"{registry.address}/team/other:1")
    ).strip() == image.manifest.content.strip()
    small = image.blobs[1]
    assert await run("crane", "blob", f"{remote}@{small.descriptor.digest}") == small.content
    await run("crane", "validate", "--remote", f"{registry.address}/team/other:1")
    await run("crane", "delete", f"{registry.address}/team/other:1")
    assert (await run("crane", "ls", f"{registry.address}/team/other")).decode().split() == []


@pytest.mark.peer("crane")
async def test_crane_copies_all_tags_by_mounting(
    run: Run, registry: Running, layout: Path, image: Content, there: There
) -> None:
    remote = f"{registry.address}/team/app"
    await run("crane", "push", "--index", layout, f"{remote}:layout")
    for tag in ("1", "2"):
        await run("crane", "tag", f"{remote}@{image.digest}", tag)
    await run("crane", "copy", "--all-tags", remote, f"{registry.address}/mirror/app")
    for tag in ("1", "2"):
        await there(f"mirror/app:{tag}", image)


@pytest.mark.peer("regctl")
async def test_regctl_pushes_and_pulls(
    run: Run,
    regctl: tuple[str, ...],
    registry: Running,
    layout: Path,
    index: Content,
    *,
    pulled: Path,
    there: There,
    same: Same,
) -> None:
    remote = f"{registry.address}/team/app:1"
    await run(*regctl, "image", "copy", f"ocidir://{layout}:index", remote)
    await there("team/app:1", index)
    await run(*regctl, "image", "copy", remote, f"ocidir://{pulled}:1")
    await same("1", index)


@pytest.mark.peer("regctl")
async def test_regctl_attaches_and_finds_referrers(
    run: Run, regctl: tuple[str, ...], registry: Running, layout: Path, image: Content
) -> None:
    remote = f"{registry.address}/team/app:1"
    await run(*regctl, "image", "copy", f"ocidir://{layout}:image", remote)
    note = layout.parent / "note"
    note.write_text("a note\n")
    await run(*regctl, "artifact", "put", "--artifact-type=example/note", f"--subject={remote}", f"--file={note}")
    listed = json.loads(await run(*regctl, "artifact", "list", "--format={{json .}}", remote))
    (found,) = listed["descriptors"]
    assert found["artifactType"] == "example/note"
    read = await run(*regctl, "artifact", "get", f"--subject={remote}", "--filter-artifact-type=example/note")
    assert read == b"a note\n"
    async with Client() as client:
        repository = client.repository(Reference.parse(remote))
        assert [str(each.digest) async for each in repository.referrers(image.digest)] == [found["digest"]]


@pytest.mark.peer("regctl")
async def test_regctl_looks_around_and_deletes(
    run: Run, regctl: tuple[str, ...], registry: Running, layout: Path, image: Content
) -> None:
    remote = f"{registry.address}/team/app"
    for tag in ("1", "2"):
        await run(*regctl, "image", "copy", f"ocidir://{layout}:image", f"{remote}:{tag}")
    assert (await run(*regctl, "repo", "ls", registry.address)).decode().split() == ["team/app"]
    assert await run(*regctl, "manifest", "get", "--format=raw-body", f"{remote}:1") == image.manifest.content
    await run(*regctl, "tag", "delete", f"{remote}:1")
    assert (await run(*regctl, "tag", "ls", remote)).decode().split() == ["2"]
    assert (await run(*regctl, "image", "digest", f"{remote}:2")).decode().strip() == str(image.digest)
