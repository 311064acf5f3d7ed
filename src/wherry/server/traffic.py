"""What the server has done so far, as numbers in memory that its worker processes share.

Each worker writes to a slot of its own, and whoever is asked for metrics adds the slots up. A worker that takes the
place of a crashed one goes on with its slot, so that counters never fall. To count a request costs about a microsecond.
"""

import mmap
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from wherry.server.routes import Endpoint

__all__ = ["BUCKETS", "Number", "Series", "Traffic", "shared_numbers"]

BUCKETS = (0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0, 300.0)
"""Upper limits of the histogram of durations, in seconds."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "other")
_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_ENDPOINTS = tuple(Endpoint)
_RECEIVED, _SENT, _SECONDS, _COUNTS = range(4)
_WIDTH = _COUNTS + len(BUCKETS) + 1
_NUMBERS = 16  # room for `Number`, at the start of a slot
_SLOT = _NUMBERS + _WIDTH * len(_ENDPOINTS) * len(_METHODS) * len(_CLASSES)
_DOUBLE = 8  # bytes


class Number(IntEnum):
    """A number of a worker's that belongs to no endpoint."""

    UPLOADING = 0
    """Bodies of blobs that come in right now."""
    LOST_LINES = 1
    """Lines of the access log that could not be written."""
    REVIEWS = 2
    MANIFESTS = 3
    LINKS = 4
    BLOBS = 5
    BYTES = 6
    """What the collector has looked at, and what it has taken away."""


@dataclass(frozen=True, slots=True)
class Series:
    """All requests of one kind; `counts` has one number for each of `BUCKETS`, and one for what took longer."""

    endpoint: str
    method: str
    status: str
    received: float
    sent: float
    seconds: float
    counts: tuple[int, ...]


def shared_numbers(workers: int) -> mmap.mmap:
    """Memory for so many workers, which processes forked later share."""
    return mmap.mmap(-1, workers * _SLOT * _DOUBLE)


class Traffic:
    """The numbers of one worker, and the sums of all."""

    def __init__(self, memory: mmap.mmap | None = None, worker: int = 0) -> None:
        self.worker = worker
        self._all = memoryview(memory or shared_numbers(1)).cast("d")
        self._mine = self._all[worker * _SLOT : (worker + 1) * _SLOT]
        self._mine[Number.UPLOADING] = 0.0  # it was that of a worker that has crashed
        self._places = {
            (endpoint, method): _NUMBERS + _WIDTH * len(_CLASSES) * (row * len(_METHODS) + column)
            for row, endpoint in enumerate(_ENDPOINTS)
            for column, method in enumerate(_METHODS)
        }

    def note(self, endpoint: Endpoint, method: str, status: int, *, received: int, sent: int, seconds: float) -> None:
        """Count a request; sizes are those of the bodies."""
        place = self._places.get((endpoint, method))
        if place is None:
            place = self._places[endpoint, "other"]
        place += (status // 100 - 1) * _WIDTH
        mine = self._mine
        mine[place + _RECEIVED] += received
        mine[place + _SENT] += sent
        mine[place + _SECONDS] += seconds
        mine[place + _COUNTS + bisect_left(BUCKETS, seconds)] += 1.0

    def add(self, number: Number, difference: float = 1.0) -> None:
        """Change one of this worker's numbers."""
        self._mine[number] += difference

    def total(self, number: Number) -> int:
        """The sum over all workers."""
        return int(sum(self._all[number::_SLOT]))

    def series(self) -> Iterator[Series]:
        """All kinds of requests that came, each with the sums over all workers."""
        place = _NUMBERS
        for endpoint in _ENDPOINTS:
            for method in _METHODS:
                for status in _CLASSES:
                    sums = [sum(self._all[place + offset :: _SLOT]) for offset in range(_WIDTH)]
                    place += _WIDTH
                    counts = tuple(map(int, sums[_COUNTS:]))
                    if any(counts):
                        received, sent, seconds = sums[:_COUNTS]
                        yield Series(endpoint.value, method, status, received, sent, seconds, counts)
