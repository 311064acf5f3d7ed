"""`wherry manifest rm`."""

import click

from wherry.cli.failures import ExitCode, Manner
from wherry.cli.manifest.dockerlike import DockerCommand, tell
from wherry.cli.manifest.references import parsed
from wherry.cli.session import docker_config
from wherry.oci.errors import WherryError
from wherry.stores.drafts import Drafts

__all__ = ["rm"]


@click.command(
    cls=DockerCommand,
    least=1,
    most=None,
    usage="MANIFEST_LIST [MANIFEST_LIST...]",
    short_help="Remove drafts from this machine; nothing in any registry.",
)
@click.argument("names", nargs=-1)
@click.pass_context
def rm(ctx: click.Context, names: tuple[str, ...]) -> ExitCode:
    """Remove drafts from this machine, damaged ones too. Nothing in any registry is touched."""
    drafts = Drafts(docker_config())
    manner = ctx.ensure_object(Manner)
    code = ExitCode.OK
    for name in names:
        try:
            drafts.remove(parsed(name))
        except WherryError as error:
            tell(error)
            code = code or manner.code(error)
    return code
