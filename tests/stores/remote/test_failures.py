"""Each way not to be answered, provoked for real: the class that is raised, and the one line that it says."""

import asyncio
import os
import socket
from contextlib import ExitStack

import pytest

from tests.peers import free_port
from tests.stores.remote.conftest import Certified
from tests.stores.remote.stub import Asked, Reply, front, json_reply, listening, refused, stub
from wherry.oci.errors import (
    ConnectionFailed,
    PlainHTTP,
    RegistryError,
    RouteError,
    TimedOut,
    TLSFailed,
    Unreachable,
)
from wherry.oci.reference import Tag
from wherry.stores.remote import Client
from wherry.stores.remote.retrying import Patience
from wherry.stores.remote.transport import Transport


async def _failure(address: str, **options) -> Unreachable:
    async with Client(connect_timeout=2, silence=2, **options) as client:
        with pytest.raises(Unreachable) as caught:
            await client.registry(address).ping()
    error = caught.value
    assert error.registry == address
    assert str(error).startswith(f"{address}: ")
    assert "\n" not in str(error)
    return error


@pytest.mark.parametrize("options", [{}, {"loopback": "tls"}, {"insecure": True}])
async def test_closed_port_refuses_the_connection(options: dict):
    error = await _failure(f"127.0.0.1:{free_port()}", **options)
    assert type(error).__mro__[1] is ConnectionFailed
    assert "connection refused" in str(error)
    assert error.hint == "check the host and the port"


async def test_unknown_name_does_not_resolve():
    error = await _failure("registry.invalid")
    assert isinstance(error, ConnectionFailed)
    assert str(error) == "registry.invalid: the host name does not resolve"


async def test_plain_http_where_tls_is_asked_for_is_named():
    async with stub(lambda _: json_reply({})) as server:
        error = await _failure(server.address, loopback="tls")
        assert isinstance(error, PlainHTTP)
        assert "plain HTTP" in str(error)
        assert "--insecure" in (error.hint or "")


async def test_our_own_registry_is_named_as_plain_http(registry):
    assert isinstance(await _failure(registry.address, loopback="tls"), PlainHTTP)


async def test_neither_tls_nor_http_is_not_called_plain_http():
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with listening(babble) as address:
        error = await _failure(address, loopback="tls")
        assert isinstance(error, TLSFailed)
        assert not isinstance(error, PlainHTTP)
        error = await _failure(address)
        assert isinstance(error, ConnectionFailed)
        assert "does not speak HTTP" in str(error)


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(100):
        pass


async def test_server_that_hangs_up_is_told_from_one_that_is_silent():
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    async with listening(hang_up) as address:
        assert "closed before the answer" in str(await _failure(address))
        assert "TLS handshake broke off" in str(await _failure(address, loopback="tls"))
    async with listening(_silent) as address:
        error = await _failure(address)
        assert isinstance(error, TimedOut)
        assert "silent for 2 s" in str(error)


async def test_silence_is_told_as_silence_whatever_was_asked(opened):
    """HEAD has another limit than the rest, which pyreqwest tells as a connection that could not be made."""

    async def never(asked: Asked) -> Reply:
        if "/manifests/" in asked.path:
            await asyncio.Event().wait()
        return Reply()

    async with stub(never) as server:
        repository = opened(server.address, silence=0.2, connect_timeout=7, patience=Patience(tries=1))
        for asked in (repository.resolve, repository.manifest):
            with pytest.raises(TimedOut, match=r"silent for 0\.2 s"):
                await asked(Tag("v1"))


async def test_connection_that_is_never_made_is_told_from_silence():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        with ExitStack() as waiting:
            for _ in range(4):
                one = waiting.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            transport = Transport(connect_timeout=0.2, silence=5)
            for method in ("HEAD", "GET"):
                with pytest.raises(TimedOut, match=r"no connection within 0\.2 s"):
                    await transport.send(method, f"http://127.0.0.1:{port}/", {}, None, place="r.example", verify=True)
            await transport.close()


async def test_handshake_that_is_never_answered_times_out():
    async with listening(_silent) as address:
        assert isinstance(await _failure(address, loopback="tls"), TimedOut)


