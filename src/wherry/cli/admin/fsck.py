"""`wherry admin fsck`."""

from pathlib import Path

import click

from wherry.cli.admin.options import data_option, json_option
from wherry.cli.failures import ExitCode, say
from wherry.cli.json_output import print_json
from wherry.cli.session import run
from wherry.server.inspection.fsck import inspect
from wherry.server.inspection.protocol import Finding
from wherry.server.upkeep import opened

__all__ = ["fsck"]


@click.command(short_help="Check that everything is there that should be.")
@data_option
@click.option("--deep", is_flag=True, help="Read all bytes, and compare their digests.")
@click.option(
    "--repair",
    is_flag=True,
    help="Move damaged blobs away, so that the next push brings them back; delete files that no row knows.",
)
@json_option
def fsck(folder: Path, *, deep: bool, repair: bool, as_json: bool) -> ExitCode:
    """Check that the database and the disk agree, both ways; the exit code is 1 if anything is damaged.

    A line is a finding: what is wrong, with which digest, in which repository. What is called orphan, stray, unreviewed or
    incomplete is no damage. The server may run; what is on its way in is not touched.

    A damaged blob is unknown to clients (404) once --repair has moved it to damaged/ in the folder, and as soon as its file
    is missing, of another size or not to be read; whoever pushes it again heals it for all repositories that hold it.
    """
    found = run(_findings(folder, deep=deep, repair=repair, as_json=as_json))
    return ExitCode.FAILED if any(each.problem.damage for each in found) else ExitCode.OK


async def _findings(folder: Path, *, deep: bool, repair: bool, as_json: bool) -> list[Finding]:
    found = []
    async with opened(folder) as registry:
        age = registry.policy.grace
        async for each in inspect(registry.inspection, registry.blobs, deep=deep, repair=repair, orphan_age=age):
            found.append(each)
            if not as_json:
                click.echo(_line(each))
    if as_json:
        print_json({"findings": [_document(each) for each in found]})
    damaged = sum(each.problem.damage for each in found)
    say(f"{damaged} damaged, {len(found) - damaged} harmless" if found else "everything is as it should be")
    return found


def _line(finding: Finding) -> str:
    place = " of ".join(str(each) for each in (finding.digest, finding.repository) if each is not None)
    return f"{finding.problem.value}: {place + ': ' if place else ''}{finding.what}{' (repaired)' if finding.repaired else ''}"


def _document(finding: Finding) -> dict[str, object]:
    return {
        "problem": finding.problem.value,
        "damage": finding.problem.damage,
        "digest": None if finding.digest is None else str(finding.digest),
        "repository": finding.repository,
        "what": finding.what,
        "repaired": finding.repaired,
    }
