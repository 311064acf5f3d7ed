import asyncio
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.content import a_blob, an_image, pieces, put, read
from tests.stores.remote.guarded import Settings, basic_header, behind_basic, behind_tokens
from tests.stores.remote.stub import Asked, Reply, front, json_reply, refused, stub
from wherry.oci.errors import CredentialsError, Denied, TooManyRequests, Unauthorized, Unavailable, UnexpectedResponse
from wherry.oci.reference import Tag
from wherry.stores.remote import Client
from wherry.stores.remote.credential_files import DockerConfig
from wherry.stores.remote.credentials import Credential, Fixed
from wherry.stores.remote.hosts_files import HostFiles
from wherry.stores.remote.proxies import Proxies

ME = Credential("me", "secret")


async def test_basic_credentials_are_sent_once_they_are_asked_for(registry, opened):
    async with behind_basic(registry.address, "me", "secret") as server:
        repository = opened(server.address, credentials=Fixed({server.address: ME}))
        await put(an_image(), repository, "v1")
        assert [tag async for tag in repository.tags()] == ["v1"]
    assert [asked.headers.get("authorization") for asked in server.asked[:2]] == [None, basic_header("me", "secret")]
    assert all(asked.headers.get("authorization") for asked in server.asked[1:])


async def test_without_credentials_the_refusal_says_that_it_asked_anonymously(registry, opened):
    async with behind_basic(registry.address, "me", "secret") as server:
        with pytest.raises(Unauthorized) as caught:
            await opened(server.address).manifest(Tag("v1"))
    error = caught.value
    assert error.status == 401
    assert f"asked anonymously: no credentials for {server.address}" in str(error)
    assert "authentication required" in str(error)
    assert f"wherry login {server.address}" in (error.hint or "")


async def test_with_wrong_credentials_the_refusal_names_the_user_and_not_the_password(registry, opened):
    async with behind_basic(registry.address, "me", "secret") as server:
        wrong = Fixed({server.address: Credential("me", "wrong-password")})
        with pytest.raises(Unauthorized, match="asked as user 'me'") as caught:
            await opened(server.address, credentials=wrong).manifest(Tag("v1"))
    assert "wrong-password" not in f"{caught.value}{caught.value.hint}"
    assert len(server.lines()) == 1, "what was refused once is not tried again unchanged"


async def test_token_is_fetched_with_the_scopes_of_the_request(registry, opened):
    async with behind_tokens(registry.address) as server:
        repository = opened(server.address)
        assert not await repository.exists(a_blob(b"x").descriptor)
        await put(an_image(), repository, "v1")
        assert (await repository.manifest(Tag("v1"))).kind
    assert server.queries[0] == {"service": ["the-registry"], "scope": ["repository:team/app:pull"]}
    assert server.queries[1] == {"service": ["the-registry"], "scope": ["repository:team/app:pull,push"]}
    assert len(server.queries) == 2, "a token that covers more serves for less"


async def test_challenge_of_the_first_answer_saves_the_refusal_of_the_first_request(registry, opened):
    async with behind_tokens(registry.address) as server:
        with pytest.raises(Exception, match="no such tag"):
            await opened(server.address).manifest(Tag("v1"))
    assert [(asked.line, asked.headers.get("authorization")) for asked in server.registry.asked] == [
        ("GET /v2/", None),
        ("GET /v2/team/app/manifests/v1", "Bearer t1"),
    ]


async def test_password_goes_to_the_token_server_alone(registry, opened):
    async with behind_tokens(registry.address, Settings(password=basic_header("me", "secret"))) as server:
        repository = opened(server.address, credentials=Fixed({server.address: ME}))
        await put(an_image(), repository, "v1")
    assert server.queries[0]["account"] == ["me"]
    assert all(not asked.headers.get("authorization", "").startswith("Basic") for asked in server.registry.asked)


async def test_identity_token_is_traded_with_the_oauth2_form(registry, opened):
    async with behind_tokens(registry.address, Settings(name="access_token")) as server:
        credentials = Fixed({server.address: Credential(identity_token="my-identity")})
        await put(an_image(), opened(server.address, credentials=credentials), "v1")
    assert server.tokens.asked[0].method == "POST"
    assert server.queries[0] == {
        "grant_type": ["refresh_token"],
        "service": ["the-registry"],
        "client_id": ["wherry"],
        "scope": ["repository:team/app:pull,push"],
        "refresh_token": ["my-identity"],
    }


