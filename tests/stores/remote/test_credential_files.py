import asyncio
import base64
import json
import os
from pathlib import Path

import pytest
import uvloop

from tests.helper import install_helper, install_script
from wherry.oci.errors import CredentialsError
from wherry.stores.remote.credential_files import DockerConfig
from wherry.stores.remote.credentials import Credential, HelperAbsent


def _auth(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


def _config(folder: Path, document: object) -> DockerConfig:
    (folder / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return DockerConfig(folder / "config.json", patience=5)


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Install a credential helper called `test`, a shell script; its input is in the file `asked`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def install(script: str) -> None:
        program = folder / "docker-credential-test"
        program.write_text(f'#!/bin/sh\ncat > {tmp_path}/asked\necho "$1" > {tmp_path}/verb\n{script}\n')
        program.chmod(0o755)

    return install


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": _auth("me:secret")}, Credential("me", "secret")),
        ({"auth": _auth("me:sec:ret")}, Credential("me", "sec:ret")),
        ({"auth": _auth("me:secret") + "\n"}, Credential("me", "secret")),
        ({"auth": _auth("me:secret")[:5] + "\r\n" + _auth("me:secret")[5:]}, Credential("me", "secret")),
        ({"auth": _auth("me:secret") + " "}, None),
        ({"auth": "\t" + _auth("me:secret")}, None),
        ({"username": "me", "password": "secret"}, Credential("me", "secret")),
        ({"auth": _auth("me:"), "identitytoken": "t"}, Credential("me", identity_token="t")),
        ({"auth": _auth("<token>:t")}, Credential(identity_token="t")),
        ({"registrytoken": "r"}, Credential(registry_token="r")),
    ],
)
async def test_entry_of_auths_is_read(tmp_path: Path, entry: dict[str, str], expected: Credential | None):
    config = _config(tmp_path, {"auths": {"r.example:5000": entry}})
    if expected is None:
        with pytest.raises(CredentialsError, match="auth is not base64"):
            await config.find("r.example:5000")
    else:
        assert await config.find("r.example:5000") == expected
    assert await config.find("other.example") is None


async def test_empty_entry_is_anonymous(tmp_path: Path):
    assert await _config(tmp_path, {"auths": {"r.example": {}}}).find("r.example") is None


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"])
async def test_docker_hub_is_found_under_all_its_names(tmp_path: Path, key: str):
    config = _config(tmp_path, {"auths": {key: {"auth": _auth("me:secret")}}})
    assert await config.find("docker.io") == Credential("me", "secret")


async def test_key_that_is_a_url_counts_by_its_host(tmp_path: Path):
    config = _config(tmp_path, {"auths": {"https://r.example/v1/": {"auth": _auth("me:secret")}}})
    assert await config.find("r.example") == Credential("me", "secret")


async def test_file_that_does_not_exist_is_anonymous(tmp_path: Path):
    assert await DockerConfig(tmp_path / "none" / "config.json").find("r.example") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{not json", "it is not JSON"),
        ("[]", "not an object"),
        ('{"auths": []}', "must be an object"),
        ('{"auths": {"r.example": 1}}', "must be an object"),
        ('{"auths": {"r.example": {"auth": 1}}}', "must be a string"),
        ('{"auths": {"r.example": {"auth": "%%%"}}}', "auth is not base64"),
        ('{"auths": {"r.example": {"auth": "bWU="}}}', "auth is not base64"),
        ('{"credHelpers": {"r.example": 1}}', "must be a string"),
    ],
)
async def test_corrupt_file_is_an_error_that_names_it(tmp_path: Path, text: str, problem: str):
    with pytest.raises(CredentialsError, match=problem) as caught:
        await _config(tmp_path, text).find("r.example")
    assert str(caught.value).startswith(f"{tmp_path}/config.json: ")
    assert caught.value.hint


async def test_byte_order_mark_of_an_editor_is_passed_over(tmp_path: Path):
    config = _config(tmp_path, "\ufeff" + json.dumps({"auths": {"r.example": {"auth": _auth("me:secret")}}}))
    assert await config.find("r.example") == Credential("me", "secret")


async def test_empty_file_has_nothing(tmp_path: Path):
    assert await _config(tmp_path, "\n").find("r.example") is None


async def test_folder_in_place_of_the_file_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(CredentialsError, match=str(tmp_path)):
        await DockerConfig(tmp_path).find("r.example")


