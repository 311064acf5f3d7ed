"""`wherry ratelimit`: what a registry says of it, in its own headers."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.content import an_image
from tests.stores.remote.guarded import behind_basic
from tests.stores.remote.stub import Asked, Reply, Stub, front

HUB = {
    "RateLimit-Limit": "100;w=21600",
    "RateLimit-Remaining": "76;w=21600",
    "Docker-RateLimit-Source": "192.0.2.7",
}


@asynccontextmanager
async def limiting(registry: str, headers: Mapping[str, str]) -> AsyncIterator[Stub]:
    """A registry whose answers about manifests have these headers too."""
    async with front(registry) as server:
        inner = server.answer

        async def answer(asked: Asked) -> Reply:
            reply = await inner(asked)
            return replace(reply, headers={**reply.headers, **headers}) if "/manifests/" in asked.path else reply

        server.answer = answer
        yield server


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        (HUB, "76 of 100 pulls left, in 6 h (counted for 192.0.2.7)"),
        ({"RateLimit-Limit": "200;w=60", "RateLimit-Remaining": "0;w=60"}, "0 of 200 pulls left, in 1 min"),
        ({"RateLimit-Limit": "10;w=90", "RateLimit-Remaining": "7"}, "7 of 10 pulls left, in 90 s"),
        ({"RateLimit-Limit": "10", "RateLimit-Remaining": "7"}, "7 of 10 pulls left"),
    ],
)
async def test_limit_is_shown_and_asking_counts_as_no_pull(registry, wherry, pushed, headers, words) -> None:
    await pushed(an_image(), "team/app:1")
    async with limiting(registry.address, headers) as server:
        done = await wherry("ratelimit", f"{server.address}/team/app:1")
        assert (done.code, done.err) == (0, "")
        assert done.lines == [f"{server.address}: {words}"]
        assert server.lines() == ["HEAD /v2/team/app/manifests/1"]


async def test_limit_as_json(registry, wherry, pushed) -> None:
    await pushed(an_image(), "team/app:1")
    async with limiting(registry.address, HUB) as server:
        done = await wherry("ratelimit", "--json", f"{server.address}/team/app:1")
        assert json.loads(done.out) == {
            "registry": server.address,
            "limit": 100,
            "remaining": 76,
            "window": 21600,
            "source": "192.0.2.7",
        }


@pytest.mark.parametrize("headers", [{}, {"RateLimit-Limit": "many"}, {"RateLimit-Remaining": "7"}])
async def test_registry_that_tells_none_is_no_failure(registry, wherry, pushed, headers) -> None:
    await pushed(an_image(), "team/app:1")
    async with limiting(registry.address, headers) as server:
        done = await wherry("ratelimit", f"{server.address}/team/app:1")
        assert (done.code, done.lines) == (0, [f"{server.address} tells no rate limit"])
        done = await wherry("ratelimit", "--json", f"{server.address}/team/app:1")
        assert json.loads(done.out)["limit"] is None


async def test_image_need_not_be_there(registry, wherry) -> None:
    async with limiting(registry.address, HUB) as server:
        done = await wherry("ratelimit", f"{server.address}/team/none")
        assert (done.code, done.lines[0].split(" (")[0]) == (0, f"{server.address}: 76 of 100 pulls left, in 6 h")


async def test_registry_that_lets_nobody_in_is_a_failure(registry, wherry) -> None:
    async with behind_basic(registry.address, "me", "secret") as server:
        done = await wherry("ratelimit", f"{server.address}/team/app")
    assert done.code == 1
    assert "not authorised" in done.err


@pytest.mark.parametrize("command", ["ratelimit", "doctor"])
async def test_place_on_this_machine_is_refused(wherry, command) -> None:
    done = await wherry(command, "oci:images:1")
    assert (done.code, done.out) == (1, b"")
    assert (
        done.err
        == "wherry: bad reference 'oci:images:1': a place on this machine, where one in a registry is expected\n"
    )


@pytest.mark.parametrize("headers", [{}, HUB])
async def test_registry_that_refuses_for_too_many_requests_is_only_asked_what_it_tells(
    registry, wherry, headers
) -> None:
    refusal = Reply(429, {"Retry-After": "60", **headers})
    async with front(registry.address, lambda asked: refusal if asked.method == "HEAD" else None) as server:
        done = await wherry("ratelimit", f"{server.address}/team/app:1")
    if headers:
        assert (done.code, done.lines) == (
            0,
            [f"{server.address}: 76 of 100 pulls left, in 6 h (counted for 192.0.2.7)"],
        )
    else:
        assert done.code == 1
        assert "too many requests" in done.err
        assert "the registry asks to wait 60 s" in done.err
