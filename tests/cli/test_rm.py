import asyncio
import json
import shutil
import signal
from pathlib import Path

import pytest

from tests.cli.terminal import at_a_terminal
from tests.content import an_image, put
from tests.faults.proxy import FOREVER, Fault, answered, proxy
from tests.peers import registry_of
from wherry.stores.layout import Layout


async def test_a_tag_goes_alone(registry, wherry, pushed) -> None:
    image = an_image()
    reference = await pushed(image, "team/app:1")
    await wherry("tag", reference, "2")
    done = await wherry("rm", reference)
    assert (done.code, done.err, done.lines) == (0, "", [reference])
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["2"]
    assert (await wherry("digest", f"{registry.address}/team/app:2")).lines == [str(image.digest)]


async def test_a_manifest_with_its_only_tag_goes(registry, wherry, pushed) -> None:
    image, other = an_image(), an_image("other")
    reference = await pushed(image, "team/app:1")
    await pushed(other, "team/app:other")
    done = await wherry("rm", "--digest", reference)
    assert done.code == 0
    assert done.lines == [reference, f"{registry.address}/team/app@{image.digest}"]
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["other"]


async def test_other_tags_do_not_go_along_unasked(registry, wherry, pushed) -> None:
    image = an_image()
    reference = await pushed(image, "team/app:1")
    await wherry("tag", reference, "2", "3")
    refused = await wherry("rm", "--digest", reference)
    assert (refused.code, refused.out) == (1, b"")
    assert "has the tags 1, 2, 3" in refused.err
    assert "2 other tags would go along: 2, 3" in refused.err
    assert "try: with -y they do" in refused.err
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["1", "2", "3"]
    done = await wherry("rm", "--digest", "-y", f"{registry.address}/team/app@{image.digest}")
    assert done.code == 0
    assert done.lines == [f"{registry.address}/team/app{name}" for name in (":1", ":2", ":3", f"@{image.digest}")]


async def test_a_manifest_that_is_named_twice_goes_once(registry, wherry, pushed) -> None:
    image = an_image()
    reference = await pushed(image, "team/app:1")
    await wherry("tag", reference, "2")
    done = await wherry("rm", "--digest", reference, f"{registry.address}/team/app:2")
    assert done.code == 0
    assert done.lines == [f"{registry.address}/team/app{name}" for name in (":1", ":2", f"@{image.digest}")]


async def test_a_digest_without_the_word_is_refused(registry, wherry, pushed) -> None:
    image = an_image()
    reference = await pushed(image, "team/app:1")
    for text in (f"{reference}@{image.digest}", f"{registry.address}/team/app@{image.digest}"):
        done = await wherry("rm", text)
        assert done.code == 1
        assert f"try: wherry rm --digest {text}" in done.err
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["1"]


async def test_a_mistake_in_one_deletes_nothing(registry, wherry, pushed) -> None:
    reference = await pushed(an_image(), "team/app:1")
    done = await wherry("rm", reference, f"{registry.address}/team/app")
    assert done.code == 1
    assert "names neither a tag nor a digest" in done.err
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["1"]


async def test_what_is_not_there_is_one_line(registry, wherry, pushed) -> None:
    reference = await pushed(an_image(), "team/app:1")
    for options in ([], ["--digest"]):
        done = await wherry("rm", *options, f"{reference}0")
        assert done.code == 1
        assert "no such tag" in done.err
        assert "Traceback" not in done.err


async def test_a_registry_that_deletes_no_tags_says_so(wherry, tmp_path) -> None:
    await put(an_image(docker=True), Layout(tmp_path / "layout"), "1")
    async with registry_of("docker-registry", tmp_path / "docker-registry") as address:
        place = f"{address}/team/app:1"
        assert (await wherry("copy", "-q", f"oci:{tmp_path}/layout:1", place)).code == 0
        done = await wherry("rm", place)
        assert done.code == 1
        assert "does not delete a tag alone" in done.err
        assert (await wherry("ls", f"{address}/team/app")).lines == ["1"]


