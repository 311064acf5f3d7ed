"""`limit_rate`: bytes a second, over all transfers of a client. Nobody waits here."""

import asyncio

import pytest

from tests.clock import Waits
from tests.content import a_blob, an_image, pieces, put
from wherry.oci.reference import Reference, Tag
from wherry.stores.remote import Client
from wherry.stores.remote.bucket import Bucket

SMALL = a_blob(b"s" * 5_000)
LARGE = a_blob(b"l" * 400_000)


class Still(Waits):
    """Its time does not go on while somebody waits: as for many who ask in the same moment."""

    time = 1000.0

    def now(self) -> float:
        return self.time


async def test_bytes_pass_at_the_rate():
    waits = Waits()
    bucket = Bucket(100, waits)
    for amount in (50, 100, 1):
        await bucket.take(amount)
    assert waits.waited == pytest.approx([0.5, 1.0, 0.01])


async def test_who_asks_at_the_same_time_waits_for_those_before():
    waits = Still()
    bucket = Bucket(100, waits)
    await asyncio.gather(*(bucket.take(100) for _ in range(4)))
    assert waits.waited == pytest.approx([1.0, 2.0, 3.0, 4.0])


async def test_time_in_which_nothing_passes_is_not_saved_up():
    waits = Still()
    bucket = Bucket(100, waits)
    await bucket.take(100)
    waits.time += 60
    await bucket.take(100)
    assert waits.waited == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("rate", [0, -1])
def test_rate_below_one_byte_a_second_is_refused(rate):
    with pytest.raises(ValueError, match="at least one byte a second"):
        Bucket(rate, Waits())


async def test_everything_that_is_read_passes_one_bucket(registry, opened):
    image = an_image(layers=[SMALL, LARGE])
    await put(image, opened(registry.address), "v1")
    waits = Waits()
    async with Client(limit_rate=100_000, clock=waits) as client:
        one, other = (client.repository(Reference.parse_repository(f"{registry.address}/team/app")) for _ in range(2))
        assert (await one.manifest(Tag("v1"))) == image.manifest
        for repository, blob in ((one, LARGE), (other, SMALL)):
            assert b"".join([piece async for piece in repository.fetch(blob.descriptor)]) == blob.content
    read = len(image.manifest.content) + 405_000
    assert sum(waits.waited) == pytest.approx(read / 100_000, rel=0.01)  # and the registry's greeting


@pytest.mark.parametrize("blob", [SMALL, LARGE], ids=["in one request", "streamed"])
async def test_everything_that_is_sent_passes_one_bucket(registry, opened, blob):
    waits = Waits()
    repository = opened(registry.address, limit_rate=1_000, clock=waits)
    await repository.push(blob.descriptor, pieces(blob.content))
    assert sum(waits.waited) == pytest.approx(blob.descriptor.size / 1_000)
    assert await opened(registry.address).exists(blob.descriptor)


async def test_manifest_that_is_sent_passes_it_too(registry, opened):
    image = an_image()
    await put(image, opened(registry.address))
    waits = Waits()
    repository = opened(registry.address, limit_rate=1_000, clock=waits)
    await repository.push_manifest(image.manifest, Tag("v1"))
    assert sum(waits.waited) == pytest.approx(len(image.manifest.content) / 1_000)
