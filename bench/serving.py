"""What registries serve and take: small requests by the thousand, and large blobs both ways."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.content import MANIFEST_TYPE, config, digest_of, layer, manifest
from bench.load import requests_per_second
from bench.programs import find
from bench.registries import Kind, kinds, started
from bench.report import Cell, Row
from bench.rounds import in_turn
from bench.streaming import bytes_per_second
from bench.wire import Connection

REPOSITORY = "bench/served"
SMALL = 20_000
LARGE = 100_000_000
CONNECTIONS = 16
TIMES = 3
"""Large blobs a round."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running registry that has the content to ask for."""

    kind: Kind
    connection: Connection
    small: str
    large: str
    large_size: int

    @property
    def address(self) -> str:
        return self.connection.address

    @property
    def label(self) -> str:
        return self.kind.label


def measure(folder: Path, *, rounds: int, seconds: float) -> list[Row]:
    """All rows about serving, every registry running at the same time and only one of them at work."""
    wrk = find("wrk")
    with _all_running(folder) as subjects:
        ours = subjects[0].label

        def small_requests(path: Callable[[Served], str], accept: str) -> dict[str, Cell]:
            def once(each: Served) -> float:
                return requests_per_second(
                    wrk, each.address, path(each), accept=accept, connections=CONNECTIONS, seconds=seconds
                )

            return in_turn(subjects, once, rounds)

        return [
            Row(
                f"manifest by tag, {CONNECTIONS} connections",
                "requests/s",
                True,
                small_requests(lambda _: f"/v2/{REPOSITORY}/manifests/1", MANIFEST_TYPE),
                ours,
                {"registry": 3, "docker-registry": 10},
            ),
            Row(
                f"blob of 20 KB, {CONNECTIONS} connections",
                "requests/s",
                True,
                small_requests(lambda each: f"/v2/{REPOSITORY}/blobs/{each.small}", "*/*"),
                ours,
                {"registry": 8, "docker-registry": 8},
            ),
            Row(
                f"download of a 100 MB blob, {CONNECTIONS} connections",
                "MB/s",
                True,
                in_turn(subjects, lambda each: _downloads(each, seconds), rounds),
                ours,
                {"registry": 1.2, "docker-registry": 1.2},
            ),
            Row(
                "download of a 100 MB blob, one connection",
                "MB/s",
                True,
                in_turn(subjects, _download, rounds),
                ours,
                {"registry": 1.2, "docker-registry": 1.2},
            ),
            Row(
                "upload of a 100 MB blob",
                "MB/s",
                True,
                in_turn(subjects, _upload, rounds),
                ours,
                {"registry": 1.2, "docker-registry": 1.2},
            ),
        ]


@contextmanager
def _all_running(folder: Path) -> Iterator[list[Served]]:
    small, large = layer(SMALL - 2_000).content, layer(LARGE).content
    configuration = config([])
    with ExitStack() as stack:
        subjects = []
        for number, kind in enumerate(kinds()):
            connection = Connection(stack.enter_context(started(kind, folder / str(number))))
            stack.callback(connection.close)
            blobs = {digest_of(each): each for each in (configuration, small, large)}
            for digest, content in blobs.items():
                connection.push_blob(REPOSITORY, content, digest)
            body = manifest(configuration, [(digest_of(small), len(small)), (digest_of(large), len(large))])
            connection.push_manifest(REPOSITORY, "1", body)
            subjects.append(Served(kind, connection, digest_of(small), digest_of(large), len(large)))
        yield subjects


def _downloads(subject: Served, seconds: float) -> float:
    path = f"/v2/{REPOSITORY}/blobs/{subject.large}"
    return bytes_per_second(subject.address, path, subject.large_size, connections=CONNECTIONS, seconds=seconds) / 1e6


def _download(subject: Served) -> float:
    path = f"/v2/{REPOSITORY}/blobs/{subject.large}"
    subject.connection.close()
    seconds = sum(subject.connection.download(path, subject.large_size) for _ in range(TIMES))
    return TIMES * subject.large_size / seconds / 1e6


def _upload(subject: Served) -> float:
    content = bytearray(os.urandom(LARGE))
    os.sync()  # so that nobody pays for what another has left to be written
    subject.connection.close()
    seconds = 0.0
    for _ in range(TIMES):
        content[:32] = os.urandom(32)
        seconds += subject.connection.push_blob(REPOSITORY, memoryview(content), digest_of(content))
    return TIMES * LARGE / seconds / 1e6
