"""`wherry admin import`: what it says, and with which exit code."""

import asyncio
import json
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done
from tests.content import an_image, an_index_of, put, read
from tests.peers import installed, registry_of
from tests.storages import DistributionFolder, snapshot
from wherry.oci.reference import Reference
from wherry.server.running import running
from wherry.stores.layout import Layout
from wherry.stores.remote import Client

INDEX = an_index_of(an_image(), an_image(platform="linux/arm64"))
OTHER = an_image("other")

Wherry = Callable[..., Awaitable[Done]]


@pytest.fixture
def storage(tmp_path: Path) -> DistributionFolder:
    folder = DistributionFolder(tmp_path / "storage")
    folder.put(INDEX, "team/app", "1", "latest")
    folder.put(OTHER, "zoo", "1")
    return folder


async def test_import_says_what_it_did_for_each_repository(
    wherry: Wherry, storage: DistributionFolder, tmp_path: Path
) -> None:
    done = await wherry("admin", "import", storage.path, "--data", tmp_path / "registry")
    assert (done.code, done.err) == (0, "")
    first, second = done.lines
    assert first.startswith("team/app: 2 tags, 2 manifests without a tag, moved ")
    assert second.startswith("zoo: 1 tag, moved 2 blobs (")
    async with running(data=tmp_path / "registry") as server, Client() as client:
        reference = Reference.parse(f"{server.address}/team/app:latest")
        assert (await client.repository(reference).manifest(reference.name)) == INDEX.manifest


async def test_import_tells_programs_the_same(wherry: Wherry, storage: DistributionFolder, tmp_path: Path) -> None:
    storage.tag("zoo", "1").write_text("")
    done = await wherry("admin", "import", storage.path, "--data", tmp_path / "registry", "--json")
    assert (done.code, done.err) == (1, "")
    document = json.loads(done.out)
    assert document["dryRun"] is False
    app, zoo = document["repositories"]
    assert (app["name"], app["tags"], app["failures"]) == ("team/app", 2, [])
    assert app["moved"]["blobs"] + app["skipped"]["blobs"] >= 4
    assert [each["name"] for each in zoo["failures"]] == ["1"]
    assert "damaged" in zoo["failures"][0]["reason"]


async def test_import_goes_on_after_damage_and_ends_with_1(
    wherry: Wherry, storage: DistributionFolder, tmp_path: Path
) -> None:
    storage.tag("team/app", "latest").write_text(f"sha256:{'0' * 64}")
    done = await wherry("admin", "import", storage.path, "--data", tmp_path / "registry")
    assert done.code == 1
    assert done.lines[0].startswith("team/app: 1 tag, ")
    assert done.lines[1].startswith("zoo: 1 tag, ")
    failure, total = done.err.splitlines()
    assert failure.startswith("not imported: team/app:latest: ")
    assert "is not in the repository" in failure
    assert total.startswith("1 of ")


async def test_dry_run_of_import_writes_nothing(wherry: Wherry, storage: DistributionFolder, tmp_path: Path) -> None:
    done = await wherry("admin", "import", storage.path, "--data", tmp_path / "registry", "--dry-run")
    assert done.code == 0
    assert "to move 2 blobs" in done.lines[1]
    assert not (tmp_path / "registry").exists()


async def test_quiet_import_says_only_what_fails(wherry: Wherry, storage: DistributionFolder, tmp_path: Path) -> None:
    storage.tag("zoo", "1").write_text("")
    done = await wherry("admin", "import", storage.path, "--data", tmp_path / "registry", "-q")
    assert (done.code, done.out) == (1, b"")
    assert done.err.startswith("not imported: zoo:1: ")


async def test_import_of_something_else_is_one_clear_error(wherry: Wherry, tmp_path: Path) -> None:
    something = tmp_path / "something"
    (something / "else").mkdir(parents=True)
    done = await wherry("admin", "import", something, "--data", tmp_path / "registry")
    assert (done.code, done.out) == (1, b"")
    error, hint = done.err.splitlines()
    assert error == f"wherry: {something}: neither a registry's storage nor an OCI layout"
    assert hint.startswith("try: ")
    assert not (tmp_path / "registry").exists()


@pytest.mark.parametrize("below", ["", "docker", "new/registry"])
async def test_import_does_not_write_into_what_it_reads(
    wherry: Wherry, storage: DistributionFolder, below: str
) -> None:
    before = snapshot(storage.path)
    done = await wherry("admin", "import", storage.path, "--data", storage.path / below)
    assert done.code == 2
    assert "which is only read" in done.err
    assert snapshot(storage.path) == before


@pytest.mark.parametrize("program", ["docker-registry", "registry"])
async def test_storage_of_the_real_distribution_is_taken_over(wherry: Wherry, tmp_path: Path, program: str) -> None:
    async with registry_of(program, tmp_path / program) as address, Client() as client:
        for content, name in ((INDEX, "team/app:1"), (OTHER, "team/app:moved"), (INDEX, "team/app:moved")):
            reference = Reference.parse(f"{address}/{name}")
            assert reference.tag is not None
            await put(content, client.repository(reference), reference.tag)
    done = await wherry("admin", "import", tmp_path / program / "data", "--data", tmp_path / "registry")
    assert (done.code, done.err) == (0, "")
    async with running(data=tmp_path / "registry") as server, Client() as client:
        repository = client.repository(Reference.parse(f"{server.address}/team/app"))
        assert [tag async for tag in repository.tags()] == ["1", "moved"]
        assert await repository.manifest(OTHER.digest) == OTHER.manifest, "the untagged one too"
        for blob in (*INDEX.all_blobs().values(), *OTHER.blobs):
            assert await read(repository.fetch(blob.descriptor)) == blob.content


@pytest.mark.parametrize("program", ["skopeo", "umoci"])
async def test_layouts_of_other_programs_are_taken_over(wherry: Wherry, tmp_path: Path, program: str) -> None:
    installed(program)
    layout = tmp_path / "layout"
    if program == "umoci":
        commands = [["umoci", "init", "--layout", layout], ["umoci", "new", "--image", f"{layout}:1"]]
    else:
        await put(INDEX, Layout(tmp_path / "made"), "1")
        copy = ["skopeo", "--insecure-policy", "copy", "--all", f"oci:{tmp_path}/made:1"]
        commands = [[*copy, f"oci:{layout}:1"], [*copy, f"oci:{layout}:2"]]
    for command in commands:
        await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    done = await wherry("admin", "import", layout, "--repository", "team/app", "--data", tmp_path / "registry")
    assert (done.code, done.err) == (0, "")
    async with running(data=tmp_path / "registry") as server, Client() as client:
        repository = client.repository(Reference.parse(f"{server.address}/team/app"))
        tags = [tag async for tag in repository.tags()]
        assert tags == [tag async for tag in Layout(layout).tags()]
        for tag in tags:
            assert await repository.resolve(tag) == await Layout(layout).resolve(tag)
