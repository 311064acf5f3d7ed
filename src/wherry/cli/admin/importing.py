"""`wherry admin import`."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from wherry.cli.admin.options import data_option, json_option
from wherry.cli.failures import ExitCode, say
from wherry.cli.json_output import print_json
from wherry.cli.session import run
from wherry.cli.sizes import size
from wherry.cli.transfer import shown
from wherry.ops.copy import JOBS
from wherry.ops.progress import Progress, Tally
from wherry.server.importing import Failure, Imported, find_repositories, import_repositories, registry_for_import
from wherry.server.policy import Policy, Sparse

__all__ = ["import_folder"]


@click.command("import", short_help="Take over what another registry has stored in a folder.")
@click.argument("source", metavar="DIR", type=click.Path(path_type=Path))
@data_option
@click.option(
    "--repository",
    "names",
    metavar="NAME",
    multiple=True,
    help="Import this one only; may be repeated. An OCI layout gets its name by it.",
)
@click.option(
    "--allow-sparse",
    type=click.Choice([Sparse.INDEX.value]),
    help="Take indexes too of which the folder lacks children, with those that it has.",
)
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(1, 64),
    default=JOBS,
    show_default=True,
    help="Large blobs read at the same time.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be imported, and write nothing.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but what fails.")
@json_option
def import_folder(
    source: Path,
    folder: Path,
    *,
    names: tuple[str, ...],
    allow_sparse: str | None,
    jobs: int,
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Take over what another registry has stored in DIR, into the registry's folder, which is made if it is missing.

    DIR is the storage of distribution (the folder that has docker/registry/v2 in it), of zot (OCI layouts, one for each
    repository), or a single OCI layout. It is only read; its registry should not be written to meanwhile. Every digest is
    verified. What is damaged is told at the end, and does not stop the rest; the exit code is 1 then. Run it again, and it
    goes on where it stopped.
    """
    if folder.resolve().is_relative_to(source.resolve()):
        raise click.UsageError(f"--data {folder} lies in {source}, which is only read")
    policy = Policy(sparse=Sparse(allow_sparse) if allow_sparse else Sparse.NONE)
    with shown(quiet=quiet or as_json or not sys.stderr.isatty(), as_json=False) as progress:
        imported = run(
            _import(source, folder, names, policy, dry_run=dry_run, jobs=jobs, progress=progress), heavy=True
        )
    if as_json:
        print_json({"dryRun": dry_run, "repositories": [_document(each) for each in imported]})
    else:
        _tell(imported, dry_run=dry_run, quiet=quiet)
    return ExitCode.FAILED if any(each.failures for each in imported) else ExitCode.OK


async def _import(
    source: Path,
    folder: Path,
    names: Sequence[str],
    policy: Policy,
    *,
    dry_run: bool,
    jobs: int,
    progress: Progress,
) -> list[Imported]:
    found = await asyncio.to_thread(find_repositories, source, names)
    async with registry_for_import(folder, policy, dry_run=dry_run) as registry:
        return await import_repositories(found, registry, dry_run=dry_run, jobs=jobs, progress=progress)


def _tell(imported: Sequence[Imported], *, dry_run: bool, quiet: bool) -> None:
    if not quiet:
        for each in imported:
            click.echo(f"{each.repository}: {_counts(each, dry_run=dry_run)}")
    failures = [(each.repository, failure) for each in imported for failure in each.failures]
    for repository, failure in failures:
        say(f"not imported: {_place(repository, failure)}: {failure.reason}")
    if failures:
        say(f"{len(failures)} of what is in the folder {'could' if not dry_run else 'can'} not be imported")


def _counts(each: Imported, *, dry_run: bool) -> str:
    parts = [_many(each.tags, "tag")]
    if each.untagged:
        parts.append(f"{_many(each.untagged, 'manifest')} without a tag")
    tallies = (("to move" if dry_run else "moved", each.moved), ("shared", each.mounted), ("skipped", each.skipped))
    parts += [f"{what} {_many(tally.blobs, 'blob')} ({size(tally.bytes)})" for what, tally in tallies if tally.blobs]
    parts.append(f"{_many(each.manifests, 'manifest')} {'to push' if dry_run else 'pushed'}")
    if each.failures:
        parts.append(f"{len(each.failures)} failed")
    return ", ".join(parts)


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _place(repository: str, failure: Failure) -> str:
    if failure.name is None:
        return repository
    return f"{repository}{'@' if ':' in str(failure.name) else ':'}{failure.name}"


def _document(each: Imported) -> dict[str, Any]:
    return {
        "name": each.repository,
        "tags": each.tags,
        "untagged": each.untagged,
        "manifests": each.manifests,
        "moved": _tally(each.moved),
        "shared": _tally(each.mounted),
        "skipped": _tally(each.skipped),
        "failures": [
            {"name": None if failure.name is None else str(failure.name), "reason": failure.reason}
            for failure in each.failures
        ],
    }


def _tally(tally: Tally) -> dict[str, int]:
    return {"blobs": tally.blobs, "bytes": tally.bytes}
