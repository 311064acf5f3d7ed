"""The relay that speaks TLS in the HTTP library's place; `test_tls` has it at work."""

import asyncio

import pytest

from wherry.stores.remote.line import in_clear
from wherry.stores.remote.relay import Relay
from wherry.stores.remote.trust import SYSTEM


@pytest.mark.parametrize("password", [b"", b"wrong", b"0" * 32])
async def test_relay_serves_nobody_who_does_not_know_its_password(password):
    relay = Relay(SYSTEM, 5)
    port = int(relay.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x05\x01\x02\x01\x06wherry" + bytes([len(password)]) + password)
    assert await reader.read() == b"\x05\x02"
    writer.close()
    await relay.close()


async def test_relay_that_is_closed_lets_go_of_who_still_talks():
    relay = Relay(SYSTEM, 5)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(relay.url.rpartition(":")[2]))
    writer.write(b"\x05\x01\x02")
    assert await reader.readexactly(2) == b"\x05\x02"
    await relay.close()
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(
    ("url", "target", "host"),
    [
        ("https://r.example/v2/?n=1", "http://r.example:443/v2/?n=1", "r.example"),
        ("https://r.example:5000/v2/", "http://r.example:5000/v2/", "r.example:5000"),
        ("https://[fd00::1]:80/v2/", "http://[fd00::1]/v2/", "[fd00::1]:80"),
    ],
)
def test_url_leads_to_the_same_port_in_plain_http(url, target, host):
    assert in_clear(url) == (target, host)
