"""What a registry does when there is much of something: tags, repositories, bytes at the same time, garbage."""

import contextlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from urllib.parse import urljoin

from bench import seeding
from bench.content import MANIFEST_TYPE, digest_of
from bench.driving import Driven, Line, Step, drive
from bench.registries import Kind, Server, kinds, launched, ours_relaxed
from bench.report import Cell, Row
from bench.rounds import collected
from bench.wire import Connection, push_image
from bench.zb import SMALL, Unique, put_blob

TAGS = 10_000
SHARING = 5_000
"""Tags of the manifest that is deleted."""
REPOSITORIES = 100_000
GARBAGE = 50_000
PAGE = 1_000
"""Repositories of a page: more, distribution 3 does not give."""
TIMES = 20
LONG_ENOUGH = 20.0
"""Seconds after which a list is not asked for again."""
PUSHES = 8
PUSHERS = 16
PIECE = 16 * 1024 * 1024
REPOSITORY = seeding.TEMPLATE


def measure(folder: Path, *, rounds: int, size: int) -> list[Row]:
    """All rows; `size` is the bytes of each of the large blobs that are pushed at the same time."""
    subjects = kinds()
    return [
        *_tags(folder, subjects, rounds),
        *_repositories(folder, subjects, rounds),
        *_small_pushes(folder, subjects, rounds),
        *_memory(folder, subjects, size),
        *_collecting(folder, rounds),
    ]


def _tags(folder: Path, subjects: Sequence[Kind], rounds: int) -> list[Row]:
    subjects = _that_can_be_seeded(subjects, "tags")

    def page(kind: Kind) -> float:
        with _seeded(kind, folder, lambda place: seeding.tags(kind, place, _numbered("t", TAGS - 1))) as server:
            return _milliseconds(server, f"/v2/{REPOSITORY}/tags/list?n={TAGS}", at_least=TAGS * 4)

    def delete(kind: Kind) -> float:
        with _seeded(kind, folder, lambda place: seeding.tags(kind, place, _numbered("t", SHARING - 1))) as server:
            connection = Connection(server.address)
            digest = digest_of(connection.manifest(REPOSITORY, seeding.TAG))
            began = time.perf_counter()
            answer = connection.request("DELETE", f"/v2/{REPOSITORY}/manifests/{digest}")
            answer.read()
            seconds = time.perf_counter() - began
            if answer.status != 202:
                raise SystemExit(f"bench: {kind.label}: {answer.status} for a DELETE")
            connection.close()
            return seconds * 1000

    return [
        _row(
            f"{TAGS:,} tags, in one page if the registry gives such", "ms", collected(subjects, page, rounds), limit=50
        ),
        _row(f"DELETE of a manifest with {SHARING:,} tags", "ms", collected(subjects, delete, rounds), limit=50),
    ]


def _repositories(folder: Path, subjects: Sequence[Kind], rounds: int) -> list[Row]:
    subjects = _that_can_be_seeded(subjects, "repositories")
    starts: dict[str, list[float]] = {}
    pages: dict[str, list[float]] = {}
    for kind in subjects:
        names = [f"bench/{number // 1000:03}/r{number % 1000:03}" for number in range(REPOSITORIES - 1)]
        place = folder / "repositories"
        _seed(kind, place, partial(seeding.repositories, kind, names=names))
        for _ in range(rounds):
            with launched(kind, place) as server:
                starts.setdefault(kind.label, []).append(server.seconds * 1000)
                path = f"/v2/_catalog?n={PAGE}&last={names[REPOSITORIES // 2]}"
                pages.setdefault(kind.label, []).append(_milliseconds(server, path, at_least=PAGE * 10))
        shutil.rmtree(place)
    return [
        _row(f"a page of {PAGE:,} in the middle of {REPOSITORIES:,} repositories", "ms", pages, limit=50),
        _row(f"from its start to its first answer, with {REPOSITORIES:,} repositories", "ms", starts, limit=1000),
    ]


def _small_pushes(folder: Path, subjects: Sequence[Kind], rounds: int) -> list[Row]:
    each = 20

    def prepare(_line: Line, _number: int) -> list[Step]:
        supply = Unique((SMALL,))
        blobs = [supply.blob(SMALL) for _ in range(each)]
        return [
            partial(lambda blob, line: put_blob(line, REPOSITORY, blob.digest, blob.ready()), blob) for blob in blobs
        ]

    def once(kind: Kind) -> Driven:
        with _fresh(kind, folder) as server:
            os.sync()
            return drive(server.address, prepare, workers=PUSHERS)

    driven = collected([subjects[0], ours_relaxed(), *subjects[1:]], once, rounds)
    cells = {label: Cell(tuple(one.rate for one in all_of), all_of[-1].note) for label, all_of in driven.items()}
    name = f"push of unique blobs of 1 MiB, {PUSHERS} workers × {each}"
    return [Row(name, "blobs/s", True, cells, subjects[0].label, {"registry": 1.5, "docker-registry": 1.5})]


