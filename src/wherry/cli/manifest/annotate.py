"""`wherry manifest annotate`."""

from dataclasses import replace

import click

from wherry.cli.failures import say
from wherry.cli.manifest.dockerlike import DockerCommand
from wherry.cli.manifest.references import parsed
from wherry.cli.session import docker_config
from wherry.oci.dockerdraft import DraftImage
from wherry.oci.goports import is_known_port
from wherry.oci.platform import Platform
from wherry.ops.drafts import annotate as annotate_image
from wherry.stores.drafts import Drafts, DraftUnknown

__all__ = ["annotate"]


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
@click.option("--os-features", "features", metavar="LIST", multiple=True, help="Operating system features, to add.")
@click.option("--os-version", "version", metavar="VERSION", default="", help="The operating system's version.")
@click.option("--variant", metavar="VARIANT", default="", help="The architecture's variant: v7, v8.")
def annotate(
    names: tuple[str, ...], *, architecture: str, system: str, features: tuple[str, ...], version: str, variant: str
) -> None:
    """Say more about an image in a draft, before it is pushed.

    Unlike docker's: any pair of operating system and architecture is taken (with a warning for one that Go does not
    know), and may be given in several steps; that both are there is checked by push.
    """
    name = parsed(names[0], f"annotate: error parsing name for manifest list {names[0]}: ")
    image = parsed(names[1], f"annotate: error parsing name for manifest {names[1]}: ")
    added = tuple(feature for listed in features for feature in listed.split(",") if feature)

    def change(there: DraftImage) -> DraftImage:
        was = there.platform
        return there.on(
            replace(
                was,
                os=system or was.os,
                architecture=architecture or was.architecture,
                os_version=version or was.os_version,
                os_features=tuple(dict.fromkeys((*was.os_features, *added))),
                variant=variant or was.variant,
            )
        )

    try:
        annotated = annotate_image(Drafts(docker_config()), name, image, change)
    except DraftUnknown:
        raise DraftUnknown(f"manifest for image {names[1]} does not exist in {names[0]}") from None
    _warn(annotated.platform)


def _warn(platform: Platform) -> None:
    if platform.os and platform.architecture and not is_known_port(platform):
        say(f"wherry: {platform.os}/{platform.architecture} is no platform that Go knows; taken as it is")
