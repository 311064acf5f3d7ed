"""`wherry login` and `logout`, against registries that ask who is there, and with a helper that is a real program."""

import asyncio
import base64
import io
import json
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import at_a_terminal
from tests.helper import install_helper, install_script
from tests.stores.remote.guarded import Settings, basic_header, behind_basic, behind_tokens


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    """What stands on standard input."""

    def type_in(text: str | bytes) -> None:
        content = text.encode() if isinstance(text, str) else text
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    type_in("")
    return type_in


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write docker's configuration, beside a helper `test` that fails."""
    install_script(tmp_path, monkeypatch, "#!/bin/sh\ncat >/dev/null\necho the vault is sealed\nexit 1\n")

    def write(document: str) -> None:
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker" / "config.json").write_text(document)

    return write


def _config(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "docker" / "config.json").read_text())


def _auth(pair: str) -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
async def test_password_from_standard_input_is_checked_and_kept_as_docker_does(
    registry, wherry, typed, tmp_path, ending
) -> None:
    async with behind_basic(registry.address, "me", "sec:ret ") as server:
        typed(f"sec:ret {ending}")
        done = await wherry("login", server.address, "-u", "me", "--password-stdin")
        assert done.code == 0, done.err
        file = tmp_path / "docker" / "config.json"
        assert done.lines == [f"logged in to {server.address} as user 'me'; kept by {file}"]
        assert f"the password is in {file} as plain text" in done.err
        assert _config(tmp_path) == {"auths": {server.address: _auth("me:sec:ret ")}}
        assert file.stat().st_mode & 0o777 == 0o600
        assert (await wherry("ls", server.address)).code == 0


async def test_one_logs_in_to_the_registry_itself_whatever_stands_for_it(
    registry, wherry, tmp_path, monkeypatch
) -> None:
    conf = tmp_path / "registries.conf"
    monkeypatch.setenv("WHERRY_REGISTRIES_CONF", str(conf))
    async with behind_basic(registry.address, "me", "secret") as server:
        conf.write_text(f'[[registry]]\nprefix = "{server.address}"\nlocation = "{registry.address}/elsewhere"\n')
        done = await wherry("login", server.address, "-u", "me", "-p", "secret")
        assert done.code == 0, done.err
        assert (await wherry("login", server.address, "-u", "me", "-p", "wrong")).code == 1
    assert list(_config(tmp_path)["auths"]) == [server.address]


async def test_password_that_is_no_utf_8_is_sent_and_kept_as_it_is(registry, wherry, typed, tmp_path, config) -> None:
    async with behind_basic(registry.address, "me", "p\udcff") as server:
        typed(b"p\xff\n")
        assert (await wherry("login", server.address, "-u", "me", "--password-stdin")).code == 0
        assert _config(tmp_path)["auths"][server.address]["auth"] == base64.b64encode(b"me:p\xff").decode()
        assert (await wherry("ls", server.address)).code == 0
        (tmp_path / "docker" / "config.json").write_text('{"credsStore": "test"}')
        typed(b"p\xff\n")
        done = await wherry("login", server.address, "-u", "me", "--password-stdin")
    assert done.code == 1
    assert "docker-credential-test: takes JSON, in which a password must be UTF-8" in done.err


async def test_wrong_password_is_refused_and_nothing_is_kept(registry, wherry, typed, tmp_path) -> None:
    async with (
        behind_basic(registry.address, "me", "secret") as basic,
        behind_tokens(registry.address, Settings(password=basic_header("me", "secret"))) as tokens,
    ):
        for address in (basic.address, tokens.address):
            typed("wrong-password")
            done = await wherry("login", address, "-u", "me", "--password-stdin")
            assert (done.code, done.out) == (1, b"")
            assert done.err.startswith(f"wherry: {address}: ")
            assert "try: check the user name and the password" in done.err
            assert "wrong-password" not in done.err
    assert not (tmp_path / "docker").exists()


