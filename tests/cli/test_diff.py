import json
from pathlib import Path

import pytest

from tests.content import a_layer, an_artifact, an_image, an_index_of, put
from tests.faults.proxy import FOREVER, Fault, answered, proxy
from wherry.cli.sizes import size
from wherry.stores.layout import Layout

BASE, ONE, TWO = (a_layer({name: name.encode() * 100}) for name in ("base", "one", "two"))
OLD = an_image(layers=(BASE, ONE), labels={"version": "1", "kept": "x"}, annotations={"old": "1"})
NEW = an_image(layers=(BASE, TWO, ONE), labels={"version": "2", "kept": "x"})
ARM64 = an_image(platform="linux/arm64")
INDEX, NEWER = an_index_of(OLD, ARM64), an_index_of(NEW, ARM64, an_image(platform="linux/s390x"))


@pytest.fixture
async def place(tmp_path: Path) -> str:
    """A layout with all of it."""
    layout = Layout(tmp_path / "app")
    for tag, content in {"old": OLD, "new": NEW, "index": INDEX, "newer": NEWER, "artifact": an_artifact()}.items():
        await put(content, layout, tag)
    return f"oci:{layout.path}"


async def test_same_is_one_line_and_code_0(wherry, pushed, place) -> None:
    reference = await pushed(OLD, "team/app:1")
    done = await wherry("diff", reference, f"{place}:old")
    assert (done.code, done.err) == (0, "")
    assert done.lines == [f"{reference} and {place}:old are the same: {OLD.digest}"]


async def test_images_are_compared_by_manifest_config_and_layers(wherry, pushed, place) -> None:
    reference = await pushed(NEW, "team/app:2")
    done = await wherry("diff", f"{place}:old", reference)
    assert (done.code, done.err) == (1, "")
    (layer,) = {size(blob.descriptor.size) for blob in (BASE, ONE, TWO)}
    two, three = (size(BASE.descriptor.size * count) for count in (2, 3))
    needed = size(TWO.descriptor.size + NEW.blobs[0].descriptor.size)
    assert done.lines[2:] == [
        "",
        "Manifest:",
        "- annotations old: 1",
        "",
        "Config:",
        "- Labels version: 1",
        "+ Labels version: 2",
        "! rootfs diff_ids: 2 in A, 3 in B, the first 1 the same",
        "",
        f"Layers: 2 in A ({two}), 3 in B ({three}), the first 1 shared ({layer})",
        f"  {BASE.descriptor.digest}  {layer}",
        f"- {ONE.descriptor.digest}  {layer}  in B at another place",
        f"+ {TWO.descriptor.digest}  {layer}",
        f"+ {ONE.descriptor.digest}  {layer}  in A at another place",
        "",
        f"To pull B, having A: 2 blobs, {needed}. To pull A, having B: 1 blob, {OLD.blobs[0].descriptor.size} B.",
    ]
    assert [line.split() for line in done.lines[:2]] == [
        ["A:", f"{place}:old", str(OLD.digest)],
        ["B:", reference, str(NEW.digest)],
    ]


async def test_indexes_are_compared_platform_by_platform(wherry, place) -> None:
    done = await wherry("diff", f"{place}:index", f"{place}:newer")
    assert done.code == 1
    table = done.lines[done.lines.index("PLATFORM") :]
    assert [line.split() for line in table[1:6]] == [
        ["!", "linux/amd64", "differs"],
        ["-", "linux/amd64", str(OLD.digest)],
        ["+", "linux/amd64", str(NEW.digest)],
        ["linux/arm64", "same"],
        ["+", "linux/s390x", "only", "in", "B", str(NEWER.children[2].digest)],
    ]
    assert [line for line in done.lines if line.startswith("==")] == ["== linux/amd64"]
    assert "+ Labels version: 2" in done.lines