async def test_manifest_in_a_repository_without_tags_goes(wherry, tmp_path) -> None:
    image = an_image(docker=True)
    await put(image, Layout(tmp_path / "layout"), "1")
    async with registry_of("docker-registry", tmp_path / "docker-registry") as address:
        place = f"{address}/team/app@{image.digest}"
        assert (await wherry("copy", "-q", f"oci:{tmp_path}/layout@{image.digest}", f"{address}/team/app")).code == 0
        done = await wherry("rm", "--digest", place)
        assert (done.code, done.err, done.lines) == (0, "", [place])
        assert (await wherry("digest", place)).code == 1


async def test_a_tag_of_a_layout_goes(wherry, tmp_path) -> None:
    await put(an_image(), Layout(tmp_path / "there"), "1", "2")
    done = await wherry("rm", f"oci:{tmp_path}/there:1")
    assert (done.code, done.lines) == (0, [f"oci:{tmp_path}/there:1"])
    assert (await wherry("ls", f"oci:{tmp_path}/there")).lines == ["2"]


async def test_one_failure_does_not_stop_the_others(registry, wherry, pushed) -> None:
    reference = await pushed(an_image(), "team/app:1")
    await wherry("tag", reference, "2", "3")
    place = f"{registry.address}/team/app"
    done = await wherry("rm", f"{place}:1", f"{place}:absent", f"{place}:2", "127.0.0.1:1/team/app:1", f"{place}:gone")
    assert (done.code, done.lines) == (1, [f"{place}:1", f"{place}:2"])
    failures = [line for line in done.err.splitlines() if line.startswith("wherry: ")]
    assert [line.split(" (")[0] for line in failures] == [
        f"wherry: {place}:absent: no such tag",
        "wherry: 127.0.0.1:1: connection refused: nothing listens there",
        f"wherry: {place}:gone: no such tag",
    ]
    assert (await wherry("ls", place)).lines == ["3"]


async def test_one_manifest_that_fails_does_not_stop_the_others(registry, wherry, pushed) -> None:
    images = [an_image(name) for name in "abc"]
    for image, tag in zip(images, "abc", strict=True):
        await pushed(image, f"team/app:{tag}")
    refused = Fault(
        lambda asked: asked.method == "DELETE" and str(images[0].digest) in asked.target, answered(403), FOREVER
    )
    async with proxy(registry.address, refused) as between:
        place = f"{between.address}/team/app"
        done = await wherry(
            "rm", "--digest", f"{place}:a", f"{place}:absent", f"{place}:b", f"{place}@{images[2].digest}", "-y"
        )
        assert done.code == 1
        assert done.lines == [
            f"{place}:b", f"{place}@{images[1].digest}", f"{place}:c", f"{place}@{images[2].digest}"
        ]  # fmt: skip
        failures = [line for line in done.err.splitlines() if line.startswith("wherry: ")]
        assert ["no such tag" in failures[0], "-> 403" in failures[1], len(failures)] == [True, True, 2]
        assert (await wherry("ls", place)).lines == ["a"]


async def test_finer_code_is_that_of_the_failures_where_all_have_the_same(registry, wherry, pushed) -> None:
    place = (await pushed(an_image(), "team/app:1")).removesuffix(":1")
    assert (await wherry("--exit-codes", "rm", f"{place}:a", f"{place}:b", f"{place}:1")).code == 3
    assert (await wherry("--exit-codes", "rm", f"{place}:a", "127.0.0.1:1/team/app:1")).code == 1


async def test_what_was_not_agreed_to_stays_and_the_others_go(registry, wherry, pushed) -> None:
    one, two = an_image("one"), an_image("two")
    place = (await pushed(one, "team/app:1")).removesuffix(":1")
    await wherry("tag", f"{place}:1", "other")
    await pushed(two, "team/app:2")
    done = await wherry("rm", "--digest", f"{place}:1", f"{place}:2")
    assert (done.code, done.lines) == (1, [f"{place}:2", f"{place}@{two.digest}"])
    assert "1 other tag would go along: other" in done.err


@pytest.mark.parametrize(
    ("answer", "code"),
    [(signal.SIGINT, 130), (b"\x04", 130), (b"n\n", 1), (b"what\ny\n", 0)],
    ids=["Ctrl-C", "Ctrl-D", "no", "yes"],
)
async def test_question_at_a_terminal_is_answered_or_broken_off(
    registry, wherry, pushed, answer: bytes | signal.Signals, code: int
) -> None:
    reference = await pushed(an_image(), "team/app:1")
    await wherry("tag", reference, "2")
    await pushed(an_image("other"), "team/app:other")
    ended, shown = await asyncio.to_thread(at_a_terminal, ["rm", "--digest", reference], [answer], b"[y/N]:")
    assert ended == code, shown
    assert "Delete it, with its tags? [y/N]:" in shown
    assert ("interrupted" in shown) == (code == 130)
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ([] if code == 0 else ["1", "2"]) + ["other"]


