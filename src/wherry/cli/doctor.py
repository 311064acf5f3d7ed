"""`wherry doctor`."""

import os
from contextlib import suppress

import click

from wherry.cli.failures import ExitCode, say
from wherry.cli.json_output import print_json
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.cli.surroundings import host_files
from wherry.cli.tables import printable
from wherry.oci.errors import RouteError
from wherry.oci.reference import Reference
from wherry.stores.locations import parse_registry, parse_remote
from wherry.stores.remote.examination import examine
from wherry.stores.remote.finding import Finding
from wherry.stores.remote.proxies import Proxies

__all__ = ["doctor"]

_WIDTH = len("authorisation") + 2
_SIGNS = {"ok": " ", "note": "-", "unknown": "?", "broken": "!"}


@click.command(short_help="Show the way to a registry, what is wrong with it, and what the registry can do.")
@click.argument("place", metavar="HOST[/REPOSITORY]")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--forget", is_flag=True, help="First drop what earlier commands have noted of the registry.")
@insecure_option
def doctor(place: str, *, as_json: bool, forget: bool, insecure: bool) -> int:
    """Go the way to a registry step by step, and show what is found: routes and mirrors with the files that name them, proxy,
    addresses, TLS certificates, credentials (where from, never the secret), token server, and what the registry can do.

    With a repository behind the host also whether it may be read, and what can be learnt of it. Nothing is ever written there.
    Exit code 1 means that something is broken; the next step stands below it.
    """
    registry = parse_registry(place)
    reference = None
    if registry is None:
        reference = parse_remote(place)
        registry = reference.registry
    findings = run(_findings(registry, reference, forget=forget, insecure=insecure, as_json=as_json))
    broken = [each for each in findings if each.state == "broken"]
    if as_json:
        document = {
            "registry": registry,
            "repository": reference.repository if reference else None,
            "works": not broken,
            "findings": findings,
        }
        print_json(document)
    for each in broken if as_json else ():
        say(f"wherry: {registry}: {each.about}: {each.text}")
    return ExitCode.FAILED if broken else ExitCode.OK


async def _findings(
    registry: str, reference: Reference | None, *, forget: bool, insecure: bool, as_json: bool
) -> list[Finding]:
    found = []
    async with open_client(insecure=insecure) as client:
        if forget:
            with suppress(RouteError):  # which is the first finding
                client.forget(registry)
        proxies = Proxies.of(os.environ)
        async for finding in examine(client, registry, reference, hosts=host_files(), proxies=proxies):
            found.append(finding)
            if not as_json:
                _show(finding)
    return found


def _show(finding: Finding) -> None:
    click.echo(f"{_SIGNS[finding.state]} {finding.about:<{_WIDTH}}{printable(finding.text)}")
    if finding.hint:
        click.echo(f"  {'':<{_WIDTH}}try: {printable(finding.hint)}")
