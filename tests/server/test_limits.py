"""What a client may take: sizes, numbers and times; each refusal says which limit it was."""

import asyncio

import pytest

from tests.server.asking import MANIFEST, ask, begin, connect, digest_of, exchange, head, parse, put
from wherry.server.listening import Limits
from wherry.server.policy import Policy


async def test_a_manifest_over_the_limit_is_413(registry_factory):
    registry = await registry_factory(policy=Policy(largest_manifest=100))
    answer = await put(registry, "a", "t", b'{"x": "' + b"x" * 100 + b'"}', MANIFEST)
    assert (answer.status, answer.codes) == (413, ["SIZE_INVALID"])
    assert "at most 100" in answer.json["errors"][0]["message"]


@pytest.mark.parametrize("way", ["post", "patch", "chunked", "put"])
@pytest.mark.parametrize("size", [101, 200_000])
async def test_a_blob_over_the_limit_is_413_and_nothing_of_it_stays(registry_factory, way, size):
    registry = await registry_factory(policy=Policy(largest_blob=100))
    content = bytes(size)
    if way == "post":
        answer = await ask(registry, "POST", f"/v2/a/blobs/uploads/?digest={digest_of(content)}", content)
    else:
        location = await begin(registry, "a")
        if way == "put":
            assert (await ask(registry, "PATCH", location, content[:60])).status == 202
            answer = await ask(registry, "PUT", f"{location}?digest={digest_of(content)}", content[60:])
        elif way == "chunked":
            answer = await ask(registry, "PATCH", location, chunks=[content[:99], content[99:]])
        else:
            answer = await ask(registry, "PATCH", location, content)
        assert (await ask(registry, "GET", location)).status == 404
    assert (answer.status, answer.codes) == (413, ["SIZE_INVALID"])
    assert list((registry.data / "uploads").iterdir()) == []


async def test_a_blob_as_large_as_the_limit_is_taken(registry_factory):
    registry = await registry_factory(policy=Policy(largest_blob=100))
    content = bytes(100)
    location = await begin(registry, "a")
    assert (await ask(registry, "PATCH", location, content[:50])).status == 202
    assert (await ask(registry, "PUT", f"{location}?digest={digest_of(content)}", content[50:])).status == 201


async def test_one_upload_more_than_the_limit_is_429_until_one_ends(registry_factory):
    registry = await registry_factory(policy=Policy(most_uploads=1))
    location = await begin(registry, "a")
    reader, writer = await connect(registry)
    writer.write(head("PATCH", location, [("Content-Length", "5"), ("Expect", "100-continue")]))
    assert b"100" in await reader.readuntil(b"\r\n\r\n")  # it waits for the body now
    refused = await ask(registry, "POST", "/v2/a/blobs/uploads/", b"")
    assert (refused.status, refused.codes, refused.header("Retry-After")) == (429, ["TOOMANYREQUESTS"], "5")
    assert (await ask(registry, "GET", location)).status == 204, "only what brings bytes counts"
    writer.write(b"12345")
    await reader.readuntil(b"\r\n\r\n")
    assert (await ask(registry, "POST", "/v2/a/blobs/uploads/", b"")).status == 202
    writer.close()


@pytest.mark.parametrize(
    ("policy", "said"),
    [(Policy(body_timeout=0.1), "nothing came for"), (Policy(longest_body=0.1), "the body took longer than")],
)
async def test_a_client_that_does_not_send_on_is_408(registry_factory, policy, said):
    registry = await registry_factory(policy=policy)
    location = await begin(registry, "a")
    answer = parse(await exchange(registry, head("PATCH", location, [("Content-Length", "5")]) + b"12"))
    assert (answer.status, answer.codes) == (408, ["BLOB_UPLOAD_INVALID"])
    assert said in answer.json["errors"][0]["message"]
    assert (await ask(registry, "GET", location)).header("Range") == "0-1", "what came is kept"


async def test_a_body_that_drips_ends_with_the_total_time(registry_factory):
    registry = await registry_factory(policy=Policy(body_timeout=60, longest_body=0.3))
    location = await begin(registry, "a")
    reader, writer = await connect(registry)
    writer.write(head("PATCH", location, [("Content-Length", "1000000")]))
    answer = asyncio.create_task(reader.readuntil(b"\r\n"))
    while not answer.done():
        writer.write(b"x")
        await asyncio.wait([answer], timeout=0.02)
    assert b" 408 " in answer.result()
    writer.close()


async def test_a_head_that_is_too_long_is_431(registry_factory):
    registry = await registry_factory(limits=Limits(header_size=8192))
    answer = await ask(registry, "GET", "/v2/", headers=[("X-Long", "x" * 20_000)])
    assert answer.status == 431
    assert (await ask(registry, "GET", "/v2/", headers=[("X-Long", "x" * 4000)])).status == 200


@pytest.mark.parametrize("sent", [b"", b"GET /v2/ HT"])
async def test_a_connection_that_sends_no_head_is_closed(registry_factory, sent):
    registry = await registry_factory(limits=Limits(header_time=0.2))
    assert parse_or_nothing(await exchange(registry, sent)) in (None, 408)


def parse_or_nothing(answer: bytes) -> int | None:
    return parse(answer).status if answer else None
