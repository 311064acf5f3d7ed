"""`wherry index create`."""

import sys
from collections.abc import Sequence

import click

from wherry.cli.failures import say
from wherry.cli.index.places import Places, annotation_option, pairs, tag_of
from wherry.cli.options import insecure_option
from wherry.cli.platforms import read_platforms
from wherry.cli.session import open_client, run
from wherry.oci.errors import NotFound
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_LIST, OCI_INDEX
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops.index_edit import Assembled, assembled
from wherry.ops.index_sources import bring, gather
from wherry.stores.locations import Location, parse_location
from wherry.stores.protocol import Store

__all__ = ["create"]

_MEDIA_TYPES = {"docker": DOCKER_LIST, "oci": OCI_INDEX}


@click.command(short_help="Assemble an index from images and indexes, and push it.")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "-t", "--tag", "targets", metavar="REF", multiple=True, required=True, help="What to call it; may be repeated."
)
@click.option(
    "--platform",
    "platforms",
    metavar="PLATFORM",
    multiple=True,
    callback=read_platforms,
    help="Keep this platform only; may be repeated.",
)
@annotation_option
@click.option("--append", is_flag=True, help="Go on with what the first REF leads to now.")
@click.option(
    "--prefer", type=click.Choice([*_MEDIA_TYPES]), help="Make a Docker list or an OCI index, whatever its images are."
)
@click.option("--dry-run", is_flag=True, help="Print the index, say what would be copied, and send nothing.")
@insecure_option
def create(
    sources: tuple[str, ...],
    *,
    targets: tuple[str, ...],
    platforms: tuple[Platform, ...],
    annotations: tuple[str, ...],
    append: bool,
    prefer: str | None,
    dry_run: bool,
    insecure: bool,
) -> None:
    """Assemble an index from images and indexes, in the order of the arguments, and push it; prints where it is now.

    A SOURCE is a reference (REGISTRY/REPOSITORY[:TAG][@DIGEST]) or an OCI layout (oci:DIR[:TAG]) or archive; an index stands for its
    entries. Images from elsewhere are copied. One index and nothing else asked is pushed byte for byte. With --platform,
    the attestations of what is kept are kept.
    """
    places = [parse_location(target) for target in targets]
    tags = [tag_of(place, target) for place, target in zip(places, targets, strict=True)]
    said = pairs(annotations)
    media_type = _MEDIA_TYPES[prefer] if prefer else None

    async def work() -> Manifest:
        async with open_client(insecure=insecure) as client:
            opened = Places(client)
            for place in places:
                opened.store(place)
            named = await opened.named(sources)
            continues = append and await _is_there(opened.store(places[0]), tags[0])
            if continues:
                named = [*await opened.named([str(places[0].at(tags[0]))]), *named]
            made = assembled(
                await gather(named), platforms=platforms, annotations=said, media_type=media_type, append=continues
            )
            if dry_run:
                _print_plan(made, [opened.store(place) for place in places], places, tags)
            else:
                await _push(made, opened, places, tags)
            return made.manifest

    manifest = run(work())
    if not dry_run:
        for place, tag in zip(places, tags, strict=True):
            click.echo(str(place.at(tag, manifest.digest)))


async def _push(made: Assembled, opened: Places, places: Sequence[Location], tags: Sequence[Tag]) -> None:
    """All content first, to every repository, and then the tags: nothing is visible before everything is there."""
    stores = {id(opened.store(place)): opened.store(place) for place in places}
    for store in stores.values():
        await bring(made.entries, store)
    for key, store in stores.items():
        own = [tag for place, tag in zip(places, tags, strict=True) if id(opened.store(place)) == key]
        await store.push_manifest(made.manifest, *dict.fromkeys(own))


def _print_plan(made: Assembled, stores: Sequence[Store], places: Sequence[Location], tags: Sequence[Tag]) -> None:
    for store, place, tag in zip(stores, places, tags, strict=True):
        for entry in made.entries:
            if entry.store is not store:
                say(f"would copy {entry.descriptor.digest} to {place.whole}")
        say(f"would push {place.at(tag)} ({made.manifest.media_type}, {made.manifest.digest})")
    sys.stdout.buffer.write(made.manifest.content + b"\n")


async def _is_there(store: Store, tag: Tag) -> bool:
    try:
        await store.resolve(tag)
    except NotFound:
        return False
    return True
