import asyncio
import json
import os
import sys

import pytest

from tests.content import Content, an_artifact, an_image, an_index_of
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import OCI_ARTIFACT_MANIFEST, OCI_INDEX
from wherry.oci.reference import Reference
from wherry.stores.remote import Client

AMD64 = an_image()
ARM64 = an_image(platform="linux/arm64/v8")
WINDOWS = an_image("win", platform="windows/amd64")


@pytest.fixture
async def images(pushed) -> tuple[str, str]:
    return await pushed(AMD64, "team/app:amd64"), await pushed(ARM64, "team/app:arm64")


def digests(files: dict) -> list[str]:
    return [each["Descriptor"]["digest"] for each in files.values()]


async def test_the_same_again_is_no_error_and_keeps_annotations(registry, wherry, files, images) -> None:
    target = f"{registry.address}/team/app:multi"
    create = ("manifest", "create", "--insecure", target, *images)
    assert (await wherry(*create)).code == 0
    assert (await wherry("manifest", "annotate", target, images[1], "--variant", "v9")).code == 0
    before = files(target)
    again = await wherry(*create)
    assert (again.code, again.lines, again.err) == (0, [f"Created manifest list {target}"], "")
    assert files(target) == before


async def test_other_images_are_refused_with_a_way_on(registry, wherry, files, images) -> None:
    target = f"{registry.address}/team/app:multi"
    await wherry("manifest", "create", "--insecure", target, images[0])
    refused = await wherry("manifest", "create", "--insecure", target, *images)
    assert (refused.code, refused.out) == (1, b"")
    first, second = refused.err.splitlines()
    assert first == "refusing to amend an existing manifest list with no --amend flag"
    assert second.startswith("try: --amend")
    assert len(files(target)) == 1


async def test_a_tag_that_moved_is_refused_without_amend(registry, wherry, pushed, files, images) -> None:
    target = f"{registry.address}/team/app:multi"
    await wherry("manifest", "create", "--insecure", target, *images)
    await pushed(WINDOWS, "team/app:amd64")
    refused = await wherry("manifest", "create", "--insecure", target, *images)
    assert (refused.code, refused.out) == (1, b"")
    assert f"{images[0]} has moved since" in refused.err
    assert digests(files(target)) == [str(AMD64.digest), str(ARM64.digest)]


async def test_amending_carries_over_what_was_annotated(registry, wherry, pushed, files) -> None:
    target = f"{registry.address}/team/app:multi"
    source = await pushed(an_image(platform="linux/arm/v5"), "team/app:arm")
    await wherry("manifest", "create", "--insecure", target, source)
    said = ("--variant", "v6", "--os-features", "a", "--annotation", "note=keep")
    assert (await wherry("manifest", "annotate", target, source, *said)).code == 0
    for newer in (an_image("newer", platform="linux/arm/v7"), an_image("newest", platform="linux/arm")):
        await pushed(newer, "team/app:arm")
        amended = await wherry("manifest", "create", "--insecure", "--amend", target, source)
        assert (amended.code, "wherry:" in amended.err) == (0, False)
        [image] = files(target).values()
        assert image["Descriptor"]["digest"] == str(newer.digest)
        assert image["Descriptor"]["platform"] == {
            "architecture": "arm", "os": "linux", "os.features": ["a"], "variant": "v6",
        }  # fmt: skip
        assert image["Descriptor"]["annotations"] == {"note": "keep"}


async def test_amending_says_what_it_drops_of_another_platform(registry, wherry, pushed, files) -> None:
    target = f"{registry.address}/team/app:multi"
    source = await pushed(an_image(platform="linux/arm64"), "team/app:moving")
    await wherry("manifest", "create", "--insecure", target, source)
    await wherry("manifest", "annotate", target, source, "--variant", "v8", "--annotation", "note=keep")
    newer = an_image("newer", platform="linux/386")
    await pushed(newer, "team/app:moving")
    amended = await wherry("manifest", "create", "--insecure", "--amend", target, source)
    assert amended.err.splitlines()[0] == (
        f"wherry: {source} was for linux/arm64/v8, and is for linux/386 now; what was annotated of the platform is dropped"
    )
    [image] = files(target).values()
    assert image["Descriptor"]["platform"] == {"architecture": "386", "os": "linux"}
    assert image["Descriptor"]["annotations"] == {"note": "keep"}


