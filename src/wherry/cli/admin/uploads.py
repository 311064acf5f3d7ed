"""`wherry admin uploads`."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from wherry.cli.admin.options import Seconds, data_option, json_option
from wherry.cli.failures import say
from wherry.cli.json_output import print_json
from wherry.cli.session import run
from wherry.cli.sizes import size
from wherry.cli.tables import columns
from wherry.server.policy import Policy
from wherry.server.registry import Registry
from wherry.server.upkeep import opened

__all__ = ["uploads"]

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@click.command(short_help="List uploads that nobody has finished.")
@data_option
@click.option("--expire", is_flag=True, help="Throw away those that have lain untouched for the time of --older-than.")
@click.option(
    "--older-than", type=Seconds(), metavar="TIME", help="90s, 30m, 12h or 7d.  [default: 24h, as servers do it]"
)
@json_option
def uploads(folder: Path, *, expire: bool, older_than: float | None, as_json: bool) -> None:
    """List uploads that nobody has finished, the oldest first: when they last got bytes, how many they have, and where.

    The server throws away by itself what has lain for a day. An upload that is thrown away under its client begins
    again, as clients do when one is unknown.
    """
    if older_than is not None and not expire:
        raise click.UsageError("--older-than says what --expire throws away")
    run(_uploads(folder, older_than if expire and older_than is not None else None, expire=expire, as_json=as_json))


async def _uploads(folder: Path, lifetime: float | None, *, expire: bool, as_json: bool) -> None:
    async with opened(folder) as registry:
        if expire:
            count = await registry.sessions.sweep(Policy().upload_lifetime if lifetime is None else lifetime)
            say(f"{count} thrown away")
        rows = await _rows(registry)
    if as_json:
        print_json({"uploads": rows})
        return
    table = [(row["touched"], size(row["size"]), row["repository"] or "(of nobody)", row["id"]) for row in rows]
    for line in columns(table):
        click.echo(line)


async def _rows(registry: Registry) -> list[dict[str, Any]]:
    """Each upload, known to the database, or to the file system, or to both."""
    bytes_of = await registry.blobs.incoming()
    known = {each.record.id: each for each in await registry.metadata.uploads()}
    rows = []
    for identifier in known.keys() | bytes_of.keys():
        state, arrived = known.get(identifier), bytes_of.get(identifier)
        touched = max(0 if state is None else state.begun, 0 if arrived is None else int(arrived.touched))
        rows.append(
            {
                "id": identifier,
                "repository": None if state is None else state.record.repository,
                "size": 0 if arrived is None else arrived.size,
                "touched": datetime.fromtimestamp(touched or time.time(), UTC).strftime(_TIME),
            }
        )
    return sorted(rows, key=lambda row: (row["touched"], row["id"]))