async def test_helper_keeps_the_password(registry, wherry, typed, tmp_path, monkeypatch) -> None:
    install_helper(tmp_path, monkeypatch)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text('{"credsStore": "test"}')
    async with behind_tokens(registry.address, Settings(password=basic_header("me", "secret"))) as server:
        typed("secret")
        done = await wherry("login", server.address, "-u", "me", "--password-stdin")
        assert (done.code, done.err) == (0, "")
        assert "kept by docker-credential-test" in done.lines[0]
        assert _config(tmp_path) == {"credsStore": "test", "auths": {server.address: {}}}
        assert (await wherry("ls", server.address)).code == 0
        assert (await wherry("logout", server.address)).lines == [f"logged out of {server.address}"]
        assert (await wherry("ls", server.address)).code == 1
        assert (await wherry("logout", server.address)).lines[0].startswith("not logged in")
    assert _config(tmp_path) == {"credsStore": "test", "auths": {}}


async def test_logout_is_not_hindered_by_what_is_wrong_elsewhere(wherry, tmp_path, monkeypatch) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {"r.example": _auth("a:b")}}))
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", "$NEVER_EXPANDED")
    done = await wherry("logout", "r.example")
    assert (done.code, done.lines) == (0, ["logged out of r.example"])


async def test_logout_whose_helper_is_missing_changes_nothing(wherry, tmp_path) -> None:
    (tmp_path / "docker").mkdir()
    document = {"credsStore": "none-such", "auths": {"registry.test": _auth("me:secret")}}
    (tmp_path / "docker" / "config.json").write_text(json.dumps(document))
    done = await wherry("logout", "registry.test")
    assert done.code == 1
    assert "docker-credential-none-such" in done.err
    assert _config(tmp_path) == document


async def test_identity_token_is_kept_in_the_passwords_place(registry, wherry, typed, tmp_path) -> None:
    fields = {"refresh_token": "identity", "expires_in": 300}
    async with behind_tokens(registry.address, Settings(fields=fields)) as server:
        typed("secret")
        done = await wherry("login", server.address, "-u", "me", "--password-stdin")
        assert "the identity token is in" in done.err
        assert _config(tmp_path)["auths"][server.address] == _auth("me:") | {"identitytoken": "identity"}
        assert (await wherry("ls", server.address)).code == 0
        assert server.queries[-1]["refresh_token"] == ["identity"]


async def test_file_of_registry_auth_file_is_written_and_read_first(
    registry, wherry, typed, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    (tmp_path / "docker").mkdir()
    async with behind_basic(registry.address, "me", "secret") as server:
        (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {server.address: _auth("you:other")}}))
        typed("secret")
        assert (await wherry("login", server.address, "-u", "me", "--password-stdin")).code == 0
        assert (await wherry("ls", server.address)).code == 0
        done = await wherry("logout", server.address)
        assert done.lines == [f"logged out of {server.address}"]
        assert "another credential" in done.err
        assert f"user 'you', is still in {tmp_path}/docker/config.json" in done.err
    assert json.loads((tmp_path / "auth.json").read_text()) == {"auths": {}}


@pytest.mark.parametrize("place", ["runtime", "settings"])
async def test_what_podman_login_left_is_found(registry, wherry, tmp_path, monkeypatch, place) -> None:
    monkeypatch.setenv({"runtime": "XDG_RUNTIME_DIR", "settings": "XDG_CONFIG_HOME"}[place], str(tmp_path / place))
    (tmp_path / place / "containers").mkdir(parents=True)
    async with behind_basic(registry.address, "me", "secret") as server:
        assert (await wherry("ls", server.address)).code == 1
        (tmp_path / place / "containers" / "auth.json").write_text(
            json.dumps({"auths": {server.address: _auth("me:secret")}})
        )
        assert (await wherry("ls", server.address)).code == 0


