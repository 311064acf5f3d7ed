"""The registries that the transcripts are replayed against, and the two ways to run a command line."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.golden.cases import Outcome
from tests.golden.replay import Run
from tests.golden.servers import beside, free_port, ready
from tests.peers import installed
from wherry.cli import main


@pytest.fixture(scope="session")
def our_registry() -> Iterator[str]:
    """The address of our registry, which runs in a thread, so that commands can run in the test's."""
    with beside() as address:
        yield address


@pytest.fixture(scope="session")
def another_registry() -> Iterator[str]:
    """The address of a second registry of ours."""
    with beside() as address:
        yield address


@pytest.fixture(scope="session")
def debians_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Debian's docker-registry (distribution 2.8)."""
    program = installed("docker-registry")
    folder = tmp_path_factory.mktemp("docker-registry")
    address = f"127.0.0.1:{free_port()}"
    settings = folder / "settings.yml"
    settings.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        "validation: {manifests: {urls: {allow: ['.*']}}}\n"
        f"http: {{addr: {address}}}\n"
    )
    with subprocess.Popen(
        [program, "serve", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            ready(address)
            yield address
        finally:
            process.terminate()


@pytest.fixture
def wherry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command line of `docker` with wherry in its place, in this process; its configuration folder is fresh."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("WHERRY_EXIT_CODES", "WHERRY_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(argv: Sequence[str]) -> Outcome:
        capfd.readouterr()
        code = main(list(argv)[1:])
        return Outcome(int(code), *capfd.readouterr())

    return run


@pytest.fixture
def docker(tmp_path: Path) -> Run:
    """Run a command line with the real client."""
    program = installed("docker")
    environment = os.environ | {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path), "TERM": "dumb", "COLUMNS": "80"}

    def run(argv: Sequence[str]) -> Outcome:
        done = subprocess.run(
            [program, *argv[1:]], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run
