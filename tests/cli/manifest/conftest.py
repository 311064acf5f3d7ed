"""What tests of `wherry manifest` share: drafts on disk, and more commands at once than one process can run."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers import installed
from wherry.oci.dockerdraft import file_name

Files = Callable[[str], dict[str, Any]]
Process = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    """The configuration folder of the commands that the tests run."""
    return tmp_path / "docker"


@pytest.fixture
def files(configuration: Path) -> Files:
    """The files of a draft, decoded, by name."""

    def read(name: str) -> dict[str, Any]:
        folder = configuration / "manifests" / file_name(name)
        return {path.name: json.loads(path.read_bytes()) for path in sorted(folder.iterdir())}

    return read


@pytest.fixture
def wherry_process(configuration: Path) -> Process:
    """Run wherry as a process of its own; several may run at once."""
    program = [sys.executable, "-c", "from wherry.cli import main; main()"]
    return lambda *arguments: _run([*program, *arguments], configuration)


@pytest.fixture
def docker(configuration: Path) -> Process:
    """Run the real client."""
    program = installed("docker")
    return lambda *arguments: _run([program, *arguments], configuration)


async def _run(command: list[str], configuration: Path) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=os.environ | {"DOCKER_CONFIG": str(configuration)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()