async def test_token_server_that_knows_only_oauth2_gets_the_password_in_a_form(registry, opened):
    async with behind_tokens(registry.address, Settings(name="access_token", methods=("POST",))) as server:
        await put(an_image(), opened(server.address, credentials=Fixed({server.address: ME})), "v1")
    assert [asked.method for asked in server.tokens.asked] == ["GET", "POST"]
    assert server.queries[1] == {
        "grant_type": ["password"],
        "username": ["me"],
        "password": ["secret"],
        "service": ["the-registry"],
        "client_id": ["wherry"],
        "scope": ["repository:team/app:pull,push"],
    }


async def test_token_server_that_knows_no_identity_tokens_gets_the_password_if_there_is_one(registry, opened):
    async with behind_tokens(registry.address, Settings(methods=("GET",))) as server:
        credentials = Fixed({server.address: Credential("me", "secret", identity_token="x")})
        await put(an_image(), opened(server.address, credentials=credentials), "v1")
    assert [asked.method for asked in server.tokens.asked] == ["POST", "GET"]
    assert server.tokens.asked[1].headers["authorization"] == basic_header("me", "secret")


async def test_token_server_without_any_known_method_is_named(registry, opened):
    async with behind_tokens(registry.address, Settings(methods=())) as server:
        with pytest.raises(UnexpectedResponse, match="its token server does not work"):
            await opened(server.address, credentials=Fixed({server.address: ME})).manifest(Tag("v1"))


class ByRepository:
    """A source with a user for each repository."""

    async def find(self, registry: str, repository: str = "") -> Credential | None:
        return Credential(repository.replace("/", "-"), "secret") if repository else None


async def test_each_repository_is_asked_for_with_its_own_credential(registry, opened):
    async with behind_tokens(registry.address) as server, Client(credentials=ByRepository()) as client:
        for name in ("team/app", "team/base"):
            for _ in range(2):
                await opened(server.address, name, client).exists(a_blob(b"x").descriptor)
    assert [query["account"] for query in server.queries] == [["team-app"], ["team-base"]]


async def test_helper_that_is_not_installed_means_anonymous_and_is_named_when_that_is_refused(
    registry, opened, tmp_path
):
    (tmp_path / "config.json").write_text('{"credsStore": "never-installed"}')
    config = DockerConfig(tmp_path / "config.json")
    assert [tag async for tag in _tags(opened(registry.address, credentials=config))] == []
    async with behind_basic(registry.address, "me", "secret") as server:
        with pytest.raises(Unauthorized, match="asked anonymously: docker-credential-never-installed, which"):
            await opened(server.address, credentials=config).manifest(Tag("v1"))


async def test_refresh_token_of_an_answer_replaces_the_identity_token(registry, opened):
    settings = Settings(fields={"refresh_token": "newer", "expires_in": 300})
    async with behind_tokens(registry.address, settings) as server:
        credentials = Fixed({server.address: Credential(identity_token="older")})
        repository = opened(server.address, credentials=credentials)
        await repository.exists(a_blob(b"x").descriptor)
        await put(an_image(), repository, "v1")
    assert [query["refresh_token"] for query in server.queries] == [["older"], ["newer"]]


async def test_registry_token_is_sent_as_it_is(registry, opened):
    async with behind_tokens(registry.address) as server:
        server.scopes["ready"] = ["repository:team/app:pull,push"]
        credentials = Fixed({server.address: Credential(registry_token="ready")})
        await put(an_image(), opened(server.address, credentials=credentials), "v1")
    assert server.queries == []


async def test_requests_that_need_the_same_token_fetch_it_once(registry, opened):
    settings = Settings(hold=asyncio.Event())
    async with behind_tokens(registry.address, settings) as server:
        repository = opened(server.address)
        blobs = [a_blob(bytes([number])).descriptor for number in range(8)]
        answers = asyncio.gather(*map(repository.exists, blobs))
        await settings.reached.wait()
        settings.hold.set()
        assert await answers == [False] * 8
    assert len(server.queries) == 1


@pytest.mark.parametrize(
    ("fields", "fetches"),
    [
        ({}, (1, 2)),
        ({"expires_in": 300}, (1, 2)),
        ({"expires_in": 1}, (2, 3)),
        ({"expires_in": "soon"}, (1, 2)),
        ({"expires_in": 10**400}, (1, 1)),
    ],
    ids=["unsaid", "five minutes", "a second", "no number", "for ever"],
)
async def test_token_lives_as_long_as_its_server_says_or_a_minute(registry, opened, monkeypatch, fields, fetches):
    now = [1000.0]
    monkeypatch.setattr("wherry.stores.remote.authorisation.time", SimpleNamespace(monotonic=lambda: now[0]))
    async with behind_tokens(registry.address, Settings(fields=fields)) as server:
        repository = opened(server.address)
        await repository.exists(a_blob(b"x").descriptor)
        now[0] += 40
        await repository.exists(a_blob(b"x").descriptor)
        assert len(server.queries) == fetches[0]
        now[0] += 300
        await repository.exists(a_blob(b"x").descriptor)
        assert len(server.queries) == fetches[1]


