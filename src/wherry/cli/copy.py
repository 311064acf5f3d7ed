"""`wherry copy`."""

import click
import msgspec

from wherry.cli.failures import say
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.cli.sizes import size
from wherry.cli.transfer import shown
from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import InvalidReference
from wherry.oci.reference import Tag
from wherry.ops.copy import JOBS, Copied
from wherry.ops.copy import copy as copy_content
from wherry.ops.progress import Progress, Tally
from wherry.stores.locations import Location, parse_location

__all__ = ["copy", "summary"]


@click.command(short_help="Copy an image, whole, from one place to another.")
@click.argument("source")
@click.argument("destination")
@click.option(
    "--jobs", type=click.IntRange(1, 64), default=JOBS, show_default=True, help="Blobs that are moved at the same time."
)
@click.option("--foreign", is_flag=True, help="Move layers too that their author says need not be in a registry.")
@click.option("--recheck", is_flag=True, help="Look at every blob, also of images that the destination already has.")
@insecure_option
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but the result, and what fails.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def copy(
    source: str,
    destination: str,
    *,
    jobs: int,
    foreign: bool,
    recheck: bool,
    insecure: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Copy everything that SOURCE leads to, to DESTINATION: an index with all its platforms, byte for byte.

    Both are references (REGISTRY/REPOSITORY[:TAG][@DIGEST]) or OCI layouts on this machine (oci:DIR[:TAG]). Without a tag
    at DESTINATION it keeps the one that it has at SOURCE. What is there already is not moved again, and what was cut short
    is finished by the same command. Prints where it is now, with its digest.
    """
    origin, target = parse_location(source), parse_location(destination)
    if target.digest is not None:
        raise InvalidReference(
            destination,
            "a destination has no digest: a copy has that of its source",
            hint=f"wherry copy {source} {target.at(target.tag)}",
        )
    with shown(quiet=quiet) as progress:
        copied = run(
            _copy(origin, target, jobs=jobs, foreign=foreign, recheck=recheck, insecure=insecure, progress=progress),
            heavy=True,
        )
    tag = copied.tags[0] if copied.tags else None
    place = str(target.at(tag, copied.root.digest))
    if not quiet:
        say(summary(copied))
    click.echo(_as_json(place, copied) if as_json else place)


async def _copy(
    origin: Location,
    target: Location,
    *,
    jobs: int,
    foreign: bool,
    recheck: bool,
    insecure: bool,
    progress: Progress,
) -> Copied:
    async with open_client(insecure=insecure) as client:
        source = origin.open(client)
        destination = source if origin.whole == target.whole else target.open(client)
        name = await origin.name(source)
        tag = target.tag or origin.tag or (name if isinstance(name, Tag) else None)
        return await copy_content(
            source,
            name,
            destination,
            tags=[tag] if tag else [],
            jobs=jobs,
            foreign=foreign,
            recheck=recheck,
            progress=progress,
        )


def summary(copied: Copied) -> str:
    """What was done, in a line for people."""
    parts = [
        f"{name} {tally.blobs} blob{'s' if tally.blobs != 1 else ''} ({size(tally.bytes)})"
        for name, tally in (
            ("moved", copied.moved),
            ("mounted", copied.mounted),
            ("skipped", copied.skipped),
            ("left foreign", copied.foreign),
        )
        if tally.blobs
    ]
    if copied.manifests:
        parts.append(f"pushed {copied.manifests} manifest{'s' if copied.manifests != 1 else ''}")
    elif not copied.moved.blobs and not copied.mounted.blobs:
        parts.append("everything is there already")
    return ", ".join(parts)


def _as_json(place: str, copied: Copied) -> bytes:
    root: Descriptor = copied.root
    return msgspec.json.format(
        msgspec.json.encode(
            {
                "reference": place,
                "mediaType": root.media_type,
                "digest": str(root.digest),
                "size": root.size,
                "tags": [str(tag) for tag in copied.tags],
                "moved": _tally(copied.moved),
                "mounted": _tally(copied.mounted),
                "skipped": _tally(copied.skipped),
                "foreign": _tally(copied.foreign),
                "manifests": copied.manifests,
            }
        ),
        indent=2,
    )


def _tally(tally: Tally) -> dict[str, int]:
    return {"blobs": tally.blobs, "bytes": tally.bytes}
