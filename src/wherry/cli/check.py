"""`wherry check`."""

import sys
from typing import Any

import click

from wherry.cli.failures import ExitCode, Manner
from wherry.cli.json_output import print_json
from wherry.cli.options import insecure_option, limit_rate_option, timeout_option
from wherry.cli.platforms import read_platforms
from wherry.cli.session import open_client, run, within
from wherry.cli.sizes import size
from wherry.cli.tables import printable
from wherry.cli.transfer import shown
from wherry.oci.digest import Digest
from wherry.oci.platform import Platform
from wherry.ops.check import JOBS, Checked, Problem
from wherry.ops.check import check as look
from wherry.stores.locations import Location, parse_location

__all__ = ["check"]

_NEXT_TIME = "the same command begins anew: give it more time, or less to do (--platform, or without --deep)"


@click.command(short_help="Verify everything that a reference leads to.")
@click.argument("reference")
@click.option("--deep", is_flag=True, help="Read every blob: digests of bytes, and diff IDs of layers.")
@click.option(
    "--platform",
    "platforms",
    metavar="PLATFORM",
    multiple=True,
    callback=read_platforms,
    help="Check this platform of an index only; may be repeated.",
)
@click.option("-r", "--referrers", is_flag=True, help="Check signatures, SBOMs and attestations too.")
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1, 64),
    default=JOBS,
    show_default=True,
    help="Large blobs that are read at the same time.",
)
@timeout_option
@limit_rate_option
@insecure_option
@click.option("-q", "--quiet", is_flag=True, help="Print problems, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def check(
    context: click.Context,
    reference: str,
    *,
    deep: bool,
    platforms: tuple[Platform, ...],
    referrers: bool,
    jobs: int,
    timeout: float | None,
    limit_rate: int | None,
    insecure: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Verify everything that REFERENCE leads to, and print every problem: what is missing, or not what it is said to be.

    Every manifest and config is read; blobs are asked for, and with --deep read. Nothing is changed. REFERENCE is
    REGISTRY/REPOSITORY[:TAG][@DIGEST], or on this machine oci:DIR[:TAG], oci-archive:FILE[:TAG] or
    docker-archive:FILE[:NAME[:TAG]]. The exit code is 1 if there is a problem.
    """
    location = parse_location(reference)
    noticed: list[Problem] = []

    async def work() -> tuple[Location, Checked]:
        # Of the registry itself, and not of its mirrors: they would hide what it lacks.
        async with open_client(insecure=insecure, limit_rate=limit_rate) as client:
            source = location.open(client)
            name = await location.name(source)
            options: dict[str, Any] = {"deep": deep, "platforms": platforms, "referrers": referrers, "jobs": jobs}
            with shown(quiet=quiet or as_json or not deep or not sys.stderr.isatty(), as_json=False) as progress:
                found = await look(source, name, noticed=noticed.append, progress=progress, **options)
            return location.at(None if isinstance(name, Digest) else name, found.digest), found

    try:
        place, found = run(within(timeout, work(), _NEXT_TIME), heavy=deep)
    except BaseException:
        if not as_json:
            _print(noticed)  # what was found until the place itself failed, or somebody had enough
        raise
    if as_json:
        print_json(_document(place, found, deep=deep))
    else:
        _print(found.problems)
        if not quiet:
            click.echo(_summary(place, found, deep=deep))
    if not found.problems:
        return ExitCode.OK
    manner = context.find_object(Manner)
    return ExitCode.INVALID if manner is not None and manner.fine else ExitCode.FAILED


def _print(problems: tuple[Problem, ...] | list[Problem]) -> None:
    for problem in problems:
        click.echo(_line(problem))


def _line(problem: Problem) -> str:
    where = problem.where or "the root"
    platform = f" ({problem.platform})" if problem.platform is not None and problem.platform.known else ""
    also = f", and at {_count(len(problem.also), 'other place')}" if problem.also else ""
    return printable(f"{problem.cause}: {where}{platform}{also}: {problem.problem}; try: {problem.cure}")


def _summary(place: Location, found: Checked, *, deep: bool) -> str:
    seen = f"{_count(found.manifests, 'manifest')}, {_count(found.blobs, 'blob')}, {size(found.bytes)}"
    clean = "every byte is right" if deep else "nothing is missing"
    notes = ""
    if found.foreign:
        notes += f"; {_count(found.foreign, 'foreign layer')} not there, but where its author says"
    if found.unopened:
        notes += f"; {_count(found.unopened, 'layer')} in zstd, not decompressed"
    return f"{place}: {seen}: {_count(len(found.problems), 'problem') if found.problems else clean}{notes}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _document(place: Location, found: Checked, *, deep: bool) -> dict[str, Any]:
    return {
        "reference": str(place),
        "digest": None if found.digest is None else str(found.digest),
        "deep": deep,
        "manifests": found.manifests,
        "blobs": found.blobs,
        "bytes": found.bytes,
        "foreign": found.foreign,
        "unopened": found.unopened,
        "problems": [_problem(problem) for problem in found.problems],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "cause": problem.cause,
        "where": problem.where,
        "also": list(problem.also),
        "platform": None if problem.platform is None else str(problem.platform),
        "digest": None if problem.digest is None else str(problem.digest),
        "problem": problem.problem,
        "cure": problem.cure,
    }
