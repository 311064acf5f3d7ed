"""`wherry manifest push`."""

import sys
from pathlib import Path

import click

from wherry.cli.failures import ExitCode, Manner, report, say
from wherry.cli.manifest.dockerlike import DockerCommand
from wherry.cli.manifest.here import drafts_here
from wherry.cli.manifest.references import parsed
from wherry.cli.manifest.results import ResultFile, opened
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.oci.document import encode
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference, Tag
from wherry.ops.draft_push import Plan, plan
from wherry.ops.draft_push import push as push_draft

__all__ = ["push"]

_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command(
    cls=DockerCommand, least=1, most=1, usage="[OPTIONS] MANIFEST_LIST", short_help="Push a draft to its registry."
)
@click.argument("names", nargs=-1)
@insecure_option
@click.option(
    "-p", "--purge", is_flag=True, help="Remove the draft when it is pushed, if nobody has changed it meanwhile."
)
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="One more tag for the list; may be repeated.")
@click.option("--digest-file", metavar="FILE", type=_FILE, help="Write the list's digest to a file.")
@click.option(
    "--metadata-file", metavar="FILE", type=_FILE, help="Write digest, descriptor and names to a file, as JSON."
)
@click.option("--dry-run", is_flag=True, help="Print the list, say what would be copied, and send nothing.")
@click.pass_context
def push(
    ctx: click.Context,
    names: tuple[str, ...],
    *,
    insecure: bool,
    purge: bool,
    tags: tuple[str, ...],
    digest_file: Path | None,
    metadata_file: Path | None,
    dry_run: bool,
) -> ExitCode:
    """Push a draft to its registry, and print its digest.

    Images of other repositories are pushed with it: mounted where the registry can, copied where not, from other
    registries too. Unlike docker's: any OCI image in the draft makes it an OCI index, and the same image for the same
    platform is listed once.
    """
    name = parsed(names[0])
    drafts = drafts_here()
    planned = plan(drafts, name, tuple(Tag(tag) for tag in tags))
    if dry_run:
        _print_plan(planned)
        return ExitCode.OK
    with opened((digest_file, metadata_file)) as files:
        run(_push(planned, insecure=insecure))
        _print_results(planned)
        digest, metadata = f"{planned.manifest.digest}\n".encode(), _metadata(planned.manifest, planned.targets)
        failures = [_written(file, content) for file, content in zip(files, (digest, metadata), strict=True)]
    if purge and not drafts.remove_unchanged(name, planned.images):
        say(f"wherry: the draft of {name} has changed since it was read to be pushed, and stays")
    return ctx.ensure_object(Manner).code_of_all(failure for failure in failures if failure is not None)


def _written(file: ResultFile | None, content: bytes) -> OSError | None:
    """Write a result; why it cannot be is told, and hinders nothing else: the list is pushed."""
    try:
        if file is not None:
            file.write(content)
    except OSError as error:
        report(error)
        return error
    return None


async def _push(planned: Plan, *, insecure: bool) -> None:
    async with open_client(insecure=insecure) as client:
        await push_draft(planned, client.repository)


def _print_plan(planned: Plan) -> None:
    for digest, home in planned.foreign.items():
        say(f"would copy {home} ({digest})")
    for target in planned.targets:
        say(f"would push {target} ({planned.manifest.media_type}, {planned.manifest.digest})")
    sys.stdout.buffer.write(planned.manifest.content + b"\n")


def _print_results(planned: Plan) -> None:
    digest = planned.manifest.digest
    for each in planned.foreign:
        sys.stdout.write(f"Pushed ref {planned.name.at(each)} with digest: {each}\n")
    if planned.name.digest not in (None, digest):
        say(f"wherry: the draft of {planned.name} has another digest than its name says: {digest}")
    sys.stdout.write(f"{digest}\n")


def _metadata(manifest: Manifest, targets: tuple[Reference, ...]) -> bytes:
    """The keys are buildx's, so that what reads its file reads this one."""
    document = {
        "containerimage.descriptor": manifest.descriptor.to_json(),
        "containerimage.digest": str(manifest.digest),
        "image.name": ",".join(str(target) for target in targets),
    }
    return encode(document) + b"\n"
