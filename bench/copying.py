"""Copies between two registries, each by one process that is started for it, to a destination that is empty before."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.clients import Client, Taken, clients, run
from bench.content import layer
from bench.registries import Kind, kinds, ours, started
from bench.report import Cell, Row
from bench.rounds import collected
from bench.wire import Connection, push_image

LAYERS = 8
REPOSITORY = "bench/copied"
BARS = {"crane": 1.0, "skopeo": 2.0}


def measure(folder: Path, *, rounds: int, size: int) -> list[Row]:
    """One image of 8 layers, `size` bytes in all, with a peer's registry at both ends, and with ours."""
    rows = []
    for kind in _ends():
        with started(kind, folder / "source") as source:
            connection = Connection(source)
            push_image(connection, REPOSITORY, "1", [size // LAYERS] * LAYERS)
            expected = connection.manifest(REPOSITORY, "1")
            connection.close()

            def once(client: Client, kind: Kind = kind, source: str = source, expected: bytes = expected) -> Taken:
                with _empty(kind, folder / "destination") as destination:
                    os.sync()
                    command = client.copy_command(f"{source}/{REPOSITORY}:1", f"{destination}/{REPOSITORY}:1")
                    taken = run(command, _home(folder))
                    _check(destination, "1", expected, client)
                return taken

            rows += _rows(f"copy of {size / 1e9:g} GB in {LAYERS} layers, between two of {kind.label}", once, rounds)
        shutil.rmtree(folder / "source")
    return rows


def measure_many(folder: Path, *, images: int, base_layers: int) -> Row:
    """Many images over one base, one process each: what it takes when little is to be moved."""
    kind = _ends()[0]
    with started(kind, folder / "source") as source:
        connection = Connection(source)
        base = [layer(1_000_000) for _ in range(base_layers)]
        for number in range(images):
            push_image(connection, REPOSITORY, str(number), [*base, 3_000])
        last = connection.manifest(REPOSITORY, str(images - 1))
        connection.close()

        def once(client: Client) -> float:
            seconds = 0.0
            with _empty(kind, folder / "destination") as destination:
                for number in range(images):
                    name = f"{REPOSITORY}:{number}"
                    seconds += run(
                        client.copy_command(f"{source}/{name}", f"{destination}/{name}"), _home(folder)
                    ).seconds
                _check(destination, str(images - 1), last, client)
            return seconds

        subjects = clients()
        cells = {label: Cell(tuple(values)) for label, values in collected(subjects, once, 1).items()}
    shutil.rmtree(folder / "source")
    shared = f"that share {base_layers} layers" if base_layers else "of 3 KB"
    return Row(f"{images:,} images {shared}, one process each", "s", False, cells, subjects[0].label)


def _ends() -> list[Kind]:
    """A peer's registry, if there is one (the first, so the newest), then ours."""
    return [*kinds()[1:2], ours()]


@contextmanager
def _empty(kind: Kind, folder: Path) -> Iterator[str]:
    with started(kind, folder) as address:
        yield address
    shutil.rmtree(folder)


def _home(folder: Path) -> Path:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return home


def _rows(name: str, once: Callable[[Client], Taken], rounds: int) -> list[Row]:
    subjects = clients()
    taken = collected(subjects, once, rounds)
    seconds = {label: _cell([each.seconds for each in all_of], all_of) for label, all_of in taken.items()}
    peaks = {label: Cell(tuple(each.peak / 1e6 for each in all_of)) for label, all_of in taken.items()}
    return [
        Row(name, "s", False, seconds, subjects[0].label, BARS),
        Row("its memory at the peak", "MB", False, peaks, subjects[0].label, limit=120),
    ]


def _cell(values: Sequence[float], taken: Sequence[Taken]) -> Cell:
    processor = sorted(each.processor for each in taken)[len(taken) // 2]
    return Cell(tuple(values), f"{processor:.1f} of processor")


def _check(address: str, tag: str, expected: bytes, client: Client) -> None:
    connection = Connection(address)
    found = connection.manifest(REPOSITORY, tag)
    connection.close()
    if found != expected:
        raise SystemExit(f"bench: {client.label} changed the manifest on its way")
