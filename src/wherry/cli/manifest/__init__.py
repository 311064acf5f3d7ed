"""`wherry manifest`: a drop-in for `docker manifest`. Same arguments, same output, same drafts on disk, same exit codes.

Where docker is wrong, wherry is right, and the command's help says so.
"""

import click

from wherry.cli.failures import say_lines
from wherry.cli.lazy import Place
from wherry.cli.manifest.dockerlike import DockerGroup

__all__ = ["manifest"]

PLACES = {
    "annotate": Place(
        "wherry.cli.manifest.annotate:annotate", "Say more about an image in a draft, before it is pushed."
    ),
    "create": Place("wherry.cli.manifest.create:create", "Make a draft: a list of images, on this machine."),
    "inspect": Place("wherry.cli.manifest.inspect:inspect", "Print a manifest, an index, or a draft."),
    "ls": Place("wherry.cli.manifest.ls:ls", "List the drafts on this machine."),
    "prune": Place("wherry.cli.manifest.prune:prune", "Remove drafts that nobody needs any more."),
    "push": Place("wherry.cli.manifest.push:push", "Push a draft to its registry."),
    "rm": Place("wherry.cli.manifest.rm:rm", "Remove drafts from this machine; nothing in any registry."),
}


@click.group(
    cls=DockerGroup,
    places=PLACES,
    invoke_without_command=True,
    epilog="Drafts are docker's own (in $DOCKER_CONFIG/manifests): both programs can work on the same ones.",
)
@click.pass_context
def manifest(ctx: click.Context) -> None:
    """Assemble multi-platform images, as `docker manifest` does: create a draft, annotate it, push it."""
    if ctx.invoked_subcommand is None:
        say_lines(f"\n{ctx.get_help()}")
