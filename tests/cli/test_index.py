import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.content import an_image, an_index_of, put
from wherry.oci.mediatype import DOCKER_LIST, OCI_INDEX
from wherry.stores.layout import Layout

AMD64 = an_image()
ARM64 = an_image(platform="linux/arm64/v8")
WINDOWS = an_image("win", platform="windows/amd64")
INDEX = an_index_of(ARM64, AMD64, annotations={"k": "v"})


@pytest.fixture
async def index(pushed) -> str:
    return await pushed(INDEX, "team/app:1")


async def listed(wherry, reference: str) -> list[str]:
    done = await wherry("manifest", "inspect", "--insecure", "--raw", reference)
    assert done.code == 0, done.err
    return [entry["digest"] for entry in json.loads(done.out)["manifests"]]


@pytest.fixture
async def elsewhere(registry_factory) -> str:
    """The address of another registry."""
    return (await registry_factory()).address


async def test_create_takes_images_and_indexes_from_everywhere(
    registry, elsewhere, wherry, index, tmp_path: Path
) -> None:
    await put(WINDOWS, Layout(tmp_path / "layout"), "win")
    targets = [f"{elsewhere}/made/app:1", f"{elsewhere}/made/app:latest", f"{registry.address}/x/y:2"]
    flags = [part for target in targets for part in ("-t", target)]
    done = await wherry("index", "create", *flags, f"oci:{tmp_path / 'layout'}:win", index)
    assert (done.code, done.err) == (0, "")
    [digest] = {line.partition("@")[2] for line in done.lines}
    assert done.lines == [f"{target}@{digest}" for target in targets]
    for target in targets:
        assert await listed(wherry, target) == [str(each.digest) for each in (WINDOWS, ARM64, AMD64)]


async def test_one_index_is_pushed_byte_for_byte(registry, wherry, index) -> None:
    done = await wherry("index", "create", "-t", f"{registry.address}/other/app:1", index)
    assert done.lines == [f"{registry.address}/other/app:1@{INDEX.digest}"]


async def test_append_begins_with_what_is_there_and_needs_nothing_there(registry, wherry, pushed) -> None:
    target = f"{registry.address}/team/app:multi"
    images = [await pushed(each, f"team/app:{number}") for number, each in enumerate((WINDOWS, AMD64))]
    for image in images:
        assert (await wherry("index", "create", "--append", "-t", target, image)).code == 0
    assert await listed(wherry, target) == [str(WINDOWS.digest), str(AMD64.digest)]


async def test_append_keeps_the_annotations_of_the_index(wherry, pushed, index) -> None:
    win = await pushed(WINDOWS, "team/app:win")
    assert (await wherry("index", "create", "--append", "-t", index, win)).code == 0
    assert await listed(wherry, index) == [str(each.digest) for each in (ARM64, AMD64, WINDOWS)]
    assert json.loads((await wherry("manifest", "inspect", "--insecure", index)).out)["annotations"] == {"k": "v"}


async def test_create_filters_annotates_and_prefers(registry, wherry, index) -> None:
    target = f"{registry.address}/team/app:some"
    assert (await wherry("index", "create", "--platform", "linux/amd64", "-t", target, index)).code == 0
    assert await listed(wherry, target) == [str(AMD64.digest)]
    assert (await wherry("index", "create", "--annotation", "a=b", "-t", target, index)).code == 0
    assert json.loads((await wherry("manifest", "inspect", "--insecure", target)).out)["annotations"] == {"a": "b"}
    assert (await wherry("index", "create", "--prefer", "docker", "-t", target, index)).code == 0
    assert json.loads((await wherry("manifest", "inspect", "--insecure", target)).out)["mediaType"] == DOCKER_LIST


async def test_dry_run_sends_nothing(registry, wherry, index) -> None:
    target = f"{registry.address}/other/app:1"
    done = await wherry("index", "create", "--dry-run", "-t", target, index)
    assert (done.code, done.out) == (0, INDEX.manifest.content + b"\n")
    assert done.err.splitlines() == [
        f"would copy {ARM64.digest} to {registry.address}/other/app",
        f"would copy {AMD64.digest} to {registry.address}/other/app",
        f"would push {target} ({OCI_INDEX}, {INDEX.digest})",
    ]
    assert (await wherry("ls", f"{registry.address}/other/app")).code == 1


