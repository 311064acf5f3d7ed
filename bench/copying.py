"""Copies between two registries, each by one process that is started for it, to a destination that is empty before."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.clients import Client, Taken, clients, run
from bench.content import Layer, labelled, layer
from bench.registries import Kind, kinds, ours, started
from bench.report import Cell, Row
from bench.rounds import collected
from bench.wire import Connection, push_image

LAYERS = 8
REPOSITORY = "bench/copied"
BARS = {"crane": 1.0, "skopeo": 2.0}


@dataclass(frozen=True, slots=True)
class Content:
    """What the layers are."""

    name: str
    layer: Callable[[int], Layer]
    changes: bool = False
    """A client that looks inside may send something else: then the manifest is another, and is not compared."""


TRUE = Content("true gzips", layer)
LABELLED = Content("random bytes that are called gzip", labelled, changes=True)


def measure(folder: Path, *, rounds: int, size: int) -> list[Row]:
    """One image of 8 layers, `size` bytes in all, with a peer's registry at both ends, and with ours."""
    peers, *own = ends()
    rows = []
    for kind, content in ((peers, TRUE), *((each, TRUE) for each in own), (peers, LABELLED)):
        with started(kind, folder / "source") as source:
            connection = Connection(source)
            push_image(connection, REPOSITORY, "1", (content.layer(size // LAYERS) for _ in range(LAYERS)))
            expected = connection.manifest(REPOSITORY, "1")
            connection.close()

            def once(
                client: Client,
                kind: Kind = kind,
                source: str = source,
                expected: bytes = expected,
                content: Content = content,
            ) -> Taken:
                with empty(kind, folder / "destination") as destination:
                    os.sync()
                    command = client.copy_command(f"{source}/{REPOSITORY}:1", f"{destination}/{REPOSITORY}:1")
                    taken = run(command, home(folder))
                    check(destination, "1", None if content.changes else expected, client)
                return taken

            what = f"copy of {size / 1e9:g} GB in {LAYERS} layers ({content.name}), between two of {kind.label}"
            rows += _rows(what, once, rounds)
        shutil.rmtree(folder / "source")
    return rows


def ends() -> list[Kind]:
    """A peer's registry, if there is one (the first, so the newest), then ours."""
    return [*kinds()[1:2], ours()]


@contextmanager
def empty(kind: Kind, folder: Path) -> Iterator[str]:
    with started(kind, folder) as address:
        yield address
    shutil.rmtree(folder)


def home(folder: Path) -> Path:
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


def check(address: str, tag: str, expected: bytes | None, client: Client) -> None:
    """The manifest is there, and the one that is expected, if any is."""
    connection = Connection(address)
    found = connection.manifest(REPOSITORY, tag)
    connection.close()
    if expected is not None and found != expected:
        raise SystemExit(f"bench: {client.label} changed the manifest on its way")
