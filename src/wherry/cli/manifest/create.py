"""`wherry manifest create`."""

import sys

import click

from wherry.cli.failures import say
from wherry.cli.manifest.dockerlike import DockerCommand
from wherry.cli.manifest.here import drafts_here
from wherry.cli.manifest.references import parsed
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.oci.reference import Reference
from wherry.ops.drafts import Change, Created
from wherry.ops.drafts import create as create_draft

__all__ = ["create"]


@click.command(
    cls=DockerCommand,
    least=2,
    most=None,
    usage="MANIFEST_LIST MANIFEST [MANIFEST...]",
    short_help="Make a draft: a list of images, on this machine.",
)
@click.argument("names", nargs=-1)
@click.option("-a", "--amend", is_flag=True, help="Go on with a draft that is there; tags are looked up again.")
@click.option("--append", is_flag=True, help="Begin with what the registry has under the list's name now.")
@insecure_option
def create(names: tuple[str, ...], *, amend: bool, append: bool, insecure: bool) -> None:
    """Make a draft, a list of images on this machine, to be annotated and pushed.

    Unlike docker's: an index among the images stands for all the images in it, with their platforms, annotations and
    attestations; a draft appears whole or not at all; making it again from the same images is no error; --amend looks
    tags up again and says on stderr what has moved; images may be in other registries.
    """
    target = parsed(names[0], f"error parsing name for manifest list {names[0]}: ")
    sources = [parsed(name) for name in names[1:]]
    created = run(_create(target, sources, amend=amend, append=append, insecure=insecure))
    for note in created.notes:
        say(f"wherry: {note}")
    for change in created.changes:
        say(_words(change))
    sys.stdout.write(f"Created manifest list {target}\n")


async def _create(target: Reference, sources: list[Reference], *, amend: bool, append: bool, insecure: bool) -> Created:
    async with open_client(insecure=insecure, loopback="tls") as client:
        return await create_draft(drafts_here(), target, sources, client.repository, amend=amend, append=append)


def _words(change: Change) -> str:
    platform = "" if change.platform is None else f" ({change.platform})"
    return f"{change.source}{platform}: {change.old or 'new'} -> {change.new or 'gone'}"
