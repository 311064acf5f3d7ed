"""`manifest` commands on a list of many entries, as a person waits for them, near and far; and how often each asks."""

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.clients import run
from bench.content import DOCKER_LIST_TYPE, DOCKER_MANIFEST_TYPE, config, digest_of, layer, manifest, manifest_list
from bench.distance import Distant, distant
from bench.programs import Program, find, wherry
from bench.registries import kinds, started
from bench.report import Cell, Row
from bench.rounds import collected
from bench.wire import Connection

REPOSITORY = "bench/listed"
FAR = 0.05
"""Seconds for a request and its answer."""
PLATFORMS = (
    *(
        ("linux", each)
        for each in ("386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x")
    ),
    *(("windows", each) for each in ("amd64", "arm64")),
)
"""Of the entries: as many as the longest lists of Docker's official images have."""
ENTRIES = len(PLATFORMS)


@dataclass(frozen=True, slots=True)
class Command:
    """A program that knows `manifest`, as docker does, and a home of its own."""

    program: Program
    home: Path

    @property
    def label(self) -> str:
        return self.program.label

    def seconds(self, *arguments: str) -> float:
        return run([str(self.program.path), "manifest", *arguments], self.home).seconds

    def forget(self) -> None:
        """Throw its drafts away."""
        shutil.rmtree(self.home / "manifests", ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Place:
    """The registry as the commands see it."""

    address: str
    numbers: Iterator[int]

    @property
    def images(self) -> list[str]:
        return [f"{self.address}/{REPOSITORY}:{system}-{architecture}" for system, architecture in PLATFORMS]

    @property
    def list(self) -> str:
        return f"{self.address}/{REPOSITORY}:list"

    def fresh(self, *, elsewhere: bool) -> str:
        """A name that was never pushed, in the repository of the images or in one that is new."""
        number = next(self.numbers)
        return f"{self.address}/bench/elsewhere-{number}:1" if elsewhere else f"{self.address}/{REPOSITORY}:{number}"


@dataclass(frozen=True, slots=True)
class Work:
    """What is measured: its name, what comes before it and does not count, and the arguments. The text is a name that is free."""

    name: str
    prepare: Callable[[Command, Place, str], None]
    arguments: Callable[[Place, str], list[str]]
    elsewhere: bool = False


def measure(folder: Path, *, rounds: int) -> list[Row]:
    """Every command by ours and by docker, on loopback and at a distance of `FAR`."""
    subjects = _subjects(folder)
    if len(subjects) == 1:
        print("bench: lists: docker is not there, so that ours has nothing beside it", file=sys.stderr)
    kind = kinds()[:2][-1]
    rows: list[Row] = []
    with started(kind, folder / "registry") as address:
        _seed(address)
        numbers = iter(range(1_000_000))
        for work in WORKS:
            for far in (False, True):
                with _at(address, far=far) as (place, proxy):
                    rows += _rows(work, subjects, Place(place, numbers), proxy, rounds)
    return rows


def _rows(work: Work, subjects: list[Command], place: Place, proxy: Distant | None, rounds: int) -> list[Row]:
    asked: dict[str, list[Counter[str]]] = {each.label: [] for each in subjects}

    def once(command: Command) -> float:
        name = place.fresh(elsewhere=work.elsewhere)
        work.prepare(command, place, name)
        if proxy is not None:
            proxy.asked()
        seconds = command.seconds(*work.arguments(place, name))
        if proxy is not None:
            asked[command.label].append(proxy.asked())
        return seconds * 1000

    results = collected(subjects, once, rounds * (1 if proxy else 2))
    ours = subjects[0].label
    where = f"with {FAR * 1000:.0f} ms a request" if proxy else "on loopback"
    cells = {label: Cell(tuple(values)) for label, values in results.items()}
    rows = [Row(f"`manifest {work.name}, {where}", "ms", False, cells, ours, {"docker": 3 if proxy else 1})]
    if proxy is not None:
        counts = {label: _count(each[-1]) for label, each in asked.items()}
        rows.append(Row("how often it asks", "requests", False, counts, ours))
    return rows


def _count(asked: Counter[str]) -> Cell:
    greetings = asked.pop("TLS greeting", 0)
    note = ", ".join(f"{count} {kind}" for kind, count in sorted(asked.items(), key=lambda each: -each[1]))
    if greetings:
        note += f"; and {greetings} TLS greeting{'s' if greetings > 1 else ''} in vain"
    return Cell((float(sum(asked.values())),), note)


def _nothing(_command: Command, _place: Place, _name: str) -> None:
    """Nothing is to be prepared."""


def _no_draft(command: Command, _place: Place, _name: str) -> None:
    command.forget()


def _draft(command: Command, place: Place, name: str) -> None:
    command.forget()
    command.seconds("create", "--insecure", name, *place.images)


WORKS = (
    Work(f"inspect` of a list of {ENTRIES}", _nothing, lambda place, _: ["inspect", "--insecure", place.list]),
    Work(
        f"inspect --verbose` of a list of {ENTRIES}",
        _nothing,
        lambda place, _: ["inspect", "--insecure", "--verbose", place.list],
    ),
    Work(
        f"create` of a list of {ENTRIES}", _no_draft, lambda place, name: ["create", "--insecure", name, *place.images]
    ),
    Work(f"push` of a list of {ENTRIES}", _draft, lambda _, name: ["push", "--insecure", name]),
    Work(
        f"push` of a list of {ENTRIES} to another repository",
        _draft,
        lambda _, name: ["push", "--insecure", name],
        True,
    ),
)


def _subjects(folder: Path) -> list[Command]:
    found = []
    for program in (wherry(), find("docker")):
        if program is not None:
            home = folder / program.name
            home.mkdir()
            found.append(Command(program, home))
    return found


def _seed(address: str) -> None:
    """The images, each with a config of its own and one small layer, and a list of them all, in docker's media types."""
    connection = Connection(address)
    entries = []
    for system, architecture in PLATFORMS:
        made = layer(3_000)
        configuration = config([made.diff_id], system, architecture)
        for content in (made.content, configuration):
            connection.push_blob(REPOSITORY, content, digest_of(content))
        body = manifest(configuration, [(digest_of(made.content), len(made.content))], docker=True)
        connection.push_manifest(REPOSITORY, f"{system}-{architecture}", body, DOCKER_MANIFEST_TYPE)
        entries.append((body, system, architecture))
    connection.push_manifest(REPOSITORY, "list", manifest_list(entries), DOCKER_LIST_TYPE)
    connection.close()


@contextmanager
def _at(address: str, *, far: bool) -> Iterator[tuple[str, Distant | None]]:
    if not far:
        yield address, None
        return
    with distant(address, seconds=FAR) as proxy:
        yield proxy.addresses[0], proxy