@pytest.mark.parametrize(
    ("issued", "fetches"),
    [
        ("1970-01-01T00:16:40Z", 1),  # now
        ("1970-01-01T00:12:30.123456789Z", 2),  # 250 s ago, of 300
        ("1970-01-01T00:00:00Z", 1),  # longer ago than it lives: one of the clocks is wrong
        ("1970-01-01T01:00:00Z", 1),  # in the future: the same
        ("yesterday", 1),
        (17, 1),
    ],
)
async def test_token_lives_from_when_it_was_made(registry, opened, monkeypatch, issued, fetches):
    now = [1000.0]
    clocks = SimpleNamespace(monotonic=lambda: now[0], time=lambda: now[0])
    monkeypatch.setattr("wherry.stores.remote.authorisation.time", clocks)
    async with behind_tokens(registry.address, Settings(fields={"expires_in": 300, "issued_at": issued})) as server:
        repository = opened(server.address)
        await repository.exists(a_blob(b"x").descriptor)
        now[0] += 45
        await repository.exists(a_blob(b"x").descriptor)
        assert len(server.queries) == fetches


async def test_token_that_is_refused_is_fetched_anew_once(registry, opened):
    async with behind_tokens(registry.address) as server:
        repository = opened(server.address)
        await repository.exists(a_blob(b"x").descriptor)
        server.revoke()
        assert not await repository.exists(a_blob(b"x").descriptor)
        assert len(server.queries) == 2


async def test_token_that_stays_refused_is_the_end(registry, opened):
    async with behind_tokens(registry.address, Settings(fields={"token": "never-good"})) as server:
        with pytest.raises(Unauthorized, match="anonymously"):
            await opened(server.address).manifest(Tag("v1"))
        assert len(server.registry.lines()) <= 2


async def test_token_that_is_refused_in_an_upload_is_fetched_anew_and_no_byte_is_lost(registry, opened):
    blob = a_blob(bytes(range(256)) * 4000)
    async with behind_tokens(registry.address) as server:
        repository, early = opened(server.address), server.registry.early

        def refused_once(asked: Asked) -> Reply | None:
            if asked.method == "PUT" and len(server.queries) == 1:
                server.revoke()
            return early(asked)

        server.registry.early = refused_once
        await repository.push(blob.descriptor, pieces(blob.content, 100_000))
        assert len(server.queries) == 2
        assert await read(repository.fetch(blob.descriptor)) == blob.content


async def test_mount_asks_for_both_repositories_in_one_token(registry, opened):
    blob = a_blob(b"shared")
    async with behind_tokens(registry.address) as server, Client() as client:
        origin = opened(server.address, "team/base", client)
        target = opened(server.address, "team/app", client)
        await origin.push(blob.descriptor, pieces(blob.content))
        assert await target.mount(blob.descriptor, origin)
    assert server.queries[-1]["scope"] == ["repository:team/app:pull,push", "repository:team/base:pull"]


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (
            refused(401, "UNAUTHORIZED", "incorrect username or password"),
            Unauthorized,
            "incorrect username or password",
        ),
        (Reply(403, {}, b"<html>"), Unauthorized, "its token server refused"),
        (json_reply({}), UnexpectedResponse, "answered without a token"),
        (Reply(200, {"Content-Type": "text/html"}, b"<html>log in</html>"), UnexpectedResponse, "without a token"),
        (json_reply({"token": "a\nb"}), UnexpectedResponse, "answered without a token"),
        (json_reply(["token"]), UnexpectedResponse, "answered without a token"),
        (Reply(500, {}, b""), Unavailable, "its token server: the registry has trouble of its own"),
    ],
)
async def test_token_server_that_does_not_help_is_named(registry, opened, reply, error, words):
    async with behind_tokens(registry.address, Settings(reply=reply)) as server:
        credentials = Fixed({server.address: ME})
        with pytest.raises(error, match=words) as caught:
            await opened(server.address, credentials=credentials).manifest(Tag("v1"))
        assert f"http://{server.tokens.address}/token" in str(caught.value)
        assert "scope" not in str(caught.value)


