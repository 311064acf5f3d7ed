"""`wherry digest`."""

import click

from wherry.cli.options import insecure_option
from wherry.cli.platforms import read_platform
from wherry.cli.session import open_client, run
from wherry.oci.descriptor import Descriptor
from wherry.oci.platform import Platform
from wherry.ops.particulars import described
from wherry.stores.locations import Location, parse_location

__all__ = ["digest"]


@click.command(short_help="Print the digest of what a reference leads to.")
@click.argument("reference")
@click.option(
    "--platform",
    metavar="PLATFORM",
    callback=read_platform,
    help="That of the image in an index that is for OS/ARCHITECTURE[/VARIANT].",
)
@click.option("--full-ref", is_flag=True, help="Print REGISTRY/REPOSITORY@DIGEST.")
@insecure_option
def digest(reference: str, *, platform: Platform | None, full_ref: bool, insecure: bool) -> None:
    """Print the digest of what REFERENCE leads to, and nothing else. Without --platform, only a HEAD request is sent."""
    location = parse_location(reference)
    found = run(_look(location, platform, insecure=insecure))
    click.echo(location.at(None, found.digest) if full_ref else found.digest)


async def _look(location: Location, platform: Platform | None, *, insecure: bool) -> Descriptor:
    async with open_client(insecure=insecure) as client:
        source = location.open(client.mirrored)
        return await described(source, await location.name(source), platform=platform)
