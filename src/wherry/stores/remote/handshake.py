"""A TLS handshake to look at: what a host shows, whether it is trusted or not, also by way of a proxy."""

import asyncio
import base64
import ssl
from typing import Any
from urllib.parse import unquote

from msgspec import Struct
from pyreqwest.http import Url

from wherry.stores.remote.certificates import Certificate, read_certificate

__all__ = ["Shown", "shake_hands"]


class Shown(Struct, frozen=True):
    """`version` is as `TLSv1.3`; `chain` begins with the host's own certificate."""

    version: str
    chain: tuple[Certificate, ...]


async def shake_hands(host: str, port: int, proxy: Url | None, *, patience: float) -> Shown | None:
    """What a host shows, within `patience` seconds; None if no handshake comes about, or a SOCKS proxy is on the way.

    Why that is so is for the client to say: it meets the same.
    """
    if proxy is not None and proxy.scheme not in {"http", "https"}:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent or taken but certificates to look at
    try:
        async with asyncio.timeout(patience):
            if proxy is None:
                _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
            else:
                writer = await _by_way_of(proxy, host, port, context)
    except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError, UnicodeError):
        return None
    try:
        return _shown(writer.get_extra_info("ssl_object"))
    except ValueError:
        return None
    finally:
        writer.transport.abort()


async def _by_way_of(proxy: Url, host: str, port: int, context: ssl.SSLContext) -> asyncio.StreamWriter:
    secure = True if proxy.scheme == "https" else None
    reader, writer = await asyncio.open_connection(proxy.host_str, proxy.port_or_known_default, ssl=secure)
    try:
        lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
        if proxy.username:
            pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            secret = base64.b64encode(pair.encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {secret}")
        writer.write("\r\n".join([*lines, "", ""]).encode())
        _check(await reader.readuntil(b"\r\n\r\n"))
        await writer.start_tls(context, server_hostname=host)
    except BaseException:
        writer.transport.abort()
        raise
    return writer


def _check(head: bytes) -> None:
    if head.split(b" ", 2)[1:2] != [b"200"]:
        raise ConnectionError("the proxy refuses")


def _shown(connection: Any) -> Shown:
    own = connection.getpeercert(binary_form=True)
    # The whole chain is public from Python 3.13 on; before, the same is one attribute further in, or not there.
    inner = getattr(connection, "_sslobj", connection)
    get_chain = getattr(connection, "get_unverified_chain", None) or getattr(inner, "get_unverified_chain", None)
    found = [each if isinstance(each, bytes) else _der(each) for each in (get_chain() if get_chain else None) or [own]]
    return Shown(connection.version() or "", tuple(read_certificate(each) for each in found))


def _der(certificate: Any) -> bytes:
    text = certificate.public_bytes()  # PEM by default
    return ssl.PEM_cert_to_DER_cert(text) if isinstance(text, str) else bytes(text)
