"""Which proxy a URL is reached through; and a real one in between."""

import asyncio
import base64

import pytest
from pyreqwest.http import Url

from tests.stores.remote.stub import Asked, Reply, json_reply, listening, stub
from wherry.oci.errors import RouteError, Unreachable
from wherry.stores.remote import Client
from wherry.stores.remote.hosts import Endpoint, Host, NoHosts, Route
from wherry.stores.remote.proxies import Proxies

BOTH = {"HTTPS_PROXY": "http://secure.example:3128", "HTTP_PROXY": "http://plain.example:3128"}


def _proxy(environment: dict[str, str], url: str) -> str | None:
    found = Proxies.of(environment).for_url(Url(url))
    return None if found is None else str(found).rstrip("/")


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        (BOTH, "https://r.example/v2/", "http://secure.example:3128"),
        (BOTH, "http://r.example/v2/", "http://plain.example:3128"),
        ({}, "https://r.example/v2/", None),
        ({"HTTPS_PROXY": "http://a"}, "http://r.example/v2/", None),
        ({"https_proxy": "http://a"}, "https://r.example/v2/", "http://a"),
        ({"HTTPS_PROXY": "http://a", "https_proxy": "http://b"}, "https://r.example/v2/", "http://a"),
        ({"ALL_PROXY": "http://a"}, "https://r.example/v2/", "http://a"),
        ({"ALL_PROXY": "http://a", "HTTPS_PROXY": "http://b"}, "https://r.example/v2/", "http://b"),
        ({"HTTPS_PROXY": "socks5://a:1080"}, "https://r.example/v2/", "socks5h://a:1080"),
        ({"all_proxy": "socks5h://a:1080"}, "http://r.example/v2/", "socks5h://a:1080"),
        ({"HTTPS_PROXY": "proxy:3128"}, "https://r.example/v2/", "http://proxy:3128"),
        ({"HTTP_PROXY": "http://a", "REQUEST_METHOD": "GET"}, "http://r.example/v2/", None),
        (BOTH, "http://localhost:5000/v2/", None),
        (BOTH, "https://127.0.0.1:5000/v2/", None),
        (BOTH, "https://[::1]:5000/v2/", None),
    ],
)
def test_proxy_for_a_url(environment: dict[str, str], url: str, proxy: str | None):
    assert _proxy(environment, url) == proxy


@pytest.mark.parametrize(
    ("without", "url", "is_direct"),
    [
        ("*", "https://r.example/", True),
        ("r.example", "https://r.example/", True),
        ("R.Example", "https://r.example/", True),
        ("r.example.", "https://r.example/", True),
        ("r.example", "https://sub.r.example/", True),
        ("r.example", "https://other.example/", False),
        ("r.example", "https://bar.example/", False),
        ("ar.example", "https://bar.example/", False),
        (".r.example", "https://sub.r.example/", True),
        (".r.example", "https://r.example/", False),
        ("*.r.example", "https://sub.r.example/", True),
        ("r.example:5000", "https://r.example:5000/", True),
        ("r.example:5000", "https://r.example/", False),
        ("r.example:443", "https://r.example/", True),
        ("r.example", "https://r.example:5000/", True),
        ("10.1.2.3", "https://10.1.2.3:5000/", True),
        ("1.2.3", "https://10.1.2.3/", False),
        ("2.3", "https://10.1.2.3/", False),
        ("10.1.2.3:5000", "https://10.1.2.3:5000/", True),
        ("10.1.2.3:5001", "https://10.1.2.3:5000/", False),
        ("10.0.0.0/8", "https://10.1.2.3:5000/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.0/8", "https://r.example/", False),
        ("10.0.0.0/99", "https://10.1.2.3/", False),
        ("fd00::/8", "https://[fd00::1]/", True),
        ("fd00::1", "https://[fd00::1]/", True),
        ("[fd00::1]:5000", "https://[fd00::1]:5000/", True),
        ("other.example, r.example", "https://r.example/", True),
        ("other.example r.example", "https://r.example/", True),
        (",, ,", "https://r.example/", False),
    ],
)
def test_no_proxy(without: str, url: str, is_direct: bool):
    for name in ("NO_PROXY", "no_proxy"):
        assert (_proxy(BOTH | {name: without}, url) is None) == is_direct


