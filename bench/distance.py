"""Registries at a distance: see `bench.proxy`, which this starts and asks."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Distant:
    """`addresses` are to be used in place of the registries' own, in their order."""

    addresses: tuple[str, ...]
    process: subprocess.Popen[str]

    def asked(self) -> Counter[str]:
        """The requests since this was called last, by method and kind: `GET manifests`, `PATCH uploads`, …"""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Counter(json.loads(self.process.stdout.readline()))


@contextmanager
def distant(*addresses: str, seconds: float) -> Iterator[Distant]:
    """Put `seconds` between us and some registries, for every request and its answer."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.proxy", str(seconds), *addresses],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield Distant(tuple(json.loads(process.stdout.readline())), process)
        finally:
            process.stdin.close()
            process.wait(10)
