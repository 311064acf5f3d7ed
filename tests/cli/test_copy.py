import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.content import a_foreign_layer, a_layer, an_image, an_index_of
from wherry.oci.reference import Reference, Tag
from wherry.stores.layout import Layout
from wherry.stores.remote import Client

INDEX = an_index_of(an_image(), an_image(platform="linux/arm64"))


async def test_copy_prints_where_it_is_now_with_its_digest(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", source, f"{registry.address}/other/app:2")
    assert done.code == 0
    assert done.lines == [f"{registry.address}/other/app:2@{INDEX.digest}"]
    assert "pushed 3 manifests" in done.err
    async with Client() as client:
        there = client.repository(Reference.parse(done.lines[0]))
        assert await there.manifest(Tag("2")) == INDEX.manifest


async def test_result_of_a_copy_is_a_source_of_the_next(registry, wherry, pushed, tmp_path: Path) -> None:
    source = await pushed(INDEX, "team/app:1")
    first = await wherry("copy", source, f"oci:{tmp_path / 'first'}")
    second = await wherry("copy", *first.lines, f"{registry.address}/again")
    assert second.lines == [f"{registry.address}/again:1@{INDEX.digest}"]


async def test_copy_keeps_the_tag_where_none_is_named(registry, wherry, pushed, tmp_path: Path) -> None:
    source = await pushed(INDEX, "team/app:1.4")
    done = await wherry("copy", source, f"oci:{tmp_path / 'layout'}")
    assert done.lines == [f"oci:{tmp_path / 'layout'}:1.4@{INDEX.digest}"]
    assert [tag async for tag in Layout(tmp_path / "layout").tags()] == ["1.4"]


async def test_copy_by_digest_alone_sets_no_tag(registry, wherry, pushed) -> None:
    await pushed(INDEX, "team/app:1")
    done = await wherry("copy", f"{registry.address}/team/app@{INDEX.digest}", f"{registry.address}/other")
    assert done.lines == [f"{registry.address}/other@{INDEX.digest}"]
    assert (await wherry("ls", f"{registry.address}/other")).lines == []


async def test_copy_by_tag_and_digest_takes_the_digest_and_keeps_the_tag(registry, wherry, pushed) -> None:
    await pushed(INDEX, "team/app:1")
    await pushed(an_image("newer"), "team/app:1")
    done = await wherry("copy", f"{registry.address}/team/app:1@{INDEX.digest}", f"{registry.address}/other")
    assert done.lines == [f"{registry.address}/other:1@{INDEX.digest}"]


async def test_second_copy_says_that_everything_is_there(registry, wherry, pushed) -> None:
    source = await pushed(an_image(), "team/app:1")
    await wherry("copy", source, f"{registry.address}/other")
    done = await wherry("cp", source, f"{registry.address}/other")
    assert done.err == f"{an_image().digest}: everything is there already, blobs not looked at (--recheck does)\n"


async def test_copy_within_a_repository_adds_a_tag(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", source, f"{registry.address}/team/app:stable")
    assert done.err == f"{INDEX.digest}: pushed 1 manifest\n"
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["1", "stable"]


async def test_copy_within_a_registry_mounts(registry, wherry, pushed) -> None:
    source = await pushed(an_image(), "team/app:1")
    done = await wherry("copy", "--json", source, f"{registry.address}/other/app")
    result = json.loads(done.lines[-1])
    assert result["mounted"]["blobs"] == 2
    assert result["moved"] == {"blobs": 0, "bytes": 0}


async def test_copy_between_registries_moves_bytes(registry_factory, registry, wherry, pushed) -> None:
    image = an_image(layers=(a_layer({"big": b"0123456789abcdef" * 200_000}),))
    source = await pushed(image, "team/app:1")
    elsewhere = await registry_factory()
    done = await wherry("copy", "--json", source, f"{elsewhere.address}/team/app")
    assert json.loads(done.lines[-1]) == {
        "event": "result",
        "reference": f"{elsewhere.address}/team/app:1@{image.digest}",
        "mediaType": image.manifest.media_type,
        "digest": str(image.digest),
        "size": len(image.manifest.content),
        "tags": ["1"],
        "moved": {"blobs": 2, "bytes": sum(blob.descriptor.size for blob in image.blobs)},
        "mounted": {"blobs": 0, "bytes": 0},
        "skipped": {"blobs": 0, "bytes": 0},
        "foreign": {"blobs": 0, "bytes": 0},
        "manifests": 1,
    }


async def test_copy_tells_each_blob_on_stderr_and_quiet_tells_none(registry, wherry, pushed, tmp_path: Path) -> None:
    source = await pushed(an_image(), "team/app:1")
    told = await wherry("copy", source, f"oci:{tmp_path / 'told'}")
    for blob in an_image().blobs:
        assert f"moved {blob.descriptor.digest}" in told.err
    quiet = await wherry("copy", "--quiet", source, f"oci:{tmp_path / 'quiet'}")
    assert quiet.err == ""
    assert len(quiet.lines) == 1


async def test_foreign_layers_are_left_and_said_so(registry, wherry, pushed, tmp_path: Path) -> None:
    source = await pushed(an_image(layers=(a_foreign_layer("x"),), docker=True), "win:1")
    done = await wherry("copy", source, f"oci:{tmp_path / 'layout'}")
    assert done.code == 0
    assert "left foreign 1 blob (1.0 MB)" in done.err


async def test_destination_with_a_digest_is_refused_with_what_to_type(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", source, f"{registry.address}/other:1@{INDEX.digest}")
    assert done.code == 1
    assert f"try: wherry copy {source} {registry.address}/other:1\n" in done.err


async def test_missing_source_names_the_reference_and_makes_no_layout(registry, wherry, tmp_path: Path) -> None:
    done = await wherry("copy", f"{registry.address}/team/none:1", f"oci:{tmp_path / 'layout'}")
    assert done.code == 1
    assert done.err.startswith(f"wherry: {registry.address}/team/none:1: ")
    assert len(done.err.splitlines()) <= 2
    assert not (tmp_path / "layout").exists()


async def test_closed_port_is_one_line_and_a_next_step(registry, wherry, pushed) -> None:
    source = await pushed(INDEX, "team/app:1")
    done = await wherry("copy", source, "127.0.0.1:1/other:1")
    assert done.code == 1
    assert [line.partition(":")[0] for line in done.err.splitlines()] == ["wherry", "try"]


@pytest.mark.parametrize(
    "arguments",
    [["copy"], ["copy", "alpine"], ["copy", "a", "b", "c"], ["copy", "--jobs", "0", "a", "b"]],
    ids=["none", "one", "three", "no jobs"],
)
async def test_wrong_arguments_are_a_usage_error(wherry, arguments: list[str]) -> None:
    assert (await wherry(*arguments)).code == 2


async def test_folder_that_is_no_layout_is_refused_and_left_alone(registry, wherry, pushed, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    done = await wherry("copy", await pushed(INDEX, "team/app:1"), f"oci:{tmp_path / 'home'}:1")
    assert done.code == 1
    assert "is no OCI layout" in done.err
    assert [each.name for each in (tmp_path / "home").iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"), (signal.SIGHUP, 129, "hung up")],
    ids=["interrupted", "terminated", "hung-up"],
)
async def test_signal_ends_a_copy_and_says_that_the_same_command_goes_on(
    tmp_path: Path, number: signal.Signals, code: int, word: str
) -> None:
    asked = asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never_answer, "127.0.0.1", 0) as server, asyncio.timeout(60):
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import sys; from wherry.cli import main; sys.exit(main(sys.argv[1:]))",
            "copy", "--json", f"127.0.0.1:{port}/team/app:1", f"oci:{tmp_path / 'layout'}",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "DOCKER_CONFIG": str(tmp_path)},
        )  # fmt: skip
        await asked.wait()
        process.send_signal(number)
        process.send_signal(number)  # who is impatient disturbs nothing
        told, said = await process.communicate()
    assert process.returncode == code
    hint = "the same command goes on where this one stopped"
    assert json.loads(told.splitlines()[-1]) == {"event": "stopped", "error": word, "hint": hint}
    assert said.decode() == f"wherry: {word}: {hint}\n"
