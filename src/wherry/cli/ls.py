"""`wherry ls`."""

from collections.abc import AsyncIterator, Collection
from fnmatch import fnmatchcase

import click
from msgspec import Struct

from wherry.cli.json_output import print_json
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.cli.tables import columns
from wherry.oci.errors import InvalidReference
from wherry.oci.reference import Tag
from wherry.ops.tag_choice import choose_tags
from wherry.ops.tag_order import Order, digests_of, in_order
from wherry.stores.locations import Location, parse_location, parse_registry
from wherry.stores.protocol import Source

__all__ = ["ls"]


class _Wanted(Struct, frozen=True):
    globs: tuple[str, ...]
    order: Order | None
    backwards: bool
    limit: int | None
    digests: bool


@click.command(short_help="List the repositories of a registry, or the tags of a repository.")
@click.argument("place")
@click.option("--match", "globs", multiple=True, metavar="GLOB", help="Only what matches; may be repeated.")
@click.option(
    "--sort",
    "order",
    type=click.Choice([order.value for order in Order]),
    help="By name (as it is without), by version, or by when the image was made, which reads each image's config.",
)
@click.option("--reverse", "backwards", is_flag=True, help="The last one first.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N, and no more.")
@click.option("--digests", is_flag=True, help="Show what each tag leads to as well; asks for each of them.")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@insecure_option
def ls(
    place: str,
    *,
    globs: tuple[str, ...],
    order: str | None,
    backwards: bool,
    limit: int | None,
    digests: bool,
    as_json: bool,
    insecure: bool,
) -> None:
    """List the tags of a repository (REGISTRY/REPOSITORY) or of an OCI layout (oci:DIR) or archive
    (oci-archive:FILE, docker-archive:FILE[:NAME]), one a line, in byte order.

    Or the repositories of a registry (HOST[:PORT]), where it lists them. A name with neither dot, colon nor slash is a
    repository on Docker Hub; a slash behind a host says that the registry is meant.
    """
    wanted = _Wanted(globs, None if order is None else Order(order), backwards, limit, digests)
    host = parse_registry(place)
    if host is not None:
        if wanted.digests or wanted.order not in (None, Order.NAME):
            raise click.UsageError("--digests, --sort semver and --sort created are for tags, and this is a registry")
        names = _repositories(host, wanted, insecure=insecure)
        run(_print(names, {"registry": host}, "repositories", as_json=as_json))
        return
    location = parse_location(place)
    if location.tag or location.digest:
        raise InvalidReference(
            place,
            "names one image, and ls lists a repository",
            hint=f"wherry ls {location.whole}, or wherry inspect {place}",
        )
    if wanted.digests:
        run(_print_digests(location, wanted, as_json=as_json, insecure=insecure))
        return
    run(_print(_tags(location, wanted, insecure=insecure), {"reference": str(location)}, "tags", as_json=as_json))


async def _print(names: AsyncIterator[str], head: dict[str, str], what: str, *, as_json: bool) -> None:
    """Lines as they come, or one document at the end."""
    if as_json:
        document = {**head, what: [str(name) async for name in names]}
        print_json(document)
        return
    async for name in names:
        click.echo(name)


async def _print_digests(location: Location, wanted: _Wanted, *, as_json: bool, insecure: bool) -> None:
    async with open_client(insecure=insecure) as client:
        store = location.open(client.mirrored)
        tags = [tag async for tag in store.tags()]
        found = await digests_of(store, await _arranged(store, tags, wanted))
    rows = [(str(tag), "" if digest is None else str(digest)) for tag, digest in found]
    if as_json:
        document = {
            "reference": str(location),
            "tags": [{"tag": tag, "digest": digest or None} for tag, digest in rows],
        }
        print_json(document)
    elif rows:
        click.echo("\n".join(columns(rows)))


async def _tags(location: Location, wanted: _Wanted, *, insecure: bool) -> AsyncIterator[str]:
    async with open_client(insecure=insecure) as client:
        store = location.open(client.mirrored)
        tags = [tag async for tag in store.tags()]
        for tag in await _arranged(store, tags, wanted):
            yield tag


async def _repositories(host: str, wanted: _Wanted, *, insecure: bool) -> AsyncIterator[str]:
    async with open_client(insecure=insecure) as client:
        found = client.registry(host).repositories()
        if wanted.backwards or wanted.order:
            names = sorted([name async for name in found if _matches(name, wanted.globs)], reverse=wanted.backwards)
            for name in names[: wanted.limit]:
                yield name
            return
        count = 0
        async for name in found:
            if _matches(name, wanted.globs):
                yield name
                count += 1
                if count == wanted.limit:
                    return


async def _arranged(store: Source, tags: list[Tag], wanted: _Wanted) -> list[Tag]:
    chosen = choose_tags(tags, globs=wanted.globs)
    ordered = await in_order(store, chosen, wanted.order) if wanted.order else chosen
    return (ordered[::-1] if wanted.backwards else ordered)[: wanted.limit]


def _matches(name: str, globs: Collection[str]) -> bool:
    return not globs or any(fnmatchcase(name, glob) for glob in globs)
