"""Foreign layers, from where their author has them: a real registry, and an HTTP server that says what the test says."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.content import Blob, Content, a_layer, an_image, pieces, put, read
from tests.stores.remote.stub import Asked, Reply, Stub, stub
from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import BlobUnknown
from wherry.oci.mediatype import DOCKER_FOREIGN_LAYER
from wherry.oci.reference import Reference, Tag
from wherry.ops.copy import copy
from wherry.ops.errand import Tally
from wherry.server.running import Running
from wherry.stores.archive import docker_archive
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.remote import Client
from wherry.stores.remote.credentials import Credential
from wherry.stores.remote.retrying import Patience

ONE = Tag("1")
LAYER = a_layer({"windows": b"x" * 70_000}).content
assert LAYER is not None


class Everywhere:
    """Credentials for every host."""

    async def for_registry(self, registry: str) -> Credential:
        return Credential("somebody", "secret")


@pytest.fixture
async def author() -> AsyncIterator[Stub]:
    """Where the author has it."""

    def answer(asked: Asked) -> Reply:
        match asked.path:
            case "/layer":
                return Reply(body=LAYER)
            case "/moved":
                return Reply(302, {"Location": "/layer"})
            case "/circle":
                return Reply(302, {"Location": "/circle"})
            case "/file":
                return Reply(302, {"Location": "file:///etc/passwd"})
            case "/page":
                return Reply(body=b"<html>please log in</html>")
            case "/other":
                return Reply(body=b"y" * len(LAYER))
            case "/broken":
                begin = int(asked.headers.get("range", "bytes=0-")[6:-1])
                if begin == 0:
                    return Reply(body=LAYER, cut=66_000)
                return Reply(206, {"Content-Range": f"bytes {begin}-{len(LAYER) - 1}/{len(LAYER)}"}, body=LAYER[begin:])
            case "/denied":
                return Reply(401, {"WWW-Authenticate": 'Basic realm="author"'})
            case _:
                return Reply(404)

    async with stub(answer) as server:
        yield server


Made = Callable[..., Content]


@pytest.fixture
def made(author: Stub) -> Made:
    """An image whose layer is at these paths of the author's."""

    def make(*paths: str) -> Content:
        urls = tuple(path if "://" in path else f"http://{author.address}{path}" for path in paths)
        foreign = replace(Descriptor.of(LAYER, DOCKER_FOREIGN_LAYER), urls=urls)
        return an_image("windows", layers=(Blob(foreign, None), a_layer({"a": b"a"}, docker=True)), docker=True)

    return make


async def test_layer_is_fetched_from_its_url_and_the_manifest_stays(
    registry: Running, author: Stub, made: Made
) -> None:
    image = made("/layer")
    async with Client(credentials=Everywhere()) as client:
        source = client.repository(Reference.parse(f"{registry.address}/from"))
        destination = client.repository(Reference.parse(f"{registry.address}/to"))
        await put(image, source, "1")
        copied = await copy(source, ONE, destination, tags=[ONE], foreign=True)
        assert copied.root.digest == image.digest
        assert copied.foreign == Tally()
        assert (await destination.manifest(ONE)).content == image.manifest.content
        assert await read(destination.fetch(image.blobs[1].descriptor)) == LAYER
    assert [asked.path for asked in author.asked] == ["/layer"]
    assert "authorization" not in author.asked[0].headers


@pytest.mark.parametrize(
    "paths",
    [
        ("/moved",),
        ("/missing", "/layer"),
        ("/page", "/layer"),
        ("/other", "/layer"),
        ("/circle", "/layer"),
        ("/file", "/layer"),
        ("/denied", "/layer"),
        ("ftp://author.example/x", "/layer"),
        ("http://127.0.0.1:1/x", "/layer"),
        ("http://somebody:secret@127.0.0.1/x", "/layer"),
        ("http://[::1", "/layer"),
    ],
)
async def test_urls_are_tried_one_after_the_other(
    registry: Running, author: Stub, made: Made, paths: tuple[str, ...]
) -> None:
    image = made(*paths)
    source = MemoryStore()
    await put(image, source, "1")
    async with Client(credentials=Everywhere()) as client:
        destination = client.repository(Reference.parse(f"{registry.address}/to"))
        await copy(source, ONE, destination, tags=[ONE], foreign=True)
        assert await read(destination.fetch(image.blobs[1].descriptor)) == LAYER
    assert all("authorization" not in asked.headers for asked in author.asked)


async def test_download_that_breaks_off_goes_on_where_it_was(registry: Running, author: Stub, made: Made) -> None:
    image = made("/broken")
    source = MemoryStore()
    await put(image, source, "1")
    async with Client(patience=Patience(first_wait=0.0)) as client:
        destination = client.repository(Reference.parse(f"{registry.address}/to"))
        await copy(source, ONE, destination, tags=[ONE], foreign=True)
        assert await read(destination.fetch(image.blobs[1].descriptor)) == LAYER
    ranges = [asked.headers.get("range") for asked in author.asked]
    assert ranges[0] is None
    assert ranges[1] not in {None, "bytes=0-"}


async def test_layer_that_is_nowhere_is_told_with_what_was_wrong(registry: Running, made: Made) -> None:
    source = MemoryStore()
    await put(made("/missing", "/page", "ftp://author.example/x"), source, "1")
    async with Client() as client:
        destination = client.repository(Reference.parse(f"{registry.address}/to"))
        with pytest.raises(BlobUnknown) as caught:
            await copy(source, ONE, destination, tags=[ONE], foreign=True)
    for words in ("-> 404", "comes with 26 bytes", "is no URL of HTTP", "its URLs do not have it"):
        assert words in str(caught.value)
    assert "--foreign" in (caught.value.hint or "")


async def test_source_is_asked_before_the_url(registry: Running, author: Stub, made: Made) -> None:
    image = made("/layer")
    source = MemoryStore()
    await put(image, source, "1")
    await source.push(image.blobs[1].descriptor, pieces(LAYER))
    async with Client() as client:
        destination = client.repository(Reference.parse(f"{registry.address}/to"))
        await copy(source, ONE, destination, tags=[ONE], foreign=True)
    assert author.asked == []


async def test_image_that_was_copied_without_its_layer_gets_it_later(
    registry: Running, made: Made, tmp_path: Path
) -> None:
    image = made("/layer")
    async with Client() as client:
        source = client.repository(Reference.parse(f"{registry.address}/from"))
        await put(image, source, "1")
        for destination in (Layout(tmp_path / "layout"), docker_archive(tmp_path / "x.tar", source.reference)):
            await copy(source, ONE, destination, tags=[ONE])
            assert not await destination.exists(image.blobs[1].descriptor)
            await copy(source, ONE, destination, tags=[ONE], foreign=True)
            assert await read(destination.fetch(image.blobs[1].descriptor)) == LAYER


async def test_where_nobody_speaks_http_the_url_is_told(made: Made, author: Stub) -> None:
    source = MemoryStore()
    await put(made("/layer"), source, "1")
    with pytest.raises(BlobUnknown, match="no registry takes part") as caught:
        await copy(source, ONE, MemoryStore(), tags=[ONE], foreign=True)
    assert caught.value.hint == f"its author has it at http://{author.address}/layer"
