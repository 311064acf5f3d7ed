"""How a copy looks while it runs: bars on a terminal, a line for each blob elsewhere, events as JSON, or nothing."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from wherry.cli.failures import say, words_of
from wherry.cli.json_output import encoded
from wherry.cli.sizes import size
from wherry.cli.tables import one_line
from wherry.oci.digest import Digest
from wherry.ops.progress import Arrived, Dropped, Ended, Event, Expected, Failed, Passed, Planned, Progress, ignore

__all__ = ["print_event", "shown"]

_SHORT = 12
"""Hex digits of a digest that tell blobs apart for the eye."""
_SMALL = 256 * 1024
"""Bytes up to which a blob is gone before a bar for it could be seen."""
_DRAWN_EVERY = 0.1  # seconds
_TOLD_EVERY = 0.5  # seconds
_NARROW = 60
"""Columns that it takes to draw all there is to be seen of a blob in one line."""
_DUMB = frozenset(("dumb", "unknown"))
"""Terminals on which nothing can be drawn over: Emacs has one."""


@contextmanager
def shown(*, quiet: bool, as_json: bool) -> Iterator[Progress]:
    """What to call with each event of a copy; draws on stderr, or prints events on stdout, as long as the context lasts."""
    if quiet:
        yield ignore
    elif as_json:
        yield _Teller().tell
    elif sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in _DUMB:
        with _bars() as draw:
            yield draw
    else:
        yield _line


def print_event(event: str, document: dict[str, Any]) -> None:
    """Print an event as a line of JSON, at once."""
    sys.stdout.buffer.write(encoded({"event": event, **document}) + b"\n")
    sys.stdout.buffer.flush()


def _line(event: Event) -> None:
    match event:
        case Ended():
            say(f"{'mounted' if event.mounted else 'moved'} {event.blob.digest} ({size(event.blob.size)})")
        case Failed():
            say(f"failed {_place(event)}: {words_of(event.error)}")
        case _:
            pass


def _place(event: Arrived | Failed) -> str:
    tags = event.errand.tags
    return f"{event.errand.destination}{f':{tags[0]}' if tags else ''}"


class _Teller:
    """Events as JSON. Bytes are told of now and then, and not with every piece."""

    def __init__(self) -> None:
        self._passed = 0
        self._total = 0
        self._told = time.monotonic()

    def tell(self, event: Event) -> None:
        match event:
            case Passed():
                self._passed += event.bytes
                now = time.monotonic()
                if now - self._told >= _TOLD_EVERY:
                    self._told = now
                    print_event("progress", {"bytes": self._passed, "total": self._total})
            case Planned():
                self._total += event.missing.bytes
                tallies = {"missing": event.missing, "skipped": event.skipped}
                print_event(
                    "planned",
                    {name: {"blobs": tally.blobs, "bytes": tally.bytes} for name, tally in tallies.items()},
                )
            case Ended():
                if event.mounted:
                    self._total -= event.blob.size
                print_event(
                    "blob",
                    {
                        "digest": str(event.blob.digest),
                        "size": event.blob.size,
                        "how": "mounted" if event.mounted else "moved",
                    },
                )
            case Expected():
                print_event("expected", {"copies": event.copies})
            case _:  # how single copies of many end is told by who knows where they came from
                pass


@contextmanager
def _bars() -> Iterator[Progress]:
    """A bar for each large blob that is on its way, and one for all together."""
    # rich takes as long to import as all the rest: only who sees it pays for it.
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    console = Console(stderr=True)
    columns: list[progress.ProgressColumn] = [progress.TextColumn("{task.description}")]
    if console.width < _NARROW:
        columns += [progress.TaskProgressColumn()]
    else:
        columns += [progress.BarColumn(), progress.DownloadColumn()]
        columns += [progress.TransferSpeedColumn(), progress.TimeRemainingColumn()]
    bars = progress.Progress(*columns, console=console, transient=True)
    with bars:
        yield _Drawing(bars).draw


class _Drawing:
    """Keeps the bars. Pieces are gathered for a moment: drawing is what costs."""

    def __init__(self, bars: Any) -> None:
        self._bars = bars
        self._whole = bars.add_task("looking", total=None)
        self._tasks: dict[Digest, Any] = {}
        self._waiting: dict[Digest, int] = {}
        self._small = 0
        self._drawn = 0.0
        self._total = 0
        self._blobs = self._done = self._skipped = self._mounted = 0
        self._copies = self._copies_done = 0
        self._draw: dict[type, Callable[[Any], None]] = {
            Passed: self._passed,
            Planned: self._planned,
            Ended: self._ended,
            Dropped: self._dropped,
            Expected: self._expected,
            Arrived: self._arrived,
            Failed: self._failed,
        }

    def draw(self, event: Event) -> None:
        self._draw[type(event)](event)
        now = time.monotonic()
        if now - self._drawn >= _DRAWN_EVERY:
            self._drawn = now
            self._flush()

    def _passed(self, event: Passed) -> None:
        digest = event.blob.digest
        if event.blob.size <= _SMALL:
            self._small += event.bytes
            return
        if digest not in self._tasks:
            self._tasks[digest] = self._bars.add_task(digest.encoded[:_SHORT], total=event.blob.size)
        self._waiting[digest] = self._waiting.get(digest, 0) + event.bytes

    def _planned(self, event: Planned) -> None:
        self._total += event.missing.bytes
        self._blobs += event.missing.blobs
        self._skipped += event.skipped.blobs

    def _ended(self, event: Ended) -> None:
        self._done += 1
        if event.mounted:
            self._mounted += 1
            self._total -= event.blob.size
        task = self._tasks.pop(event.blob.digest, None)
        self._bars.advance(self._whole, self._waiting.pop(event.blob.digest, 0))
        if task is not None:
            self._bars.remove_task(task)

    def _dropped(self, event: Dropped) -> None:
        """Take its bar away, and its bytes from the whole: whoever brings it begins anew, or goes on with another bar."""
        self._waiting.pop(event.blob.digest, None)
        task = self._tasks.pop(event.blob.digest, None)
        if task is not None:
            self._bars.update(self._whole, completed=self._completed(self._whole) - self._completed(task))
            self._bars.remove_task(task)

    def _completed(self, task: Any) -> float:
        return float(next(each.completed for each in self._bars.tasks if each.id == task))

    def _expected(self, event: Expected) -> None:
        self._copies = event.copies

    def _arrived(self, _event: Arrived) -> None:
        self._copies_done += 1

    def _failed(self, event: Failed) -> None:
        self._copies_done += 1
        told = one_line(f"failed {_place(event)}: {words_of(event.error)}")
        self._bars.console.print(told, markup=False, highlight=False)

    def _flush(self) -> None:
        passed = self._small + sum(self._waiting.values())
        self._small = 0
        for digest, count in self._waiting.items():
            self._bars.advance(self._tasks[digest], count)
        self._waiting.clear()
        self._bars.update(self._whole, advance=passed, total=self._total or None, description=self._words())

    def _words(self) -> str:
        words = [f"{self._copies_done}/{self._copies} copies"] if self._copies else []
        words.append(f"{self._done}/{self._blobs} blobs")
        if self._skipped:
            words.append(f"{self._skipped} skipped")
        if self._mounted:
            words.append(f"{self._mounted} mounted")
        return ", ".join(words)
