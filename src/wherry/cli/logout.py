"""`wherry logout`."""

from contextlib import suppress

import click

from wherry.cli.failures import say
from wherry.cli.login import registry_of
from wherry.cli.session import run
from wherry.cli.surroundings import credential_files, kept_in
from wherry.oci.errors import CredentialsError
from wherry.stores.remote.credential_files import DockerConfig
from wherry.stores.remote.credentials import Credential

__all__ = ["logout"]


@click.command(short_help="Forget the credential for a registry.")
@click.argument("host")
def logout(host: str) -> None:
    """Forget the credential for the registry HOST[:PORT], in the place where `wherry login` and `docker login` keep it."""
    registry = registry_of(host)
    file = kept_in()
    forgotten = run(file.forget(registry))
    click.echo(f"logged out of {registry}" if forgotten else f"not logged in to {registry} (in {file.path})")
    left = run(_left(registry, [each for each in credential_files() if each.path != file.path]))
    if left is not None:
        say(f"wherry: another credential for {registry}, of {left.who}, is still in {left.source}")


async def _left(registry: str, others: list[DockerConfig]) -> Credential | None:
    for each in others:
        with suppress(CredentialsError):  # who looks for a credential there is told
            found = await each.find(registry)
            if found is not None:
                return found
    return None
