"""`wherry diff`."""

import click

from wherry.cli.diff_document import document
from wherry.cli.diff_text import Sides, lines
from wherry.cli.failures import ExitCode, Manner
from wherry.cli.json_output import print_json
from wherry.cli.options import insecure_option
from wherry.cli.platforms import read_platform
from wherry.cli.session import open_client, run
from wherry.oci.digest import Digest
from wherry.oci.platform import Platform
from wherry.ops.compare import Compared, compare, same
from wherry.stores.locations import parse_location

__all__ = ["diff"]


@click.command(short_help="Compare what two references lead to.")
@click.argument("a")
@click.argument("b")
@click.option(
    "--platform",
    metavar="PLATFORM",
    callback=read_platform,
    help="Compare the images for OS/ARCHITECTURE[/VARIANT] alone.",
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing: only the exit code tells.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
@insecure_option
@click.pass_obj
def diff(
    manner: Manner, a: str, b: str, *, platform: Platform | None, quiet: bool, as_json: bool, insecure: bool
) -> int:
    """Compare what A and B lead to: platforms, annotations, config, layers. What only A has is printed behind a minus, what only B
    has behind a plus.

    A and B are REGISTRY/REPOSITORY[:TAG][@DIGEST], or on this machine oci:DIR[:TAG], oci-archive:FILE[:TAG] or
    docker-archive:FILE[:NAME[:TAG]]. The exit code is 0 if they are the same, 1 if they differ, 2 if there is trouble.
    """
    manner.failed = ExitCode.TROUBLE
    if quiet and as_json:
        raise click.UsageError("--quiet and --json exclude each other")
    if quiet:
        return ExitCode.OK if run(_same(a, b, platform, insecure=insecure)) else ExitCode.FAILED
    sides, found = run(_compare(a, b, platform, insecure=insecure))
    if as_json:
        print_json(document(sides, found))
    else:
        click.echo("\n".join(lines(sides, found)))
    return ExitCode.OK if found.comparison.same else ExitCode.FAILED


async def _compare(a: str, b: str, platform: Platform | None, *, insecure: bool) -> tuple[Sides, Compared]:
    one, other = parse_location(a), parse_location(b)
    # Of the registries themselves, and not of mirrors: those are among what people compare.
    async with open_client(insecure=insecure) as client:
        source, target = one.open(client), other.open(client)
        names = await one.name(source), await other.name(target)
        found = await compare(source, names[0], target, names[1], platform=platform)
    places = [
        str(place if isinstance(name, Digest) else place.at(name))
        for place, name in zip((one, other), names, strict=True)
    ]
    return Sides(*places), found


async def _same(a: str, b: str, platform: Platform | None, *, insecure: bool) -> bool:
    one, other = parse_location(a), parse_location(b)
    async with open_client(insecure=insecure) as client:
        source, target = one.open(client), other.open(client)
        return await same(source, await one.name(source), target, await other.name(target), platform=platform)
