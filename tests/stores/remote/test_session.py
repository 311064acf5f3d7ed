"""Redirects, and answers that no registry should give."""

import pytest
from pyreqwest.http import Url

from tests.content import a_blob, an_image, put, read
from tests.stores.remote.guarded import behind_basic
from tests.stores.remote.stub import Asked, Reply, front, json_reply, refused, stub
from wherry.oci.errors import (
    ManifestInvalid,
    ManifestUnknown,
    NameUnknown,
    RegistryError,
    TooManyRequests,
    Unavailable,
    UnexpectedResponse,
)
from wherry.oci.reference import Reference, Tag
from wherry.stores.remote import Client
from wherry.stores.remote.credentials import Credential, Fixed
from wherry.stores.remote.reach import same_host
from wherry.stores.remote.retrying import Patience
from wherry.stores.remote.session import exchange_of

PAGE = b"<!DOCTYPE html>\n<html><body><h1>Welcome to nginx!</h1></body></html>"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_followed(registry, opened, status):
    image = an_image()
    await put(image, opened(registry.address), "v1")

    def redirected(asked):
        if asked.path.endswith("/manifests/v1"):
            return Reply(status, {"Location": f"http://{registry.address}{asked.path}?from=here"})
        return None

    async with front(registry.address, redirected) as server:
        assert await opened(server.address).manifest(Tag("v1")) == image.manifest


async def test_redirect_to_another_host_does_not_take_the_credentials_along(registry, opened):
    image = an_image()
    await put(image, opened(registry.address), "v1")
    blob = image.blobs[0].descriptor
    async with (
        front(registry.address) as storage,
        behind_basic(registry.address, "me", "secret") as server,
    ):
        inner = server.answer

        async def redirected(asked):
            if "/blobs/" in asked.path and asked.headers.get("authorization"):
                return Reply(307, {"Location": f"http://{storage.address}{asked.path}?signature=x"})
            return await inner(asked)

        server.answer = redirected
        repository = opened(server.address, credentials=Fixed({server.address: Credential("me", "secret")}))
        assert await repository.exists(blob)
        assert b"".join([piece async for piece in repository.fetch(blob)]) == image.blobs[0].content
    assert [asked.method for asked in storage.asked] == ["HEAD", "GET"]
    assert all("authorization" not in asked.headers for asked in storage.asked)


async def test_redirect_up_to_https_on_the_same_host_and_port_keeps_the_credentials_and_no_other_does():
    """Loopback stands for any host here; what counts is which of the two URLs get a header."""
    cases = {
        ("http://r.example/a", "https://r.example/b"): True,
        ("http://r.example:5000/a", "https://r.example:5000/b"): True,
        ("http://r.example:5000/a", "https://r.example:9999/b"): False,
        ("http://r.example/a", "https://r.example:8443/b"): False,
        ("https://r.example/a", "http://r.example/b"): False,
        ("https://r.example/a", "https://r.example:8443/b"): False,
        ("https://r.example/a", "https://cdn.r.example/b"): False,
        ("https://r.example/a", "https://r.example:443/b"): True,
    }
    assert {pair: same_host(Url(pair[0]), Url(pair[1])) for pair in cases} == cases


async def test_redirects_in_a_circle_end(opened):
    async with stub(lambda asked: Reply(307, {"Location": asked.target})) as server:
        with pytest.raises(UnexpectedResponse, match="more than 10 redirects"):
            await opened(server.address).manifest(Tag("v1"))


@pytest.mark.parametrize("location", [{}, {"Location": "ftp://x/y"}, {"Location": "http://[broken"}])
async def test_redirect_to_nowhere_is_an_error(opened, location):
    async with stub(lambda _: Reply(307, location)) as server:
        with pytest.raises(UnexpectedResponse, match="a redirect to"):
            await opened(server.address).manifest(Tag("v1"))


async def test_redirect_from_https_to_plain_http_is_not_followed(certified, opened):
    async with stub(
        lambda asked: json_reply({}) if asked.path == "/v2/" else Reply(307, {"Location": "http://registry.invalid/x"}),
        tls=certified.server,
    ) as server:
        with pytest.raises(UnexpectedResponse, match=r"HTTPS to plain HTTP at registry\.invalid"):
            await opened(server.address).manifest(Tag("v1"))


async def test_web_page_is_seen_behind_a_head(opened):
    async with stub(lambda _: Reply(404, {"Content-Type": "text/html"}, PAGE)) as server:
        with pytest.raises(UnexpectedResponse, match="no registry: a web page"):
            await opened(server.address).resolve(Tag("v1"))


QUESTIONS = {
    "manifest": lambda repository, _: repository.manifest(Tag("v1")),
    "tags": lambda repository, _: anext(repository.tags()),
    "ping": lambda _, registry: registry.ping(),
    "catalogue": lambda _, registry: anext(registry.repositories()),
}


