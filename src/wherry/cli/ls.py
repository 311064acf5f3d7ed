"""`wherry ls`."""

from collections.abc import AsyncIterator

import click
import msgspec

from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.oci.errors import InvalidReference
from wherry.stores.locations import Location, parse_location, parse_registry

__all__ = ["ls"]


@click.command(short_help="List the repositories of a registry, or the tags of a repository.")
@click.argument("place")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@insecure_option
def ls(place: str, *, as_json: bool, insecure: bool) -> None:
    """List the tags of a repository (REGISTRY/REPOSITORY) or of an OCI layout (oci:DIR) or archive
    (oci-archive:FILE, docker-archive:FILE[:NAME]), one a line, in byte order.

    Or the repositories of a registry (HOST[:PORT]), where it lists them. A name with neither dot, colon nor slash is a
    repository on Docker Hub; a slash behind a host says that the registry is meant.
    """
    host = parse_registry(place)
    if host is not None:
        run(_print(_repositories(host, insecure=insecure), {"registry": host}, "repositories", as_json=as_json))
        return
    location = parse_location(place)
    if location.tag or location.digest:
        raise InvalidReference(
            place,
            "names one image, and ls lists a repository",
            hint=f"wherry ls {location.whole}, or wherry inspect {place}",
        )
    run(_print(_tags(location, insecure=insecure), {"reference": str(location)}, "tags", as_json=as_json))


async def _print(names: AsyncIterator[str], head: dict[str, str], what: str, *, as_json: bool) -> None:
    """Lines as they come, or one document at the end."""
    if as_json:
        document = {**head, what: [str(name) async for name in names]}
        click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))
        return
    async for name in names:
        click.echo(name)


async def _tags(location: Location, *, insecure: bool) -> AsyncIterator[str]:
    async with open_client(insecure=insecure) as client:
        async for tag in location.open(client).tags():
            yield tag


async def _repositories(host: str, *, insecure: bool) -> AsyncIterator[str]:
    async with open_client(insecure=insecure) as client:
        async for repository in client.registry(host).repositories():
            yield repository