async def test_amending_keeps_apart_what_an_index_says_and_what_was_annotated(registry, wherry, pushed, files) -> None:
    target = f"{registry.address}/team/app:multi"

    def index_of(child: Content, **annotations: str) -> Content:
        document = json.loads(an_index_of(child, AMD64).manifest.content)
        document["manifests"][0]["annotations"] = annotations
        return Content(Manifest(json.dumps(document).encode(), OCI_INDEX), children=(child, AMD64))

    source = await pushed(index_of(ARM64, revision="1", old="x", gone="x"), "team/app:base")
    await wherry("manifest", "create", "--insecure", target, source)
    child = f"{source}@{ARM64.digest}"
    await wherry("manifest", "annotate", target, child, "--clear", "variant", "--clear", "annotations")
    await wherry("manifest", "annotate", target, child, "--annotation", "note=keep", "--annotation", "revision=1")
    await wherry("manifest", "annotate", target, child, "--annotation", "old=x")
    newer = an_image("newer", platform="linux/arm64/v8")
    await pushed(index_of(newer, revision="2", gone="y", fresh="z"), "team/app:base")
    amended = await wherry("manifest", "create", "--insecure", "--amend", target, source)
    assert amended.err.splitlines() == [f"{source} (linux/arm64/v8): {ARM64.digest} -> {newer.digest}"]
    images = {each["Descriptor"]["digest"]: each["Descriptor"] for each in files(target).values()}
    assert images.keys() == {str(newer.digest), str(AMD64.digest)}
    assert images[str(newer.digest)]["platform"] == {"architecture": "arm64", "os": "linux"}
    assert images[str(newer.digest)]["annotations"] == {"revision": "2", "fresh": "z", "note": "keep"}


async def test_amending_says_what_moved_in_an_index(registry, wherry, pushed, files) -> None:
    target = f"{registry.address}/team/app:multi"
    source = await pushed(an_index_of(AMD64, ARM64), "team/app:base")
    await wherry("manifest", "create", "--insecure", target, source)
    newer = an_image("newer", platform="linux/arm64/v8")
    await pushed(an_index_of(AMD64, newer, WINDOWS), "team/app:base")
    amended = await wherry("manifest", "create", "--insecure", "--amend", target, source)
    assert amended.code == 0
    assert amended.err.splitlines() == [
        f"{source} (linux/arm64/v8): {ARM64.digest} -> {newer.digest}",
        f"{source} (windows/amd64): new -> {WINDOWS.digest}",
    ]
    assert sorted(digests(files(target))) == sorted(map(str, (AMD64.digest, newer.digest, WINDOWS.digest)))
    await pushed(an_index_of(newer), "team/app:base")
    amended = await wherry("manifest", "create", "--insecure", "--amend", target, source)
    assert amended.err.splitlines() == [
        f"{source} (linux/amd64): {AMD64.digest} -> gone",
        f"{source} (windows/amd64): {WINDOWS.digest} -> gone",
    ]


async def test_children_of_an_index_keep_its_order_and_everything_it_says(registry, wherry, pushed) -> None:
    target = f"{registry.address}/team/app:multi"
    children = [an_image(name, platform=platform) for name, platform in (("z", "linux/s390x"), ("a", "linux/386"))]
    inner = an_index_of(*children)
    source = await pushed(an_index_of(ARM64, inner, AMD64), "team/app:nested")
    last = await pushed(WINDOWS, "team/app:win")
    await wherry("manifest", "create", "--insecure", target, last, source)
    assert (await wherry("manifest", "push", target)).code == 0
    shown = json.loads((await wherry("manifest", "inspect", "--insecure", "--remote", target)).out)
    assert [child["digest"] for child in shown["manifests"]] == [
        str(each.digest) for each in (ARM64, *children, AMD64, WINDOWS)
    ]
    assert shown["manifests"][0]["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v8"}