async def _checked(url: str) -> int:
    """The status of a GET whose server must have a certificate that is trusted."""
    transport = Transport(connect_timeout=5, silence=5)
    try:
        answer = await transport.send("GET", url, {}, None, place="r.example", verify=True)
        await answer.close()
        return answer.status
    finally:
        await transport.close()


async def test_certificate_of_an_unknown_authority_is_not_trusted(certified: Certified):
    async with stub(lambda _: json_reply({}), tls=certified.server) as server:
        with pytest.raises(TLSFailed) as caught:
            await _checked(f"https://{server.address}/v2/")
    assert str(caught.value) == "r.example: the certificate is signed by an authority that this machine does not trust"
    assert "--insecure" in (caught.value.hint or "")


async def test_certificate_of_another_name_is_not_trusted(certified: Certified, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certified.authority))
    async with stub(lambda _: json_reply({}), tls=certified.server, host="127.0.0.2") as server:
        with pytest.raises(TLSFailed, match="the certificate is for another host name"):
            await _checked(f"https://{server.address}/v2/")


async def test_authority_named_by_ssl_cert_file_is_trusted(certified: Certified, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certified.authority))
    async with stub(lambda _: json_reply({}), tls=certified.server) as server:
        assert await _checked(f"https://{server.address}/v2/") == 200


async def test_machine_without_authorities_is_told_as_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    async with Client() as client:
        with pytest.raises(RouteError, match="this machine has no certificates of authorities") as caught:
            await client.registry("registry.invalid").ping()
    assert "ca-certificates" in (caught.value.hint or "")


async def test_registry_on_loopback_may_speak_tls(certified: Certified):
    async with stub(lambda _: json_reply({}), tls=certified.server) as server:
        for options in ({}, {"loopback": "tls"}, {"insecure": True}):
            async with Client(**options) as client:
                await client.registry(server.address).ping()


async def test_way_is_found_once(registry):
    async with front(registry.address) as server, Client() as client:
        await client.registry(server.address).ping()
        await asyncio.gather(*(client.registry(server.address).ping() for _ in range(5)))
    assert server.lines(pings=True) == ["GET /v2/"] * 7


async def test_tls_port_that_answers_plain_http_with_400_is_spoken_to_with_tls(certified: Certified):
    """As the servers of Go and nginx do it: they look at the first byte."""
    async with stub(lambda _: json_reply({}), tls=certified.server) as inner:

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            first = await reader.read(1000)
            if first.startswith(b"GET"):
                writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
                writer.close()
                return
            host, _, port = inner.address.rpartition(":")
            inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
            inner_writer.write(first)
            await asyncio.gather(_piped(reader, inner_writer), _piped(inner_reader, writer))

        async with listening(connected) as address, Client() as client:
            await client.registry(address).ping()
    assert inner.lines(pings=True) == ["GET /v2/"] * 2


async def _piped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
    finally:
        writer.close()


async def test_registry_that_answers_400_to_everything_is_not_taken_for_tls():
    async with stub(lambda _: refused(400, "UNKNOWN", "no")) as server, Client() as client:
        with pytest.raises(RegistryError, match="no") as caught:
            await client.registry(server.address).ping()
    assert caught.value.status == 400


async def test_connection_that_went_stale_is_made_anew():
    """The server answers once and hangs up when it is asked again on the same connection."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        await reader.read(100)
        writer.transport.abort()

    async with listening(connected) as address, Client() as client:
        for _ in range(4):
            await client.registry(address).ping()


async def test_silence_in_the_middle_of_a_body_is_a_time_out(opened):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            ping = head.startswith(b"GET /v2/ ")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n{}" % (2 if ping else 100))

    async with listening(talk) as address:
        with pytest.raises(TimedOut, match=r"silent for 0\.3 s"):
            await opened(address, silence=0.3).manifest(Tag("v1"))


async def test_client_speaks_http_1_with_its_own_name_and_says_nothing_of_compression(registry):
    async with front(registry.address) as server, Client() as client:
        await client.registry(server.address).ping()
    headers = server.asked[0].headers
    assert headers["user-agent"].startswith("wherry/")
    assert "accept-encoding" not in headers
    assert "referer" not in headers
