"""TLS by Python's own library, for a certificate that the HTTP library's (rustls) takes from nobody.

A registry's certificate that vouches for itself is mostly marked as an authority (CA:TRUE): so OpenSSL makes it, and so do Docker's own
instructions. Who has it among the trusted authorities trusts it: so say OpenSSL and Go, and therefore docker, podman and crane. Rustls does
not, whoever trusts it, and cannot be told to. So what goes to such a host is handed to a relay in this process, which opens the
connection, with the certificate checked as strictly, and passes bytes on. The HTTP library speaks plain HTTP to it, by way of SOCKS 5,
because that tells the host and the port; a password that nobody else knows keeps others on this machine out.

Spec: RFC 1928 (SOCKS 5), RFC 1929 (its passwords); RFC 5280, 6.1: what is trusted is where a path begins.
"""

import asyncio
import secrets
import socket
import ssl
from contextlib import suppress
from tempfile import NamedTemporaryFile

from wherry.stores.remote.trust import Trust

__all__ = ["Relay"]

_PIECE = 256 * 1024  # bytes
_USER = b"wherry"
_DONE, _FAILED = 0, 1


class Relay:
    """The relay for one host. Takes connections as soon as it is made, on a running event loop; `connecting` is how many seconds one may take to stand.

    Raises:
        OSError: it cannot be had here.
    """

    def __init__(self, trust: Trust, connecting: float) -> None:
        self._context = _context(trust)
        self._connecting = connecting
        self._secret = secrets.token_hex(16).encode()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._talks: set[asyncio.Task[None]] = set()
        self._begun = asyncio.create_task(asyncio.start_server(self._taken, sock=self._socket, limit=_PIECE))
        self.refusal = ""
        """Why a certificate is not trusted here either, in OpenSSL's words."""

    @property
    def url(self) -> str:
        """Its address, as that of a proxy. It is a secret."""
        return f"socks5h://{_USER.decode()}:{self._secret.decode()}@127.0.0.1:{self._socket.getsockname()[1]}"

    async def close(self) -> None:
        """End it, and all connections that go through it."""
        server = await self._begun
        server.close()
        for talk in self._talks:
            talk.cancel()
        if self._talks:
            await asyncio.wait(self._talks)

    def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(self._talk(reader, writer))  # a task of asyncio's own complains when it is cancelled
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, EOFError, UnicodeError):  # the library sees the connection end, and says so
                await self._served(reader, writer)
        finally:
            writer.transport.abort()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(self._connecting):
            host, port = await self._asked(reader, writer)
            try:
                there = await asyncio.open_connection(host, port, ssl=self._context, server_hostname=host, limit=_PIECE)
            except OSError as error:
                if isinstance(error, ssl.SSLCertVerificationError):
                    self.refusal = error.verify_message
                writer.write(_answer(_FAILED))
                await writer.drain()
                raise
        self.refusal = ""
        writer.write(_answer(_DONE))
        ways = [asyncio.create_task(_pass_on(reader, there[1])), asyncio.create_task(_pass_on(there[0], writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            there[1].transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)
        writer.close()  # when all that is still to be written has left
        await writer.wait_closed()

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
        """Where a connection is to lead.

        Raises:
            ConnectionRefusedError: it is somebody else's.
        """
        await reader.readexactly((await reader.readexactly(2))[1])  # the methods that it knows
        writer.write(b"\x05\x02")  # user name and password
        user = await reader.readexactly((await reader.readexactly(2))[1])
        secret = await reader.readexactly((await reader.readexactly(1))[0])
        if not secrets.compare_digest(user + b":" + secret, _USER + b":" + self._secret):
            raise ConnectionRefusedError
        writer.write(b"\x01\x00")
        kind = (await reader.readexactly(4))[3]
        match kind:
            case 1:
                host = socket.inet_ntop(socket.AF_INET, await reader.readexactly(4))
            case 4:
                host = socket.inet_ntop(socket.AF_INET6, await reader.readexactly(16))
            case _:
                host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        return host, int.from_bytes(await reader.readexactly(2))


def _context(trust: Trust) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False  # as rustls and Go have it: RFC 9525, 4.1
    context.load_default_certs()
    for authority in trust.authorities:
        with suppress(ssl.SSLError):  # what it cannot read it does not trust; others in the file it has read by then
            context.load_verify_locations(cadata=authority.decode(errors="ignore"))
    if trust.identity:
        with NamedTemporaryFile() as file:  # which is for its owner alone
            file.write(trust.identity)
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _answer(code: int) -> bytes:
    return bytes((5, code, 0, 1, *bytes(6)))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
