"""`wherry admin gc`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from wherry.cli.admin.options import Seconds, data_option, json_option
from wherry.cli.json_output import print_json
from wherry.cli.session import run
from wherry.cli.sizes import size
from wherry.cli.tables import columns
from wherry.server.collection.collector import Collected
from wherry.server.collection.protocol import Doomed
from wherry.server.metadata.reviews import Kind
from wherry.server.policy import Policy
from wherry.server.upkeep import opened

__all__ = ["gc"]


@click.command(short_help="Delete what nothing needs; a server does it by itself.")
@data_option
@click.option("--dry-run", is_flag=True, help="List what would be deleted now, and change nothing.")
@click.option(
    "--delete-untagged-after",
    "untagged",
    type=Seconds(),
    metavar="TIME",
    help="Delete manifests, too, that had no tag, index or subject for so long: 90s, 30m, 12h or 7d.",
)
@json_option
def gc(folder: Path, *, dry_run: bool, untagged: float | None, as_json: bool) -> None:
    """Delete blobs that no manifest needs, now, without a pause of the server.

    Nothing goes that was pushed, mounted or confirmed to a client in the last day, or that lost what needed it in the last
    hour. A server does the same by itself, all the time; there is no need to run this beside one. Manifests without a tag
    stay unless --delete-untagged-after is given, since a digest is as good a name as a tag; the time counts from the first
    run that finds them so.
    """
    run(_collect(folder, Policy(delete_untagged_after=untagged), dry_run=dry_run, as_json=as_json))


async def _collect(folder: Path, policy: Policy, *, dry_run: bool, as_json: bool) -> None:
    async with opened(folder, policy) as registry:
        if dry_run:
            _show_doomed(await registry.collector.reviews.foresee(), as_json=as_json)
            return
        await registry.collector.reviews.ask_for_untagged()
        collected = await registry.collector.collect()
    if as_json:
        print_json(asdict(collected))
    else:
        click.echo(_sentence(collected))


def _sentence(collected: Collected) -> str:
    manifests = f"{collected.manifests} manifests, " if collected.manifests else ""
    return f"deleted {manifests}{collected.blobs} blobs, {size(collected.size)}"


def _show_doomed(doomed: Sequence[Doomed], *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "doomed": [
                    {
                        "kind": each.kind.value,
                        "repository": each.repository,
                        "digest": str(each.digest),
                        "size": each.size,
                    }
                    for each in doomed
                ]
            }
        )
        return
    for line in columns(
        [(each.kind.value, each.repository or "-", str(each.digest), size(each.size)) for each in doomed]
    ):
        click.echo(line)
    counts = Counter(each.kind for each in doomed)
    freed = sum(each.size for each in doomed if each.kind is Kind.BLOB)
    click.echo(f"would delete {counts[Kind.MANIFEST]} manifests, {counts[Kind.BLOB]} blobs, {size(freed)}", err=True)