async def test_helper_is_asked_for_the_registry(tmp_path: Path, helper):
    helper("""echo '{"ServerURL":"x","Username":"me","Secret":"secret"}'""")
    config = _config(tmp_path, {"credsStore": "test"})
    assert await config.find("r.example:5000") == Credential("me", "secret")
    assert (tmp_path / "asked").read_text() == "r.example:5000"
    assert (tmp_path / "verb").read_text() == "get\n"


async def test_helper_is_asked_for_docker_hub_by_its_old_name(tmp_path: Path, helper):
    helper("""echo '{"Username":"<token>","Secret":"identity"}'""")
    assert await _config(tmp_path, {"credsStore": "test"}).find("docker.io") == Credential(identity_token="identity")
    assert (tmp_path / "asked").read_text() == "https://index.docker.io/v1/"


async def test_helper_of_one_registry_is_not_asked_for_another(tmp_path: Path, helper):
    helper("""echo '{"Username":"me","Secret":"secret"}'""")
    config = _config(tmp_path, {"credHelpers": {"r.example": "test"}})
    assert await config.find("r.example") == Credential("me", "secret")
    assert await config.find("other.example") is None


async def test_helper_that_knows_nothing_leaves_it_to_the_file(tmp_path: Path, helper):
    helper("echo credentials not found in native keychain; exit 1")
    config = _config(tmp_path, {"credsStore": "test", "auths": {"r.example": {"auth": _auth("me:secret")}}})
    assert await config.find("r.example") == Credential("me", "secret")
    assert await config.find("other.example") is None


async def test_helper_whose_answer_names_nobody_knows_nothing(tmp_path: Path, helper):
    helper("""echo '{"ServerURL": "", "Username": "", "Secret": ""}'""")
    assert await _config(tmp_path, {"credsStore": "test"}).find("r.example") is None
    config = _config(tmp_path, {"credsStore": "test", "auths": {"r.example": {"auth": _auth("me:secret")}}})
    assert await config.find("r.example") == Credential("me", "secret")


async def test_helper_that_is_not_installed_is_named_and_the_file_still_counts(tmp_path: Path):
    config = _config(tmp_path, {"credsStore": "never-installed", "auths": {"r.example": {"auth": _auth("me:secret")}}})
    assert await config.find("r.example") == Credential("me", "secret")
    with pytest.raises(HelperAbsent, match=r"docker-credential-never-installed, which .*config.json names, is not"):
        await config.find("other.example")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo the key ring is locked >&2; exit 3", "docker-credential-test: the key ring is locked"),
        ("exit 3", "docker-credential-test: exit code 3"),
        ("echo hello", "not the JSON it should be"),
        ("echo []", "not a JSON object"),
    ],
)
async def test_helper_that_fails_is_an_error_with_its_words(tmp_path: Path, helper, script: str, problem: str):
    helper(script)
    with pytest.raises(CredentialsError, match=problem) as caught:
        await _config(tmp_path, {"credsStore": "test"}).find("r.example")
    assert str(tmp_path / "config.json") in (caught.value.hint or "")


async def test_helper_that_hangs_is_ended(tmp_path: Path, helper):
    helper("exec tail -f /dev/null")
    _config(tmp_path, {"credsStore": "test"})
    with pytest.raises(CredentialsError, match=r"no answer in 0\.2 s"):
        await DockerConfig(tmp_path / "config.json", patience=0.2).find("r.example")


@pytest.mark.parametrize("runner", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "script",
    ["yes", "exec yes", "yes >&2", "exec yes >&2", "trap '' TERM; yes; exit 1"],
    ids=["child", "itself", "child's errors", "errors", "stubborn"],
)
def test_helper_that_says_too_much_is_ended(tmp_path: Path, helper, script: str, runner: str):
    helper(script)
    path = _config(tmp_path, {"credsStore": "test"}).path

    async def find() -> None:
        await DockerConfig(path, patience=20).find("r.example")

    with (
        pytest.raises(CredentialsError, match=r"docker-credential-test: says more than 64 KiB") as caught,
        asyncio.Runner(loop_factory=uvloop.new_event_loop if runner == "uvloop" else None) as loop,
    ):
        loop.run(find())
    assert str(path) in (caught.value.hint or "")


