"""`wherry manifest inspect`."""

import sys
from collections.abc import Sequence

import click

from wherry.cli.failures import say
from wherry.cli.manifest.dockerlike import DockerCommand
from wherry.cli.manifest.references import parsed
from wherry.cli.options import insecure_option
from wherry.cli.session import docker_config, open_client, run
from wherry.oci.dockerdraft import DraftImage, assembled, verbose, verbose_list
from wherry.oci.dockerjson import TAB, indented, shown
from wherry.oci.document import NotJSON
from wherry.oci.errors import ManifestInvalid, StoreError
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import Kind
from wherry.oci.reference import Reference
from wherry.ops.images import children, image_or_bare, lookup
from wherry.stores.drafts import Drafts, DraftUnknown

__all__ = ["inspect"]


@click.command(
    cls=DockerCommand,
    least=1,
    most=2,
    usage="[OPTIONS] [MANIFEST_LIST] MANIFEST",
    short_help="Print a manifest, an index, or a draft.",
)
@click.argument("names", nargs=-1)
@insecure_option
@click.option("-v", "--verbose", "detailed", is_flag=True, help="With each image's descriptor, platform and manifest.")
def inspect(names: tuple[str, ...], *, insecure: bool, detailed: bool) -> None:
    """Print a manifest or an index from a registry, or a draft on this machine (drafts come first).

    With two names: an image of a draft. Unlike docker's: an index is printed with all that it holds (annotations,
    artifact types, entries without a platform), in one request; schema 1, artifact manifests, nested and empty indexes
    are printed too; a config that is missing or no JSON is no obstacle; NAME:TAG@DIGEST is looked up by its digest.
    """
    *lists, name = (parsed(each) for each in names)
    drafts = Drafts(docker_config())
    if lists:
        shown_bytes = _draft_image(drafts.image(lists[0], name), detailed=detailed)
    else:
        images = _draft(drafts, name)
        if images is not None:
            shown_bytes = _draft_list(images, detailed=detailed)
        else:
            shown_bytes = run(_remote(name, insecure=insecure, detailed=detailed))
    sys.stdout.buffer.write(shown_bytes + b"\n")


def _draft(drafts: Drafts, name: Reference) -> Sequence[DraftImage] | None:
    """The draft of that name; one that cannot be read must not hide what the registry has."""
    try:
        return drafts.images(name)
    except DraftUnknown:
        return None
    except StoreError as error:
        say(f"wherry: {error}; asking the registry instead")
        return None


def _draft_image(image: DraftImage, *, detailed: bool) -> bytes:
    if detailed:
        return verbose(image)
    if image.manifest is None:
        raise StoreError(
            f"the draft does not hold the bytes of {image.reference} (docker before 23.0 made it)",
            hint="`wherry manifest create --amend` with the same image fetches them",
        )
    return indented(image.manifest.content, TAB)


def _draft_list(images: Sequence[DraftImage], *, detailed: bool) -> bytes:
    return verbose_list(images) if detailed else assembled(images).content


async def _remote(name: Reference, *, insecure: bool, detailed: bool) -> bytes:
    async with open_client(insecure=insecure, loopback="tls") as client:
        repository = client.repository(name)
        manifest = await lookup(name, repository)
        try:
            if not detailed:
                return _plain(manifest)
            if manifest.kind is Kind.INDEX:
                return verbose_list(await children(name, manifest, repository))
            return verbose(await image_or_bare(name, manifest, repository))
        except NotJSON as error:
            raise ManifestInvalid(f"{name}: the registry's manifest is not JSON: {error}") from None
        except ManifestInvalid as error:
            raise ManifestInvalid(f"{name}: {error.message}", detail=error.detail, hint=error.hint) from error


def _plain(manifest: Manifest) -> bytes:
    if manifest.kind is Kind.INDEX:
        return shown(manifest.content, manifest.media_type, manifest.view.manifests)
    return indented(manifest.content, TAB)
