"""Tags that are moved on a condition, while answers get lost: nobody is told that somebody else was quicker who was not."""

from itertools import count

import pytest

from tests.clock import Waits
from tests.content import a_blob, an_image, put
from tests.faults.proxy import Fault, Proxy, changed, proxy, swallowed
from tests.stores.remote.stub import Asked, _body
from wherry.oci.reference import Reference, Tag
from wherry.stores.remote import Client

pytestmark = pytest.mark.asyncio(loop_scope="module")

TAG = Tag("v1")
NUMBERS = count()
FIRST, SECOND, OTHERS = (an_image(layers=[a_blob(text)]) for text in (b"first", b"second", b"somebody else's"))


def conditional(asked: Asked) -> bool:
    return asked.method == "PUT" and bool({"if-match", "if-none-match"} & asked.headers.keys())


def in_trouble(_head: bytes, _body: bytes) -> bytes:
    return b"HTTP/1.1 502 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def asked_of(standing: Proxy) -> list[str]:
    return [asked.method for asked in standing.asked if asked.path.endswith(f"/manifests/{TAG}")]


@pytest.mark.parametrize("fault", [pytest.param(swallowed(), id="lost"), pytest.param(changed(in_trouble), id="502")])
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "moved"])
async def test_swap_whose_answer_was_lost_is_done(shared, fault, is_new):
    async with proxy(shared.address, Fault(conditional, fault)) as standing, Client(clock=Waits()) as client:
        repository = client.repository(Reference.parse_repository(f"{standing.address}/swapped/{next(NUMBERS)}"))
        await put(SECOND, repository)
        if not is_new:
            await put(FIRST, repository, str(TAG))
        assert await repository.swap(SECOND.manifest, TAG, None if is_new else FIRST.digest) is True
        assert asked_of(standing)[-3:] == ["PUT", "PUT", "HEAD"]
        assert (await repository.resolve(TAG)).digest == SECOND.digest


async def test_swap_whose_answer_was_lost_and_whose_tag_was_moved_on_since_is_not_done(shared):
    async with Client(clock=Waits()) as elsewhere:
        path = f"swapped/{next(NUMBERS)}"
        theirs = elsewhere.repository(Reference.parse_repository(f"{shared.address}/{path}"))
        for image in (SECOND, OTHERS):
            await put(image, theirs)
        await put(FIRST, theirs, str(TAG))

        async def overtaken(running, asked, reader, writer):
            await running.passed_on(Asked(asked.method, asked.target, asked.headers, await _body(reader, asked)))
            await theirs.push_manifest(OTHERS.manifest, TAG)
            writer.transport.abort()

        async with proxy(shared.address, Fault(conditional, overtaken)) as standing, Client(clock=Waits()) as client:
            repository = client.repository(Reference.parse_repository(f"{standing.address}/{path}"))
            assert await repository.swap(SECOND.manifest, TAG, FIRST.digest) is False
        assert (await theirs.resolve(TAG)).digest == OTHERS.digest