@pytest.mark.parametrize("runner", ["asyncio", "uvloop"])
@pytest.mark.parametrize(
    "script", ["exec sleep 9", "exec >&- 2>&-; exec sleep 9", "sleep 2"], ids=["open", "shut", "child"]
)
def test_helper_that_hangs_with_or_without_its_outputs_is_ended(tmp_path: Path, helper, script: str, runner: str):
    helper(script)
    path = _config(tmp_path, {"credsStore": "test"}).path

    async def find() -> None:
        await DockerConfig(path, patience=0.1).find("r.example")

    with (
        pytest.raises(CredentialsError, match=r"no answer in 0\.1 s"),
        asyncio.Runner(loop_factory=uvloop.new_event_loop if runner == "uvloop" else None) as loop,
    ):
        loop.run(find())


async def test_helper_may_say_as_much_as_a_long_token(tmp_path: Path, helper):
    secret = "x" * 60_000
    (tmp_path / "answer").write_text(json.dumps({"Username": "me", "Secret": secret}))
    helper(f"cat {tmp_path}/answer")
    assert await _config(tmp_path, {"credsStore": "test"}).find("r.example") == Credential("me", secret)


async def test_helper_that_does_not_read_is_heard_all_the_same(tmp_path: Path, monkeypatch):
    install_script(tmp_path, monkeypatch, """#!/bin/sh\nexec <&-\necho '{"Username":"me","Secret":"s"}'\n""")
    config = _config(tmp_path, {"credsStore": "test"})
    assert await config.find("r.example") == Credential("me", "s")


async def test_helper_is_asked_once_for_all_repositories_of_a_registry(tmp_path: Path, monkeypatch):
    log = install_helper(tmp_path, monkeypatch)
    config = _config(tmp_path, {"credsStore": "test"})
    found = await asyncio.gather(*(config.find("r.example", name) for name in ("a", "b", "c")))
    assert found == [None] * 3
    assert log.read_text() == "get r.example\n"


async def test_helper_with_a_path_for_a_name_is_not_run(tmp_path: Path):
    with pytest.raises(CredentialsError, match="no name of a credential helper"):
        await _config(tmp_path, {"credsStore": "../../bin/sh"}).find("r.example")


SCOPED = {
    "auths": {
        "r.example": {"auth": _auth("host:1")},
        "r.example/team": {"auth": _auth("team:2")},
        "r.example/team/app": {"auth": _auth("app:3")},
        "docker.io/library": {"auth": _auth("library:4")},
    }
}


@pytest.mark.parametrize(
    ("registry", "repository", "username"),
    [
        ("r.example", "", "host"),
        ("r.example", "other", "host"),
        ("r.example", "teams/app", "host"),
        ("r.example", "team/other", "team"),
        ("r.example", "team", "team"),
        ("r.example", "team/app", "app"),
        ("r.example", "team/app/deep/er", "app"),
        ("docker.io", "library/alpine", "library"),
        ("docker.io", "me/app", None),
    ],
)
@pytest.mark.parametrize("podman", [True, False])
async def test_longest_key_that_fits_is_the_one(tmp_path: Path, registry, repository, username, podman):
    (tmp_path / "auth.json").write_text(json.dumps(SCOPED))
    found = await DockerConfig(tmp_path / "auth.json", podman=podman).find(registry, repository)
    assert (found.username if found else None) == username


@pytest.mark.parametrize("key", ["r.example/", "r.example/v1/", "r.example/v2", "http://r.example/"])
async def test_key_with_the_path_of_the_api_is_the_registrys(tmp_path: Path, key: str):
    config = _config(tmp_path, {"auths": {key: {"auth": _auth("me:secret")}}})
    found = await config.find("r.example", "team/app")
    assert found == Credential("me", "secret")
    assert found.source == f"{tmp_path}/config.json, {key}"
    assert await config.forget("r.example")
    assert await config.find("r.example") is None


async def test_credential_is_written_as_docker_does_and_the_rest_stays(tmp_path: Path):
    before = {"HttpHeaders": {"a": "b"}, "auths": {"x": {"auth": _auth("x:y")}}, "detachKeys": "ctrl-e,e"}
    config = _config(tmp_path, before)
    assert await config.keep("r.example", Credential("me", "secret")) == str(tmp_path / "config.json")
    written = json.loads((tmp_path / "config.json").read_text())
    assert written == before | {"auths": before["auths"] | {"r.example": {"auth": _auth("me:secret")}}}
    assert (tmp_path / "config.json").read_text().startswith('{\n\t"HttpHeaders": {\n\t\t"a": "b"\n\t},\n')
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600
    assert _names(tmp_path) == ["config.json"], "no draft is left behind"
    assert await config.find("r.example") == Credential("me", "secret")


