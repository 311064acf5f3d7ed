"""How a copy looks while it runs: bars on a terminal, a line for each blob elsewhere, and nothing when quiet is asked."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from wherry.cli.failures import say
from wherry.cli.sizes import size
from wherry.oci.digest import Digest
from wherry.ops.progress import Ended, Event, Passed, Planned, Progress, ignore

__all__ = ["shown"]

_SHORT = 12
"""Hex digits of a digest that tell blobs apart for the eye."""


@contextmanager
def shown(*, quiet: bool) -> Iterator[Progress]:
    """What to call with each event of a copy; draws on stderr as long as the context lasts."""
    if quiet:
        yield ignore
    elif sys.stderr.isatty():
        with _bars() as draw:
            yield draw
    else:
        yield _line


def _line(event: Event) -> None:
    if isinstance(event, Ended):
        say(f"{'mounted' if event.mounted else 'moved'} {event.blob.digest} ({size(event.blob.size)})")


@contextmanager
def _bars() -> Iterator[Progress]:
    """A bar for each blob that is on its way, and one for all together."""
    # rich takes as long to import as all the rest: only who sees it pays for it.
    from rich import progress  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415

    bars = progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    whole: progress.TaskID | None = None
    blobs: dict[Digest, progress.TaskID] = {}

    def draw(event: Event) -> None:
        nonlocal whole
        match event:
            case Planned() if event.missing.blobs:
                if whole is not None:  # a second look, after the destination refused what the first one left out
                    bars.remove_task(whole)
                whole = bars.add_task(f"{event.missing.blobs} blobs", total=event.missing.bytes)
            case Passed() if whole is not None:
                if event.blob.digest not in blobs:
                    name = event.blob.digest.encoded[:_SHORT]
                    blobs[event.blob.digest] = bars.add_task(name, total=event.blob.size)
                bars.advance(blobs[event.blob.digest], event.bytes)
                bars.advance(whole, event.bytes)
            case Ended() if whole is not None:
                passed = blobs.pop(event.blob.digest, None)
                if passed is None:
                    bars.advance(whole, event.blob.size)
                else:
                    bars.remove_task(passed)
            case _:
                pass

    with bars:
        yield draw
