"""The programs that are measured, as far as they are on the PATH: what they are called and which version they are."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_VERSION_ARGUMENTS = {
    "wherry": ("--version",),
    "docker-registry": ("--version",),
    "registry": ("--version",),
    "zot": ("--version",),
    "crane": ("version",),
    "regctl": ("version", "--format", "{{.VCSTag}}"),
    "skopeo": ("--version",),
    "oras": ("version",),
    "docker": ("--version",),
    "wrk": ("-v",),
}
_NUMBER = re.compile(r"v?(\d+\.\d+(?:\.\d+)?(?:\.dev\d+)?)")


@dataclass(frozen=True, slots=True)
class Program:
    """A program on the PATH. `label` is for tables: `name` and version."""

    name: str
    path: Path
    version: str

    @property
    def label(self) -> str:
        return f"{self.name} {self.version}"


@cache
def find(name: str) -> Program | None:
    """The program of that name on the PATH; None if it is not there."""
    path = shutil.which(name)
    if path is None:
        return None
    told = subprocess.run([path, *_VERSION_ARGUMENTS[name]], capture_output=True, text=True, check=False)
    number = _NUMBER.search(told.stdout + told.stderr)
    return Program(name, Path(path), number[1] if number else "of unknown version")


def wherry() -> Program:
    """Our own; without it there is nothing to measure."""
    program = find("wherry")
    if program is None:
        raise SystemExit("bench: no wherry on the PATH: run `make bench`, or put .venv/bin first")
    return program
