import json
from pathlib import Path

import pytest

from tests.content import Content, a_foreign_layer, a_layer, an_artifact, an_image, an_index_of, put
from tests.faults.proxy import FOREVER, Fault, answered, proxy
from wherry.oci.digest import Digest
from wherry.stores.layout import Layout

AMD64, ARM64 = an_image(), an_image(platform="linux/arm64")
INDEX = an_index_of(AMD64, ARM64)


async def a_layout(path: Path, *missing: Digest, content: Content = INDEX) -> str:
    """A layout with content under the tag 1, from which some was taken away."""
    await put(content, Layout(path), "1")
    for digest in missing:
        (path / "blobs" / digest.algorithm / digest.encoded).unlink()
    return f"oci:{path}:1"


def layer(image: Content) -> Digest:
    return image.manifest.view.layers[0].digest


async def test_what_is_whole_is_said_in_one_line(wherry, pushed) -> None:
    reference = await pushed(INDEX, "team/app:1")
    size = sum(len(each.content) for each in INDEX.all_manifests().values())
    size += sum(blob.descriptor.size for blob in INDEX.all_blobs().values())
    seen = f"{reference}@{INDEX.digest}: 3 manifests, 4 blobs, {size / 1000:.1f} kB"
    done = await wherry("check", reference)
    assert (done.code, done.err, done.lines) == (0, "", [f"{seen}: nothing is missing"])
    done = await wherry("check", "--deep", reference)
    assert (done.code, done.err, done.lines) == (0, "", [f"{seen}: every byte is right"])
    done = await wherry("check", "-q", reference)
    assert (done.code, done.err, done.out) == (0, "", b"")


async def test_each_problem_is_a_line_with_its_place_and_what_to_try(wherry, tmp_path) -> None:
    reference = await a_layout(tmp_path / "app", layer(AMD64), ARM64.digest)
    done = await wherry("check", reference)
    assert (done.code, done.err) == (1, "")
    blob, manifest, summary = done.lines
    place = f"oci:{tmp_path / 'app'}"
    cure = "try: `wherry copy --recheck SOURCE DESTINATION` brings it back, from where it is whole"
    assert blob == (
        f"blob-unknown: manifests[0].layers[0] (linux/amd64): blob unknown to {place}: {layer(AMD64)}; {cure}"
    )
    assert manifest == (
        f"manifest-unknown: manifests[1] (linux/arm64): manifest unknown to {place}: {ARM64.digest}; {cure}"
    )
    assert summary.startswith(f"{reference}@{INDEX.digest}: 2 manifests, 2 blobs, ")
    assert summary.endswith(": 2 problems")
    assert (await wherry("check", "-q", reference)).lines == [blob, manifest]


async def test_cure_brings_back_what_is_missing(wherry, pushed, tmp_path) -> None:
    whole = await pushed(INDEX, "team/app:1")
    reference = await a_layout(tmp_path / "app", layer(AMD64), ARM64.digest)
    assert (await wherry("copy", "--recheck", whole, reference)).code == 0
    assert (await wherry("check", "--deep", reference)).code == 0


async def test_problem_at_several_places_is_one_line(wherry, tmp_path) -> None:
    base = an_image("base").blobs[1]
    images = [an_image(platform=each, layers=(base,)) for each in ("linux/amd64", "linux/arm64", "linux/s390x")]
    reference = await a_layout(tmp_path / "app", base.descriptor.digest, content=an_index_of(*images))
    done = await wherry("check", "-q", reference)
    (line,) = done.lines
    assert line.startswith("blob-unknown: manifests[0].layers[0] (linux/amd64), and at 2 other places: ")


async def test_problems_have_a_finer_exit_code_where_it_is_asked_for(wherry, tmp_path, monkeypatch) -> None:
    reference = await a_layout(tmp_path / "app", ARM64.digest)
    assert (await wherry("--exit-codes", "check", reference)).code == 6
    assert (await wherry("--exit-codes", "check", f"oci:{tmp_path / 'app'}:absent")).code == 3
    monkeypatch.setenv("WHERRY_EXIT_CODES", "1")
    assert (await wherry("check", reference)).code == 6