async def test_index_against_an_image_says_so(wherry, place) -> None:
    done = await wherry("diff", f"{place}:index", f"{place}:old")
    assert done.code == 0
    assert done.lines == [f"{place}:index (its image for linux/amd64) and {place}:old are the same: {OLD.digest}"]
    done = await wherry("diff", f"{place}:new", f"{place}:index")
    assert done.code == 1
    assert done.lines[2] == "B is an index: compared is its image for linux/amd64"


async def test_platform_chooses(wherry, place) -> None:
    both = f"{place}:index", f"{place}:newer"
    assert (await wherry("diff", "--platform", "linux/arm64", *both)).code == 0
    assert (await wherry("diff", "--platform", "linux/amd64", *both)).code == 1
    done = await wherry("diff", "--platform", "linux/s390x", *both)
    assert (done.code, done.out) == (2, b"")
    assert done.err == (
        f"wherry: {place}: index {INDEX.digest} has no image for linux/s390x\ntry: it has linux/amd64, linux/arm64\n"
    )


@pytest.mark.parametrize(
    ("a", "b", "code"),
    [("old", "old", 0), ("old", "new", 1), ("index", "old", 0), ("new", "index", 1), ("old", "absent", 2)],
)
async def test_quiet_prints_nothing_but_trouble(wherry, place, a, b, code) -> None:
    done = await wherry("diff", "-q", f"{place}:{a}", f"{place}:{b}")
    assert (done.code, done.out) == (code, b"")
    assert bool(done.err) == (code == 2)


async def test_quiet_asks_for_the_digests_alone(wherry, registry, pushed) -> None:
    await pushed(OLD, "team/app:1")
    await pushed(NEW, "team/app:2")
    read = Fault(lambda asked: asked.method == "GET", answered(500), FOREVER)
    async with proxy(registry.address, read) as between:
        one, two = (f"{between.address}/team/app:{tag}" for tag in "12")
        assert (await wherry("diff", "-q", one, two)).code == 1
        assert (await wherry("diff", "-q", one, one)).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{place}:absent", "{place}:old"], "no such tag: absent"),
        (["{place}:old", "{place}/nowhere"], "there is no such folder"),
        (["{place}:old", "127.0.0.1:1/team/app"], "connection refused"),
        (["{place}:old", "Not A Reference"], "bad reference"),
        (["{place}:old"], "Missing argument 'B'"),
        (["--platform", "linux", "{place}:old", "{place}:old"], "'linux' is not of the form"),
        (["-q", "--json", "{place}:old", "{place}:old"], "--quiet and --json exclude each other"),
        (["--platform", "linux/amd64", "{place}:old", "{place}:artifact"], "states no platform"),
        (["{place}:old", "docker-archive:/nowhere/app.tar"], "no such file"),
    ],
    ids=["tag", "folder", "registry", "reference", "argument", "platform", "options", "artifact", "archive"],
)
async def test_trouble_is_code_2_and_one_error(wherry, place, arguments, words) -> None:
    done = await wherry("diff", *(each.replace("{place}", place) for each in arguments))
    assert (done.code, done.out) == (2, b"")
    assert words in done.err
    assert 1 <= done.err.count("\n") <= 2


async def test_trouble_has_a_finer_code_where_it_is_asked_for(wherry, place) -> None:
    assert (await wherry("--exit-codes", "diff", f"{place}:old", f"{place}:absent")).code == 3
    assert (await wherry("--exit-codes", "diff", f"{place}:old", "127.0.0.1:1/app")).code == 5
    assert (await wherry("--exit-codes", "diff", f"{place}:old", "A B")).code == 6
    assert (await wherry("--exit-codes", "diff", f"{place}:old", f"{place}:new")).code == 1


async def test_trouble_of_diff_leaves_other_commands_alone(wherry, place) -> None:
    assert (await wherry("diff", f"{place}:old", f"{place}:absent")).code == 2
    assert (await wherry("inspect", f"{place}:absent")).code == 1


