"""Replay the transcripts of docker's client with any command, against any registry: `python -m tests.golden.replay`."""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.golden.cases import CASES, Case, Outcome, Surroundings, differences
from tests.golden.servers import beside, served

Run = Callable[[Sequence[str]], Outcome]


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


def main() -> int:
    """Replay all cases, print how each differs, and return 1 if any does."""
    options = _options()
    failed = 0
    cases = [case for case in CASES if options.only in case.name]
    with ExitStack() as stack:
        registry = options.registry or stack.enter_context(beside())
        for case in cases:
            with tempfile.TemporaryDirectory() as folder:
                found = _differences(case, options, registry, Path(folder))
            failed += bool(found)
            for difference in found:
                sys.stdout.write(f"{case.name}: {difference}\n")
            if options.verbose and not found:
                sys.stdout.write(f"{case.name}: as expected ({case.tier})\n")
    sys.stdout.write(f"{len(cases) - failed} of {len(cases)} transcripts\n")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.golden.replay", description=__doc__)
    ours = str(Path(sys.executable).with_name("wherry"))
    parser.add_argument("--command", default=ours, help="what stands in for `docker` (default: this checkout's wherry)")
    parser.add_argument("--registry", metavar="HOST:PORT", help="plain HTTP on loopback; else wherry's own is started")
    parser.add_argument("--strict", action="store_true", help="expect docker's very output of every case")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this text in their names")
    parser.add_argument("-v", "--verbose", action="store_true", help="name the cases that are as expected, too")
    return parser.parse_args()


def _differences(case: Case, options: argparse.Namespace, registry: str, folder: Path) -> list[str]:
    environment = os.environ | {"DOCKER_CONFIG": str(folder), "HOME": str(folder), "TERM": "dumb", "COLUMNS": "80"}

    def run(argv: Sequence[str]) -> Outcome:
        command = [*shlex.split(options.command), *argv[1:]]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
        return Outcome(done.returncode, done.stdout, done.stderr)

    with replayed(case, run, registry, folder) as (outcome, surroundings):
        return differences(case, outcome, surroundings, strict=options.strict)


if __name__ == "__main__":
    sys.exit(main())