@pytest.mark.parametrize("realm", ["", "ftp://x/y", "not a url", "/relative"])
async def test_challenge_without_a_usable_token_server_is_an_error(opened, realm):
    challenge = f'Bearer realm="{realm}",service="s"'
    async with stub(lambda _: refused(401, "UNAUTHORIZED", WWW_Authenticate=challenge)) as server:
        with pytest.raises((Unauthorized, UnexpectedResponse)):
            await opened(server.address).manifest(Tag("v1"))


async def test_no_password_is_sent_to_a_token_server_in_plain_text(opened):
    challenge = 'Bearer realm="http://auth.example/token",service="s"'
    async with stub(lambda _: refused(401, "UNAUTHORIZED", WWW_Authenticate=challenge)) as server:
        credentials = Fixed({server.address: ME})
        with pytest.raises(Unauthorized, match="plain HTTP: no password is sent there"):
            await opened(server.address, credentials=credentials).manifest(Tag("v1"))


async def test_broken_configuration_is_an_error_only_where_credentials_are_asked_for(registry, opened, tmp_path):
    (tmp_path / "config.json").write_text("{broken")
    config = DockerConfig(tmp_path / "config.json")
    assert [tag async for tag in _tags(opened(registry.address, credentials=config))] == []
    async with behind_basic(registry.address, "me", "secret") as server:
        with pytest.raises(CredentialsError, match=r"config\.json: it is not JSON"):
            await opened(server.address, credentials=config).manifest(Tag("v1"))


async def _tags(repository):
    await put(an_image(), repository)
    async for tag in repository.tags():
        yield tag


async def test_denied_says_who_asked(opened):
    async with stub(lambda _: refused(403, "DENIED", "requested access to the resource is denied")) as server:
        with pytest.raises(Denied, match=r"the resource is denied.*asked anonymously"):
            await opened(server.address).manifest(Tag("v1"))


async def test_too_many_requests_says_how_long_to_wait(opened):
    async with stub(lambda _: refused(429, "TOOMANYREQUESTS", "pull rate limit", Retry_After="37")) as server:
        with pytest.raises(TooManyRequests, match="pull rate limit") as caught:
            await opened(server.address).manifest(Tag("v1"))
    assert caught.value.retry_after == 37
    assert "37 s" in (caught.value.hint or "")


async def test_login_checks_a_password_of_basic(registry):
    async with behind_basic(registry.address, "me", "secret") as server:
        async with Client(credentials=Fixed({server.address: ME})) as client:
            told = await client.registry(server.address).log_in()
        assert (told.credential, told.was_checked) == (ME, True)
        async with Client(credentials=Fixed({server.address: Credential("me", "wrong")})) as client:
            with pytest.raises(Unauthorized, match="asked as user 'me'"):
                await client.registry(server.address).log_in()


async def test_login_asks_for_an_identity_token_and_keeps_it_in_the_passwords_place(registry):
    settings = Settings(password=basic_header("me", "secret"), fields={"refresh_token": "keep-me"})
    async with behind_tokens(registry.address, settings) as server:
        async with Client(credentials=Fixed({server.address: ME})) as client:
            told = await client.registry(server.address).log_in()
        assert server.queries[0]["offline_token"] == ["true"]
        assert (told.credential, told.was_checked) == (Credential("me", identity_token="keep-me"), True)


async def test_login_where_everybody_may_enter_says_that_nothing_was_checked(registry):
    async with Client(credentials=Fixed({registry.address: ME})) as client:
        assert not (await client.registry(registry.address).log_in()).was_checked


async def test_token_server_that_has_moved_is_followed_and_keeps_the_password_only_on_its_own_host(registry, opened):
    async with behind_tokens(registry.address, Settings(password=basic_header("me", "secret"))) as server:

        def moved(asked: Asked) -> Reply:
            return Reply(302, {"Location": f"{base}{asked.target.replace('token', 'new-token')}"})

        token = server.tokens.answer
        server.tokens.answer = lambda asked: moved(asked) if asked.path == "/token" else token(asked)
        base = ""
        repository = opened(server.address, credentials=Fixed({server.address: ME}))
        assert not await repository.exists(a_blob(b"x").descriptor)
        assert [asked.path for asked in server.tokens.asked] == ["/token", "/new-token"]
        server.revoke()
        async with stub(token) as other:
            base = f"http://{other.address}"
            with pytest.raises(Unauthorized, match="its token server refused"):
                await repository.exists(a_blob(b"x").descriptor)
            assert "authorization" not in other.asked[0].headers


