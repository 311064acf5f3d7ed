"""`wherry rm`."""

import sys
from collections.abc import Sequence

import click

from wherry.cli.failures import say
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidReference, WherryError
from wherry.oci.reference import Tag
from wherry.ops.removal import tags_on
from wherry.stores.locations import Location, parse_location
from wherry.stores.remote import Client

__all__ = ["NotConfirmed", "rm"]


class NotConfirmed(WherryError):
    """More would go than was named, and nobody has agreed to it."""


@click.command(short_help="Delete a tag, or a manifest with all its tags.")
@click.argument("references", nargs=-1, required=True, metavar="REFERENCE...")
@click.option(
    "--digest", "manifests", is_flag=True, help="Delete the manifest itself, and with it every tag that leads to it."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask, whatever goes along.")
@insecure_option
def rm(references: tuple[str, ...], *, manifests: bool, yes: bool, insecure: bool) -> None:
    """Delete each REFERENCE, and print what is gone. A tag goes alone: its manifest stays, and so do its other tags.

    With --digest the manifest goes, and every tag on it: they are listed first, and on a terminal you are asked. What it was made of
    (children of an index, blobs, referrers) stays, for the registry to collect.
    """
    locations = [parse_location(text) for text in references]
    for text, location in zip(references, locations, strict=True):
        _check(text, location, manifests=manifests)
    run(_remove(locations, manifests=manifests, yes=yes, insecure=insecure))


def _check(text: str, location: Location, *, manifests: bool) -> None:
    if location.tag is None and location.digest is None:
        raise InvalidReference(
            text, "names neither a tag nor a digest", hint=f"`wherry ls {text}` lists the tags there"
        )
    if location.digest is not None and not manifests:
        raise InvalidReference(
            text,
            "has a digest, and without --digest only tags are deleted",
            hint=f"wherry rm --digest {text} deletes the manifest and every tag on it",
        )


async def _remove(locations: Sequence[Location], *, manifests: bool, yes: bool, insecure: bool) -> None:
    async with open_client(insecure=insecure) as client:
        if manifests:
            await _remove_manifests(locations, client, yes=yes)
            return
        for location in dict.fromkeys(locations):
            assert location.tag is not None  # noqa: S101  # it was looked at before anything was deleted
            await location.open(client).delete(location.tag)
            click.echo(str(location))


async def _remove_manifests(locations: Sequence[Location], client: Client, *, yes: bool) -> None:
    """Delete each manifest once, however many of its tags were named."""
    named: dict[tuple[Location, Digest], set[Tag]] = {}
    for location in locations:
        name = location.digest or location.tag
        assert name is not None  # noqa: S101  # it was looked at before anything was deleted
        digest = (await location.open(client).resolve(name)).digest
        named.setdefault((location.whole, digest), set()).update([location.tag] if location.tag else [])
    for (repository, digest), known in named.items():
        store = repository.open(client)
        tags = await tags_on(store, digest)
        place = repository.at(None, digest)
        _confirm(place, tags, [tag for tag in tags if tag not in known], yes=yes)
        await store.delete(digest)
        for tag in tags:
            click.echo(str(repository.at(tag)))
        click.echo(str(place))


def _confirm(place: Location, tags: Sequence[Tag], others: Sequence[Tag], *, yes: bool) -> None:
    """Tell what goes along, and see that it is meant."""
    if tags:
        say(f"{place} has the tags {', '.join(tags)}")
    if yes or (not others and not sys.stdin.isatty()):
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(
            f"{place}: {len(others)} other tag{'s' if len(others) > 1 else ''} would go along: {', '.join(others)}",
            hint="with -y they do; without --digest one tag goes alone",
        )
    if not click.confirm("Delete it, with its tags?" if tags else "Delete it?", err=True):
        raise NotConfirmed(f"{place}: nothing was deleted")
