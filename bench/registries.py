"""Registries to measure, each in a folder and on a loopback port of its own, with its log switched off."""

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.programs import Program, find, wherry

READY_WITHIN = 20.0
"""Seconds that a registry may take to answer for the first time."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A registry program and how it is run. `durability` is what it does before it answers 201."""

    program: Program
    durability: str
    command: Callable[[Program, Path, int], list[str]]
    chooses_port: bool = False
    variant: str = ""

    @property
    def label(self) -> str:
        return f"{self.program.label}, {self.variant}" if self.variant else self.program.label


@dataclass(frozen=True, slots=True)
class Server:
    """A registry that runs: its `host:port`, its process, and how long it took from its start to its first answer."""

    address: str
    process: int
    seconds: float


def _wherry_command(program: Program, folder: Path, _port: int, *, durability: str = "full") -> list[str]:
    place = ["--listen", "127.0.0.1:0", "--data", str(folder / "data")]
    return [str(program.path), "serve", *place, "--durability", durability]


def _distribution_command(program: Program, folder: Path, port: int) -> list[str]:
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {level: error, accesslog: {disabled: true}}\n"
        "storage:\n"
        "  cache: {blobdescriptor: inmemory}\n"
        "  delete: {enabled: true}\n"
        f"  filesystem: {{rootdirectory: {folder / 'data'}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    return [str(program.path), "serve", str(config)]


def _zot_command(program: Program, folder: Path, port: int) -> list[str]:
    config = folder / "config.json"
    config.write_text(
        json.dumps(
            {
                "storage": {"rootDirectory": str(folder / "data"), "commit": True},
                "http": {"address": "127.0.0.1", "port": str(port)},
                "log": {"level": "error"},
            }
        )
    )
    return [str(program.path), "serve", str(config)]


_PEERS: tuple[tuple[str, str, Callable[[Program, Path, int], list[str]]], ...] = (
    ("registry", "fsync of the blob and its links, not of the blob's folder", _distribution_command),
    ("docker-registry", "fsync of the blob", _distribution_command),
    ("zot", "`commit`: fsync of the blob", _zot_command),
)


def ours() -> Kind:
    """`wherry serve` as it comes."""
    return Kind(wherry(), "full: fsync of blob, folder and database", _wherry_command, chooses_port=True)


def ours_relaxed() -> Kind:
    """`wherry serve` as a throw-away registry would be run."""
    return Kind(
        wherry(),
        "relaxed: nothing is waited for",
        partial(_wherry_command, durability="relaxed"),
        chooses_port=True,
        variant="relaxed",
    )


def kinds() -> list[Kind]:
    """Ours, then every peer that is there."""
    found = [(find(name), durability, command) for name, durability, command in _PEERS]
    return [ours(), *(Kind(program, durability, command) for program, durability, command in found if program)]


@contextmanager
def started(kind: Kind, folder: Path) -> Iterator[str]:
    """Run a registry over a folder; yields its `host:port`."""
    with launched(kind, folder) as server:
        yield server.address


@contextmanager
def launched(kind: Kind, folder: Path) -> Iterator[Server]:
    """Run a registry over a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    port = 0 if kind.chooses_port else _free_port()
    with (folder / "log").open("wb") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            kind.command(kind.program, folder, port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if kind.chooses_port else log,
            stderr=log,
        )
        try:
            address = _printed_address(process) if kind.chooses_port else f"127.0.0.1:{port}"
            _wait_until_ready(kind, address, process, folder)
            yield Server(address, process.pid, time.perf_counter() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _printed_address(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(rb"http://([^/\s]+)", line):
            return found[1].decode()
    raise SystemExit("bench: wherry serve ended before it printed its URL")


def _wait_until_ready(kind: Kind, address: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    host, _, port = address.rpartition(":")
    give_up = time.monotonic() + READY_WITHIN
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with socket.create_connection((host, int(port)), timeout=1) as connection:
                connection.sendall(f"GET /v2/ HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
                if connection.recv(12).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.005)
    raise SystemExit(f"bench: {kind.label} does not answer; its log:\n{(folder / 'log').read_text()}")