@pytest.mark.parametrize(
    ("status", "location", "problem"),
    [
        (307, "/token", "more than 10 redirects"),
        (307, "http://127.0.0.1:1/elsewhere", "does not work"),
        (303, "/elsewhere", "does not work"),
        (302, "", "does not work"),
        (302, "ftp://127.0.0.1/", "does not work"),
    ],
)
async def test_identity_token_is_taken_to_no_other_host_and_nowhere_for_ever(
    registry, opened, status, location, problem
):
    reply = Reply(status, {"Location": location})
    async with behind_tokens(registry.address, Settings(reply=reply)) as server:
        credentials = Fixed({server.address: Credential(identity_token="my-identity")})
        with pytest.raises(UnexpectedResponse, match=f"its token server:? {problem}"):
            await opened(server.address, credentials=credentials).manifest(Tag("v1"))


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="Gesch\xc3\xbctzter Bereich"',
        'Basic realm="\xe9"',
        'Bearer realm="\xe9"\r\nWWW-Authenticate: Basic',
    ],
    ids=["UTF-8", "Latin-1", "several"],
)
async def test_challenge_with_words_beyond_ascii_is_one_for_the_password(registry, opened, challenge):
    def checked(asked: Asked) -> Reply | None:
        if asked.headers.get("authorization") == basic_header("me", "secret"):
            return None
        return Reply(401, {"WWW-Authenticate": challenge})

    async with front(registry.address, checked) as server:
        assert not await opened(server.address, credentials=Fixed({server.address: ME})).exists(a_blob(b"x").descriptor)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, r"it does not say how to log in"),
        ({"WWW-Authenticate": 'NTLM, Bearer error="x"'}, "wherry cannot do what it wants: 'NTLM, Bearer error=\"x\"'"),
    ],
    ids=["nothing", "NTLM"],
)
async def test_credential_that_is_not_asked_for_is_not_said_to_have_been_shown(opened, headers, reason):
    async with stub(lambda _: Reply(401, headers)) as server:
        with pytest.raises(Unauthorized, match=reason) as caught:
            await opened(server.address, credentials=Fixed({server.address: ME})).manifest(Tag("v1"))
    assert "asked anonymously" in str(caught.value)
    assert "me" not in (caught.value.hint or "").split()
    assert all("authorization" not in asked.headers for asked in server.asked)


async def test_scope_that_a_registry_asks_for_under_another_name_is_asked_for(opened):
    async with stub(lambda _: json_reply({"token": "t"})) as tokens:

        def checked(asked: Asked) -> Reply:
            if asked.path == "/v2/" or asked.headers.get("authorization") == "Bearer t":
                return json_reply({"tags": []})
            scope = "repository:inner/team/app:pull"
            return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/token",scope="{scope}"'})

        async with stub(checked) as server:
            assert [tag async for tag in opened(server.address).tags()] == []
    assert parse_qs(urlsplit(tokens.asked[0].target).query)["scope"] == [
        "repository:inner/team/app:pull",
        "repository:team/app:pull",
    ]


async def test_token_that_is_refused_without_a_challenge_is_fetched_anew(registry, opened):
    async with behind_tokens(registry.address) as server:
        inner = server.registry.early
        repository = opened(server.address)
        await repository.exists(a_blob(b"x").descriptor)
        server.revoke()

        def mute(asked: Asked) -> Reply | None:
            return Reply(401) if inner(asked) is not None else None

        server.registry.early = mute
        assert not await repository.exists(a_blob(b"x").descriptor)
    assert len(server.queries) == 2


async def test_token_server_of_a_registry_that_a_file_calls_insecure_may_speak_plain_http_too(tmp_path):
    """All goes by way of one proxy: names that are not of this machine have to be reached somehow."""

    def answer(asked: Asked) -> Reply:
        if asked.method == "CONNECT":
            return Reply(403)
        if asked.path == "http://r.invalid:5001/token":
            return json_reply({"token": "t"})
        if asked.headers.get("authorization") == "Bearer t":
            return json_reply({})
        return Reply(401, {"WWW-Authenticate": 'Bearer realm="http://r.invalid:5001/token"'})

    file = tmp_path / "registries.conf"
    file.write_text('[[registry]]\nlocation = "r.invalid:5000"\ninsecure = true\n')
    async with stub(answer) as proxy:
        proxies, hosts = Proxies(rest=f"http://{proxy.address}"), HostFiles(registries=[file])
        async with Client(credentials=Fixed({"r.invalid:5000": ME}), proxies=proxies, hosts=hosts) as client:
            await client.registry("r.invalid:5000").ping()
    tokens = [asked for asked in proxy.asked if asked.path == "http://r.invalid:5001/token"]
    assert [asked.headers["authorization"] for asked in tokens] == [basic_header("me", "secret")]
