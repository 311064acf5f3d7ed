"""`manifest inspect` of one image as a person waits for it: the whole process, from nothing to the last byte."""

import sys
from dataclasses import dataclass
from pathlib import Path

from bench.clients import run
from bench.programs import find, wherry
from bench.registries import kinds, started
from bench.report import Row
from bench.rounds import in_turn
from bench.wire import Connection, push_image

REPOSITORY = "bench/inspected"
TIMES = 5
"""How many more rounds than elsewhere: one takes no time."""


@dataclass(frozen=True, slots=True)
class Command:
    label: str
    arguments: list[str]


def measure(folder: Path, *, rounds: int) -> list[Row]:
    """Ours, docker's, and an interpreter that does nothing, which ours cannot be faster than."""
    kind = kinds()[:2][-1]
    with started(kind, folder / "registry") as address:
        connection = Connection(address)
        push_image(connection, REPOSITORY, "1", [3_000])
        connection.close()
        home = folder / "home"
        home.mkdir()
        arguments = ["manifest", "inspect", "--insecure", f"{address}/{REPOSITORY}:1"]
        program = wherry()
        subjects = [Command(program.label, [str(program.path), *arguments])]
        if docker := find("docker"):
            subjects.append(Command(docker.label, [str(docker.path), *arguments]))
        subjects.append(Command("python doing nothing", [sys.executable, "-c", "pass"]))

        def once(command: Command) -> float:
            return run(command.arguments, home).seconds * 1000

        cells = in_turn(subjects, once, rounds * TIMES)
    return [
        Row(
            "`manifest inspect` of one image, a whole process",
            "ms",
            False,
            cells,
            program.label,
            limit=150,
        )
    ]
