"""`wherry copy` of many images, of some platforms, with referrers: what is printed, and with which exit code it ends."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.content import a_layer, an_artifact, an_image, an_index_of
from wherry.oci.reference import Reference, Tag
from wherry.stores.layout import Layout
from wherry.stores.remote import Client

INDEX = an_index_of(an_image(), an_image(platform="linux/arm64"))
BASE = a_layer({"base": b"b" * 50_000})


def image(name: str):
    return an_image(name, layers=(BASE, a_layer({name: name.encode()})))


def events_of(done) -> list[dict]:
    return [json.loads(line) for line in done.lines]


async def tags_of(registry, name: str) -> list[str]:
    async with Client() as client:
        repository = client.repository(Reference.parse(f"{registry.address}/{name}"))
        return [str(tag) async for tag in repository.tags()]


async def test_all_tags_of_a_repository(registry, wherry, pushed) -> None:
    for tag in ("1.0.0", "1.1.0", "latest"):
        await pushed(image(tag), f"team/app:{tag}")
    done = await wherry("copy", "--all-tags", f"{registry.address}/team/app", f"{registry.address}/mirror/app")
    assert done.code == 0
    assert done.lines == [
        f"{registry.address}/mirror/app:{tag}@{image(tag).digest}" for tag in ("1.0.0", "1.1.0", "latest")
    ]
    assert done.err.splitlines()[-1].startswith("3 copied: mounted 7 blobs")
    again = await wherry("copy", "--all-tags", f"{registry.address}/team/app", f"{registry.address}/mirror/app")
    assert again.err == "0 copied, 3 there already: nothing moved\n"
    assert again.lines == done.lines


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (["--filter", "1.*"], ["1.0.0", "1.1.0"]),
        (["--filter", "latest", "--filter", "2*"], ["2.0.0", "latest"]),
        (["--semver", ">=1.1 <3"], ["1.1.0", "2.0.0"]),
        (["--semver", "*", "--filter", "2*"], ["2.0.0"]),
    ],
)
async def test_some_tags_of_a_repository(registry, wherry, pushed, options, chosen) -> None:
    for tag in ("1.0.0", "1.1.0", "2.0.0", "latest"):
        await pushed(an_image(tag), f"team/app:{tag}")
    done = await wherry("copy", "--all-tags", *options, f"{registry.address}/team/app", f"{registry.address}/mirror")
    assert done.code == 0
    assert await tags_of(registry, "mirror") == chosen


async def test_no_tag_that_matches_is_a_failure(registry, wherry, pushed) -> None:
    await pushed(INDEX, "team/app:1")
    done = await wherry("copy", "--all-tags", "--filter", "2*", f"{registry.address}/team/app", "oci:nowhere")
    assert done.code == 1
    assert "none of the 1 tags is chosen" in done.err


async def test_tags_of_a_layout_and_back(registry, wherry, pushed, tmp_path: Path) -> None:
    for tag in ("a", "b"):
        await pushed(image(tag), f"team/app:{tag}")
    layout = f"oci:{tmp_path / 'layout'}"
    there = await wherry("copy", "--all-tags", f"{registry.address}/team/app", layout)
    back = await wherry("copy", "--all-tags", layout, f"{registry.address}/back")
    assert (there.code, back.code) == (0, 0)
    assert [tag async for tag in Layout(tmp_path / "layout").tags()] == ["a", "b"]
    assert await tags_of(registry, "back") == ["a", "b"]


async def test_lines_of_a_file(registry, wherry, pushed, tmp_path: Path) -> None:
    first, second = await pushed(image("a"), "team/a:1"), await pushed(image("b"), "team/b:1")
    lines = tmp_path / "lines"
    lines.write_text(f"# what we need\n\n{first}   {registry.address}/one\n{second}\t{registry.address}/two:2\n")
    done = await wherry("copy", "--from-file", lines)
    assert done.code == 0
    assert done.lines == [
        f"{registry.address}/one:1@{image('a').digest}",
        f"{registry.address}/two:2@{image('b').digest}",
    ]


async def test_lines_on_standard_input(registry, wherry, pushed, monkeypatch) -> None:
    source = await pushed(INDEX, "team/app:1")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{source} {registry.address}/one\n"))
    done = await wherry("copy", "-")
    assert done.lines == [f"{registry.address}/one:1@{INDEX.digest}"]


async def test_mark_that_a_list_begins_with_is_skipped(registry, wherry, pushed, tmp_path: Path, monkeypatch) -> None:
    source = await pushed(INDEX, "team/app:1")
    line = f"\ufeff{source} {registry.address}/one\n".encode()
    (tmp_path / "lines").write_bytes(line)
    done = await wherry("copy", "--from-file", tmp_path / "lines")
    assert (done.code, done.lines) == (0, [f"{registry.address}/one:1@{INDEX.digest}"])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(line), encoding="utf-8"))
    done = await wherry("copy", "-")
    assert (done.code, done.lines) == (0, [f"{registry.address}/one:1@{INDEX.digest}"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"alpine\n", "line 1: has 1 words"),
        (b"# x\na b c\n", "line 2: has 3 words\ntry: a line is: SOURCE DESTINATION"),
        (b"alpine registry.example/UPPER:1\n", "line 1"),
        (b"\n# nothing\n", "no line that says what to copy"),
        (b"\xff\xfe\n", "is no text"),
    ],
)
async def test_file_that_says_something_else_is_refused_with_its_line(wherry, tmp_path: Path, content, words) -> None:
    (tmp_path / "lines").write_bytes(content)
    done = await wherry("copy", "--from-file", tmp_path / "lines")
    assert done.code == 1
    assert words in done.err
    assert len(done.err.splitlines()) <= 2


def test_standard_input_that_is_closed_says_nothing() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -m wherry copy - <&-', sys.executable], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "'standard input': has no line that says what to copy" in done.stderr


async def test_file_that_is_not_there(wherry, tmp_path: Path) -> None:
    done = await wherry("copy", "--from-file", tmp_path / "none")
    assert done.code == 1
    assert done.err == f"wherry: {tmp_path / 'none'}: No such file or directory\n"


async def test_two_sources_for_one_place_are_a_usage_error(registry, wherry, pushed, tmp_path: Path) -> None:
    lines = tmp_path / "lines"
    lines.write_text(f"{registry.address}/a:1 {registry.address}/x\n{registry.address}/b:1 {registry.address}/x\n")
    done = await wherry("copy", "--from-file", lines)
    assert done.code == 2
    assert "would both be" in done.err


async def test_one_that_fails_is_listed_and_the_others_are_copied(registry, wherry, pushed, tmp_path: Path) -> None:
    source = await pushed(INDEX, "team/app:1")
    lines = tmp_path / "lines"
    lines.write_text(f"{registry.address}/none:1 {registry.address}/one\n{source} {registry.address}/two\n")
    done = await wherry("--exit-codes", "copy", "--from-file", lines)
    assert done.code == 3
    assert done.lines == [f"{registry.address}/two:1@{INDEX.digest}"]
    assert "1 copied, 1 failed" in done.err
    assert f"wherry: {registry.address}/none:1 to {registry.address}/one:1: " in done.err
    quiet = await wherry("copy", "-q", "--from-file", lines)
    assert quiet.code == 1
    assert quiet.err.startswith(f"wherry: {registry.address}/none:1 to ")


async def test_events_of_many(registry, wherry, pushed, tmp_path: Path) -> None:
    source = await pushed(INDEX, "team/app:1")
    lines = tmp_path / "lines"
    lines.write_text(f"{registry.address}/none:1 {registry.address}/one\n{source} oci:{tmp_path / 'layout'}\n")
    done = await wherry("copy", "--json", "--from-file", lines)
    events = events_of(done)
    assert events[0] == {"event": "expected", "copies": 2}
    failed = next(event for event in events if event["event"] == "failed")
    assert (failed["source"], failed["reference"]) == (f"{registry.address}/none:1", f"{registry.address}/one:1")
    copied = next(event for event in events if event["event"] == "copied")
    assert copied["reference"] == f"oci:{tmp_path / 'layout'}:1@{INDEX.digest}"
    assert sum(event["event"] == "blob" for event in events) == copied["moved"]["blobs"] == 4
    result = events[-1]
    assert (result["event"], result["copies"], result["failed"], result["manifests"]) == ("result", 1, 1, 3)
    assert result["moved"] == copied["moved"]


async def test_end_before_the_end_is_the_last_event(registry, wherry, pushed) -> None:
    source = (await pushed(INDEX, "team/app:1")).rpartition(":")[0]
    for option, words in (("--timeout=0.000001s", "--timeout"), ("--filter=2", "none of the 1 tags")):
        done = await wherry("copy", "--json", "--all-tags", option, source, f"{registry.address}/mirror")
        assert events_of(done)[-1]["event"] == "stopped"
        assert words in events_of(done)[-1]["error"]
        assert events_of(done)[-1]["hint"]


async def test_place_that_cannot_be_read_stops_none_of_the_others(registry, wherry, pushed, tmp_path: Path) -> None:
    source = await pushed(INDEX, "team/app:1")
    lines = tmp_path / "lines"
    lines.write_text(f"oci:{'x' * 300} {registry.address}/one\n{source} {registry.address}/two\n")
    done = await wherry("copy", "--from-file", lines)
    assert done.code == 1
    assert done.lines == [f"{registry.address}/two:1@{INDEX.digest}"]
    assert f"wherry: oci:{'x' * 300} to {registry.address}/one: {'x' * 300}: File name too long\n" in done.err


async def test_blob_that_is_brought_alone_is_something_to_copy(registry, wherry, pushed, tmp_path: Path) -> None:
    source, layout = await pushed(INDEX, "team/app:1"), f"oci:{tmp_path / 'layout'}"
    await wherry("copy", source, layout)
    digest = INDEX.children[0].blobs[1].descriptor.digest
    (tmp_path / "layout" / "blobs" / "sha256" / digest.encoded).unlink()
    place = source.rpartition(":")[0]
    [plan] = (await wherry("copy", "--recheck", "--dry-run", source, layout)).lines
    assert plan.partition(f"@{INDEX.digest}: ")[2].startswith("move 1 blob (")
    done = await wherry("copy", "--recheck", "--all-tags", place, layout)
    assert "\n1 copied: moved 1 blob (" in done.err


async def test_failure_of_one_image_is_an_event_too(registry, wherry) -> None:
    done = await wherry("copy", "--json", f"{registry.address}/none:1", f"{registry.address}/one")
    assert [event["event"] for event in events_of(done)] == ["failed"]
    assert done.code == 1
    assert done.err.startswith("wherry: ")


async def test_quiet_events_are_the_result_alone(registry, wherry, pushed) -> None:
    done = await wherry("copy", "-q", "--json", await pushed(INDEX, "team/app:1"), f"{registry.address}/one")
    assert [event["event"] for event in events_of(done)] == ["result"]


async def test_platform_makes_a_smaller_index_and_says_so(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", "--platform", "linux/arm64", source, f"{registry.address}/mirror")
    digest = done.lines[0].partition("@")[2]
    assert done.code == 0
    assert f"1 of 2 platforms: the digest is new, {digest} instead of {INDEX.digest}" in done.err
    result = events_of(await wherry("copy", "--json", "--platform", "linux/arm64", source, f"{registry.address}/b"))[-1]
    assert result["narrowed"] == {"from": str(INDEX.digest), "platforms": 1, "of": 2}
    assert result["digest"] == digest


async def test_unwrapped_platform_is_the_image(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", "--platform", "linux/arm64", "--unwrap", source, f"{registry.address}/mirror")
    assert done.lines == [f"{registry.address}/mirror:1@{INDEX.children[1].digest}"]


async def test_sparse_is_refused_with_the_alternative(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", "--platform", "linux/arm64", "--sparse", source, f"{registry.address}/mirror")
    assert done.code == 1
    assert "refuses an index that names what it does not have" in done.err
    assert "without --sparse" in done.err


async def test_platform_that_is_not_there(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", "--platform", "linux/s390x", source, f"{registry.address}/mirror")
    assert done.code == 1
    assert "no image for linux/s390x" in done.err
    assert "try: it has linux/amd64, linux/arm64" in done.err


async def test_referrers(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    await pushed(an_artifact(b"signed", subject=INDEX.manifest.descriptor), "team/app")
    await pushed(an_artifact(b"cosigned"), f"team/app:sha256-{INDEX.digest.encoded}.sig")
    assert (await wherry("copy", "-r", source, f"{registry.address}/mirror")).code == 0
    assert await tags_of(registry, "mirror") == ["1", f"sha256-{INDEX.digest.encoded}.sig"]
    async with Client() as client:
        mirror = client.repository(Reference.parse(f"{registry.address}/mirror"))
        assert len([found async for found in mirror.referrers(INDEX.digest)]) == 1


async def test_all_tags_with_referrers_take_cosigns_tags_with_what_they_are_about(registry, wherry, pushed) -> None:
    await pushed(INDEX, "team/app:1")
    await pushed(an_artifact(b"cosigned"), f"team/app:sha256-{INDEX.digest.encoded}.sig")
    await pushed(an_artifact(b"of what is gone"), f"team/app:sha256-{'0' * 64}.sig")
    done = await wherry("copy", "-r", "--all-tags", f"{registry.address}/team/app", f"{registry.address}/mirror")
    assert len(done.lines) == 1
    assert await tags_of(registry, "mirror") == ["1", f"sha256-{INDEX.digest.encoded}.sig"]


async def test_dry_run_says_what_would_be_done_and_does_nothing(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", "--dry-run", source, f"{registry.address}/mirror")
    place = f"{registry.address}/mirror:1@{INDEX.digest}"
    assert done.lines[0].startswith(f"{source} -> {place}: mount 4 blobs (")
    assert done.lines[0].endswith("), push 3 manifests")
    async with Client() as client:
        mirror = client.repository(Reference.parse(f"{registry.address}/mirror"))
        assert not await mirror.exists(INDEX.descriptor)
    result = events_of(await wherry("copy", "--dry-run", "--json", source, f"{registry.address}/mirror"))[-1]
    assert (result["event"], result["dryRun"], result["mounted"]["blobs"]) == ("result", True, 4)
    await wherry("copy", source, f"{registry.address}/mirror")
    again = await wherry("copy", "--dry-run", source, f"{registry.address}/mirror")
    assert again.lines == [f"{source} -> {place}: is there already"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--sparse", "a", "b"],
        ["--unwrap", "a", "b"],
        ["--platform", "linux/amd64", "--sparse", "--unwrap", "a", "b"],
        ["--filter", "x", "a", "b"],
        ["--semver", "1.x", "a", "b"],
        ["--from-file", "x", "a", "b"],
        ["--from-file", "x", "--all-tags"],
        ["--timeout", "soon", "a", "b"],
        ["--timeout", "0s", "a", "b"],
        ["-"],
    ],
    ids=" ".join,
)
async def test_options_that_do_not_go_together(wherry, arguments: list[str], monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    done = await wherry("copy", *arguments)
    assert done.code == (1 if arguments == ["-"] else 2)
    assert done.out == b""


async def test_tag_with_all_tags_is_refused_with_what_to_type(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", "--all-tags", source, f"{registry.address}/mirror")
    assert done.code == 1
    assert f"try: {registry.address}/team/app\n" in done.err


@pytest.mark.parametrize(
    "arguments", [["--platform", "nonsense", "a", "b"], ["--all-tags", "--semver", "x y", "a", "b"]]
)
async def test_what_is_no_platform_or_range_is_one_clear_error(registry, wherry, pushed, arguments) -> None:
    source = await pushed(INDEX, "team/app:1")
    *options, _, _ = arguments
    place = source.rpartition(":")[0] if "--all-tags" in options else source
    done = await wherry("copy", *options, place, f"{registry.address}/mirror")
    assert done.code == 2
    assert done.err.startswith("wherry: Invalid value for '--")
    assert len(done.err.splitlines()) == 2


async def test_time_that_is_over_ends_the_copy_and_the_same_command_finishes_it(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", "--timeout", "0.000001s", source, f"{registry.address}/mirror")
    assert done.code == 1
    assert "--timeout" in done.err
    assert "try: the same command goes on" in done.err
    again = await wherry("copy", "--timeout", "1h", source, f"{registry.address}/mirror")
    assert again.lines == [f"{registry.address}/mirror:1@{INDEX.digest}"]


async def test_archive_that_took_too_long_is_begun_anew(registry, wherry, pushed, tmp_path: Path) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", "--timeout", "0.000001s", source, f"oci-archive:{tmp_path / 'app.tar'}")
    assert done.code == 1
    assert "try: nothing has changed there" in done.err
    assert not (tmp_path / "app.tar").exists()


async def test_interrupted_copy_says_that_it_can_go_on(registry, wherry, pushed, monkeypatch) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    source = await pushed(INDEX, "team/app:1")
    monkeypatch.setattr("wherry.cli.copy_running.open_client", interrupt)
    done = await wherry("copy", source, f"{registry.address}/mirror")
    assert done.code == 130
    assert done.err == "wherry: interrupted: the same command goes on where this one stopped\n"


async def test_tag_is_there_when_one_image_of_many_is_a_single_one(registry, wherry, pushed) -> None:
    await pushed(an_image(), "team/app:1")
    done = await wherry("copy", "--all-tags", f"{registry.address}/team/app", f"{registry.address}/mirror")
    assert done.code == 0
    async with Client() as client:
        mirror = client.repository(Reference.parse(f"{registry.address}/mirror"))
        assert (await mirror.resolve(Tag("1"))).digest == an_image().digest


async def test_rate_is_kept(registry, wherry, pushed, monkeypatch, tmp_path: Path) -> None:
    waits: list[float] = []

    async def note(_clock: object, seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("wherry.stores.remote.retrying._WallClock.sleep", note)
    source = await pushed(an_image(layers=(a_layer({"big": b"x" * 600_000}),)), "team/app:1")
    done = await wherry("copy", "--limit-rate", "10K", source, f"oci:{tmp_path / 'layout'}")
    assert done.code == 0
    assert max(waits) > 50  # seconds: of 600 kB at 10 kB a second, less what the little work took
    assert (await wherry("copy", "--limit-rate", "fast", source, f"oci:{tmp_path / 'again'}")).code == 2
