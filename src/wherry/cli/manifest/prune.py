"""`wherry manifest prune`."""

import sys
import time

import click

from wherry.cli.manifest.dockerlike import DockerCommand
from wherry.cli.manifest.here import drafts_here
from wherry.oci.errors import StoreError
from wherry.stores.drafts import Listed

__all__ = ["prune"]

DAY = 24 * 60 * 60


@click.command(
    cls=DockerCommand, least=0, most=0, usage="[OPTIONS]", short_help="Remove drafts that nobody needs any more."
)
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every draft.")
@click.option("--older-than", metavar="DAYS", type=click.FloatRange(min=0), help="Those not changed for so long, too.")
@click.option("--dry-run", is_flag=True, help="Say which, and remove nothing.")
def prune(names: tuple[str, ...], *, everything: bool, older_than: float | None, dry_run: bool) -> None:  # noqa: ARG001  # there are none; counting them is the command's
    """Remove drafts that are empty or damaged, and print which; with --older-than or --all others too.

    Nothing in any registry is touched.
    """
    drafts = drafts_here()
    oldest = None if older_than is None else time.time() - older_than * DAY
    for listed in drafts.listed():
        if everything or _is_useless(listed) or (oldest is not None and listed.changed < oldest):
            if not dry_run:
                drafts.remove_listed(listed)
            sys.stdout.write(f"{listed.name or listed.folder.name}\n")


def _is_useless(listed: Listed) -> bool:
    try:
        return not listed.images()
    except StoreError:
        return True
