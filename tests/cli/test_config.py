import json
import platform
from pathlib import Path

import pytest

from tests.content import an_artifact, an_image, an_index_of, put
from wherry.cli import config as command
from wherry.oci.errors import ManifestInvalid
from wherry.stores.layout import Layout

INDEX = an_index_of(an_image(), an_image(platform="linux/arm64/v8"))


@pytest.mark.parametrize(
    "content", [an_image(), an_image(docker=True), an_artifact()], ids=["oci", "docker", "artifact"]
)
async def test_prints_the_exact_bytes_into_a_pipe(registry, wherry, pushed, content) -> None:
    done = await wherry("config", await pushed(content, "team/app:1"))
    assert (done.code, done.out, done.err) == (0, content.blobs[0].content, "")


async def test_of_an_index_for_a_platform(registry, wherry, pushed) -> None:
    reference = await pushed(INDEX, "team/app:1")
    for asked, child in zip(("linux/amd64", "linux/arm64"), INDEX.children, strict=True):
        assert (await wherry("config", "--platform", asked, reference)).out == child.blobs[0].content


async def test_of_an_index_for_this_machine(registry, wherry, pushed, monkeypatch) -> None:
    reference = await pushed(INDEX, "team/app:1")
    for machine, child in zip(("x86_64", "aarch64"), INDEX.children, strict=True):
        monkeypatch.setattr(platform, "machine", lambda machine=machine: machine)
        assert (await wherry("config", reference)).out == child.blobs[0].content


async def test_no_image_for_this_machine_lists_the_platforms(registry, wherry, pushed, monkeypatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    done = await wherry("config", await pushed(INDEX, "team/app:1"))
    assert (done.code, done.out) == (1, b"")
    assert "try: it has linux/amd64, linux/arm64/v8" in done.err


async def test_an_image_alone_is_shown_whatever_the_machine_is(registry, wherry, pushed, monkeypatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "s390x")
    image = an_image()
    assert (await wherry("config", await pushed(image, "team/app:1"))).out == image.blobs[0].content


async def test_missing_config_is_one_error(wherry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    image = an_image()
    await put(image, layout, "1")
    digest = image.blobs[0].descriptor.digest
    (layout.path / "blobs" / digest.algorithm / digest.encoded).unlink()
    done = await wherry("config", f"{layout}:1")
    assert (done.code, done.out) == (1, b"")
    assert str(digest) in done.err


def test_indented_form_is_the_same_json_and_cannot_steer_the_terminal() -> None:
    document = {"config": {"Labels": {"made": "by\x1b[31m hand\nhere\u202e"}}}
    shown = command._indented(json.dumps(document, ensure_ascii=False).encode(), "app")
    assert json.loads(shown) == document
    assert all(each.isprintable() or each == "\n" for each in shown)


@pytest.mark.parametrize("content", [b"{", b"\xff", pytest.param(b"[" * 100_000 + b"]" * 100_000, id="nested deeply")])
def test_config_that_is_no_json_is_one_error_on_a_terminal(content) -> None:
    with pytest.raises(ManifestInvalid, match="app: its config is not JSON"):
        command._indented(content, "app")