async def test_an_artifact_in_an_index_stays_without_a_platform(registry, wherry, pushed) -> None:
    target = f"{registry.address}/team/app:multi"
    artifact = an_artifact()
    source = await pushed(an_index_of(AMD64, artifact), "team/app:with-artifact")
    await wherry("manifest", "create", "--insecure", target, source)
    done = await wherry("manifest", "push", target)
    assert (done.code, done.err) == (0, "")
    listed = json.loads((await wherry("manifest", "inspect", "--insecure", "--remote", target)).out)["manifests"]
    assert [(child["digest"], "platform" in child) for child in listed] == [
        (str(AMD64.digest), True),
        (str(artifact.digest), False),
    ]


async def test_an_image_for_two_platforms_is_more_than_a_draft_can_hold(registry, wherry, pushed) -> None:
    target = f"{registry.address}/team/app:multi"
    entries = [
        ARM64.descriptor.to_json(),
        ARM64.descriptor.to_json() | {"platform": {"architecture": "arm64", "os": "linux"}},
        ARM64.descriptor.to_json() | {"platform": {"architecture": "arm", "os": "linux"}},
    ]

    def index_of(*listed: dict[str, object]) -> Content:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
        return Content(Manifest(json.dumps(document).encode(), OCI_INDEX), children=(ARM64,))

    source = await pushed(index_of(*entries), "team/app:twice")
    refused = await wherry("manifest", "create", "--insecure", target, source)
    assert (refused.code, refused.out) == (1, b"")
    said, advised = refused.err.splitlines()
    assert said.startswith(f"wherry: {source} lists {ARM64.digest} for linux/arm64 and linux/arm: a draft can hold")
    assert "wherry index create" in advised
    same = await pushed(index_of(*entries[:2]), "team/app:same")
    assert (await wherry("manifest", "create", "--insecure", target, same)).code == 0


async def test_append_begins_with_what_the_registry_has(registry, wherry, pushed, files) -> None:
    target = await pushed(an_index_of(AMD64, ARM64, annotations={"index": "annotated"}), "team/app:multi")
    more = await pushed(WINDOWS, "team/app:win")
    assert (await wherry("manifest", "create", "--insecure", "--append", target, more)).code == 0
    assert len(files(target)) == 3
    assert (await wherry("manifest", "push", "--purge", target)).code == 0
    listed = json.loads((await wherry("manifest", "inspect", "--insecure", target)).out)["manifests"]
    assert [child["digest"] for child in listed] == [str(each.digest) for each in (AMD64, ARM64, WINDOWS)]


async def test_append_to_nothing_is_a_plain_create(registry, wherry, pushed, files) -> None:
    target = f"{registry.address}/team/app:new"
    more = await pushed(WINDOWS, "team/app:win")
    assert (await wherry("manifest", "create", "--insecure", "--append", target, more)).code == 0
    assert digests(files(target)) == [str(WINDOWS.digest)]


async def test_two_that_amend_at_once_both_end_up_in_the_draft(registry, wherry_process, files, pushed) -> None:
    target = f"{registry.address}/team/app:multi"
    sources = [await pushed(an_image(str(number)), f"team/app:{number}") for number in range(6)]
    done = await asyncio.gather(
        *(wherry_process("manifest", "create", "--insecure", "--amend", target, source) for source in sources)
    )
    assert [code for code, _, _ in done] == [0] * 6
    assert len(files(target)) == 6


