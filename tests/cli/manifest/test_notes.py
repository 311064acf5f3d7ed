"""Docker rewrites the files of a draft without what it does not know; wherry has noted it elsewhere."""

import pytest

from tests.content import an_image, an_index_of

pytestmark = pytest.mark.peer("docker")

AMD64 = an_image(docker=True)
ARM64 = an_image(platform="linux/arm64/v8", docker=True)
OTHER = an_image("other", platform="linux/s390x", docker=True)


async def test_docker_annotates_and_wherry_still_knows_the_index(registry, wherry, docker, pushed, files) -> None:
    source = await pushed(an_index_of(AMD64, ARM64, docker=True), "team/app:list")
    target = f"{registry.address}/team/app:multi"
    create = ("manifest", "create", "--insecure", target, source)
    assert (await wherry(*create)).code == 0
    child = f"{source}@{ARM64.digest}"
    assert (await docker("manifest", "annotate", target, child, "--os-version", "9"))[0] == 0
    assert (await wherry(*create)).code == 0, "it is the same draft"
    newer = an_image("newer", platform="linux/arm64/v8", docker=True)
    await pushed(an_index_of(newer, OTHER, docker=True), "team/app:list")
    amended = await wherry(*create, "--amend")
    assert amended.err.splitlines() == [
        f"{source} (linux/arm64/v8): {ARM64.digest} -> {newer.digest}",
        f"{source} (linux/s390x): new -> {OTHER.digest}",
        f"{source} (linux/amd64): {AMD64.digest} -> gone",
    ]
    described = {each["Descriptor"]["digest"]: each["Descriptor"]["platform"] for each in files(target).values()}
    assert described == {
        str(newer.digest): {"architecture": "arm64", "os": "linux", "os.version": "9", "variant": "v8"},
        str(OTHER.digest): {"architecture": "s390x", "os": "linux"},
    }
    assert (await docker("manifest", "annotate", target, f"{source}@{newer.digest}", "--os-version", "8"))[0] == 0
    assert (await wherry("manifest", "rm", target, "--image", source)).code == 0
    assert files(target) == {}


async def test_what_docker_annotated_is_carried_over_to_an_image_that_a_tag_moved_to(
    registry, wherry, docker, pushed, files
) -> None:
    names = f"{registry.address}/team/app:multi", await pushed(ARM64, "team/app:arm64")
    assert (await wherry("manifest", "create", "--insecure", *names)).code == 0
    assert (await wherry("manifest", "annotate", *names, "--annotation", "note=keep")).code == 0
    assert (await docker("manifest", "annotate", *names, "--variant", "v9"))[0] == 0
    newer = an_image("newer", platform="linux/arm64/v8", docker=True)
    await pushed(newer, "team/app:arm64")
    amended = await wherry("manifest", "create", "--insecure", "--amend", *names)
    assert amended.err == f"{names[1]}: {ARM64.digest} -> {newer.digest}\n"
    [image] = files(names[0]).values()
    assert image["Descriptor"]["platform"] == {"architecture": "arm64", "os": "linux", "variant": "v9"}
    assert image["Descriptor"]["annotations"] == {"note": "keep"}


async def test_a_draft_that_docker_made_keeps_what_wherry_annotated(registry, wherry, docker, pushed, files) -> None:
    names = f"{registry.address}/team/app:multi", await pushed(ARM64, "team/app:arm64")
    assert (await docker("manifest", "create", "--insecure", *names))[0] == 0
    said = ("--os-version", "9", "--annotation", "note=keep")
    assert (await wherry("manifest", "annotate", *names, *said)).code == 0
    await pushed(an_image("newer", platform="linux/arm64", docker=True), "team/app:arm64")
    assert (await wherry("manifest", "create", "--insecure", "--amend", *names)).code == 0
    [image] = files(names[0]).values()
    assert image["Descriptor"]["platform"] == {"architecture": "arm64", "os": "linux", "os.version": "9"}
    assert image["Descriptor"]["annotations"] == {"note": "keep"}
