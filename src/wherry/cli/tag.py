"""`wherry tag`."""

from collections.abc import Callable, Sequence

import click

from wherry.cli.json_output import print_json
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import InvalidReference
from wherry.oci.reference import Tag
from wherry.ops.retag import retag
from wherry.stores.locations import Location, parse_location

__all__ = ["tag"]


@click.command(short_help="Put more tags on an image that is there.")
@click.argument("reference")
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@click.option("--json", "as_json", is_flag=True, help="Print the digest and the new references as JSON.")
@insecure_option
def tag(reference: str, tags: tuple[str, ...], *, as_json: bool, insecure: bool) -> None:
    """Point every TAG at what REFERENCE leads to, and print the new references; no blob is moved.

    A TAG is a tag alone, or a whole reference in the same repository. REFERENCE may have a digest.
    """
    location = parse_location(reference)
    wanted = list(dict.fromkeys(_tag(text, location) for text in tags))
    places: list[str] = []

    try:
        found = run(_put(location, wanted, lambda tag: places.append(str(location.at(tag))), insecure=insecure))
    finally:
        if not as_json:
            click.echo(
                "".join(f"{place}\n" for place in places), nl=False
            )  # also those that stand before one that failed
    if as_json:
        document = {"digest": str(found.digest), "references": places}
        print_json(document)


async def _put(location: Location, tags: Sequence[Tag], placed: Callable[[Tag], None], *, insecure: bool) -> Descriptor:
    async with open_client(insecure=insecure) as client:
        store = location.open(client)
        return await retag(store, await location.name(store), tags, placed=placed)


def _tag(text: str, location: Location) -> Tag:
    """A tag as it is written, alone or behind the repository that it must be in."""
    if "/" not in text and ":" not in text:
        return Tag(text)
    place = parse_location(text)
    if place.whole != location.whole:
        raise InvalidReference(
            text, f"is not in {location.whole}", hint=f"wherry copy {location} {text} brings it there"
        )
    if place.tag is None or place.digest is not None:
        raise InvalidReference(text, "names no tag, or more than a tag")
    return place.tag
