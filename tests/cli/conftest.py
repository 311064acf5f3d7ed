"""Commands are run as a person runs them: arguments in; exit code, standard output and standard error out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.content import Content, put
from wherry.cli import main
from wherry.oci.reference import Reference
from wherry.server.running import Running
from wherry.stores.remote import Client


@dataclass(frozen=True)
class Done:
    code: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()


@pytest.fixture
def wherry(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Awaitable[Done]]:
    """Run a command line in a thread, so that a registry in this process can answer it."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WHERRY_CERTS_D", "WHERRY_REGISTRIES_CONF"):
        monkeypatch.setenv(name, "")

    async def run(*arguments: object) -> Done:
        capfdbinary.readouterr()
        code = await asyncio.to_thread(main, [str(each) for each in arguments])
        out, err = capfdbinary.readouterr()
        return Done(code, out, err.decode())

    return run


@pytest.fixture
async def pushed(registry: Running) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Put content into the registry: `await pushed(content, "team/app:1")` gives the whole reference."""
    async with Client() as client:

        async def push(content: Content, name: str) -> str:
            reference = Reference.parse(f"{registry.address}/{name}")
            await put(content, client.repository(reference), *([reference.tag] if reference.tag else []))
            return str(reference)

        yield push
