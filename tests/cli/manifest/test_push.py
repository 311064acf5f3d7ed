import json
from pathlib import Path

import pytest

from tests.content import a_foreign_layer, a_layer, an_image, an_index_of
from tests.faults.proxy import Fault, changed, proxy
from tests.golden.servers import recorded
from wherry.oci.dockerdraft import DraftImage
from wherry.oci.mediatype import OCI_INDEX
from wherry.oci.reference import Reference
from wherry.stores.drafts import Drafts

AMD64 = an_image()
ARM64 = an_image(platform="linux/arm64/v8")


@pytest.fixture
async def target(registry, wherry, pushed) -> str:
    """A draft of two images, one of them in another repository."""
    name = f"{registry.address}/team/app:multi"
    images = await pushed(AMD64, "team/app:amd64"), await pushed(ARM64, "team/other:arm64")
    assert (await wherry("manifest", "create", "--insecure", name, *images)).code == 0
    return name


async def shown(wherry, name: str) -> dict:
    return json.loads((await wherry("manifest", "inspect", "--insecure", "--remote", name)).out)


async def test_several_tags_get_the_list(wherry, target) -> None:
    done = await wherry("manifest", "push", "--tag", "latest", "--tag", "1.4", "--tag", "multi", target)
    assert (done.code, done.err) == (0, "")
    lists = [await shown(wherry, target.replace("multi", tag)) for tag in ("multi", "latest", "1.4")]
    assert lists[0]["mediaType"] == OCI_INDEX
    assert lists == [lists[0]] * 3


async def test_a_tag_that_is_none_is_refused_before_anything_is_sent(registry, wherry, target) -> None:
    done = await wherry("manifest", "push", "--tag", "not a tag", target)
    assert (done.code, done.out) == (1, b"")
    assert "not a tag" in done.err
    absent = await wherry("manifest", "inspect", "--insecure", "--remote", target)
    assert absent.err == f"no such manifest: {target}\n"


async def test_files_tell_programs_what_was_pushed(wherry, target, tmp_path: Path) -> None:
    files = tmp_path / "digest", tmp_path / "metadata.json"
    done = await wherry(
        "manifest", "push", "--tag", "latest", "--digest-file", files[0], "--metadata-file", files[1], target
    )
    digest = done.lines[-1]
    assert files[0].read_text() == f"{digest}\n"
    metadata = json.loads(files[1].read_text())
    assert metadata["containerimage.digest"] == digest
    assert metadata["containerimage.descriptor"]["digest"] == digest
    assert metadata["containerimage.descriptor"]["mediaType"] == OCI_INDEX
    assert metadata["image.name"] == f"{target},{target.replace('multi', 'latest')}"


async def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(
    registry, wherry, target, tmp_path
) -> None:
    (tmp_path / "old").write_text("as it was" * 100)
    for flag in ("--digest-file", "--metadata-file"):
        done = await wherry("manifest", "push", "--purge", flag, tmp_path / "absent" / "x", target)
        assert (done.code, done.out) == (1, b"")
        assert done.err == f"wherry: {tmp_path / 'absent' / 'x'}: No such file or directory\n"
    assert (await wherry("manifest", "inspect", "--insecure", "--remote", target)).code == 1
    files = ("--metadata-file", tmp_path / "new", "--digest-file", tmp_path / "old")
    unreachable = target.replace(registry.address, "127.0.0.1:1")
    images = [target.replace("app:multi", "app:amd64")]
    assert (await wherry("manifest", "create", "--insecure", unreachable, *images)).code == 0
    assert (await wherry("manifest", "push", *files, unreachable)).code == 1
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "old").read_text().startswith("as it was")
    done = await wherry("manifest", "push", "--purge", *files, target)
    assert (done.code, (tmp_path / "old").read_text()) == (0, f"{done.lines[-1]}\n")


async def test_a_full_disk_is_named_and_hinders_nothing_else(wherry, target, tmp_path: Path, configuration) -> None:
    flags = ("--purge", "--digest-file", "/dev/full", "--metadata-file", tmp_path / "metadata")
    done = await wherry("manifest", "push", *flags, target)
    assert (done.code, done.err.splitlines()[0]) == (1, "wherry: /dev/full: No space left on device")
    assert json.loads((tmp_path / "metadata").read_text())["containerimage.digest"] == done.lines[-1]
    assert not Drafts(configuration).exists(Reference.parse(target))


async def test_dry_run_prints_the_list_and_sends_nothing(registry, wherry, target) -> None:
    with recorded(registry.address) as (address, requests):
        target = target.replace(registry.address, address)
        images = [target.replace(*each) for each in (("multi", "amd64"), ("app:multi", "other:arm64"))]
        assert (await wherry("manifest", "create", "--insecure", target, *images)).code == 0
        requests.clear()
        done = await wherry("manifest", "push", "--dry-run", "--purge", "--tag", "latest", target)
        assert requests == []
    assert done.code == 0
    digest = (await wherry("manifest", "inspect", "--digest", target)).lines[0]
    assert [each["digest"] for each in json.loads(done.out)["manifests"]] == [str(AMD64.digest), str(ARM64.digest)]
    assert done.err.splitlines() == [
        f"would copy {target.replace('team/app:multi', 'team/other:arm64')} ({ARM64.digest})",
        f"would push {target} ({OCI_INDEX}, {digest})",
        f"would push {target.replace('multi', 'latest')} ({OCI_INDEX}, {digest})",
    ]
    assert (
        await wherry("manifest", "inspect", "--insecure", "--remote", f"{registry.address}/team/app:multi")
    ).code == 1
    assert (await wherry("manifest", "inspect", "--local", target)).code == 0, "the draft stays"