def _memory(folder: Path, subjects: Sequence[Kind], size: int) -> list[Row]:
    """Of the largest process of the registry, at its peak."""
    rest = memoryview(os.urandom(PIECE))

    def prepare(_line: Line, _number: int) -> list[Step]:
        stamp = os.urandom(32)
        pieces = [memoryview(stamp), *(rest for _ in range(size // PIECE)), rest[: size % PIECE]]
        hasher = sha256()
        for piece in pieces:
            hasher.update(piece)
        return [partial(_push_pieces, pieces, f"sha256:{hasher.hexdigest()}")]

    def once(kind: Kind) -> float:
        with _fresh(kind, folder) as server:
            drive(server.address, prepare, workers=PUSHES)
            return max(map(_peak, _family(server.process))) / 1e6

    name = f"memory of the registry's largest process at its peak, during {PUSHES} pushes of {size / 1e9:g} GB each"
    return [_row(name, "MB", collected(subjects, once, 1), limit=150)]


def _push_pieces(pieces: Sequence[memoryview], digest: str, line: Line) -> None:
    put_blob(line, REPOSITORY, digest, *pieces)


def _collecting(folder: Path, rounds: int) -> list[Row]:
    """Pulls while the registry collects garbage by itself, beside the same without; only ours does both at the same time."""
    ours = kinds()[0]
    results: dict[str, list[Driven]] = {}
    collected = []
    for dead in (0, GARBAGE):
        label = f"{ours.label}{f', with {dead:,} dead blobs' if dead else ''}"
        results[label] = []
        for _ in range(rounds):
            with _seeded(ours, folder, partial(seeding.garbage, count=dead) if dead else _nothing) as server:
                results[label].append(drive(server.address, _pulls, workers=4))
                if dead:
                    collected.append(dead - seeding.garbage_left(folder / "server"))
    if not 0 < min(collected) <= max(collected) < GARBAGE:
        print(
            f"bench: scale: of {GARBAGE} dead blobs {collected} were collected: not what was to be seen",
            file=sys.stderr,
        )
    cells = {label: Cell(tuple(one.rate for one in all_of), all_of[-1].note) for label, all_of in results.items()}
    name = f"pulls of a small image while dead blobs are collected ({min(collected):,} or more meanwhile)"
    return [Row(name, "images/s", True, cells, ours.label)]


def _nothing(_place: Path) -> None:
    """The template is enough."""


def _pulls(_line: Line, _number: int) -> list[Step]:
    return [_pull] * 1000


def _pull(line: Line) -> None:
    path = f"/v2/{REPOSITORY}/manifests/{seeding.TAG}"
    document = json.loads(line.ask("GET", path, 200, headers=f"Accept: {MANIFEST_TYPE}\r\n").content)
    for each in (document["config"], *document["layers"]):
        line.ask("GET", f"/v2/{REPOSITORY}/blobs/{each['digest']}", 200)


def _numbered(prefix: str, count: int) -> Iterator[str]:
    return (f"{prefix}{number:06}" for number in range(count))


def _that_can_be_seeded(subjects: Sequence[Kind], what: str) -> list[Kind]:
    for kind in subjects:
        if not seeding.knows(kind):
            print(
                f"bench: scale: {kind.label}: left out, many {what} take too long to push one by one", file=sys.stderr
            )
    return [kind for kind in subjects if seeding.knows(kind)]


def _seed(kind: Kind, place: Path, more: Callable[[Path], None]) -> None:
    with launched(kind, place) as server:
        connection = Connection(server.address)
        push_image(connection, REPOSITORY, seeding.TAG, [3_000])
        connection.close()
    more(place)


@contextmanager
def _seeded(kind: Kind, folder: Path, more: Callable[[Path], None]) -> Iterator[Server]:
    """A registry that runs over the template and what `more` makes of it; thrown away afterwards."""
    place = folder / "server"
    _seed(kind, place, more)
    with launched(kind, place) as server:
        yield server
    shutil.rmtree(place)


@contextmanager
def _fresh(kind: Kind, folder: Path) -> Iterator[Server]:
    place = folder / "server"
    with launched(kind, place) as server:
        yield server
    shutil.rmtree(place)


def _milliseconds(server: Server, path: str, *, at_least: int) -> float:
    """The median time of a list that has so many bytes or more; of all its pages, if the registry does not give it in one."""
    connection = Connection(server.address)
    taken: list[float] = []
    while len(taken) < TIMES and sum(taken) < LONG_ENOUGH:
        began = time.perf_counter()
        size = _list(connection, path, at_least)
        taken.append(time.perf_counter() - began)
        if size < at_least:
            raise SystemExit(f"bench: {server.address}{path}: only {size} bytes")
    connection.close()
    return sorted(taken)[len(taken) // 2] * 1000


def _list(connection: Connection, path: str, enough: int) -> int:
    """Read a list, and the pages behind it until there is enough; returns how many bytes that was."""
    size = 0
    while True:
        answer = connection.request("GET", path)
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"bench: {connection.address}{path}: {answer.status} {content[:200]!r}")
        size += len(content)
        link = answer.headers.get("Link")
        if size >= enough or link is None:
            return size
        path = urljoin(path, link.partition("<")[2].partition(">")[0])


def _family(process: int) -> list[int]:
    """A process and all that descend from it."""
    found = [process]
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            parent = int(each.read_text().rpartition(")")[2].split()[1])
            if parent == process:
                found += _family(int(each.parent.name))
    return found


def _peak(process: int) -> int:
    """The peak resident memory of a process, in bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"bench: process {process} has no memory")


def _row(name: str, unit: str, results: dict[str, list[float]], *, limit: float) -> Row:
    cells = {label: Cell(tuple(values)) for label, values in results.items()}
    return Row(name, unit, False, cells, next(iter(cells)), limit=limit)
