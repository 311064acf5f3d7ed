"""`wherry doctor`: what it finds on the way to registries of every kind, and that it never writes."""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.content import an_image
from tests.stores.remote.guarded import Settings, basic_header, behind_basic, behind_tokens
from tests.stores.remote.stub import Asked, Reply, Stub, front, json_reply, listening, refused, stub


@pytest.fixture
def findings(wherry) -> Callable:
    """Run it with --json: the exit code, and the findings by what they are about (the last of each)."""

    async def run(place: str, *options: str) -> tuple[int, dict[str, dict]]:
        done = await wherry("doctor", "--json", place, *options)
        document = json.loads(done.out)
        assert document["works"] == (done.code == 0)
        assert all(each["hint"] for each in document["findings"] if each["state"] == "broken"), "each has a next step"
        return done.code, {each["about"]: each for each in document["findings"]}

    return run


def _log_in(tmp_path: Path, address: str, pair: str) -> None:
    (tmp_path / "docker").mkdir(exist_ok=True)
    auth = base64.b64encode(pair.encode()).decode()
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"auths": {address: {"auth": auth}}}))


@pytest.fixture
def certs_d(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Make the folder of a host in a certs.d that counts."""

    def make(address: str) -> Path:
        folder = tmp_path / "certs.d" / address
        folder.mkdir(parents=True)
        monkeypatch.setenv("WHERRY_CERTS_D", str(tmp_path / "certs.d"))
        return folder

    return make


def _only_reads(server: Stub) -> bool:
    return {asked.method for asked in server.asked} <= {"GET", "HEAD"}


async def test_registry_that_works(registry, wherry, pushed) -> None:
    await pushed(an_image(), "team/app:1")
    await pushed(an_image(), "team/app:2")
    async with front(registry.address) as server:
        done = await wherry("doctor", f"{server.address}/team/app")
        assert _only_reads(server)
    assert (done.code, done.err) == (0, "")
    told = {line[2:].split()[0]: line for line in done.lines}
    assert list(told) == [
        "route", "proxy", "address", "tls", "answer", "credential", "authorisation",
        "repository", "pages", "head", "rate-limit", "referrers", "catalogue", "uploads",
    ]  # fmt: skip
    assert not any(line.startswith("!") for line in done.lines)
    assert told["answer"].endswith(f"GET http://{server.address}/v2/ -> 200 (registry/2.0, granian)")
    assert str(an_image().manifest.digest) in told["head"]
    assert "it has the referrers API" in told["referrers"]
    assert "pages of the size" in told["pages"]
    assert told["uploads"].startswith("? ")


async def test_credential_is_told_by_its_source_and_never_itself(registry, wherry, findings, pushed, tmp_path) -> None:
    await pushed(an_image(), "team/app:1")
    settings = Settings(password=basic_header("me", "secret-word"))
    async with behind_tokens(registry.address, settings) as server:
        _log_in(tmp_path, server.address, "me:secret-word")
        code, found = await findings(f"{server.address}/team/app")
        assert code == 0
        assert found["credential"]["facts"] == {
            "who": "user 'me'",
            "source": f"{tmp_path}/docker/config.json, {server.address}",
        }
        assert found["authorisation"]["facts"]["realm"] == f"http://{server.tokens.address}/token"
        assert found["authorisation"]["facts"]["scopes"] == ["repository:team/app:pull"]
        done = await wherry("doctor", f"{server.address}/team/app")
        assert "secret-word" not in done.out.decode()
        assert base64.b64encode(b"me:secret-word").decode() not in done.out.decode()
        assert _only_reads(server.registry)


async def test_wrong_password_is_broken(registry, findings, tmp_path) -> None:
    async with behind_basic(registry.address, "me", "secret") as server:
        _log_in(tmp_path, server.address, "me:wrong")
        code, found = await findings(server.address)
    assert code == 1
    assert found["authorisation"]["state"] == "broken"
    assert "asked as user 'me'" in found["authorisation"]["text"]
    assert "wherry login" in found["authorisation"]["hint"]


async def test_registry_for_members_alone_is_no_fault_of_its_host(registry, findings) -> None:
    async with behind_basic(registry.address, "me", "secret") as server:
        code, found = await findings(server.address)
    assert code == 0
    assert found["authorisation"]["state"] == "note"
    assert "wherry login" in found["authorisation"]["hint"]


@pytest.mark.parametrize("text", ['{"credsStore": "never-installed"}', "{"])
async def test_credentials_that_do_not_work(registry, findings, tmp_path, text) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(text)
    code, found = await findings(registry.address)
    if text == "{":
        assert code == 1
        assert "it is not JSON" in found["credential"]["text"]
    else:
        assert code == 0
        assert "docker-credential-never-installed" in found["credential"]["text"]


async def test_certificates_are_shown_and_verified(registry, findings, certs_d, tmp_path) -> None:
    authority = Authority(tmp_path / "authority")
    async with front(registry.address, tls=authority.server()) as server:
        folder = certs_d(server.address)
        (folder / "ca.crt").write_bytes(authority.file.read_bytes())
        code, found = await findings(server.address)
    assert code == 0
    assert found["certificate"]["facts"]["subject"] == "CN=localhost"
    assert found["certificate"]["facts"]["issuer"] == "CN=authority"
    assert found["certificate"]["facts"]["names"] == ["localhost", "127.0.0.1"]
    assert found["certificate"]["state"] == "note", "it ends in two days"
    assert found["tls"]["facts"]["verified"] is True
    assert found["route"]["facts"]["certificates"] == [str(folder / "ca.crt")]


@pytest.mark.parametrize(("days", "problem"), [(-1, "has expired"), (2, "does not trust")])
async def test_certificate_that_is_not_taken_is_shown_all_the_same(findings, certs_d, tmp_path, days, problem) -> None:
    authority = Authority(tmp_path / "authority")
    async with stub(lambda _: json_reply({}), tls=authority.server(days=days)) as server:
        (certs_d(server.address) / "hosts.toml").write_text(f'server = "https://{server.address}"')
        code, found = await findings(server.address)
    assert code == 1
    assert problem in found["tls"]["text"]
    assert found["certificate"]["facts"]["issuer"] == "CN=authority"
    assert ("expired" in found["certificate"]["text"]) == (days < 0)


async def test_mirrors_are_tried_and_named_with_their_file(registry, findings, tmp_path, monkeypatch) -> None:
    conf = tmp_path / "registries.conf"
    async with stub(lambda _: Reply(raw=b"")) as bad:
        conf.write_text(
            f'[[registry]]\nlocation = "{registry.address}"\n[[registry.mirror]]\nlocation = "{bad.address}"\n'
        )
        monkeypatch.setenv("WHERRY_REGISTRIES_CONF", str(conf))
        code, found = await findings(registry.address)
    assert code == 0, "commands pass it over"
    assert found["mirror"]["state"] == "note"
    assert f"{bad.address}, by {conf}, does not work" in found["mirror"]["text"]
    assert found["route"]["facts"]["source"] == str(conf)


async def test_blocked_registry(findings, tmp_path, monkeypatch) -> None:
    (tmp_path / "registries.conf").write_text('[[registry]]\nprefix = "r.example"\nblocked = true\n')
    monkeypatch.setenv("WHERRY_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
    code, found = await findings("r.example/team/app")
    assert code == 1
    assert list(found) == ["route"]
    assert "blocked by" in found["route"]["text"]


async def test_proxy_is_named_without_its_password(findings, wherry, monkeypatch) -> None:
    async with stub(lambda _: Reply(407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:secret@{proxy.address}")
        code, found = await findings("registry.invalid")
        assert code == 1
        assert found["proxy"]["facts"] == {"proxy": proxy.address}
        assert "the proxy wants a user name and a password" in found["answer"]["text"]
        assert "secret" not in (await wherry("doctor", "registry.invalid")).out.decode()
        monkeypatch.setenv("NO_PROXY", ".invalid")
        code, found = await findings("registry.invalid")
        assert found["proxy"]["facts"] == {"proxy": None}
        assert "does not resolve" in found["address"]["text"]


async def test_certificate_is_looked_at_through_the_proxy(findings, certs_d, tmp_path, monkeypatch) -> None:
    authority = Authority(tmp_path / "authority")
    asked: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        host, _, port = server.address.rpartition(":")
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_piped(reader, inner_writer), _piped(inner_reader, writer))

    async with stub(lambda _: json_reply({}), tls=authority.server()) as server, listening(tunnel) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:sec%3Aret%40@{proxy}")
        (certs_d("registry.invalid") / "ca.crt").write_bytes(authority.file.read_bytes())
        code, found = await findings("registry.invalid")
    assert code == 1
    assert found["certificate"]["facts"]["issuer"] == "CN=authority"
    assert "is for another host name" in found["tls"]["text"]
    assert "address" not in found, "the proxy resolves the name"
    assert all(head.startswith(b"CONNECT registry.invalid:443 ") for head in asked)
    assert all(base64.b64encode(b"me:sec:ret@") in head for head in asked)


async def _piped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
    finally:
        writer.close()


async def test_web_page_and_other_servers_are_no_registries(findings) -> None:
    for reply, problem in (
        (Reply(200, {"Content-Type": "text/html"}, b"<html>"), "a web page"),
        (Reply(404), "where a registry answers 200 or 401"),
    ):
        async with stub(lambda _, reply=reply: reply) as server:
            code, found = await findings(server.address)
        assert code == 1
        assert problem in found["answer"]["text"]


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (403, "lets nobody in from here"),
        (429, "try again later"),
        (503, "try again later"),
        (404, "check the host name"),
    ],
)
async def test_greeting_that_is_a_refusal_comes_with_what_helps(findings, status, hint) -> None:
    async with stub(lambda _: Reply(status)) as server:
        code, found = await findings(server.address)
    assert code == 1
    assert found["answer"]["facts"]["status"] == status
    assert hint in found["answer"]["hint"]


async def test_challenge_that_nobody_can_meet_is_broken(findings) -> None:
    async with stub(lambda _: Reply(401, {"WWW-Authenticate": "NTLM"})) as server:
        code, found = await findings(server.address)
    assert code == 1
    assert found["authorisation"]["state"] == "broken"
    assert "wherry cannot do what it wants: 'NTLM'" in found["authorisation"]["text"]


async def test_token_server_that_is_not_there_is_told_from_the_registry(findings) -> None:
    async with stub(lambda _: None) as gone:
        pass
    challenge = f'Bearer realm="http://{gone.address}/token"'
    async with stub(lambda _: Reply(401, {"WWW-Authenticate": challenge})) as server:
        code, found = await findings(server.address)
    assert code == 1
    problem = f"{server.address}: its token server: {gone.address}: connection refused"
    assert found["authorisation"]["text"].startswith(problem)


async def test_what_a_registry_cannot_do_is_told_and_is_no_fault(registry, findings, pushed) -> None:
    await pushed(an_image(), "team/app:1")

    def limited(asked: Asked) -> Reply | None:
        if asked.method == "HEAD" or "/referrers/" in asked.path:
            return Reply(405 if asked.method == "HEAD" else 404)
        if "_catalog" in asked.path:
            return refused(401, "UNAUTHORIZED")
        if asked.path.endswith("/tags/list"):
            return json_reply({"name": "team/app", "tags": ["1", "2", "3"]})
        return None

    async with front(registry.address, limited) as server:
        code, found = await findings(f"{server.address}/team/app")
    assert code == 0
    assert {about: found[about]["facts"] for about in ("head", "referrers", "catalogue", "pages")} == {
        "head": {"head": False},
        "referrers": {"referrers": False},
        "catalogue": {"catalogue": False},
        "pages": {"honoursN": False},
    }


async def test_head_is_asked_as_images_are(registry, findings, pushed) -> None:
    def choosy(asked: Asked) -> Reply | None:
        """As distribution: an OCI manifest is there for those alone who accept it."""
        is_hidden = "/manifests/" in asked.path and "oci.image.manifest" not in asked.headers.get("accept", "")
        return Reply(404) if is_hidden else None

    await pushed(an_image(), "team/app:1")
    async with front(registry.address, choosy) as server:
        _, found = await findings(f"{server.address}/team/app")
        assert found["head"]["facts"] == {"head": True}
        _, found = await findings(f"{server.address}/team/app:none")
        assert found["head"]["text"] == "there is no tag none to ask for"
        assert found["head"]["facts"] == {"head": None}


async def test_what_fails_is_told_at_once_and_not_tried_again(registry, findings) -> None:
    def failing(asked: Asked) -> Reply | None:
        return Reply(503) if "/tags/" in asked.path else None

    async with front(registry.address, failing) as server:
        code, found = await findings(f"{server.address}/team/app")
        assert len([line for line in server.lines() if "/tags/" in line]) == 1
    assert code == 1
    assert "trouble of its own" in found["repository"]["text"]


async def test_rate_limit_is_shown(registry, findings, pushed) -> None:
    await pushed(an_image(), "team/app:1")
    async with front(registry.address) as server:
        inner = server.answer

        async def limited(asked: Asked) -> Reply:
            reply = await inner(asked)
            limits = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "0;w=21600"}
            return replace(reply, headers={**reply.headers, **limits})

        server.answer = limited
        code, found = await findings(f"{server.address}/team/app")
    assert code == 0
    assert found["rate-limit"]["state"] == "note"
    assert found["rate-limit"]["facts"] == {"limit": 100, "remaining": 0, "window": 21600}


async def test_repository_that_is_not_there(registry, findings) -> None:
    code, found = await findings(f"{registry.address}/team/none")
    assert code == 1
    assert "no such repository" in found["repository"]["text"]


async def test_repository_that_only_a_mirror_may_have_is_no_fault(
    registry_factory, findings, tmp_path, monkeypatch
) -> None:
    main, other = await registry_factory(), await registry_factory()
    conf = tmp_path / "registries.conf"
    conf.write_text(f'[[registry]]\nlocation = "{main.address}"\n[[registry.mirror]]\nlocation = "{other.address}"\n')
    monkeypatch.setenv("WHERRY_REGISTRIES_CONF", str(conf))
    code, found = await findings(f"{main.address}/team/app")
    assert code == 0
    assert found["repository"]["state"] == "note"
    assert "mirrors first" in found["repository"]["hint"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands note what registries do not do."""
    monkeypatch.setenv("WHERRY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


async def test_what_earlier_commands_have_noted_is_shown_and_forgotten_on_demand(
    registry, wherry, findings, pushed, cache
) -> None:
    def refusing(asked: Asked) -> Reply | None:
        return refused(405, "UNSUPPORTED") if asked.method == "POST" and "digest=" in asked.target else None

    source = await pushed(an_image(), "team/app:1")
    async with front(registry.address, refusing) as server:
        assert (await wherry("copy", "-q", source, f"{server.address}/team/other:1")).code == 0
        _, found = await findings(server.address)
        assert found["notes"]["facts"]["single_post"] is False
        assert "single post no" in found["notes"]["text"]
        for options in (["--forget"], []):
            _, found = await findings(server.address, *options)
            assert "notes" not in found


async def test_cache_that_cannot_be_written_is_no_failure(registry, wherry, pushed, cache) -> None:
    cache.write_text("not a folder")
    source = await pushed(an_image(), "team/app:1")
    done = await wherry("copy", "-q", source, f"{registry.address}/team/other:1")
    assert (done.code, done.err) == (0, "")