async def test_json_has_all_of_it(wherry, tmp_path) -> None:
    reference = await a_layout(tmp_path / "app", layer(ARM64))
    done = await wherry("check", "--json", reference)
    assert (done.code, done.err) == (1, "")
    document = json.loads(done.out)
    (problem,) = document.pop("problems")
    assert document.pop("bytes") > 0
    assert document == {
        "reference": f"{reference}@{INDEX.digest}",
        "digest": str(INDEX.digest),
        "deep": False,
        "manifests": 3,
        "blobs": 4,
        "foreign": 0,
        "unopened": 0,
    }
    assert problem.pop("cure")
    assert problem == {
        "cause": "blob-unknown",
        "where": "manifests[1].layers[0]",
        "also": [],
        "platform": "linux/arm64",
        "digest": str(layer(ARM64)),
        "problem": f"blob unknown to oci:{tmp_path / 'app'}: {layer(ARM64)}",
    }


async def test_manual_names_every_field_of_the_json(wherry, tmp_path) -> None:
    document = json.loads((await wherry("check", "--json", await a_layout(tmp_path / "app", ARM64.digest))).out)
    page = (Path(__file__).parent.parent.parent / "docs" / "manual" / "check.md").read_text()
    assert [name for name in (*document, *document["problems"][0]) if f"`{name}`" not in page] == []


async def test_only_some_platforms(wherry, tmp_path) -> None:
    reference = await a_layout(tmp_path / "app", ARM64.digest)
    assert (await wherry("check", "--platform", "linux/amd64", reference)).code == 0
    assert (await wherry("check", "--platform", "linux/arm64", reference)).code == 1
    absent = await wherry("check", "--platform", "linux/s390x", reference)
    assert absent.code == 1
    assert "try: it has linux/amd64, linux/arm64" in absent.err
    assert (await wherry("check", "--platform", "linux", reference)).code == 2


async def test_referrers_are_checked_too_where_they_are_asked_for(wherry, pushed, registry) -> None:
    reference = await pushed(INDEX, "team/app:1")
    signature = an_artifact(b"signed", subject=INDEX.manifest.descriptor)
    await pushed(signature, "team/app")
    (file,) = (each for each in registry.data.rglob(layer(signature).encoded) if each.is_file())
    file.unlink()
    assert (await wherry("check", reference)).code == 0
    done = await wherry("check", "-r", reference)
    assert done.code == 1
    assert done.lines[0].startswith("blob-unknown: referrers[0].layers[0]: ")


async def test_foreign_layers_are_noted(wherry, pushed) -> None:
    reference = await pushed(an_image(layers=(a_foreign_layer("windows"),)), "team/app:1")
    done = await wherry("check", reference)
    assert done.lines[-1].endswith("; 1 foreign layer not there, but where its author says")


async def test_damaged_root_is_a_problem_of_the_root(wherry, tmp_path) -> None:
    reference = await a_layout(tmp_path / "app")
    file = tmp_path / "app" / "blobs" / "sha256" / INDEX.digest.encoded
    file.write_bytes(file.read_bytes().replace(b"amd64", b"amd46"))
    done = await wherry("check", reference)
    assert done.code == 1
    problem, summary = done.lines
    assert problem.startswith("digest-differs: the root: ")
    assert summary == f"{reference}: 0 manifests, 0 blobs, 0 B: 1 problem"
    document = json.loads((await wherry("check", "--json", reference)).out)
    assert (document["digest"], document["problems"][0]["where"]) == (None, None)