async def test_by_digest_the_list_gets_no_tag(registry, wherry, pushed) -> None:
    name = f"{registry.address}/team/app@sha256:{'0' * 64}"
    assert (await wherry("manifest", "create", "--insecure", name, await pushed(AMD64, "team/app:amd64"))).code == 0
    done = await wherry("manifest", "push", name)
    assert done.code == 0
    assert "has another digest than its name says" in done.err
    assert (await shown(wherry, f"{registry.address}/team/app@{done.lines[-1]}"))["mediaType"] == OCI_INDEX
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["amd64"]


async def test_a_failure_keeps_the_draft_and_moves_no_tag(registry, wherry, target) -> None:
    before = await wherry("manifest", "inspect", "--local", "--raw", target)
    gone = target.replace("team/app:multi", f"team/other@{ARM64.digest}")
    from wherry.stores.remote import Client  # noqa: PLC0415  # this test alone needs it

    async with Client() as client:
        reference = Reference.parse(gone)
        await client.repository(reference).delete(reference.digest)
    done = await wherry("manifest", "push", "--purge", target)
    assert (done.code, done.out) == (1, b"")
    assert str(ARM64.digest) in done.err
    assert (await wherry("manifest", "inspect", "--local", "--raw", target)).out == before.out
    assert (await wherry("manifest", "inspect", "--insecure", "--remote", target)).code == 1


async def test_purging_keeps_a_draft_that_somebody_changed_while_it_was_pushed(
    registry, wherry, pushed, configuration
) -> None:
    source, other = await pushed(AMD64, "team/app:amd64"), await pushed(ARM64, "team/app:arm64")

    def amended(head: bytes, body: bytes) -> bytes:
        with Drafts(configuration).change(name) as draft:
            draft.put(DraftImage(other, ARM64.descriptor, ARM64.manifest))
        return head + b"\r\n\r\n" + body

    push = Fault(lambda asked: (asked.method, asked.path) == ("PUT", "/v2/team/app/manifests/multi"), changed(amended))
    async with proxy(registry.address, push) as between:
        name = Reference.parse(f"{between.address}/team/app:multi")
        assert (await wherry("manifest", "create", "--insecure", name, source)).code == 0
        done = await wherry("manifest", "push", "--purge", name)
        assert (done.code, done.err) == (
            0,
            f"wherry: the draft of {name} has changed since it was read to be pushed, and stays\n",
        )
        assert [image.descriptor for image in Drafts(configuration).images(name)] == [
            AMD64.descriptor,
            ARM64.descriptor,
        ]
        assert len((await shown(wherry, str(name)))["manifests"]) == 1
        again = await wherry("manifest", "push", "--purge", name)
        assert (again.code, again.err) == (0, "")
        assert len((await shown(wherry, str(name)))["manifests"]) == 2
        assert not Drafts(configuration).exists(name)


async def test_shared_layers_are_carried_to_another_registry_once(registry, registry_factory, wherry, pushed) -> None:
    elsewhere = await registry_factory()
    base = a_layer({"base": b"b" * 5000})
    images = [an_image(str(number), layers=(base, a_layer({str(number): b""}))) for number in range(3)]
    target = f"{elsewhere.address}/carried/app:1"
    sources = [await pushed(image, f"team/app:{number}") for number, image in enumerate(images)]
    with recorded(elsewhere.address) as (address, requests):
        by_the_recorder = target.replace(elsewhere.address, address)
        assert (await wherry("manifest", "create", "--insecure", by_the_recorder, *sources)).code == 0
        done = await wherry("manifest", "push", by_the_recorder)
    assert (done.code, done.err) == (0, "")
    blobs = {digest for image in images for digest in image.all_blobs()}
    assert len([each for each in requests if each.startswith("POST")]) == len(blobs)
    assert [each["digest"] for each in (await shown(wherry, target))["manifests"]] == [
        str(each.digest) for each in images
    ]
    for image in images:
        name = f"{elsewhere.address}/carried/app@{image.digest}"
        assert (await wherry("manifest", "inspect", "--insecure", "--raw", name)).out == image.manifest.content


async def test_foreign_layers_stay_where_they_are(registry_factory, wherry, pushed) -> None:
    elsewhere = await registry_factory()
    windows = an_image("win", platform="windows(10.0.17763.1)/amd64", layers=(a_foreign_layer("base"),), docker=True)
    source = await pushed(windows, "team/app:win")
    target = f"{elsewhere.address}/carried/app:1"
    assert (await wherry("manifest", "create", "--insecure", target, source)).code == 0
    assert (await wherry("manifest", "push", target)).code == 0
    [child] = (await shown(wherry, target))["manifests"]
    assert child["platform"] == {"architecture": "amd64", "os": "windows", "os.version": "10.0.17763.1"}


async def test_an_index_of_another_repository_comes_with_its_children(registry, wherry, pushed) -> None:
    source = await pushed(an_index_of(AMD64, ARM64), "team/base:1")
    target = f"{registry.address}/derived/app:1"
    assert (await wherry("manifest", "create", "--insecure", target, source)).code == 0
    done = await wherry("manifest", "push", target)
    assert done.lines[:2] == [
        f"Pushed ref {registry.address}/derived/app@{image.digest} with digest: {image.digest}"
        for image in (AMD64, ARM64)
    ]
