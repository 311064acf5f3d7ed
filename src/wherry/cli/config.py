"""`wherry config`."""

import platform as machine
import sys

import click
import msgspec

from wherry.cli.options import insecure_option
from wherry.cli.platforms import read_platform
from wherry.cli.session import open_client, run
from wherry.oci.document import NotJSON, decode, encode
from wherry.oci.errors import ManifestInvalid
from wherry.oci.platform import Platform
from wherry.ops.particulars import config_of
from wherry.stores.locations import Location, parse_location

__all__ = ["config"]

_MACHINES = {"armv7l": "arm/v7", "armv6l": "arm/v6"}
"""What `uname -m` says where platforms have other words; `Platform.parse` knows the rest."""


@click.command(short_help="Print the config of an image.")
@click.argument("reference")
@click.option(
    "--platform",
    metavar="PLATFORM",
    callback=read_platform,
    help="That of the image in an index that is for OS/ARCHITECTURE[/VARIANT].",
)
@click.option("--raw", is_flag=True, help="Print the config's own bytes, on a terminal too.")
@insecure_option
def config(reference: str, *, platform: Platform | None, raw: bool, insecure: bool) -> None:
    """Print the config of the image that REFERENCE leads to: indented on a terminal, else its exact bytes.

    Of an index it is that of the image for --platform; by default for Linux on this machine's architecture.
    """
    location = parse_location(reference)
    content = run(_look(location, platform, insecure=insecure))
    if raw or not sys.stdout.isatty():
        sys.stdout.buffer.write(content)
    else:
        click.echo(_indented(content, reference))


def _indented(content: bytes, reference: str) -> str:
    """JSON, with no character in it that steers the terminal: they are escaped in it."""
    try:
        text = msgspec.json.format(encode(decode(content)), indent=2).decode()
    except NotJSON as error:
        raise ManifestInvalid(
            f"{reference}: its config is not JSON: {error}", hint="--raw prints it as it is"
        ) from error
    return "".join(each if each.isprintable() or each == "\n" else f"\\u{ord(each):04x}" for each in text)


async def _look(location: Location, platform: Platform | None, *, insecure: bool) -> bytes:
    async with open_client(insecure=insecure) as client:
        source = location.open(client.mirrored)
        name = await location.name(source)
        return await config_of(source, name, platform=platform, usual=_host())


def _host() -> Platform:
    found = machine.machine()
    return Platform.parse(f"linux/{_MACHINES.get(found, found or 'amd64')}")
