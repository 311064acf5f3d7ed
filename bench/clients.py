"""Clients to measure: the command with which each copies an image, and what a command took."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.programs import Program, find, wherry

_LAUNCHER = Path(__file__).with_name("launcher.py")

Arguments = Callable[[str, str], list[str]]
"""Of a source and a destination."""


@dataclass(frozen=True, slots=True)
class Client:
    """A program that copies images between two plain-HTTP registries, with its own defaults otherwise."""

    program: Program
    copy_arguments: Arguments
    repository_arguments: Arguments | None
    """For all tags of a repository in one process; None where that is not to be had."""

    @property
    def label(self) -> str:
        return self.program.label

    def copy_command(self, source: str, destination: str) -> list[str]:
        return [str(self.program.path), *self.copy_arguments(source, destination)]

    def copy_repository_command(self, source: str, destination: str) -> list[str]:
        assert self.repository_arguments is not None
        return [str(self.program.path), *self.repository_arguments(source, destination)]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one process took: seconds by the clock, seconds of processor, and its peak resident memory in bytes."""

    seconds: float
    processor: float
    peak: int


def _registry_of(reference: str) -> str:
    return reference.partition("/")[0]


def _regctl(source: str, destination: str) -> list[str]:
    hosts = dict.fromkeys((_registry_of(source), _registry_of(destination)))
    return [*(f"--host=reg={host},tls=disabled" for host in hosts), "image", "copy", source, destination]


def _skopeo(source: str, destination: str) -> list[str]:
    plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    return ["--insecure-policy", "copy", "--all", *plain, f"docker://{source}", f"docker://{destination}"]


def _skopeo_sync(source: str, destination: str) -> list[str]:
    """It puts a repository below the destination that it is told, by the last part of the source's name."""
    plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    above = destination.rpartition("/")[0]
    return ["--insecure-policy", "sync", "--all", "--src=docker", "--dest=docker", *plain, source, above]


_COPY: dict[str, tuple[Arguments, Arguments | None]] = {
    "crane": (
        lambda source, destination: ["copy", source, destination],
        lambda source, destination: ["copy", "--all-tags", source, destination],
    ),
    "skopeo": (_skopeo, _skopeo_sync),
    "regctl": (_regctl, None),
    "oras": (
        lambda source, destination: ["copy", "--from-plain-http", "--to-plain-http", source, destination],
        None,
    ),
}


def ours() -> Client:
    return Client(
        wherry(),
        lambda source, destination: ["copy", source, destination],
        lambda source, destination: ["copy", "--all-tags", source, destination],
    )


def clients() -> list[Client]:
    """Ours, then every peer that is there."""
    found = [(find(name), arguments) for name, arguments in _COPY.items()]
    return [ours(), *(Client(program, *arguments) for program, arguments in found if program)]


def run(command: Sequence[str], home: Path) -> Taken:
    """Run a command to its end, with an empty home of its own; it must succeed."""
    # Compiled Python is kept, as on any machine where wherry was installed.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    own = {"HOME": str(home), "DOCKER_CONFIG": str(home), "XDG_RUNTIME_DIR": str(home), "TMPDIR": str(home)}
    told = subprocess.run(
        [sys.executable, "-I", "-S", str(_LAUNCHER), *command],
        capture_output=True,
        text=True,
        check=True,
        env={**inherited, **own},
    )
    result = json.loads(told.stdout)
    if result["exit"] != 0:
        raise SystemExit(f"bench: {' '.join(command)} ended with {result['exit']}:\n{told.stderr}")
    return Taken(result["seconds"], result["processor"], result["peak"])