async def test_variable_with_credentials_counts_before_the_file_and_a_login_says_so(
    registry, wherry, typed, monkeypatch
) -> None:
    async with behind_basic(registry.address, "me", "secret") as server:
        monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps({"auths": {server.address: _auth("me:secret")}}))
        assert (await wherry("ls", server.address)).code == 0
        typed("secret")
        done = await wherry("login", server.address, "-u", "me", "--password-stdin")
        assert done.code == 0
        assert f"user 'me' in DOCKER_AUTH_CONFIG, {server.address} counts before it" in done.err
        monkeypatch.setenv("DOCKER_AUTH_CONFIG", "$NEVER_EXPANDED")
        done = await wherry("ls", server.address)
        assert done.code == 1
        assert "wherry: DOCKER_AUTH_CONFIG: it is not JSON" in done.err
        assert "try: mend DOCKER_AUTH_CONFIG, or unset it" in done.err


async def test_registry_that_lets_everybody_in_has_not_looked(registry, wherry, typed) -> None:
    typed("x")
    done = await wherry("login", registry.address, "-u", "me", "--password-stdin")
    assert done.code == 0
    assert "lets everybody in: it has not looked at the credential" in done.err


async def test_password_among_the_arguments_is_warned_of(registry, wherry) -> None:
    async with behind_basic(registry.address, "me", "secret") as server:
        done = await wherry("login", server.address, "-u", "me", "-p", "secret")
    assert done.code == 0
    assert "--password-stdin hides it" in done.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("-u", "me"), "no terminal to ask at"),
        ((), "no terminal to ask at"),
        (("--password-stdin",), "needs --username"),
        (("-u", "me", "-p", "x", "--password-stdin"), "exclude each other"),
        (("-u", "me", "--password-stdin"), "the password is empty"),
        (("-u", "", "-p", "x"), "the user name is empty"),
        (("-u", "a:b", "-p", "x"), "no colon"),
    ],
)
async def test_what_is_missing_is_said_before_anything_is_asked(wherry, typed, arguments, problem) -> None:
    done = await wherry("login", "registry.invalid", *arguments)
    assert done.code == 2
    assert problem in done.err


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("registry.example/team/app", "one logs in to a registry"),
        ("ftp://x", "host and port alone"),
        ("a b", "not of the form"),
    ],
)
async def test_what_is_no_registry_is_said(wherry, name, problem) -> None:
    for command in ("login", "logout"):
        done = await wherry(command, name)
        assert done.code == 1
        assert problem in done.err


@pytest.mark.parametrize("name", ["docker.io", "https://index.docker.io/v1/", "registry.docker.io"])
async def test_docker_hub_has_many_names(wherry, tmp_path, name) -> None:
    (tmp_path / "docker").mkdir()
    entries = {"https://index.docker.io/v1/": _auth("a:b"), "r.example": _auth("c:d")}
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": entries}))
    assert (await wherry("logout", name)).lines == ["logged out of docker.io"]
    assert list(_config(tmp_path)["auths"]) == ["r.example"]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ('{"credsStore": "never-installed"}', "docker-credential-never-installed, which "),
        ('{"credsStore": "test"}', "docker-credential-test: the vault is sealed"),
        ("{", "it is not JSON"),
        ('{"credHelpers": []}', "docker/config.json: credHelpers must be an object, not a list"),
    ],
)
async def test_place_that_cannot_keep_it_is_named(registry, wherry, config, document, problem) -> None:
    config(document)
    async with behind_basic(registry.address, "me", "secret") as server:
        done = await wherry("login", server.address, "-u", "me", "-p", "secret")
    assert done.code == 1
    assert problem in done.err


async def test_terminal_is_asked_and_does_not_show_the_password(registry, tmp_path) -> None:
    async with behind_basic(registry.address, "me", "secret") as server:
        answers, configuration = [b"me\n", b"secret\n"], str(tmp_path / "docker")
        code, shown = await asyncio.to_thread(
            at_a_terminal, ["login", server.address], answers, b":", DOCKER_CONFIG=configuration
        )
        assert code == 0
        assert f"user name at {server.address}" in shown
        assert "password" in shown
        assert "secret" not in shown
        assert _config(tmp_path) == {"auths": {server.address: _auth("me:secret")}}
