"""`ls`, `prune` and `rm`: drafts as such."""

import asyncio
import fcntl
import json
import os
import signal
import sys

import pytest

from tests.content import an_image, an_index_of
from wherry.oci.dockerdraft import file_name

AMD64 = an_image()
ARM64 = an_image(platform="linux/arm64/v8")


@pytest.fixture
async def target(registry, wherry, pushed) -> str:
    """A draft of an image and an index."""
    name = f"{registry.address}/team/app:multi"
    sources = await pushed(AMD64, "team/app:amd64"), await pushed(an_index_of(ARM64, AMD64), "team/app:index")
    assert (await wherry("manifest", "create", "--insecure", name, *sources)).code == 0
    return name


async def test_rm_takes_one_image_out_and_keeps_the_rest(wherry, target, files) -> None:
    done = await wherry("manifest", "rm", target, "--image", target.replace("multi", "amd64"))
    assert (done.code, done.out, done.err) == (0, b"", "")
    assert [each["Descriptor"]["digest"] for each in files(target).values()] == sorted(
        str(each.digest) for each in (AMD64, ARM64)
    )


async def test_rm_counts_an_image_that_is_named_twice_once(wherry, target, files) -> None:
    index = target.replace("multi", "index")
    twice = (target.replace("multi", "amd64"), target.replace("multi", "amd64"), index, f"{index}@{ARM64.digest}")
    done = await wherry("manifest", "rm", target, *(word for image in twice for word in ("--image", image)))
    assert (done.code, done.out, done.err) == (0, b"", "")
    assert files(target) == {}


async def test_rm_takes_an_index_out_with_all_its_images_or_one_of_them(wherry, target, files) -> None:
    index = target.replace("multi", "index")
    assert (await wherry("manifest", "rm", target, "--image", f"{index}@{ARM64.digest}")).code == 0
    assert len(files(target)) == 2
    assert (await wherry("manifest", "rm", target, "--image", index)).code == 0
    assert list(files(target)) == [file_name(target.replace("multi", "amd64"))]


async def test_rm_takes_out_all_that_is_named_or_nothing(wherry, target, files) -> None:
    before = files(target)
    absent = target.replace("multi", "absent")
    done = await wherry(
        "manifest", "rm", target, "--image", target.replace("multi", "amd64"), "--image", absent
    )  # fmt: skip
    assert (done.code, done.err) == (1, f"manifest for image {absent} does not exist in {target}\n")
    assert files(target) == before


async def test_rm_of_images_takes_one_list(wherry, target) -> None:
    done = await wherry("manifest", "rm", target, "r.example/other:1", "--image", "r.example/a:1")
    assert done.code == 125


async def test_rm_says_the_code_of_what_failed_first(wherry, target) -> None:
    done = await wherry("manifest", "rm", "--exit-codes", "r.example/absent:1", target, "NOT/a/Name/")
    assert done.code == 3
    assert (await wherry("manifest", "ls", "--json")).out == b"[]\n"


async def test_ls_shows_names_and_platforms(wherry, target) -> None:
    done = await wherry("manifest", "ls")
    head, row = done.lines
    assert (done.code, done.err) == (0, "")
    assert head.split() == ["NAME", "IMAGES", "CHANGED", "PLATFORMS"]
    assert row.split()[:2] == [target, "3"]
    assert row.endswith("linux/amd64, linux/arm64/v8")


async def test_ls_as_json_tells_damage_and_folders(wherry, target, configuration) -> None:
    broken = configuration / "manifests" / "h.io_broken-1"
    broken.mkdir()
    (broken / "file").write_bytes(b"{")
    listed = json.loads((await wherry("manifest", "ls", "--json")).out)
    assert [(each["name"], each["images"], each["platforms"]) for each in listed] == [
        (target, 3, ["linux/amd64", "linux/arm64/v8"]),
        (None, 0, []),
    ]
    assert (listed[1]["folder"], str(broken / "file") in listed[1]["problem"]) == (str(broken), True)
    assert any("(h.io_broken-1)" in line and "damaged" in line for line in (await wherry("manifest", "ls")).lines)


async def test_ls_of_nothing(wherry) -> None:
    assert len((await wherry("manifest", "ls")).lines) == 1
    assert (await wherry("manifest", "ls", "--json")).out == b"[]\n"
    assert (await wherry("manifest", "ls", "too", "many")).code == 1


async def test_prune_removes_what_is_empty_or_damaged(wherry, target, configuration) -> None:
    for name, content in (("h.io_broken-1", b"{"), ("h.io_empty-1", None)):
        (configuration / "manifests" / name).mkdir()
        if content:
            (configuration / "manifests" / name / "file").write_bytes(content)
    assert (await wherry("manifest", "prune", "--dry-run")).lines == ["h.io_broken-1", "h.io_empty-1"]
    assert (await wherry("manifest", "prune")).lines == ["h.io_broken-1", "h.io_empty-1"]
    assert (await wherry("manifest", "prune")).lines == []
    assert [each["name"] for each in json.loads((await wherry("manifest", "ls", "--json")).out)] == [target]


async def test_prune_removes_what_is_old(wherry, target, configuration) -> None:
    folder = configuration / "manifests" / file_name(target)
    assert (await wherry("manifest", "prune", "--older-than", "7")).lines == []
    for path in (*folder.iterdir(), folder):
        os.utime(path, (0, 0))
    assert (await wherry("manifest", "prune", "--older-than", "7")).lines == [target]
    assert not folder.exists()


async def test_prune_all_removes_every_draft(wherry, target) -> None:
    assert (await wherry("manifest", "prune", "--all")).lines == [target]
    assert (await wherry("manifest", "inspect", "--local", target)).err == f"No such manifest: {target}\n"


@pytest.mark.parametrize(
    "damage", [{"Ref": "UP PER//"}, {"Descriptor": {"size": 1}}, {"Descriptor": {"mediaType": "a/b"}}]
)
async def test_damage_is_told_with_the_file_and_the_way_out(wherry, target, configuration, damage) -> None:
    file = configuration / "manifests" / file_name(target) / file_name(target.replace("multi", "amd64"))
    document = json.loads(file.read_bytes())
    damaged = {name: document[name] | new if isinstance(new, dict) else new for name, new in damage.items()}
    file.write_text(json.dumps(document | damaged))
    for command in (("inspect", "--local"), ("push",)):
        done = await wherry("manifest", *command, target)
        assert (done.code, done.out) == (1, b"")
        assert f"draft {file} is damaged: " in done.err
        assert "`wherry manifest rm` removes the whole draft" in done.err
    assert (await wherry("manifest", "rm", target)).code == 0


async def test_create_that_waits_for_another_command_says_so_and_can_be_interrupted(
    registry, pushed, configuration
) -> None:
    source = await pushed(AMD64, "team/app:amd64")
    (configuration / "wherry").mkdir(parents=True)
    program = [sys.executable, "-c", "from wherry.cli import main; main()", "manifest", "create", "--insecure"]
    with (configuration / "wherry" / "drafts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = await asyncio.create_subprocess_exec(
            *program,
            f"{registry.address}/team/app:multi",
            source,
            env=os.environ | {"DOCKER_CONFIG": str(configuration)},
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        assert await process.stderr.readline() == b"wherry: another command is changing drafts: waiting for it\n"
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
        await process.stderr.read()
    assert not list((configuration / "manifests").iterdir())
