"""Drafts are docker's own: both programs work on the same ones, in any order. Docker's client needs no engine for this."""

import json

import pytest

from tests.content import an_image, an_index_of
from wherry.oci.dockerdraft import file_name

pytestmark = pytest.mark.peer("docker")

AMD64 = an_image(docker=True)
ARM64 = an_image(platform="linux/arm64/v8", docker=True)
OTHER = an_image("other", platform="linux/s390x", docker=True)


@pytest.fixture
async def names(registry, pushed) -> list[str]:
    await pushed(OTHER, "team/other:s390x")
    return [
        f"{registry.address}/team/app:multi",
        await pushed(AMD64, "team/app:amd64"),
        await pushed(ARM64, "team/app:arm64"),
        f"{registry.address}/team/other:s390x",
    ]


async def test_docker_creates_and_wherry_annotates_and_pushes(wherry, docker, names) -> None:
    assert (await docker("manifest", "create", "--insecure", *names))[0] == 0
    done = await wherry("manifest", "annotate", names[0], names[2], "--os-version", "1.2")
    assert (done.code, done.err) == (0, "")
    seen_by_docker = await docker("manifest", "inspect", names[0], names[2], "-v")
    assert json.loads(seen_by_docker[1])["Descriptor"]["platform"]["os.version"] == "1.2"
    pushed = await wherry("manifest", "push", "--purge", names[0])
    assert (pushed.code, pushed.err) == (0, "")
    assert (await docker("manifest", "push", names[0]))[2] == f"No such manifest: {names[0]}\n"


async def test_wherry_creates_and_docker_annotates_and_pushes(wherry, docker, names) -> None:
    assert (await wherry("manifest", "create", "--insecure", *names)).code == 0
    assert (await docker("manifest", "annotate", names[0], names[2], "--os-version", "1.2"))[0] == 0
    ours = await wherry("manifest", "inspect", "-v", names[0])
    assert ours.out.decode() == (await docker("manifest", "inspect", "-v", names[0]))[1]
    plain = await wherry("manifest", "inspect", names[0])
    assert plain.out.decode() == (await docker("manifest", "inspect", names[0]))[1]
    code, out, _ = await docker("manifest", "push", names[0])
    digest = (await wherry("manifest", "inspect", "--digest", names[0])).lines[0]
    assert (code, out.splitlines()[-1]) == (0, digest)
    assert (await docker("manifest", "rm", names[0]))[0] == 0
    assert (await wherry("manifest", "rm", names[0])).err == f"No such manifest: {names[0]}\n"


async def test_both_push_the_same_bytes(wherry, docker, names) -> None:
    assert (await docker("manifest", "create", "--insecure", *names))[0] == 0
    ours = await wherry("manifest", "push", names[0])
    theirs = await docker("manifest", "push", names[0])
    assert ours.out.decode() == theirs[1]


async def test_both_write_the_same_files(wherry, docker, names, configuration) -> None:
    assert (await docker("manifest", "create", "--insecure", *names))[0] == 0
    folder = configuration / "manifests" / file_name(names[0])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert (await wherry("manifest", "rm", names[0])).code == 0
    assert (await wherry("manifest", "create", "--insecure", *names)).code == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


async def test_docker_amends_what_wherry_made_and_the_reverse(wherry, docker, names, files) -> None:
    assert (await wherry("manifest", "create", "--insecure", *names[:2])).code == 0
    assert (await docker("manifest", "create", "--insecure", "--amend", names[0], names[2]))[0] == 0
    assert (await wherry("manifest", "create", "--insecure", "--amend", names[0], names[3])).err == ""
    assert [each["Descriptor"]["digest"] for each in files(names[0]).values()] == [
        str(each.digest) for each in (AMD64, ARM64, OTHER)
    ]


async def test_docker_inspects_annotates_and_pushes_a_draft_made_from_an_index(
    registry, wherry, docker, pushed
) -> None:
    source = await pushed(an_index_of(AMD64, ARM64, docker=True), "team/app:list")
    target = f"{registry.address}/team/app:multi"
    assert (await wherry("manifest", "create", "--insecure", target, source)).code == 0
    child = f"{source}@{ARM64.digest}"
    assert (await docker("manifest", "annotate", target, child, "--os-version", "9"))[0] == 0
    code, out, err = await docker("manifest", "push", target)
    assert (code, err) == (0, "")
    listed = json.loads((await wherry("manifest", "inspect", "--insecure", "--remote", target)).out)["manifests"]
    assert {each["digest"]: each["platform"].get("os.version") for each in listed} == {
        str(AMD64.digest): None,
        str(ARM64.digest): "9",
    }
    assert out.startswith("sha256:")


async def test_both_print_annotations_of_a_draft_and_manifests_of_old_ones(
    wherry, docker, names, configuration
) -> None:
    assert (await docker("manifest", "create", "--insecure", *names))[0] == 0
    said = ("--annotation", "k=<v>", "--annotation", "a=b")
    assert (await wherry("manifest", "annotate", *names[:2], *said)).code == 0
    file = configuration / "manifests" / file_name(names[0]) / file_name(names[2])
    document = json.loads(file.read_bytes())
    del document["Raw"]
    document["SchemaV2Manifest"]["layers"] = []  # so that its bytes cannot be found again
    file.write_text(json.dumps(document, separators=(",", ":")))
    ours = await wherry("manifest", "inspect", "-v", names[0])
    assert ours.out.decode() == (await docker("manifest", "inspect", "-v", names[0]))[1]
    printed = json.loads(ours.out)
    assert printed[0]["Descriptor"]["annotations"] == {"a": "b", "k": "<v>"}
    assert ["Raw" in each for each in printed] == [True, False, True]
    assert "SchemaV2Manifest" in printed[1]
