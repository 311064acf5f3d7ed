"""The registries that the transcripts are replayed against, and the two ways to run a command line."""

import asyncio
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.golden.cases import Case, Outcome, Surroundings
from tests.golden.servers import free_port, ready, served
from wherry.cli import main
from wherry.server.running import running

Run = Callable[[Sequence[str]], Outcome]


@pytest.fixture(scope="session")
def our_registry() -> Iterator[str]:
    """The address of our registry, which runs in a thread, so that commands can run in the test's."""
    with _beside() as address:
        yield address


@pytest.fixture(scope="session")
def another_registry() -> Iterator[str]:
    """The address of a second registry of ours."""
    with _beside() as address:
        yield address


@pytest.fixture(scope="session")
def debians_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of Debian's docker-registry (distribution 2.8)."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed")
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
    program = shutil.which("docker")
    if program is None:
        pytest.skip("docker is not installed")
    environment = os.environ | {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path), "TERM": "dumb", "COLUMNS": "80"}

    def run(argv: Sequence[str]) -> Outcome:
        done = subprocess.run(
            [program, *argv[1:]], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@contextmanager
def replayed(case: Case, run: Run, registry: str, docker_config: Path) -> Iterator[tuple[Outcome, Surroundings]]:
    """Replay a case; what it left on disk and in the registry can be looked at meanwhile."""
    with served(case, registry) as address:
        surroundings = Surroundings(address, docker_config)
        case.prepare_drafts(surroundings)
        for argv in case.before:
            done = run([surroundings.fill(argument) for argument in argv])
            assert done.exit == 0, done
        yield run([surroundings.fill(argument) for argument in case.argv]), surroundings


@contextmanager
def _beside() -> Iterator[str]:
    started: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, str] | BaseException] = queue.Queue()

    async def serve() -> None:
        done = asyncio.Event()
        try:
            async with running(data=None) as registry:
                started.put((asyncio.get_running_loop(), done, registry.address))
                await done.wait()
        except BaseException as error:
            started.put(error)
            raise

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="registry")
    thread.start()
    begun = started.get(timeout=30)
    if isinstance(begun, BaseException):
        thread.join()
        raise begun
    loop, done, address = begun
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
