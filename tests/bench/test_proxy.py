"""The benchmark's proxy: what it counts is what was asked, what comes out is what went in, and it comes late."""

import asyncio
import time
from collections import Counter

import pytest

from bench.distance import distant
from bench.driving import Line
from bench.proxy import Requests
from tests.content import an_image, put, read
from wherry.oci.reference import Reference, Tag
from wherry.server.running import Running
from wherry.stores.remote import Client

CONVERSATION = (
    b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
    b"POST /v2/a/b/blobs/uploads/ HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    b"PATCH /v2/a/b/blobs/uploads/1?state=2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"18\r\nGET / HTTP/1.1\r\n\r\nGET / \r\n3;x=y\r\nabc\r\n0\r\n\r\n"
    b"PUT /v2/a/b/manifests/1 HTTP/1.1\r\ncontent-length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    b"HEAD /v2/a/b/blobs/sha256:00 HTTP/1.1\r\n\r\nGET /v2/a/b/tags/list?n=1 HTTP/1.1\r\n\r\n"
)
ASKED = Counter(
    ["GET ping", "POST uploads", "PATCH uploads", "PUT manifests", "HEAD blobs", "GET tags"],
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, len(CONVERSATION)])
def test_requests_are_counted_however_the_bytes_come(size: int) -> None:
    counts: Counter[str] = Counter()
    requests = Requests(counts)
    for start in range(0, len(CONVERSATION), size):
        requests.see(CONVERSATION[start : start + size])
    assert counts == ASKED


def test_a_tls_greeting_is_counted_and_not_read() -> None:
    counts: Counter[str] = Counter()
    requests = Requests(counts)
    requests.see(b"\x16\x03\x01" + CONVERSATION)
    requests.see(CONVERSATION)
    assert counts == {"TLS greeting": 1}


async def test_content_passes_whole_and_each_request_is_late(registry: Running) -> None:
    image = an_image()
    with distant(registry.address, seconds=0.05) as proxy:
        async with Client() as client:
            repository = client.repository(Reference.parse(f"{proxy.addresses[0]}/team/app"))
            await put(image, repository, "1")
            proxy.asked()
            began = time.monotonic()
            assert await repository.manifest(Tag("1")) == image.manifest
            layer = image.blobs[1]
            assert await read(repository.fetch(layer.descriptor)) == layer.content
            assert time.monotonic() - began >= 0.1
        assert proxy.asked() == {"GET manifests": 1, "GET blobs": 1}


async def test_the_generators_connection_goes_through(registry: Running) -> None:
    with distant(registry.address, seconds=0) as proxy:
        line = await asyncio.to_thread(Line, proxy.addresses[0])
        answer = await asyncio.to_thread(line.ask, "GET", "/v2/", 200)
        assert answer.content == b"{}"
        with pytest.raises(SystemExit, match="404 where 200 was expected"):
            await asyncio.to_thread(line.ask, "GET", "/v2/absent/tags/list", 200)
        line.close()