async def test_what_others_wrote_cannot_steer_the_terminal(wherry, tmp_path) -> None:
    document = json.loads(INDEX.manifest.content)
    document["manifests"][0]["platform"] = {"os": "linux\x1b[2J", "architecture": "amd64"}
    index = type(INDEX.manifest)(json.dumps(document).encode(), INDEX.manifest.media_type)
    reference = await a_layout(tmp_path / "app", content=Content(index, children=(AMD64, ARM64)))
    done = await wherry("check", reference)
    assert done.code == 1
    assert b"\x1b" not in done.out
    assert "linux\\x1b[2J" in done.lines[0]


async def test_what_leads_nowhere_is_one_error(wherry, registry, pushed) -> None:
    await pushed(AMD64, "team/app:1")
    done = await wherry("check", f"{registry.address}/team/app:absent")
    assert (done.code, done.out) == (1, b"")
    assert done.err.count("\n") == 2
    assert f"{registry.address}/team/app:absent: no such tag" in done.err


async def test_what_was_found_is_printed_before_the_failure_that_ends_the_check(wherry, registry, pushed) -> None:
    reference = await pushed(INDEX, "team/app:1")
    faults = [
        Fault(lambda asked: asked.target.endswith(f"/manifests/{AMD64.digest}"), answered(404), FOREVER),
        Fault(lambda asked: asked.target.endswith(f"/blobs/{layer(ARM64)}"), answered(503), FOREVER),
    ]
    async with proxy(registry.address, *faults) as between:
        reference = f"{between.address}/team/app:1"
        done = await wherry("--exit-codes", "check", reference)
        assert done.code == 5
        assert "-> 503" in done.err
        (line,) = done.lines
        assert line.startswith("manifest-unknown: manifests[0] (linux/amd64): ")
        assert (await wherry("check", "--json", reference)).out == b""


@pytest.mark.parametrize("status", [403, 500])
async def test_blob_that_the_registry_does_not_give_is_a_problem_and_the_check_goes_on(
    wherry, registry, pushed, status
) -> None:
    await pushed(INDEX, "team/app:1")
    refused = Fault(lambda asked: asked.target.endswith(f"/blobs/{layer(AMD64)}"), answered(status), FOREVER)
    gone = Fault(lambda asked: asked.target.endswith(f"/blobs/{layer(ARM64)}"), answered(404), FOREVER)
    async with proxy(registry.address, refused, gone) as between:
        for option in ("--deep", "-q"):
            done = await wherry("check", option, f"{between.address}/team/app:1")
            assert (done.code, done.err) == (1, "")
            assert done.lines[0].startswith("unreadable: manifests[0].layers[0] (linux/amd64): ")
            assert f"-> {status}" in done.lines[0]
            assert "try: see why" in done.lines[0] or status == 403
            assert done.lines[1].startswith("blob-unknown: manifests[1].layers[0] (linux/arm64): ")


async def test_time_that_is_over_ends_it(wherry, pushed) -> None:
    reference = await pushed(INDEX, "team/app:1")
    done = await wherry("--exit-codes", "check", "--timeout", "0.000001s", reference)
    assert (done.code, done.out) == (5, b"")
    assert done.err.splitlines() == [
        "wherry: not done within the 1e-06 s of --timeout",
        "try: the same command begins anew: give it more time, or less to do (--platform, or without --deep)",
    ]
    assert (await wherry("check", "--timeout", "1h", reference)).code == 0
    assert (await wherry("check", "--timeout", "soon", reference)).code == 2


async def test_rate_holds_for_what_is_read(wherry, pushed, monkeypatch) -> None:
    waits: list[float] = []

    async def note(_clock: object, seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("wherry.stores.remote.retrying._WallClock.sleep", note)
    reference = await pushed(an_image(layers=(a_layer({"big": b"x" * 600_000}),)), "team/app:1")
    assert (await wherry("check", "--deep", "--limit-rate", "10K", reference)).code == 0
    assert max(waits) > 50  # seconds
    assert (await wherry("check", "--limit-rate", "fast", reference)).code == 2
