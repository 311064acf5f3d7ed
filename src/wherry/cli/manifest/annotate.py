"""`wherry manifest annotate`."""

import csv
from collections.abc import Mapping
from io import StringIO
from typing import Any

import click
from msgspec.structs import replace

from wherry.cli.failures import say
from wherry.cli.manifest.dockerlike import DockerCommand
from wherry.cli.manifest.here import drafts_here
from wherry.cli.manifest.references import parsed
from wherry.cli.options import is_text
from wherry.cli.platforms import read_platform
from wherry.oci.dockerdraft import DraftImage
from wherry.oci.goports import is_known_port
from wherry.oci.platform import Platform
from wherry.ops.drafts import annotate as annotate_image
from wherry.stores.drafts import DraftUnknown

__all__ = ["annotate"]

_CLEARED: Mapping[str, Mapping[str, Any]] = {
    "arch": {"architecture": ""},
    "os": {"os": ""},
    "os-features": {"os_features": ()},
    "os-version": {"os_version": ""},
    "variant": {"variant": ""},
}
_ANNOTATIONS = "annotations"


@click.command(
    cls=DockerCommand,
    least=2,
    most=2,
    usage="[OPTIONS] MANIFEST_LIST MANIFEST",
    short_help="Say more about an image in a draft, before it is pushed.",
)
@click.argument("names", nargs=-1)
@click.option(
    "--arch", "architecture", metavar="ARCH", default="", help="The architecture, in Go's words: amd64, arm64."
)
@click.option("--os", "system", metavar="OS", default="", help="The operating system: linux, windows.")
@click.option(
    "--os-features",
    "features",
    metavar="LIST",
    multiple=True,
    help="Operating system features, to add; may be repeated.",
)
@click.option("--os-version", "version", metavar="VERSION", default="", help="The operating system's version.")
@click.option("--variant", metavar="VARIANT", default="", help="The architecture's variant: v7, v8.")
@click.option(
    "--platform", metavar="PLATFORM", callback=read_platform, help="All of it at once: os/architecture[/variant]."
)
@click.option("--annotation", "annotations", metavar="KEY=VALUE", multiple=True, help="An annotation; may be repeated.")
@click.option(
    "--clear",
    metavar="FIELD",
    multiple=True,
    type=click.Choice([*_CLEARED, _ANNOTATIONS]),
    help=f"Forget a field first: {', '.join([*_CLEARED, _ANNOTATIONS])}; may be repeated.",
)
def annotate(
    names: tuple[str, ...],
    *,
    architecture: str,
    system: str,
    features: tuple[str, ...],
    version: str,
    variant: str,
    platform: Platform | None,
    annotations: tuple[str, ...],
    clear: tuple[str, ...],
) -> None:
    """Say more about an image in a draft, before it is pushed.

    Unlike docker's: any pair of operating system and architecture is taken (with a warning for one that Go does not
    know), and may be given in several steps; that both are there is checked by push. Annotations make the list an OCI
    index, whatever its images are.
    """
    for text in (architecture, system, version, variant, *features, *annotations):
        if not is_text(text):
            raise click.UsageError(f"not UTF-8, and no index can say it: {text!r}")
    name = parsed(names[0], f"annotate: error parsing name for manifest list {names[0]}: ")
    image = parsed(names[1], f"annotate: error parsing name for manifest {names[1]}: ")
    whole = platform or Platform()
    told = Platform(
        os=system or whole.os,
        architecture=architecture or whole.architecture,
        variant=variant or whole.variant,
        os_version=version or whole.os_version,
        os_features=(*whole.os_features, *_listed(features)),
    )
    added = _pairs(annotations)

    def change(there: DraftImage) -> DraftImage:
        kept = Platform(extra=there.platform.extra) if platform is not None else there.platform
        for field in clear:
            kept = replace(kept, **_CLEARED.get(field, {}))
        annotated = there.on(_merged(kept, told))
        before = {} if _ANNOTATIONS in clear else dict(there.descriptor.annotations or {})
        return annotated.saying((before | added) or None)

    try:
        changed = annotate_image(drafts_here(), name, image, change)
    except DraftUnknown:
        raise DraftUnknown(names[1], f"manifest for image {names[1]} does not exist in {names[0]}") from None
    _warn(changed.platform)


def _merged(kept: Platform, told: Platform) -> Platform:
    """What is told wins; features are added, as docker does."""
    return replace(
        kept,
        os=told.os or kept.os,
        architecture=told.architecture or kept.architecture,
        variant=told.variant or kept.variant,
        os_version=told.os_version or kept.os_version,
        os_features=tuple(dict.fromkeys((*kept.os_features, *told.os_features))),
    )


def _listed(features: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(feature for line in features for feature in _record(line) if feature)


def _record(line: str) -> list[str]:
    """A line of CSV, as docker reads it: what stands in quotes may hold commas."""
    try:
        return next((record for record in csv.reader(StringIO(line, newline=""), strict=True) if record), [])
    except csv.Error as error:
        raise click.UsageError(f"--os-features is a list with commas, not {line!r}: {error}") from None


def _pairs(annotations: tuple[str, ...]) -> dict[str, str]:
    pairs = [annotation.partition("=") for annotation in annotations]
    for key, sign, _ in pairs:
        if not key or not sign:
            raise click.UsageError(f"an annotation is KEY=VALUE, not {key!r}")
    return {key: value for key, _, value in pairs}


def _warn(platform: Platform) -> None:
    if platform.os and platform.architecture and not is_known_port(platform):
        say(f"wherry: {platform.os}/{platform.architecture} is no platform that Go knows; taken as it is")
