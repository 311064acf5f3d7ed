"""Registries that other people wrote, started on free loopback ports; a test that needs an absent one is skipped by name."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

__all__ = ["debian_registry", "distribution_registry", "free_port", "installed", "registry_of"]

_CONFIGURATION = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}
http: {{addr: 127.0.0.1:{port}}}
"""
_READY_WITHIN = 30.0  # seconds


@pytest.fixture
async def debian_registry(tmp_path: Path) -> AsyncIterator[str]:
    """The address of Debian's docker-registry (2.8): no referrers API, no tag deletion, no upload by one POST."""
    async with registry_of("docker-registry", tmp_path / "docker-registry") as address:
        yield address


@pytest.fixture
async def distribution_registry(tmp_path: Path) -> AsyncIterator[str]:
    """The address of distribution's own registry (3.x)."""
    async with registry_of("registry", tmp_path / "registry") as address:
        yield address


@asynccontextmanager
async def registry_of(program: str, folder: Path) -> AsyncIterator[str]:
    """Run one of distribution's programs over an empty folder; gives `host:port`."""
    program = installed(program)
    port = free_port()
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        program, "serve", _configured(folder, port), stdout=quiet, stderr=quiet
    )
    try:
        await _listening(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _configured(folder: Path, port: int) -> Path:
    folder.mkdir(parents=True)
    configuration = folder / "config.yml"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port))
    return configuration


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_READY_WITHIN):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                assert process.returncode is None, "the registry ended before it listened"
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), 0.02)
            else:
                writer.close()
                await writer.wait_closed()
                return


def installed(program: str) -> str:
    """The path of a program that other people wrote. `make test` needs nothing but Python and make, so the test is skipped without it."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
