"""`wherry manifest rm`."""

import click

from wherry.cli.failures import ExitCode, Manner
from wherry.cli.manifest.dockerlike import DockerCommand, tell
from wherry.cli.manifest.here import drafts_here
from wherry.cli.manifest.references import parsed
from wherry.oci.errors import WherryError
from wherry.ops.drafts import take_out
from wherry.stores.drafts import Drafts, DraftUnknown

__all__ = ["rm"]


@click.command(
    cls=DockerCommand,
    least=1,
    most=None,
    usage="MANIFEST_LIST [MANIFEST_LIST...]",
    short_help="Remove drafts from this machine; nothing in any registry.",
)
@click.argument("names", nargs=-1)
@click.option(
    "--image",
    "images",
    metavar="IMAGE",
    multiple=True,
    help="Take this image out of the draft, keep the rest; may be repeated.",
)
@click.pass_context
def rm(ctx: click.Context, names: tuple[str, ...], *, images: tuple[str, ...]) -> ExitCode:
    """Remove drafts from this machine, damaged ones too. Nothing in any registry is touched.

    With --image, which may be repeated: take images out of one draft. An index that was named when the draft was made
    goes with all its images.
    """
    drafts = drafts_here()
    if images:
        _take_out(drafts, names, images)
        return ExitCode.OK
    manner = ctx.ensure_object(Manner)
    code = ExitCode.OK
    for name in names:
        try:
            drafts.remove(parsed(name))
        except WherryError as error:
            tell(error)
            code = code or manner.code(error)
    return code


def _take_out(drafts: Drafts, names: tuple[str, ...], images: tuple[str, ...]) -> None:
    if len(names) != 1:
        raise click.UsageError("--image takes images out of one draft")
    try:
        take_out(drafts, parsed(names[0]), [parsed(image) for image in images])
    except DraftUnknown as error:
        raise DraftUnknown(error.name, f"manifest for image {error.name} does not exist in {names[0]}") from None
