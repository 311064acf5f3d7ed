import base64
import json
import os
from pathlib import Path

import pytest

from wherry.oci.errors import CredentialsError
from wherry.stores.remote.credentials import Credential, DockerConfig, Fixed


def _auth(pair: str) -> str:
    return base64.b64encode(pair.encode()).decode()


def _config(folder: Path, document: object) -> DockerConfig:
    (folder / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return DockerConfig(folder / "config.json", patience=5)


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
        ({"auth": _auth("me:secret") + "\n"}, None),
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


async def test_helper_that_is_not_installed_is_anonymous(tmp_path: Path):
    assert await _config(tmp_path, {"credsStore": "never-installed"}).find("r.example") is None


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


def test_secrets_are_not_printed():
    credential = Credential("me", "secret1", "secret2", "secret3")
    assert repr(credential) == "Credential(username='me')"
    assert credential.who == "user 'me'"


async def test_fixed_credentials_are_found_by_registry():
    assert await Fixed({"r.example": Credential("me", "x")}).find("r.example") == Credential("me", "x")
    assert await Fixed({}).find("r.example") is None
