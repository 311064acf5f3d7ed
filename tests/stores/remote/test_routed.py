"""Mirrors: asked first for what is read, and for nothing else; what they lack or spoil comes from elsewhere."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.content import a_blob, an_image, pieces, put, read
from tests.stores.remote.guarded import behind_basic, behind_tokens
from tests.stores.remote.stub import Asked, Reply, Stub, front, refused, stub
from wherry.oci.errors import ContentMismatch, ManifestUnknown, RouteError
from wherry.oci.reference import Reference, Tag
from wherry.stores.remote import Client, Repository
from wherry.stores.remote.credentials import Credential, Fixed
from wherry.stores.remote.hosts import Endpoint, Host, NoHosts, Route

IMAGE = an_image()
BLOB = IMAGE.blobs[0]
BY_DIGEST = f"GET /v2/team/app/manifests/{IMAGE.manifest.digest}"


class Mirrored(NoHosts):
    """Every registry has these mirrors, and perhaps another home."""

    def __init__(self, *mirrors: Endpoint, home: Endpoint | None = None) -> None:
        self.mirrors = mirrors
        self.home = home

    def route(self, registry: str, repository: str = "") -> Route:
        mirrors = tuple(each for each in self.mirrors if each.host.name != registry)
        return Route(self.home or Endpoint(Host(registry)), mirrors)


def a_mirror(address: str, repository: str | None = None, **options) -> Endpoint:
    return Endpoint(Host(address, scheme="http"), repository, source="hosts.toml", **options)


@pytest.fixture
async def reading() -> AsyncIterator[Callable[..., Repository]]:
    """Open a repository to read it, by way of mirrors; what was told of them is in `reading.told`."""
    clients: list[Client] = []
    told: list[str] = []

    def open_repository(address: str, mirrors: Sequence[Endpoint], **options) -> Repository:
        client = Client(hosts=Mirrored(*mirrors), notify=told.append, **options)
        clients.append(client)
        return client.mirrored.repository(Reference.parse_repository(f"{address}/team/app"))

    open_repository.told = told
    yield open_repository
    for client in clients:
        await client.close()


@asynccontextmanager
async def two(registry_factory) -> AsyncIterator[tuple[Stub, Stub]]:
    """A registry and a mirror of it, both with the image."""
    main, other = await registry_factory(), await registry_factory()
    async with Client() as client:
        for each in (main, other):
            await put(IMAGE, client.repository(Reference.parse_repository(f"{each.address}/team/app")), "v1")
    async with front(main.address) as registry, front(other.address) as mirror:
        yield registry, mirror


async def _whole(repository: Repository) -> None:
    assert await repository.manifest(Tag("v1")) == IMAGE.manifest
    assert await repository.manifest(IMAGE.manifest.digest) == IMAGE.manifest
    assert (await repository.resolve(Tag("v1"))).digest == IMAGE.manifest.digest
    assert await read(repository.fetch(BLOB.descriptor)) == BLOB.content


async def test_what_is_read_comes_from_the_mirror(registry_factory, reading):
    async with two(registry_factory) as (registry, mirror):
        await _whole(reading(registry.address, [a_mirror(mirror.address)]))
        assert registry.asked == []
        assert len(mirror.lines()) == 4
    assert reading.told == []


async def test_mirror_that_refuses_head_is_still_read_from(registry_factory, reading):
    async with two(registry_factory) as (registry, mirror):
        inner = mirror.answer

        async def answer(asked: Asked) -> Reply:
            return Reply(405) if asked.method == "HEAD" else await inner(asked)

        mirror.answer = answer
        repository = reading(registry.address, [a_mirror(mirror.address)])
        assert (await repository.resolve(Tag("v1"))).digest == IMAGE.manifest.digest
        assert await repository.manifest(IMAGE.manifest.digest) == IMAGE.manifest
        assert registry.lines() == ["HEAD /v2/team/app/manifests/v1"]
        assert mirror.lines()[-1] == BY_DIGEST
    assert reading.told == []


async def test_namespace_is_told_as_containerd_does(registry_factory, reading):
    async with two(registry_factory) as (registry, mirror):
        await _whole(reading(registry.address, [a_mirror(mirror.address, namespace="docker.io")]))
        assert all(line.endswith("?ns=docker.io") for line in mirror.lines())


async def test_mirror_that_lacks_something_is_passed_over_for_that(registry_factory, reading):
    async with two(registry_factory) as (registry, mirror):
        mirror.answer = _lacking("/blobs/", mirror.answer)
        repository = reading(registry.address, [a_mirror(mirror.address)])
        await _whole(repository)
        assert registry.lines() == [f"GET /v2/team/app/blobs/{BLOB.descriptor.digest}"]
        await _whole(repository)
        assert len(mirror.lines()) == 8, "it is asked again for other things"
        with pytest.raises(ManifestUnknown, match="no such tag"):
            await repository.manifest(Tag("none"))
    assert reading.told == []


def _lacking(what: str, inner):
    async def answer(asked: Asked) -> Reply:
        return Reply(404) if what in asked.path else await inner(asked)

    return answer


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(502, {"Content-Type": "text/html"}, b"<html>"),
        Reply(200, {"Content-Type": "text/html"}, b"<html>log in</html>"),
        refused(401, "UNAUTHORIZED"),
        refused(403, "DENIED"),
        Reply(raw=b""),
        Reply(raw=b"hello"),
    ],
)
async def test_mirror_that_fails_is_told_once_and_not_asked_again(registry_factory, reading, reply):
    async with two(registry_factory) as (registry, good), stub(lambda asked: reply) as bad:
        repository = reading(registry.address, [a_mirror(bad.address), a_mirror(good.address)])
        assert await repository.manifest(IMAGE.manifest.digest) == IMAGE.manifest
        before = len(bad.asked)
        await _whole(repository)
        assert len(bad.asked) == before
        assert registry.asked == []
        assert good.lines()[0] == BY_DIGEST
    assert len(reading.told) == 1
    assert reading.told[0].startswith(f"mirror {bad.address}, of hosts.toml, is passed over: ")


async def test_mirror_that_is_not_there_is_passed_over(registry_factory, reading):
    async with stub(lambda _: None) as gone:
        pass
    async with two(registry_factory) as (registry, _):
        await _whole(reading(registry.address, [a_mirror(gone.address)]))
        assert len(registry.lines()) == 4
    assert "connection refused" in reading.told[0]


async def test_manifest_of_another_digest_is_not_taken_and_the_next_is_asked(registry_factory, reading):
    other = an_image("another")

    async with two(registry_factory) as (registry, mirror):
        inner = mirror.answer

        async def answer(asked: Asked) -> Reply:
            if "/manifests/sha256:" in asked.path:
                return Reply(200, {"Content-Type": other.manifest.media_type}, other.manifest.content)
            return await inner(asked)

        mirror.answer = answer
        repository = reading(registry.address, [a_mirror(mirror.address)])
        assert await repository.manifest(IMAGE.manifest.digest) == IMAGE.manifest
    assert f"it sent bytes of digest {other.manifest.digest}" in reading.told[0]


async def test_blob_of_other_bytes_is_an_error_and_the_next_try_asks_elsewhere(registry_factory, reading):
    async with two(registry_factory) as (registry, mirror):
        inner = mirror.answer

        async def answer(asked: Asked) -> Reply:
            if "/blobs/" in asked.path:
                return Reply(200, {}, b"x" * BLOB.descriptor.size)
            return await inner(asked)

        mirror.answer = answer
        repository = reading(registry.address, [a_mirror(mirror.address)])
        with pytest.raises(ContentMismatch):
            await read(repository.fetch(BLOB.descriptor))
        assert await read(repository.fetch(BLOB.descriptor)) == BLOB.content
    assert len(reading.told) == 1


async def test_blob_that_breaks_off_at_the_mirror_goes_on_at_the_registry(registry_factory, reading):
    main = await registry_factory()
    blob = a_blob(bytes(range(256)) * 4000)
    async with Client() as client:
        await client.repository(Reference.parse_repository(f"{main.address}/team/app")).push(
            blob.descriptor, pieces(blob.content)
        )

    def broken(asked: Asked) -> Reply:
        return Reply(200, {}, blob.content, cut=600_000) if "/blobs/" in asked.path else Reply(200)

    async with front(main.address) as registry, stub(broken) as mirror:
        repository = reading(registry.address, [a_mirror(mirror.address)])
        assert await read(repository.fetch(blob.descriptor)) == blob.content
        assert "bytes=" in registry.asked[-1].headers["range"]
    assert len(reading.told) == 1


async def test_mirror_is_asked_for_what_it_may_be_asked_for(registry_factory, reading):
    async with two(registry_factory) as (registry, mirror):
        await _whole(reading(registry.address, [a_mirror(mirror.address, names="digest-only")]))
        assert registry.lines() == ["GET /v2/team/app/manifests/v1", "HEAD /v2/team/app/manifests/v1"]
        registry.asked.clear()
        await _whole(reading(registry.address, [a_mirror(mirror.address, resolves=False)]))
        assert registry.lines() == ["GET /v2/team/app/manifests/v1", "HEAD /v2/team/app/manifests/v1"]


async def test_tags_and_referrers_are_the_registrys_own(registry_factory, reading):
    async with two(registry_factory) as (registry, mirror):
        repository = reading(registry.address, [a_mirror(mirror.address)])
        assert [tag async for tag in repository.tags()] == ["v1"]
        assert [each async for each in repository.referrers(IMAGE.manifest.digest)] == []
        assert mirror.asked == []


async def test_who_writes_never_asks_a_mirror(registry_factory):
    """What a mirror has says nothing about what the registry has."""
    async with two(registry_factory) as (registry, mirror):
        async with Client(hosts=Mirrored(a_mirror(mirror.address))) as client:
            repository = client.repository(Reference.parse_repository(f"{registry.address}/team/new"))
            assert not await repository.exists(BLOB.descriptor)
            await put(IMAGE, repository, "v2")
            await repository.manifest(Tag("v2"))
        assert mirror.asked == []


async def test_mirror_has_its_own_credential_and_tokens(registry_factory, reading):
    other = await registry_factory()
    async with Client() as client:
        await put(IMAGE, client.repository(Reference.parse_repository(f"{other.address}/team/app")), "v1")
    async with behind_tokens(other.address) as mirror:
        await _whole(reading("r.invalid", [a_mirror(mirror.address)]))
        assert mirror.queries[0]["scope"] == ["repository:team/app:pull"]
    async with behind_basic(other.address, "me", "secret") as mirror:
        credentials = Fixed({mirror.address: Credential("me", "secret"), "r.invalid": Credential("you", "other")})
        await _whole(reading("r.invalid", [a_mirror(mirror.address)], credentials=credentials))
    assert reading.told == []


async def test_repository_has_another_name_at_a_mirror_and_so_have_its_scopes(registry_factory, reading):
    main, other = await registry_factory(), await registry_factory()
    async with Client() as client:
        await put(IMAGE, client.repository(Reference.parse_repository(f"{other.address}/hub/team/app")), "v1")
    async with behind_tokens(other.address) as mirror:
        await _whole(reading(main.address, [a_mirror(mirror.address, "hub/team/app")]))
        assert mirror.queries[0]["scope"] == ["repository:hub/team/app:pull"]
    assert reading.told == []


async def test_registry_at_another_location_is_written_there(registry_factory):
    other = await registry_factory()
    async with behind_tokens(other.address) as server:
        home = Endpoint(Host(server.address), "moved/app", source="registries.conf")
        async with Client(hosts=Mirrored(home=home)) as client:
            repository = client.repository(Reference.parse("r.example/team/app"))
            await put(IMAGE, repository, "v1")
            beside = client.repository(Reference.parse("r.example/team/other"))
            assert not await beside.mount(BLOB.descriptor, repository), "who knows what that is called there"
            assert [tag async for tag in repository.tags()] == ["v1"]
            blob = a_blob(b"more")
            await repository.push(blob.descriptor, pieces(blob.content))
            assert await read(repository.fetch(blob.descriptor)) == b"more"
        assert server.queries[0]["scope"] == ["repository:moved/app:pull,push"]
    async with Client() as client:
        assert await client.repository(Reference.parse_repository(f"{other.address}/moved/app")).manifest(Tag("v1"))


async def test_api_under_another_path(registry_factory):
    other = await registry_factory()

    def beneath(asked: Asked) -> Reply | None:
        return None if asked.path.startswith("/v2/") else Reply(404)

    async with front(other.address, beneath) as inner:
        prefix = "/registry/v2"

        async def cut(asked: Asked) -> Reply | None:
            assert asked.path.startswith(prefix + "/") or asked.path.startswith("/v2/team/app/blobs/uploads/")
            bare = Asked(asked.method, asked.target.replace(prefix, "/v2", 1), asked.headers, asked.body)
            return await inner.answer(bare)

        async with (
            stub(cut) as server,
            Client(hosts=Mirrored(home=Endpoint(Host(server.address, "http", prefix)))) as client,
        ):
            repository = client.repository(Reference.parse(f"{server.address}/team/app"))
            await put(IMAGE, repository, "v1")
            assert await repository.manifest(Tag("v1")) == IMAGE.manifest
            await client.registry(server.address).ping()
            assert [name async for name in client.registry(server.address).repositories()] == ["team/app"]


async def test_headers_of_a_host_are_sent_to_it_and_to_nobody_else(registry_factory):
    main = await registry_factory()
    async with Client() as client:
        await put(IMAGE, client.repository(Reference.parse_repository(f"{main.address}/team/app")), "v1")
    async with front(main.address) as storage:

        def redirected(asked: Asked) -> Reply | None:
            return (
                Reply(307, {"Location": f"http://{storage.address}{asked.path}"}) if "/blobs/" in asked.path else None
            )

        async with front(main.address, redirected) as server:
            home = Endpoint(Host(server.address, "http", headers=(("x-team", "ours"),)))
            async with Client(hosts=Mirrored(home=home)) as client:
                repository = client.repository(Reference.parse_repository(f"{server.address}/team/app"))
                assert await read(repository.fetch(BLOB.descriptor)) == BLOB.content
            assert [asked.headers.get("x-team") for asked in server.asked] == ["ours"] * 2
        assert [asked.headers.get("x-team") for asked in storage.asked] == [None]


async def test_blocked_registry_is_not_opened():
    class Blocking(NoHosts):
        def route(self, registry: str, repository: str = "") -> Route:
            raise RouteError(f"{registry}: blocked by registries.conf")

    async with Client(hosts=Blocking()) as client:
        for open_it in (client.repository, client.mirrored.repository):
            with pytest.raises(RouteError, match="blocked"):
                open_it(Reference.parse("r.example/team/app"))
        with pytest.raises(RouteError, match="blocked"):
            client.registry("r.example")
