"""`wherry manifest push`."""

import sys

import click

from wherry.cli.failures import say
from wherry.cli.manifest.dockerlike import DockerCommand
from wherry.cli.manifest.references import parsed
from wherry.cli.options import insecure_option
from wherry.cli.session import docker_config, open_client, run
from wherry.oci.reference import Reference
from wherry.ops.draft_push import Pushed
from wherry.ops.draft_push import push as push_draft
from wherry.stores.drafts import Drafts

__all__ = ["push"]


@click.command(
    cls=DockerCommand, least=1, most=1, usage="[OPTIONS] MANIFEST_LIST", short_help="Push a draft to its registry."
)
@click.argument("names", nargs=-1)
@insecure_option
@click.option("-p", "--purge", is_flag=True, help="Remove the draft when it is pushed.")
def push(names: tuple[str, ...], *, insecure: bool, purge: bool) -> None:
    """Push a draft to its registry, and print its digest.

    Images of other repositories are pushed with it: mounted where the registry can, copied where not, from other
    registries too. Unlike docker's: any OCI image in the draft makes it an OCI index, and the same image for the same
    platform is listed once.
    """
    name = parsed(names[0])
    drafts = Drafts(docker_config())
    pushed = run(_push(drafts, name, insecure=insecure))
    for digest in pushed.copied:
        sys.stdout.write(f"Pushed ref {name.at(digest)} with digest: {digest}\n")
    if name.digest not in (None, pushed.manifest.digest):
        say(f"wherry: the draft of {name} has another digest than its name says: {pushed.manifest.digest}")
    sys.stdout.write(f"{pushed.manifest.digest}\n")
    if purge:
        drafts.remove(name)


async def _push(drafts: Drafts, name: Reference, *, insecure: bool) -> Pushed:
    async with open_client(insecure=insecure) as client:
        return await push_draft(drafts, name, client.repository)