async def test_json_has_what_is_gone_and_what_failed(registry, wherry, pushed) -> None:
    image = an_image()
    place = (await pushed(image, "team/app:1")).removesuffix(":1")
    await wherry("tag", f"{place}:1", "2", "3")
    done = await wherry("rm", "--json", f"{place}:3", f"{place}:absent")
    assert done.code == 1
    (failure,) = (document := json.loads(done.out))["failed"]
    assert document["deleted"] == [f"{place}:3"]
    assert failure["reference"] == f"{place}:absent"
    assert failure["error"] in done.err
    assert failure["hint"] == f"`wherry ls {place}` lists the tags there"
    done = await wherry("rm", "--json", "--digest", "-y", f"{place}:1")
    assert done.code == 0
    assert json.loads(done.out) == {"deleted": [f"{place}:1", f"{place}:2", f"{place}@{image.digest}"], "failed": []}


async def test_layout_that_cannot_be_written_is_a_failure_of_its_own(wherry, tmp_path) -> None:
    await put(an_image(), Layout(tmp_path / "there"), "1")
    (tmp_path / "file").write_text("")
    done = await wherry(
        "rm", "--json", f"oci:{tmp_path}/nowhere:1", f"oci:{tmp_path}/file:1", f"oci:{tmp_path}/there:1"
    )
    assert done.code == 1
    document = json.loads(done.out)
    assert document["deleted"] == [f"oci:{tmp_path}/there:1"]
    assert [each["reference"] for each in document["failed"]] == [f"oci:{tmp_path}/nowhere:1", f"oci:{tmp_path}/file:1"]
    assert "Traceback" not in done.err


def test_manual_names_every_field_of_the_json() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "manual" / "rm.md").read_text()
    assert [name for name in ("deleted", "failed", "reference", "error", "hint") if f"`{name}`" not in page] == []


@pytest.mark.parametrize("content", [None, b"damaged"], ids=["missing", "damaged"])
@pytest.mark.parametrize("by", ["tag", "digest"])
async def test_manifest_whose_bytes_are_lost_goes_with_its_tags(wherry, tmp_path, content, by) -> None:
    image, layout = an_image(), Layout(tmp_path / "layout")
    await put(image, layout, "1", "2")
    await put(an_image("other"), layout, "3")
    bytes_of_it = layout.path / "blobs" / "sha256" / image.digest.encoded
    bytes_of_it.unlink() if content is None else bytes_of_it.write_bytes(content)
    assert (await wherry("ls", "--digests", layout)).lines[0].split() == ["1", str(image.digest)]
    done = await wherry("rm", "--digest", "-y", f"{layout}:1" if by == "tag" else f"{layout}@{image.digest}")
    assert (done.code, done.lines) == (0, [f"{layout}:1", f"{layout}:2", f"{layout}@{image.digest}"])
    assert (await wherry("ls", layout)).lines == ["3"]


async def test_many_tags_that_would_go_along_are_listed_once(registry, wherry, pushed) -> None:
    reference = await pushed(an_image(), "team/app:1")
    await wherry("tag", reference, *"abcdefg")
    done = await wherry("rm", "--digest", reference)
    listed, refused, _ = done.err.splitlines()
    assert listed.endswith(" has the tags 1, a, b, c, d, e, f, g")
    assert refused.endswith(": 7 other tags would go along: a, b, c, d, e, …")


async def test_list_of_a_layout_without_its_blobs_is_put_in_order(wherry, tmp_path) -> None:
    layout = Layout(tmp_path / "layout")
    await put(an_image(), layout, "1", "2")
    shutil.rmtree(layout.path / "blobs")
    assert (await wherry("rm", f"{layout}:1")).lines == [f"{layout}:1"]
    assert (await wherry("rm", "--digest", f"{layout}:2")).code == 0
    assert (await wherry("ls", layout)).lines == []