async def test_content_that_is_missing_is_a_problem_and_the_rest_is_printed(wherry, place, tmp_path) -> None:
    (tmp_path / "app" / "blobs" / "sha256" / NEW.blobs[0].descriptor.digest.encoded).unlink()
    done = await wherry("diff", f"{place}:old", f"{place}:new")
    assert (done.code, done.err) == (1, "")
    (problem,) = (line for line in done.lines if line.startswith("Problem: "))
    assert str(NEW.blobs[0].descriptor.digest) in problem
    assert "Config:" not in done.lines
    assert f"+ {TWO.descriptor.digest}  {size(TWO.descriptor.size)}" in done.lines


async def test_registry_that_gives_something_no_more_is_trouble(wherry, registry, pushed, place) -> None:
    await pushed(NEW, "team/app:2")
    refused = Fault(lambda asked: "/blobs/" in asked.target, answered(403), FOREVER)
    async with proxy(registry.address, refused) as between:
        done = await wherry("diff", f"{place}:old", f"{between.address}/team/app:2")
        assert (done.code, done.out) == (2, b"")
        assert "-> 403" in done.err


async def test_what_others_wrote_cannot_steer_the_terminal(wherry, place) -> None:
    evil = an_image(labels={"a\x1b[2J": "\x1b]0;x\x07", "long": "x" * 5000}, annotations={"\x1b": "\r"})
    await put(evil, Layout(Path(place.removeprefix("oci:"))), "evil")
    done = await wherry("diff", f"{place}:old", f"{place}:evil")
    assert b"\x1b" not in done.out
    assert b"\r" not in done.out
    assert "+ Labels a\\x1b[2J: \\x1b]0;x\\x07" in done.lines
    assert "+ Labels long: " + "x" * 300 + "…" in done.lines


async def test_json_has_all_of_it(wherry, place) -> None:
    done = await wherry("diff", "--json", f"{place}:old", f"{place}:new")
    assert (done.code, done.err) == (1, "")
    document = json.loads(done.out)
    found = document.pop("comparison")
    assert document == {
        "same": False,
        "a": {"reference": f"{place}:old"} | OLD.manifest.descriptor.to_json(),
        "b": {"reference": f"{place}:new"} | NEW.manifest.descriptor.to_json(),
    }
    assert found["manifest"] == [{"path": ["annotations", "old"], "a": "1"}]
    assert {"path": ["config", "Labels", "version"], "a": "1", "b": "2"} in found["config"]
    assert found["configs"]["b"] == NEW.blobs[0].descriptor.to_json()
    assert found["layers"]["onlyB"] == [str(TWO.descriptor.digest)]
    assert found["layers"]["base"] == 1
    assert found["pull"]["a"] == {"blobs": 1, "bytes": OLD.blobs[0].descriptor.size}
    assert found["problems"] == []


async def test_json_of_what_is_the_same_is_short(wherry, place) -> None:
    done = await wherry("diff", "--json", f"{place}:index", f"{place}:old")
    assert done.code == 0
    document = json.loads(done.out)
    assert (document["same"], document["platform"]) == (True, "linux/amd64")
    assert document["comparison"] == {
        "same": True,
        "a": OLD.manifest.descriptor.to_json(),
        "b": OLD.manifest.descriptor.to_json(),
    }


async def test_manual_names_every_field_of_the_json(wherry, place) -> None:
    images = json.loads((await wherry("diff", "--json", f"{place}:old", f"{place}:new")).out)["comparison"]
    indexes = json.loads((await wherry("diff", "--json", f"{place}:index", f"{place}:newer")).out)["comparison"]
    names = {
        *images,
        *images["layers"],
        *images["pull"]["a"],
        *indexes,
        *indexes["entries"],
        *indexes["entries"]["both"][0],
    }
    page = (Path(__file__).parent.parent.parent / "docs" / "manual" / "diff.md").read_text()
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


async def test_docker_archive_is_compared_with_a_registry(wherry, pushed, tmp_path) -> None:
    image = an_image(docker=True)
    reference = await pushed(image, "team/app:1")
    archive = f"docker-archive:{tmp_path}/app.tar:team/app:1"
    assert (await wherry("copy", "-q", reference, archive)).code == 0
    assert (await wherry("diff", reference, archive)).code == 0
