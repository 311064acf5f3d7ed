import os
import subprocess
import sys

import pytest

import wherry.stores.remote
from tests.content import an_image, put
from tests.stores.remote.stub import Reply, front, json_reply, stub
from wherry.oci.errors import ConnectionFailed, Unreachable
from wherry.oci.reference import Reference, Tag
from wherry.stores.protocol import Mounter, Source, Store
from wherry.stores.remote import Client, Registry, Repository
from wherry.stores.remote.proxies import Proxies


def test_public_names_are_there():
    assert wherry.stores.remote.__all__ == ["Client", "Registry", "Repository"]
    assert all(hasattr(wherry.stores.remote, name) for name in wherry.stores.remote.__all__)


async def test_repository_is_a_store_and_a_mounter():
    async with Client() as client:
        repository = client.repository(Reference.parse("registry.example/team/app:1@sha256:" + "0" * 64))
        assert isinstance(repository, Store)
        assert isinstance(repository, Source)
        assert isinstance(repository, Mounter)
        assert repository.reference == Reference("registry.example", "team/app")
        assert repr(repository) == "Repository(registry.example/team/app)"
        assert repr(client.registry("registry.example")) == "Registry(registry.example)"
        assert isinstance(repository, Repository)
        assert isinstance(client.registry("registry.example"), Registry)


def test_client_is_imported_without_what_it_does_not_need():
    """A command line feels every import."""
    heavy = "{'http.client', 'email', 'urllib.request', 'tenacity', 'rich', 'click', 'pydantic', 'logging.config'}"
    program = (
        f"import sys, wherry.stores.remote, wherry.stores.remote.credentials; print(sorted({heavy} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout == "[]\n"


async def test_proxies_of_the_environment_are_used_only_if_asked_for_and_never_for_loopback(registry, monkeypatch):
    async with stub(lambda asked: Reply(502) if asked.method == "CONNECT" else json_reply({})) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.address}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with Client(proxies=Proxies.of(os.environ)) as client:
            await client.registry(registry.address).ping()
        async with Client() as client:
            with pytest.raises(ConnectionFailed, match="does not resolve"):
                await client.registry("registry.invalid").ping()
        assert proxy.asked == []
        async with Client(proxies=Proxies.of(os.environ)) as client:
            with pytest.raises(Unreachable, match=r"registry\.invalid"):
                await client.registry("registry.invalid").ping()
        assert proxy.lines()[0].startswith("CONNECT registry.invalid:443")


async def test_client_that_was_closed_can_be_closed_again(registry):
    client = Client()
    await client.registry(registry.address).ping()
    await client.close()
    await client.close()


async def test_connections_are_kept(registry):
    async with Client() as client:
        await put(an_image(), client.repository(Reference.parse(f"{registry.address}/team/app")), "v1")
    async with front(registry.address) as server, Client() as client:
        repository = client.repository(Reference.parse(f"{server.address}/team/app"))
        for _ in range(10):
            await repository.manifest(Tag("v1"))
    assert server.greeted == 1


async def test_one_registry_is_not_taken_for_several():
    with pytest.raises(TypeError, match=r"insecure=\['registry.example'\]"):
        Client(insecure="registry.example")


async def test_repository_of_a_client_that_is_closed_says_so_at_once(registry):
    async with Client() as client:
        repository = client.repository(Reference.parse(f"{registry.address}/team/app"))
        await put(an_image(), repository, "1")
    with pytest.raises(RuntimeError, match="the client was closed already"):
        await repository.resolve(Tag("1"))
