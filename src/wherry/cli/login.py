"""`wherry login`."""

import sys
from contextlib import suppress

import click

from wherry.cli.failures import say
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.cli.surroundings import credential_files, kept_in
from wherry.oci.errors import CredentialsError, InvalidReference, Unauthorized
from wherry.oci.reference import DOCKER_HUB, check_registry
from wherry.stores.remote.credential_files import DockerConfig
from wherry.stores.remote.credentials import IDENTITY_TOKEN, Credential, Fixed
from wherry.stores.remote.session import LoggedIn

__all__ = ["login", "registry_of"]

_HUB_NAMES = frozenset(("index.docker.io", "registry-1.docker.io", "registry.docker.io", "hub.docker.com"))


@click.command(short_help="Log in to a registry, and keep the credential.")
@click.argument("host")
@click.option("-u", "--username", help="The user; asked for if it is not given.")
@click.option("-p", "--password", help="The password. Others on this machine can see it: better is --password-stdin.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@insecure_option
def login(host: str, *, username: str | None, password: str | None, password_stdin: bool, insecure: bool) -> None:
    """Log in to the registry HOST[:PORT]: check the credential there, then keep it where docker and others find it.

    That is the credential helper that docker's configuration names for the registry (credHelpers, credsStore), or else
    config.json itself, or the file that REGISTRY_AUTH_FILE names. `docker.io` is Docker Hub.
    """
    registry = registry_of(host)
    if password is not None and password_stdin:
        raise click.UsageError("--password and --password-stdin exclude each other")
    if password_stdin and username is None:
        raise click.UsageError("--password-stdin needs --username")
    file = kept_in()
    helper = file.helper(registry)
    credential = _credential(registry, username, _from_stdin() if password_stdin else password)
    if password is not None:
        say("wherry: a password among the arguments can be seen by others; --password-stdin hides it")
    told = run(_checked(registry, credential, insecure=insecure))
    if not told.was_checked:
        say(f"wherry: {registry} lets everybody in: it has not looked at the credential")
    place = run(file.keep(registry, told.credential))
    if helper is None:
        what = "identity token" if told.credential.identity_token else "password"
        say(f"wherry: the {what} is in {place} as plain text; a credential helper (credsStore there) keeps it better")
    before = run(_counting_before(registry, file))
    if before is not None:
        say(f"wherry: the credential of {before.who} in {before.source} counts before it")
    click.echo(f"logged in to {registry} as {credential.who}; kept by {place}")


def registry_of(text: str) -> str:
    """The registry that a user names, also by a URL, or by another name of Docker Hub.

    Raises:
        InvalidReference: it names none.
    """
    scheme, found, behind = text.partition("://")
    host, _, path = (behind if found else text).partition("/")
    if found and scheme not in {"http", "https"}:
        raise InvalidReference(text, "a registry is named by its host and port alone")
    if path.strip("/") not in {"", "v1", "v2"}:
        raise InvalidReference(text, "names a repository, and one logs in to a registry", hint=f"perhaps {host}")
    return DOCKER_HUB if host in _HUB_NAMES else check_registry(host)


async def _checked(registry: str, credential: Credential, *, insecure: bool) -> LoggedIn:
    async with open_client(credentials=Fixed({registry: credential}), insecure=insecure) as client:
        try:
            return await client.itself(registry).log_in()
        except Unauthorized as error:
            error.hint = "check the user name and the password; many registries want an access token in its place"
            raise


async def _counting_before(registry: str, kept: DockerConfig) -> Credential | None:
    """A credential that commands find before the one that is kept."""
    for each in credential_files():
        if each.path == kept.path:
            break
        with suppress(CredentialsError):  # who looks for a credential there is told
            found = await each.find(registry)
            if found is not None:
                return found
    return None


def _credential(registry: str, username: str | None, password: str | None) -> Credential:
    if username is None or password is None:
        if not sys.stdin.isatty():
            raise click.UsageError("no terminal to ask at: give --username and --password-stdin")
        username = username or click.prompt(f"user name at {registry}", err=True)
        password = password if password is not None else click.prompt("password", hide_input=True, err=True)
    if not username or not password:
        raise click.UsageError("the user name is empty" if not username else "the password is empty")
    if ":" in username:
        raise click.UsageError("a user name has no colon in it (RFC 7617)")
    return Credential(identity_token=password) if username == IDENTITY_TOKEN else Credential(username, password)


def _from_stdin() -> str:
    password = sys.stdin.buffer.read().removesuffix(b"\n").removesuffix(b"\r")
    return password.decode(errors="surrogateescape")
