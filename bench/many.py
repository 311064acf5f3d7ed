"""Many small images: where a program's start, its turns, and what it remembers from one image to the next are what counts."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.clients import Client, Taken, clients, run
from bench.content import layer
from bench.copying import REPOSITORY, check, empty, ends, home
from bench.distance import distant
from bench.registries import Kind, started
from bench.report import Cell, Row
from bench.rounds import collected
from bench.wire import Connection, push_image

SHARING = 100
BASE = 5
FAR = 0.05
"""Seconds for a request and its answer."""


@dataclass(frozen=True, slots=True)
class Source:
    """A registry that has the images, by numbers from 0; `last` is the manifest of the last."""

    kind: Kind
    address: str
    images: int
    last: bytes


def measure(folder: Path, *, images: int) -> list[Row]:
    """One round of each: it takes long enough."""
    kind = ends()[0]
    rows = []
    with _source(kind, folder, SHARING, base_layers=BASE) as source:
        what = f"{SHARING} images that share a base of {BASE} layers"
        rows += _one_process_each(what, source, folder)
        rows += _one_process(what, source, folder, bars=(1, 1))
    with _source(kind, folder, images) as source:
        what = f"{images:,} images of 3 KB"
        rows += _one_process_each(what, source, folder)
        rows += _one_process(what, source, folder, bars=(2, 2))
        rows += _one_process(what, source, folder, bars=(2, 2), far=True)
    return rows


@contextmanager
def _source(kind: Kind, folder: Path, images: int, *, base_layers: int = 0) -> Iterator[Source]:
    with started(kind, folder / "source") as address:
        connection = Connection(address)
        base = [layer(1_000_000) for _ in range(base_layers)]
        for number in range(images):
            push_image(connection, REPOSITORY, str(number), [*base, 3_000])
        last = connection.manifest(REPOSITORY, str(images - 1))
        connection.close()
        yield Source(kind, address, images, last)
    shutil.rmtree(folder / "source")


def _one_process_each(what: str, source: Source, folder: Path) -> list[Row]:
    def once(client: Client) -> list[Taken]:
        with empty(source.kind, folder / "destination") as destination:
            names = [f"{REPOSITORY}:{number}" for number in range(source.images)]
            taken = [
                run(client.copy_command(f"{source.address}/{name}", f"{destination}/{name}"), home(folder))
                for name in names
            ]
            check(destination, str(source.images - 1), source.last, client)
        return taken

    results = collected(clients(), once, 1)
    return _rows(f"{what}, one process each", {label: all_of[0] for label, all_of in results.items()}, bar=None)


def _one_process(what: str, source: Source, folder: Path, *, bars: tuple[float, float], far: bool = False) -> list[Row]:
    """A repository as a whole, to an empty registry, and again; `bars` are for the two."""

    def once(client: Client) -> tuple[Taken, Taken]:
        with (
            empty(source.kind, folder / "destination") as destination,
            _at(source.address, destination, far=far) as ways,
        ):
            command = client.copy_repository_command(f"{ways[0]}/{REPOSITORY}", f"{ways[1]}/{REPOSITORY}")
            taken = run(command, home(folder)), run(command, home(folder))
            check(destination, str(source.images - 1), source.last, client)
        return taken

    subjects = [client for client in clients() if client.repository_arguments is not None]
    results = collected(subjects, once, 1)
    where = f", with {FAR * 1000:.0f} ms a request" if far else ""
    first = {label: [all_of[0][0]] for label, all_of in results.items()}
    again = {label: [all_of[0][1]] for label, all_of in results.items()}
    return [
        *_rows(f"{what}, in one process{where}", first, bar=bars[0]),
        *_rows(f"{what}, all of them there already, in one process{where}", again, bar=bars[1]),
    ]


@contextmanager
def _at(*addresses: str, far: bool) -> Iterator[tuple[str, ...]]:
    if not far:
        yield addresses
        return
    with distant(*addresses, seconds=FAR) as proxy:
        yield proxy.addresses


def _rows(what: str, taken: dict[str, list[Taken]], *, bar: float | None) -> list[Row]:
    ours = next(iter(taken))
    bars = {} if bar is None else {label.split(" ")[0]: bar for label in taken if label != ours}

    def cells(
        value: Callable[[list[Taken]], float], note: Callable[[list[Taken]], str] = lambda _: ""
    ) -> dict[str, Cell]:
        return {label: Cell((value(all_of),), note(all_of)) for label, all_of in taken.items()}

    seconds = cells(
        lambda all_of: sum(each.seconds for each in all_of),
        lambda all_of: f"{sum(each.processor for each in all_of):.1f} of processor",
    )
    peaks = cells(lambda all_of: max(each.peak for each in all_of) / 1e6)
    return [
        Row(what, "s", False, seconds, ours, bars),
        Row("its memory at the peak", "MB", False, peaks, ours, limit=120),
    ]