async def test_add_copies_and_keeps_what_is_there(registry, wherry, pushed, index) -> None:
    more = await pushed(WINDOWS, "team/other:win")
    for _ in range(2):
        done = await wherry("index", "add", index, more)
        assert (done.code, done.err) == (0, "")
        assert await listed(wherry, index) == [str(each.digest) for each in (ARM64, AMD64, WINDOWS)]
        assert done.lines[0].startswith(f"{index}@sha256:")


async def test_pipelines_that_add_at_once_all_end_up_in_the_index(registry, wherry, pushed, tmp_path: Path) -> None:
    target = f"{registry.address}/team/app:multi"
    images = [an_image(str(number)) for number in range(4)]
    sources = [await pushed(each, f"team/app:{number}") for number, each in enumerate(images)]
    program = [sys.executable, "-c", "from wherry.cli import main; main()", "index", "add", target]
    started = [await asyncio.create_subprocess_exec(*program, source, stdout=-3) for source in sources]
    assert [await process.wait() for process in started] == [0] * 4
    assert sorted(await listed(wherry, target)) == sorted(str(each.digest) for each in images)


async def test_rm_and_annotate_change_an_index_in_place(wherry, index) -> None:
    assert (await wherry("index", "annotate", index, "linux/arm64", "--annotation", "a=b")).code == 0
    assert (await wherry("index", "annotate", index, "--clear", "--annotation", "x=y")).code == 0
    shown = json.loads((await wherry("manifest", "inspect", "--insecure", index)).out)
    assert shown["annotations"] == {"x": "y"}
    assert [entry.get("annotations") for entry in shown["manifests"]] == [{"a": "b"}, None]
    assert (await wherry("index", "rm", index, str(ARM64.digest))).code == 0
    assert await listed(wherry, index) == [str(AMD64.digest)]


@pytest.mark.parametrize(
    "misuse",
    [
        (("create", "SOURCE"), 2, "Missing option '-t'"),
        (("create", "-t", "REGISTRY/a:1"), 2, "Missing argument"),
        (("create", "-t", "REGISTRY/a@sha256:" + "0" * 64, "INDEX"), 1, "a target has no digest"),
        (
            ("create", "-t", "REGISTRY/a:1", "REGISTRY/team/app:absent"),
            1,
            "wherry: REGISTRY/team/app:absent: no such tag (GET ",
        ),
        (("create", "-t", "REGISTRY/a:1", "--platform", "linux", "INDEX"), 2, "os/architecture"),
        (("create", "-t", "REGISTRY/a:1", "--platform", "linux/s390x", "INDEX"), 1, "no source has an image for"),
        (("create", "-t", "REGISTRY/a:1", "--annotation", "k", "INDEX"), 2, "KEY=VALUE"),
        (("create", "-t", "REGISTRY/a:1", "--annotation", "\udcff=v", "INDEX"), 2, r"text in UTF-8, not '\udcff=v'"),
        (("annotate", "INDEX", "--annotation", "k=v\udcff"), 2, r"text in UTF-8, not 'k=v\udcff'"),
        (("rm", "INDEX", "linux/s390x"), 1, "the index has no entry for linux/s390x"),
        (("rm", "REGISTRY/team/app:absent", "linux/amd64"), 1, "no such manifest"),
        (("annotate", "INDEX"), 2, "nothing to do"),
        (("annotate", "REGISTRY/team/app:absent", "--clear"), 1, "no such manifest"),
    ],
)
async def test_bad_input_is_told_and_changes_nothing(registry, wherry, index, misuse) -> None:
    arguments, code, words = misuse

    def fill(text: str) -> str:
        return text.replace("REGISTRY", registry.address).replace("INDEX", index)

    done = await wherry("index", *map(fill, arguments))
    assert (done.code, done.out) == (code, b"")
    assert fill(words) in done.err
    assert done.err.startswith("wherry: ")
    assert await listed(wherry, index) == [str(ARM64.digest), str(AMD64.digest)]
