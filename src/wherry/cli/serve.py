"""`wherry serve`: a registry, in one command."""

import asyncio
import logging
import resource
import signal
from pathlib import Path

import click
import uvloop

from wherry.server.policy import Durability, Policy, Sparse
from wherry.server.running import running

__all__ = ["Address", "serve"]

_LARGEST_PORT = 65535


class Address(click.ParamType[tuple[str, int]]):
    """`HOST:PORT`; a host with colons in it stands in brackets, and port 0 means any that is free."""

    name = "HOST:PORT"

    def convert(
        self, value: str | tuple[str, int], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Split the text."""
        if isinstance(value, tuple):
            return value
        host, colon, port = value.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not colon or not bare or (":" in bare and bare == host):
            self.fail(f"{value!r} is not of the form HOST:PORT, for example 127.0.0.1:5000", param, ctx)
        if not (port.isascii() and port.isdigit() and int(port[:9]) <= _LARGEST_PORT):
            self.fail(f"{port!r} is not a port: a number from 0 to {_LARGEST_PORT}", param, ctx)
        return bare, int(port)


@click.command()
@click.option(
    "--listen",
    type=Address(),
    default="127.0.0.1:5000",
    show_default=True,
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False),
    help="The registry's folder, made if it is missing.  [default: ./registry]",
)
@click.option("--ephemeral", is_flag=True, help="Keep nothing: use a temporary folder, and remove it at the end.")
@click.option(
    "--allow-sparse",
    type=click.Choice([Sparse.INDEX.value, Sparse.ALL.value]),
    help="Take manifests while things that they name are missing: children of an index, or all.",
)
@click.option(
    "--durability",
    type=click.Choice([each.value for each in Durability]),
    default=Durability.FULL.value,
    show_default=True,
    help="What a 201 promises: that the content survives a power cut, or only the end of this process.",
)
def serve(
    listen: tuple[str, int],
    data: str | None,
    ephemeral: bool,  # noqa: FBT001  # click passes options by name
    allow_sparse: str | None,
    durability: str,
) -> None:
    """Run a registry until SIGTERM or Ctrl-C.

    The URL is printed when it is ready to answer. At the end it takes no new connections, lets the requests finish
    that are under way, and closes its database; a second signal ends it without waiting for them.
    """
    if ephemeral and data is not None:
        raise click.UsageError("--data and --ephemeral exclude each other")
    if data == "":  # a variable of a script that is not set, most likely; it would become the current folder
        raise click.UsageError("--data names no folder")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _allow_many_files()
    sparse = Sparse(allow_sparse) if allow_sparse else Sparse.NONE
    policy = Policy(durability=Durability(durability))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # half as much again as asyncio's own loop
        runner.run(_serve(*listen, None if ephemeral else Path(data or "registry"), sparse, policy))


async def _serve(host: str, port: int, data: Path | None, sparse: Sparse, policy: Policy) -> None:
    stopped = asyncio.Event()
    _on_signals(stopped)
    async with running(data=data, host=host, port=port, sparse=sparse, policy=policy) as registry:
        click.echo(registry.url)
        await stopped.wait()
        _on_signals(registry.hurry)  # who asks twice does not want to wait


def _on_signals(event: asyncio.Event) -> None:
    """SIGHUP too: the terminal is closed, and the throw-away folder must go; but `nohup` has the last word."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        asyncio.get_running_loop().add_signal_handler(number, event.set)


def _allow_many_files() -> None:
    """Each connection and each upload takes a file descriptor; the soft limit is often 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
