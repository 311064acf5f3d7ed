"""`wherry manifest inspect`."""

import sys
from collections.abc import Callable
from contextlib import suppress

import click

from wherry.cli.failures import say
from wherry.cli.manifest.dockerlike import DockerCommand
from wherry.cli.manifest.references import parsed
from wherry.cli.options import insecure_option
from wherry.cli.session import docker_config, open_client, run
from wherry.oci.dockerdraft import DraftImage, assembled, bare, verbose, verbose_list
from wherry.oci.dockerjson import TAB, indented, shown
from wherry.oci.document import NotJSON
from wherry.oci.errors import CredentialsError, ManifestInvalid, StoreError
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import Kind
from wherry.oci.reference import Reference
from wherry.ops.images import children, image_or_bare, lookup
from wherry.stores.drafts import Drafts, DraftUnknown

__all__ = ["inspect"]

Print = Callable[[Manifest], bytes]


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
@click.option("--raw", is_flag=True, help="The exact bytes, and not a newline more: their digest is the manifest's.")
@click.option("--digest", "only_digest", is_flag=True, help="The digest alone.")
@click.option("--local", is_flag=True, help="A draft on this machine, and nothing else.")
@click.option("--remote", is_flag=True, help="What the registry has, whatever drafts there are.")
def inspect(
    names: tuple[str, ...],
    *,
    insecure: bool,
    detailed: bool,
    raw: bool,
    only_digest: bool,
    local: bool,
    remote: bool,
) -> None:
    """Print a manifest or an index from a registry, or a draft on this machine (drafts come first).

    With two names: an image of a draft. Unlike docker's: an index is printed with all that it holds (annotations,
    artifact types, entries without a platform), in one request; schema 1, artifact manifests, nested and empty indexes
    are printed too; a config that is missing or no JSON is no obstacle; NAME:TAG@DIGEST is looked up by its digest.
    """
    _refuse_contradictions(len(names), forms=(detailed, raw, only_digest), local=local, remote=remote)
    *lists, name = (parsed(each) for each in names)
    form = _raw if raw else _digest if only_digest else None
    if lists:
        printed = _image_of_draft(Drafts(docker_config()).image(lists[0], name), form, detailed=detailed)
    else:
        found = None if remote else _draft(name, form, detailed=detailed, must=local)
        printed = run(_remote(name, form, insecure=insecure, detailed=detailed)) if found is None else found
    sys.stdout.buffer.write(printed)


def _refuse_contradictions(names: int, *, forms: tuple[bool, ...], local: bool, remote: bool) -> None:
    if sum(forms) > 1:
        raise click.UsageError("--verbose, --raw and --digest are three ways to print: choose one")
    if remote and local:
        raise click.UsageError("--remote and --local exclude each other")
    if remote and names > 1:
        raise click.UsageError("--remote takes one name: an image of a draft is on this machine")


def _draft(name: Reference, form: Print | None, *, detailed: bool, must: bool) -> bytes | None:
    """The draft of that name, printed; one that cannot be read must not hide what the registry has, unless it `must`."""
    try:
        images = Drafts(docker_config()).images(name)
    except (CredentialsError, DraftUnknown):
        if must:
            raise
        return None
    except StoreError as error:
        if must:
            raise
        say(f"wherry: {error}; asking the registry instead")
        return None
    if not must and sys.stderr.isatty():
        say("wherry: this is the draft on this machine; --remote shows what the registry has")
    if detailed:
        return verbose_list(images) + b"\n"
    return (form or _list_in_docker_layout)(assembled(images))


def _image_of_draft(image: DraftImage, form: Print | None, *, detailed: bool) -> bytes:
    if detailed:
        return verbose(image) + b"\n"
    if image.manifest is None:
        raise StoreError(
            f"the draft does not hold the bytes of {image.reference} (docker before 23.0 made it)",
            hint="`wherry manifest create --amend` with the same image fetches them",
        )
    return (form or _plain)(image.manifest)


async def _remote(name: Reference, form: Print | None, *, insecure: bool, detailed: bool) -> bytes:
    async with open_client(insecure=insecure, loopback="tls") as client:
        repository = client.mirrored.repository(name)
        manifest = await lookup(name, repository)
        try:
            if not detailed:
                return (form or _plain)(manifest)
            if manifest.kind is Kind.INDEX:
                return verbose_list(map(bare, await children(name, manifest, repository))) + b"\n"
            return verbose(bare(await image_or_bare(name, manifest, repository))) + b"\n"
        except NotJSON as error:
            raise ManifestInvalid(f"{name}: the registry's manifest is not JSON: {error}") from None
        except ManifestInvalid as error:
            raise ManifestInvalid(f"{name}: {error.message}", detail=error.detail, hint=error.hint) from error


def _raw(manifest: Manifest) -> bytes:
    return manifest.content


def _digest(manifest: Manifest) -> bytes:
    return f"{manifest.digest}\n".encode()


def _plain(manifest: Manifest) -> bytes:
    if manifest.kind is not Kind.INDEX:
        return indented(manifest.content, TAB) + b"\n"
    with suppress(ManifestInvalid):  # an index that means nothing to us is still worth seeing
        return shown(manifest.content, manifest.media_type, manifest.view.manifests) + b"\n"
    return indented(manifest.content, TAB) + b"\n"


def _list_in_docker_layout(manifest: Manifest) -> bytes:
    return manifest.content + b"\n"
