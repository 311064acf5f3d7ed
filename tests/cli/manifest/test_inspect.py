import hashlib
import json

import pytest

from tests.content import an_artifact, an_image, an_index_of
from tests.golden.servers import recorded
from wherry.oci.mediatype import DOCKER_LIST

AMD64 = an_image()
ARM64 = an_image(platform="linux/arm64/v8")
INDEX = an_index_of(AMD64, ARM64, an_index_of(AMD64), annotations={"k": "<v>"})


@pytest.fixture
async def index(pushed) -> str:
    return await pushed(INDEX, "team/app:1")


@pytest.fixture
async def draft(wherry, registry, pushed) -> str:
    """A draft of the same name as a tag in the registry that leads elsewhere."""
    name = await pushed(ARM64, "team/app:shadowed")
    assert (await wherry("manifest", "create", "--insecure", name, await pushed(AMD64, "team/app:amd64"))).code == 0
    return name


async def test_raw_is_the_exact_bytes_and_nothing_more(wherry, index) -> None:
    done = await wherry("manifest", "inspect", "--insecure", "--raw", index)
    assert (done.code, done.out, done.err) == (0, INDEX.manifest.content, "")
    assert f"sha256:{hashlib.sha256(done.out).hexdigest()}" == str(INDEX.digest)


async def test_digest_is_a_line(wherry, index) -> None:
    done = await wherry("manifest", "inspect", "--insecure", "--digest", index)
    assert (done.code, done.out, done.err) == (0, f"{INDEX.digest}\n".encode(), "")


async def test_remote_passes_by_a_draft(wherry, draft) -> None:
    local = await wherry("manifest", "inspect", "--insecure", draft)
    remote = await wherry("manifest", "inspect", "--insecure", "--remote", draft)
    assert json.loads(local.out)["manifests"][0]["digest"] == str(AMD64.digest)
    assert json.loads(remote.out) == json.loads(ARM64.manifest.content)


async def test_local_asks_no_registry(wherry, index, draft) -> None:
    shown = await wherry("manifest", "inspect", "--local", draft)
    assert json.loads(shown.out)["manifests"][0]["digest"] == str(AMD64.digest)
    absent = await wherry("manifest", "inspect", "--insecure", "--local", index)
    assert (absent.code, absent.out, absent.err) == (1, b"", f"No such manifest: {index}\n")


async def test_a_draft_is_shown_as_it_would_be_pushed(wherry, draft) -> None:
    raw = await wherry("manifest", "inspect", "--raw", draft)
    digest = await wherry("manifest", "inspect", "--digest", draft)
    assert digest.lines == [f"sha256:{hashlib.sha256(raw.out).hexdigest()}"]
    assert (await wherry("manifest", "push", draft)).lines == digest.lines


async def test_an_image_of_a_draft_has_all_forms_too(wherry, draft) -> None:
    image = draft.replace("shadowed", "amd64")
    assert (await wherry("manifest", "inspect", "--raw", draft, image)).out == AMD64.manifest.content
    assert (await wherry("manifest", "inspect", "--digest", draft, image)).lines == [str(AMD64.digest)]


async def test_a_word_on_a_terminal_that_a_draft_is_shown(wherry, draft, monkeypatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    done = await wherry("manifest", "inspect", draft)
    assert done.err == "wherry: this is the draft on this machine; --remote shows what the registry has\n"
    assert (await wherry("manifest", "inspect", "--local", draft)).err == ""


async def test_a_damaged_draft_does_not_hide_the_registry(wherry, draft, configuration) -> None:
    [file] = (configuration / "manifests").rglob("*team_app-amd64")
    file.write_bytes(b"{")
    done = await wherry("manifest", "inspect", "--insecure", draft)
    assert (done.code, json.loads(done.out)) == (0, json.loads(ARM64.manifest.content))
    assert str(file) in done.err
    local = await wherry("manifest", "inspect", "--local", draft)
    assert (local.code, local.out) == (1, b"")
    assert str(file) in local.err


async def test_a_draft_without_bytes_says_how_to_get_them(wherry, draft, configuration) -> None:
    [file] = (configuration / "manifests").rglob("*team_app-amd64")
    document = json.loads(file.read_bytes())
    del document["Raw"]
    document["OCIManifest"]["new"] = {}
    file.write_text(json.dumps(document))
    done = await wherry("manifest", "inspect", draft, draft.replace("shadowed", "amd64"))
    assert (done.code, done.out) == (1, b"")
    assert "--amend" in done.err


async def test_a_home_that_is_nowhere_does_not_hide_the_registry(wherry, index, monkeypatch) -> None:
    monkeypatch.delenv("DOCKER_CONFIG")
    monkeypatch.setattr("pathlib.Path.home", _nowhere)
    assert (await wherry("manifest", "inspect", "--insecure", "--raw", index)).out == INDEX.manifest.content


def _nowhere() -> None:
    raise RuntimeError("Could not determine home directory.")


async def test_verbose_shows_an_index_in_an_index(wherry, index) -> None:
    done = await wherry("manifest", "inspect", "--insecure", "-v", index)
    shown = json.loads(done.out)
    assert [list(each)[-1] for each in shown] == ["OCIManifest", "OCIManifest", "Manifest"]
    assert [each["Ref"] for each in shown] == [f"{index}@{child.digest}" for child in INDEX.children]
    assert shown[2]["Manifest"] == json.loads(INDEX.children[2].manifest.content)


async def test_verbose_of_an_artifact_has_an_empty_platform(wherry, pushed) -> None:
    name = await pushed(an_artifact(), "team/app:artifact")
    shown = json.loads((await wherry("manifest", "inspect", "--insecure", "-v", name)).out)
    assert shown["Descriptor"]["platform"] == {"architecture": "", "os": ""}


async def test_a_list_of_eleven_takes_one_request_for_manifests(registry, wherry, pushed) -> None:
    images = [an_image(str(number), docker=True) for number in range(11)]
    await pushed(an_index_of(*images, docker=True), "team/app:eleven")
    with recorded(registry.address) as (address, requests):
        done = await wherry("manifest", "inspect", "--insecure", f"{address}/team/app:eleven")
        assert (done.code, json.loads(done.out)["mediaType"]) == (0, DOCKER_LIST)
    assert [each for each in requests if "/manifests/" in each] == ["GET /v2/team/app/manifests/eleven"]
    assert [each for each in requests if "/blobs/" in each] == []


async def test_verbose_asks_for_each_child_once_and_for_no_config(registry, wherry, pushed) -> None:
    images = [an_image(str(number)) for number in range(4)]
    await pushed(an_index_of(*images), "team/app:four")
    with recorded(registry.address) as (address, requests):
        done = await wherry("manifest", "inspect", "--insecure", "-v", f"{address}/team/app:four")
        assert (done.code, len(json.loads(done.out))) == (0, 4)
    asked = [each for each in requests if "/manifests/" in each or "/blobs/" in each]
    assert sorted(asked) == sorted(
        f"GET /v2/team/app/manifests/{name}" for name in ("four", *(str(image.digest) for image in images))
    )


@pytest.mark.parametrize(
    "flags", [("--raw", "--digest"), ("-v", "--raw"), ("--remote", "--local"), ("--remote", "second.example/name")]
)
async def test_flags_that_contradict_each_other_are_told(wherry, flags) -> None:
    done = await wherry("manifest", "inspect", *flags, "r.example/a:1")
    assert (done.code, done.out) == (125, b"")
    assert done.err.startswith("wherry: --")