@pytest.mark.parametrize("text", ["http://", "socks://x:1080", "http://[broken", "ftp://x"])
def test_what_is_no_url_of_a_proxy_is_named_without_its_password(text: str):
    for name in ("HTTPS_PROXY", "ALL_PROXY"):
        with pytest.raises(RouteError, match=f"{name} is not the URL of an HTTP or SOCKS 5 proxy"):
            _proxy({name: text}, "https://r.example/")
    with pytest.raises(RouteError) as caught:
        _proxy({"HTTPS_PROXY": f"socks4://me:secret@{text}"}, "https://r.example/")
    assert "secret" not in f"{caught.value}{caught.value.hint}"


def test_passwords_are_not_printed():
    assert "secret" not in repr(Proxies.of({"HTTPS_PROXY": "http://me:secret@proxy"}))


async def test_proxy_gets_its_own_password_and_the_registry_does_not():
    async with stub(lambda asked: json_reply({"token": "t"})) as proxy:
        proxies = Proxies.of({"HTTP_PROXY": f"http://me:secret@{proxy.address}"})
        async with Client(proxies=proxies, hosts=Plain()) as client:
            await client.registry("registry.invalid:5000").ping()
    assert proxy.lines(pings=True) == ["GET http://registry.invalid:5000/v2/"] * 2
    expected = base64.b64encode(b"me:secret").decode()
    assert {asked.headers["proxy-authorization"] for asked in proxy.asked} == {f"Basic {expected}"}
    assert all("authorization" not in asked.headers for asked in proxy.asked)


class Plain(NoHosts):
    """Every registry speaks plain HTTP."""

    def route(self, registry: str, repository: str = "") -> Route:
        return Route(Endpoint(Host(registry, scheme="http")))


@pytest.mark.parametrize(
    ("status", "words"),
    [(407, "the proxy wants a user name and a password"), (403, "the proxy refuses, or cannot reach the registry")],
)
async def test_proxy_that_refuses_is_an_error_without_its_password(status: int, words: str):
    async with stub(lambda _: Reply(status)) as proxy:
        proxies = Proxies.of({"HTTPS_PROXY": f"http://me:secret@{proxy.address}"})
        async with Client(proxies=proxies) as client:
            with pytest.raises(Unreachable) as caught:
                await client.registry("registry.invalid").ping()
    assert str(caught.value) == f"registry.invalid, by way of the proxy {proxy.address}: {words}"
    assert "secret" not in f"{caught.value}{caught.value.hint}"


@pytest.mark.parametrize(
    ("scheme", "words"), [("http", "connection refused"), ("socks5", "the proxy cannot be reached")]
)
async def test_proxy_that_is_not_there_is_named(scheme, words):
    async with stub(lambda _: None) as gone:
        pass
    proxies = Proxies.of({"HTTPS_PROXY": f"{scheme}://me:secret@{gone.address}"})
    async with Client(proxies=proxies) as client:
        with pytest.raises(Unreachable, match=rf"the proxy {gone.address}: {words}") as caught:
            await client.registry("registry.invalid").ping()
    assert "secret" not in f"{caught.value}{caught.value.hint}"


async def test_proxy_that_asks_who_is_there_for_plain_http_is_not_taken_for_the_registry():
    async with stub(lambda _: Reply(407, {"Content-Type": "text/html"}, b"<html>squid</html>")) as proxy:
        proxies = Proxies.of({"HTTP_PROXY": f"http://{proxy.address}"})
        async with Client(proxies=proxies, hosts=Plain()) as client:
            with pytest.raises(Unreachable, match=f"the proxy {proxy.address}: the proxy wants a user name"):
                await client.registry("registry.invalid").ping()


async def test_insecure_registry_behind_a_proxy_that_tunnels_nowhere_is_asked_in_plain_http():
    def answer(asked: Asked) -> Reply:
        return Reply(403) if asked.method == "CONNECT" else json_reply({})

    async with stub(answer) as proxy:
        proxies = Proxies.of({"ALL_PROXY": f"http://{proxy.address}"})
        async with Client(proxies=proxies, insecure=True) as client:
            await client.registry("registry.invalid:5000").ping()
    assert proxy.lines(pings=True) == [
        "CONNECT registry.invalid:5000",
        *["GET http://registry.invalid:5000/v2/"] * 2,
    ]


async def test_socks_proxy_is_gone_through_and_looks_names_up_itself():
    named = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(b"\x05\x00")
        length = (await reader.readexactly(5))[4]
        named.append(await reader.readexactly(length + 2))
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with listening(talk) as address:
        proxies = Proxies.of({"HTTP_PROXY": f"socks5://{address}"})
        async with Client(proxies=proxies, hosts=Plain()) as client:
            await client.registry("registry.invalid:5000").ping()
    assert named == [b"registry.invalid" + (5000).to_bytes(2, "big")]