async def test_a_hole_in_an_index_is_named(registry_factory, wherry) -> None:
    from wherry.server.running import Sparse  # noqa: PLC0415  # this test alone needs it

    sparse = await registry_factory(sparse=Sparse.INDEX)
    source = Reference.parse(f"{sparse.address}/team/app:holey")
    async with Client() as client:
        index = an_index_of(AMD64)
        await client.repository(source).push_manifest(index.manifest, source.tag)
    done = await wherry("manifest", "create", "--insecure", f"{sparse.address}/team/app:multi", source)
    assert (done.code, done.out) == (1, b"")
    assert done.err.splitlines()[0] == f"no such manifest: {source}@{AMD64.digest}, which {source} lists"


async def test_what_no_list_can_hold_is_refused_by_name(registry, wherry, pushed, configuration) -> None:
    body = {"schemaVersion": 2, "mediaType": OCI_ARTIFACT_MANIFEST, "artifactType": "a/b", "blobs": []}
    source = await pushed(Content(Manifest(json.dumps(body).encode(), OCI_ARTIFACT_MANIFEST)), "team/app:artifact")
    done = await wherry("manifest", "create", "--insecure", f"{registry.address}/team/app:multi", source)
    assert (done.code, done.out) == (1, b"")
    assert done.err.startswith(f"wherry: {source} cannot be part of a list: it is of type {OCI_ARTIFACT_MANIFEST}")
    assert not (configuration / "manifests").exists()


async def test_a_damaged_draft_is_named_and_left_alone(registry, wherry, images, configuration) -> None:
    target = f"{registry.address}/team/app:multi"
    await wherry("manifest", "create", "--insecure", target, images[0])
    [damaged] = (configuration / "manifests").rglob("*team_app-amd64")
    damaged.write_bytes(b"{not json")
    for flags in ((), ("--amend",)):
        done = await wherry("manifest", "create", "--insecure", *flags, target, *images)
        assert (done.code, done.out) == (1, b"")
        assert f"draft {damaged} is damaged" in done.err
    assert damaged.read_bytes() == b"{not json"
    assert (await wherry("manifest", "rm", target)).code == 0


async def test_amending_completes_files_of_docker_before_23(registry, wherry, images, configuration, files) -> None:
    target = f"{registry.address}/team/app:multi"
    await wherry("manifest", "create", "--insecure", target, images[0])
    [file] = (configuration / "manifests").rglob("*team_app-amd64")
    document = json.loads(file.read_bytes())
    raw = document.pop("Raw")
    document["Descriptor"]["platform"]["variant"] = "v2"
    document["OCIManifest"]["new"] = {}  # so that the bytes cannot be found again
    file.write_text(json.dumps(document))
    assert (await wherry("manifest", "create", "--insecure", "--amend", target, images[0])).err == ""
    [completed] = files(target).values()
    assert completed["Raw"] == raw
    assert completed["Descriptor"]["platform"]["variant"] == "v2", "what was annotated stays"


async def test_a_home_that_is_nowhere_is_one_line(registry, wherry, images, monkeypatch, tmp_path) -> None:
    (tmp_path / "a-file").write_bytes(b"")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "a-file"))
    done = await wherry("manifest", "create", "--insecure", f"{registry.address}/team/app:multi", *images)
    assert (done.code, done.out) == (1, b"")
    assert done.err.startswith("wherry: ")
    assert "DOCKER_CONFIG" in done.err.splitlines()[1]


async def test_a_full_disk_leaves_no_half_of_a_draft(registry, images, configuration) -> None:
    """The limit on a file's size is the nearest thing to a full disk that a test can have."""
    target = f"{registry.address}/team/app:multi"
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "from wherry.cli import main; main()"
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "manifest", "create", "--insecure", target, *images),
        env=os.environ | {"DOCKER_CONFIG": str(configuration)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert err.startswith(b"wherry: ")
    assert b"File too large" in err
    assert [path for path in (configuration / "manifests").iterdir() if not path.name.startswith(".")] == []