@pytest.mark.parametrize("status", [200, 400, 404])
@pytest.mark.parametrize("headers", [{"Content-Type": "text/html; charset=utf-8"}, {}])
@pytest.mark.parametrize("question", QUESTIONS)
async def test_web_page_is_no_registry(opened, status, headers, question):
    async with stub(lambda _: Reply(status, headers, PAGE)) as server, Client() as client:
        with pytest.raises(UnexpectedResponse, match="no registry: a web page") as caught:
            await QUESTIONS[question](opened(server.address), client.registry(server.address))
        assert "nginx" not in str(caught.value)
        assert "check the host name and the port" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Reply(500, {}, b"oops"), Unavailable, "has trouble of its own"),
        (Reply(502, {"Content-Type": "text/html"}, PAGE), Unavailable, "has trouble of its own"),
        (refused(503, "UNAVAILABLE", "come back later"), Unavailable, "come back later"),
        (Reply(204), UnexpectedResponse, "no registry should give"),
        (Reply(418, {}, b"tea"), RegistryError, "418"),
        (refused(404, "NAME_UNKNOWN", "repository name not known"), NameUnknown, "no such repository"),
        (refused(404, "MANIFEST_UNKNOWN", "manifest unknown"), ManifestUnknown, "no such tag"),
        (Reply(404), ManifestUnknown, "no such tag"),
        (
            refused(400, "MANIFEST_INVALID", "manifest invalid", {"cause": "x", "hint": "do y"}),
            ManifestInvalid,
            "invalid",
        ),
    ],
)
async def test_refusal_is_one_line_with_request_and_status(opened, reply, kind, words):
    async with stub(lambda asked: json_reply({}) if asked.path == "/v2/" else reply) as server:
        with pytest.raises(kind, match=words) as caught:
            await opened(server.address).manifest(Tag("v1"))
    error = caught.value
    assert error.status == reply.status
    assert str(error.request) == f"GET http://{server.address}/v2/team/app/manifests/v1"
    assert str(error).startswith(f"{server.address}/team/app:v1: ")
    assert "\n" not in str(error)


async def test_registry_s_own_hint_and_detail_are_handed_on(opened):
    reply = refused(400, "MANIFEST_INVALID", "manifest invalid", {"cause": "x", "hint": "do y"})
    async with stub(lambda asked: json_reply({}) if asked.path == "/v2/" else reply) as server:
        with pytest.raises(ManifestInvalid) as caught:
            await opened(server.address).manifest(Tag("v1"))
    assert caught.value.hint == "do y"
    assert caught.value.detail == {"cause": "x", "hint": "do y"}
    assert caught.value.words == "manifest invalid"


async def test_body_of_an_error_is_read_up_to_a_limit(opened):
    async with stub(
        lambda asked: json_reply({}) if asked.path == "/v2/" else Reply(400, {}, b"x" * 65536, endless=True)
    ) as server:
        with pytest.raises(RegistryError):
            await opened(server.address).manifest(Tag("v1"))


def test_what_is_said_of_a_request_has_no_secrets():
    url = "https://me:secret@r.example/v2/a/blobs/uploads/1?_state=secret&digest=sha256:0&X-Amz-Signature=secret#secret"
    assert str(exchange_of("PUT", url)) == "PUT https://r.example/v2/a/blobs/uploads/1?digest=sha256%3A0"


async def test_one_client_serves_many_registries(registry, registry_factory):
    other = await registry_factory()
    async with Client() as client:
        for address in (registry.address, other.address):
            await put(an_image(), client.repository(Reference.parse(f"{address}/team/app")), "v1")
            assert [name async for name in client.registry(address).repositories()] == ["team/app"]


@pytest.mark.parametrize("status", [401, 403])
async def test_storage_that_refuses_is_named_and_not_the_user(registry, opened, status):
    async with stub(lambda _: Reply(status, {}, b"<Error><Code>AccessDenied</Code></Error>")) as storage:

        def moved(asked: Asked) -> Reply | None:
            return Reply(307, {"Location": f"http://{storage.address}/x?secret=1"}) if "/blobs/" in asked.path else None

        async with front(registry.address, moved) as server:
            credentials = Fixed({server.address: Credential("me", "secret")})
            with pytest.raises(
                RegistryError, match=f"{storage.address}, where the registry has sent us, refuses"
            ) as caught:
                await read(opened(server.address, credentials=credentials).fetch(a_blob(b"x").descriptor))
    assert caught.value.status == status
    assert "user" not in str(caught.value)
    assert "login" not in (caught.value.hint or "")
    assert "secret" not in str(caught.value)


async def test_redirects_in_a_circle_are_told_with_the_status_that_came(opened):
    async with stub(lambda asked: Reply(302, {"Location": asked.target})) as server:
        with pytest.raises(UnexpectedResponse, match="more than 10 redirects") as caught:
            await opened(server.address).manifest(Tag("v1"))
    assert caught.value.status == 302


@pytest.mark.parametrize(
    ("told", "said"), [("3600", "3600 s"), ("123456789", "123456789 s"), ("Thu, 01 Jan 1970 00:00:00 GMT", "0 s")]
)
async def test_wait_that_a_registry_asks_for_is_told_in_whole_seconds(opened, told, said):
    patience = Patience(tries=1)
    async with stub(lambda _: refused(429, "TOOMANYREQUESTS", Retry_After=told)) as server:
        with pytest.raises(TooManyRequests) as caught:
            await opened(server.address, patience=patience).manifest(Tag("v1"))
    assert caught.value.hint == f"the registry asks to wait {said}"