async def test_file_and_folder_are_made_where_there_are_none(tmp_path: Path):
    await DockerConfig(tmp_path / "new" / "config.json").keep("docker.io", Credential("me", identity_token="t"))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    written = json.loads((tmp_path / "new" / "config.json").read_text())
    assert written == {"auths": {"https://index.docker.io/v1/": {"auth": _auth("me:"), "identitytoken": "t"}}}


async def test_podman_has_docker_hub_under_its_plain_name(tmp_path: Path):
    file = DockerConfig(tmp_path / "auth.json", podman=True)
    await file.keep("docker.io", Credential("me", "secret"))
    assert list(json.loads((tmp_path / "auth.json").read_text())["auths"]) == ["docker.io"]


async def test_symbolic_link_stays_one(tmp_path: Path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "config.json").write_text("{}")
    (tmp_path / "config.json").symlink_to(tmp_path / "real" / "config.json")
    await DockerConfig(tmp_path / "config.json").keep("r.example", Credential("me", "secret"))
    assert (tmp_path / "config.json").is_symlink()
    assert "r.example" in (tmp_path / "real" / "config.json").read_text()


async def test_other_spellings_of_a_registry_go_when_it_is_written(tmp_path: Path):
    old = {"https://r.example/v1/": {"auth": _auth("a:b")}, "r.example/team": {"auth": _auth("c:d")}}
    config = _config(tmp_path, {"auths": old})
    await config.keep("r.example", Credential("me", "secret"))
    assert set(json.loads((tmp_path / "config.json").read_text())["auths"]) == {"r.example", "r.example/team"}


async def test_logins_at_the_same_time_lose_none_of_each_other(tmp_path: Path):
    files = [_config(tmp_path, {"auths": {}}) for _ in range(8)]
    for file in files:
        assert await file.find("r0.example") is None  # each has read it before any has written it
    await asyncio.gather(*(file.keep(f"r{number}.example", Credential("me", "x")) for number, file in enumerate(files)))
    await files[0].forget("r7.example")
    found = json.loads((tmp_path / "config.json").read_text())["auths"]
    assert sorted(found) == [f"r{number}.example" for number in range(7)]


async def test_credential_goes_to_the_helper_and_not_into_the_file(tmp_path: Path, monkeypatch):
    log = install_helper(tmp_path, monkeypatch)
    config = _config(tmp_path, {"credHelpers": {"r.example": "test"}})
    assert await config.keep("r.example", Credential("me", "secret")) == (
        f"docker-credential-test ({tmp_path}/config.json)"
    )
    assert json.loads((tmp_path / "config.json").read_text())["auths"] == {"r.example": {}}
    assert await config.find("r.example") == Credential("me", "secret")
    assert await config.forget("r.example")
    assert await config.find("r.example") is None
    assert json.loads((tmp_path / "config.json").read_text())["auths"] == {}
    assert log.read_text().split("\n")[:-1] == [f"{verb} r.example" for verb in ("store", "get", "get", "erase", "get")]


async def test_identity_token_goes_to_the_helper_under_the_name_that_says_so(tmp_path: Path, monkeypatch):
    install_helper(tmp_path, monkeypatch)
    config = _config(tmp_path, {"credsStore": "test"})
    await config.keep("docker.io", Credential("me", identity_token="t"))
    assert await config.find("docker.io") == Credential(identity_token="t")


async def test_forgetting_takes_all_spellings_of_a_registry(tmp_path: Path):
    keys = ("https://index.docker.io/v1/", "docker.io", "https://registry-1.docker.io", "r.example", "docker.io/me")
    config = _config(tmp_path, {"auths": {key: {"auth": _auth("a:b")} for key in keys}})
    assert await config.forget("docker.io")
    assert list(json.loads((tmp_path / "config.json").read_text())["auths"]) == ["r.example", "docker.io/me"]
    assert not await config.forget("docker.io")


async def test_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path):
    (tmp_path / "in-the-way").write_text("")
    file = DockerConfig(tmp_path / "in-the-way" / "config.json")
    with pytest.raises(CredentialsError, match=r"in-the-way/config\.json: cannot be written"):
        await file.keep("r.example", Credential("me", "secret"))
