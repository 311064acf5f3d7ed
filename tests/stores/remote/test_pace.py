from tests.clock import Waits
from tests.stores.remote.stub import json_reply, stub
from wherry.oci.errors import NotFound
from wherry.oci.reference import Reference, Tag
from wherry.oci.wire.limits import RateLimit
from wherry.stores.remote import Client


async def _waited_with(remaining: int) -> list[float]:
    """The waits before a second GET of a manifest, when so many of 100 are left after the first."""
    waits = Waits()
    headers = {"RateLimit_Limit": "100;w=1000", "RateLimit_Remaining": f"{remaining};w=1000"}
    async with stub(lambda _: json_reply({}, 404, **headers)) as server, Client(clock=waits) as client:
        repository = client.repository(Reference.parse_repository(f"{server.address}/team/app"))
        for _ in range(2):
            try:
                await repository.manifest(Tag("v1"))
            except NotFound:
                continue
        assert await repository.rate_limit() == RateLimit(100, remaining, 1000.0)
        assert server.asked[-1].method == "HEAD"
    return waits.waited


async def test_pulls_slow_down_when_few_are_left():
    assert await _waited_with(50) == []
    assert await _waited_with(5) == [5.0]
    assert await _waited_with(0) == [10.0]
