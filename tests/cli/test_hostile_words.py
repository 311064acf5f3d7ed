"""What registries and helpers say may neither steer the terminal nor fill it: a failure is a line, and a hint."""

import json
from collections.abc import Callable

import pytest

from tests.helper import install_script
from tests.stores.remote.stub import Asked, Reply, json_reply, refused, stub
from wherry.cli.failures import Manner, guarded, say, say_lines
from wherry.cli.tables import columns, one_line, printable
from wherry.oci import errors

EVIL = "no\x1b[31m way\n\nnow\r\x9b2J\x7f\u202e\u2066 end\x1b]0;title\x07"
SHOWN = r"no\x1b[31m way now \x9b2J\x7f\u202e\u2066 end\x1b]0;title\x07"
DIGEST = "sha256:" + "0" * 64


def is_harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def _bearer(asked: Asked) -> Reply:
    if asked.path == "/token":
        return refused(403, "DENIED", EVIL, EVIL)
    host = asked.headers["host"]
    return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{host}/token",service="x\x9b2J"'})


ANSWERS: dict[str, Callable[[Asked], Reply]] = {
    "unauthorized": lambda _: refused(401, "UNAUTHORIZED", EVIL),
    "challenged": lambda _: refused(401, "UNAUTHORIZED", EVIL, WWW_Authenticate='Basic realm="\x9b2J"'),
    "denied": lambda _: refused(403, "DENIED", EVIL, EVIL),
    "hint": lambda _: refused(400, "UNSUPPORTED", EVIL, {"hint": EVIL}),
    "code": lambda _: refused(400, EVIL, EVIL),
    "busy": lambda _: refused(400, "TOOMANYREQUESTS", EVIL, EVIL),
    "token server": _bearer,
    "realm": lambda _: Reply(401, {"WWW-Authenticate": 'Bearer realm="ftp://\x9b2J/"'}),
    "page": lambda _: Reply(404, {"Content-Type": "text/html; \x9b2J"}, b"<html>\x1b[31m\n\n</html>"),
    "type": lambda _: Reply(200, {"Content-Type": "a/b\x9b2J", "Docker-Content-Digest": DIGEST}, b"\x1b[31m"),
    "digest": lambda _: Reply(200, {"Docker-Content-Digest": "sha256:\x9b2J"}, b"{}"),
    "location": lambda _: Reply(307, {"Location": "http://127.0.0.1:1/\x9b2J"}),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("command", ["digest", "inspect", "check", "manifest inspect"])
async def test_words_of_a_registry_are_one_line_without_control(wherry, name: str, command: str) -> None:
    async with stub(lambda asked: json_reply({}) if asked.path == "/v2/" else ANSWERS[name](asked)) as server:
        done = await wherry(*command.split(), f"{server.address}/x/y:1")
    assert done.code == 1
    assert is_harmless(done.err), repr(done.err)
    assert is_harmless(done.out.decode())
    assert [line[:5] for line in done.err.splitlines()[1:]] in ([], ["try: "]), done.err


async def test_words_of_a_registry_are_told_with_their_control_made_visible(wherry) -> None:
    async with stub(lambda _: refused(401, "UNAUTHORIZED", EVIL)) as server:
        for command in (["digest", f"{server.address}/x/y:1"], ["login", "-u", "me", "-p", "x", server.address]):
            done = await wherry(*command)
            assert SHOWN in done.err, done.err
            assert is_harmless(done.err)


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_long_words_of_a_registry_are_cut(wherry, status: int) -> None:
    async with stub(lambda _: refused(status, "UNSUPPORTED", "never " * 5000, {"hint": "ever " * 5000})) as server:
        done = await wherry("digest", f"{server.address}/x/y:1")
    assert "never never" in done.err
    assert len(done.err) < 1500


@pytest.mark.parametrize(("path", "field"), [("/v2/_catalog", "repositories"), ("/v2/x/y/tags/list", "tags")])
@pytest.mark.parametrize("evil", [EVIL, "a\nb", "a\x9b2J", "\u202e"], ids=["all", "break", "c1", "bidi"])
async def test_names_in_lists_are_names(wherry, path: str, field: str, evil: str) -> None:
    async with stub(lambda asked: json_reply({field: ["1", evil]} if asked.path == path else {})) as server:
        done = await wherry("ls", server.address + ("/" if field == "repositories" else "/x/y"))
    assert done.code == 1
    assert is_harmless(done.err)
    assert is_harmless(done.out.decode())
    assert len(done.err.splitlines()) <= 2


async def test_words_of_a_credential_helper_are_one_line(wherry, tmp_path, monkeypatch) -> None:
    script = "#!/bin/sh\ncat >/dev/null\nprintf 'sealed\\033[31m\\n\\nvault\\302\\233'\nexit 1\n"
    install_script(tmp_path, monkeypatch, script)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text('{"credsStore": "test"}')
    async with stub(lambda _: Reply(401, {"WWW-Authenticate": 'Basic realm="x"'})) as server:
        done = await wherry("digest", f"{server.address}/x/y:1")
    assert r"sealed\x1b[31m vault\x9b" in done.err, done.err
    assert is_harmless(done.err)


async def test_a_limits_source_is_shown_without_control(wherry) -> None:
    limits = {"RateLimit-Limit": "100;w=60", "RateLimit-Remaining": "9;w=60", "Docker-RateLimit-Source": "me\x9b2J"}
    document = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    headers = {**limits, "Content-Type": str(document["mediaType"])}
    async with stub(lambda _: Reply(200, headers, json.dumps(document).encode())) as server:
        done = await wherry("ratelimit", f"{server.address}/x/y:1")
    assert b"9 of 100" in done.out
    assert is_harmless(done.out.decode())


def test_json_has_the_words_as_they_are() -> None:
    assert str(errors.StoreError(EVIL)) == EVIL


def test_every_failure_is_one_line(capsys) -> None:
    def fail() -> int:
        raise OSError(5, "broken\x1b[2J", "a\nb")

    guarded(fail, Manner())
    say("a \n\t b\u2028c")
    assert capsys.readouterr().err == "wherry: a b: broken\\x1b[2J\na b c\n"


def test_a_usage_keeps_its_lines(capsys) -> None:
    say_lines("one\n\ntwo\x1b[2J")
    assert capsys.readouterr().err == "one\n\ntwo\\x1b[2J\n"


@pytest.mark.parametrize("text", ["", "plain  text", "héllo ☃"])
def test_what_is_harmless_stays(text: str) -> None:
    assert one_line(text) == printable(text) == text
    assert columns([(text,)]) == [text]
