"""`python -m bench`: measure, print, and with `--write` put the table into bench/README.md."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench import copying, inspecting, lists, many, scale, serving, zb
from bench.programs import find
from bench.registries import kinds, ours_relaxed
from bench.report import Row, document, write

PARTS = ("serving", "copying", "inspecting", "lists")
LONG = ("many", "zb", "scale")
"""Parts that take long, and are measured when they are asked for."""


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="wherry-bench-", dir=options.directory) as folder:
        for part in options.only or (*PARTS, *(LONG if options.long else ())):
            print(f"bench: {part}", file=sys.stderr)
            load = os.getloadavg()[0]
            room = Path(folder) / part
            room.mkdir()
            text = document(_measure(part, room, options), _facts(part, options, load))
            print(f"\n### {part}\n\n{text}", flush=True)
            if options.write:  # at once: the next part may take an hour
                write(Path(__file__).with_name("README.md"), part, text)


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
    parser.add_argument(
        "--write", action="store_true", help="write what was measured into bench/README.md, each part in its place"
    )
    return parser.parse_args()


def _measure(part: str, room: Path, options: argparse.Namespace) -> list[Row]:
    rounds, size = options.rounds, options.size * 1_000_000
    match part:
        case "serving":
            return serving.measure(room, rounds=rounds, seconds=options.seconds)
        case "copying":
            return copying.measure(room, rounds=rounds, size=size)
        case "inspecting":
            return inspecting.measure(room, rounds=rounds)
        case "lists":
            return lists.measure(room, rounds=rounds)
        case "many":
            return many.measure(room, images=options.images)
        case "zb":
            return zb.measure(room, rounds=rounds, requests=options.requests, workers=options.workers)
        case _:
            return scale.measure(room, rounds=rounds, size=size)


def _facts(part: str, options: argparse.Namespace, load: float) -> list[str]:
    rounds = "One round" if part == "many" else f"Medians of {options.rounds} rounds, in turn"
    facts = [f"{rounds}; load average before: {load:.1f}."]
    if part == "serving":
        wrk = find("wrk")
        facts.append(
            f"Small requests by {wrk.label if wrk else 'our own generator, which a fast registry may outrun'}."
        )
    if part in ("serving", "zb", "scale"):
        registries = [*kinds()[:1], *([ours_relaxed()] if part != "serving" else []), *kinds()[1:]]
        facts += [f"{kind.label}: {kind.durability} before the answer." for kind in registries]
    return facts


main()
