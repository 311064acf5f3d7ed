"""`python -m bench`: measure, print, and with `--write` put the table into bench/README.md."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench import copying, inspecting, lists, many, scale, serving, zb
from bench.clients import clients
from bench.programs import find
from bench.registries import kinds
from bench.report import Row, document, write

PARTS = ("serving", "copying", "inspecting", "lists")
LONG = ("many", "zb", "scale")
"""Parts that take long, and are measured when they are asked for."""


def main() -> None:
    options = _options()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="wherry-bench-", dir=options.directory) as folder:
        rows = _measure(Path(folder), options)
    text = document(rows, _facts(options, load))
    print(text)
    if options.write:
        write(Path(__file__).with_name("README.md"), text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of every row (default %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=3, help="length of a round of small requests (default %(default)s)"
    )
    parser.add_argument(
        "--size",
        type=int,
        default=1000,
        help="megabytes of a copied image, and of each large push in `scale` (default %(default)s)",
    )
    parser.add_argument("--only", choices=(*PARTS, *LONG), action="append", help="this part alone; may be given again")
    parser.add_argument("--long", action="store_true", help=f"the long parts too ({', '.join(LONG)}): an hour or so")
    parser.add_argument(
        "--requests", type=int, default=100, help="small pushes of a round in `zb` (default %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=4, help="clients at the same time in `zb` (default %(default)s)")
    parser.add_argument("--images", type=int, default=1000, help="small images to copy in `many` (default %(default)s)")
    parser.add_argument(
        "--directory", help="where the registries keep their data (default: the system's temporary folder)"
    )
    parser.add_argument("--write", action="store_true", help="write what was measured into bench/README.md")
    return parser.parse_args()


def _measure(folder: Path, options: argparse.Namespace) -> list[Row]:
    parts = options.only or (*PARTS, *(LONG if options.long else ()))
    rows: list[Row] = []
    for part in parts:
        print(f"bench: {part}", file=sys.stderr)
        room = folder / part
        room.mkdir()
        if part == "serving":
            rows += serving.measure(room, rounds=options.rounds, seconds=options.seconds)
        elif part == "copying":
            rows += copying.measure(room, rounds=options.rounds, size=options.size * 1_000_000)
        elif part == "inspecting":
            rows += inspecting.measure(room, rounds=options.rounds)
        elif part == "lists":
            rows += lists.measure(room, rounds=options.rounds)
        elif part == "many":
            rows += many.measure(room, images=options.images)
        elif part == "zb":
            rows += zb.measure(room, rounds=options.rounds, requests=options.requests, workers=options.workers)
        else:
            rows += scale.measure(room, rounds=options.rounds, size=options.size * 1_000_000)
    return rows


def _facts(options: argparse.Namespace, load: float) -> list[str]:
    wrk = find("wrk")
    return [
        f"Medians of {options.rounds} rounds, in turn (long parts: one round); load average before: {load:.1f}.",
        f"Small requests by {wrk.label if wrk else 'our own generator, which a fast registry may outrun'}.",
        *(f"{kind.label}: {kind.durability} before the answer." for kind in kinds()),
        f"Clients: {', '.join(client.label for client in clients())}.",
    ]


main()
