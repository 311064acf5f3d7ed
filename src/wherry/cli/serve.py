"""`wherry serve`: a registry, in one command."""

import asyncio
import logging
import os
import resource
from pathlib import Path

import click
import uvloop

from wherry.cli.failures import ExitCode, report
from wherry.cli.stopping import on_signals
from wherry.server.listening import Limits, Patience
from wherry.server.policy import Policy
from wherry.server.running import running
from wherry.server.settings import SETTINGS, Configuration, Setting, SettingError, configure

__all__ = ["serve"]


def _option(setting: Setting) -> click.Option:
    """A setting as an option; its text is read by `configure`, as those of the file and the environment are."""
    if not setting.metavar:
        return click.Option([f"--{setting.name}"], is_flag=True, help=setting.help)
    help_text = f"{setting.help}  [default: {setting.default}]"
    return click.Option([f"--{setting.name}"], metavar=setting.metavar, help=help_text)


@click.command(params=[_option(setting) for setting in SETTINGS])
@click.option(
    "--config", metavar="FILE", help="A YAML file with the same settings, a line each: `listen: 127.0.0.1:5000`."
)
@click.option("--print-config", is_flag=True, help="Print the settings, and where each comes from; start nothing.")
def serve(config: str | None, print_config: bool, **options: str | bool | None) -> int:  # noqa: FBT001  # click passes options by name
    """Run a registry until SIGTERM or Ctrl-C.

    The URL is printed when it is ready to answer. At the end it takes no new connections, lets the requests finish
    that are under way, and closes its database; a second signal ends it without waiting for them.

    Options win over the environment (`WHERRY_LISTEN`, …), that wins over the file, and that over the defaults.
    """
    flags = {name.replace("_", "-"): _text(value) for name, value in options.items()}
    try:
        configuration = configure(flags, os.environ, None if config is None else Path(config))
    except SettingError as error:
        report(error)
        return ExitCode.USAGE
    if print_config:
        click.echo(configuration.printed().encode(), nl=False)  # UTF-8 wherever it is printed: so it is read
        return ExitCode.OK
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _allow_many_files()
    if configuration["workers"] > 1:
        _serve_in_workers(configuration)
        return ExitCode.OK
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # half as much again as asyncio's own loop
        runner.run(_serve(configuration))
    return ExitCode.OK


def _text(value: str | bool | None) -> str | None:  # noqa: FBT001  # what click hands over
    if isinstance(value, bool):
        return "true" if value else None
    return value


def _policy(of: Configuration) -> Policy:
    return Policy(
        sparse=of["allow-sparse"],
        durability=of["durability"],
        upload_lifetime=of["upload-lifetime"],
        lease=of["gc-lease"],
        grace=of["gc-grace"],
        delete_untagged_after=of["delete-untagged-after"],
        collect_every=of["gc-interval"],
        body_timeout=of["idle-timeout"],
        longest_body=of["upload-timeout"],
        largest_manifest=of["max-manifest-size"],
        largest_blob=of["max-blob-size"],
        most_uploads=of["max-uploads"],
    )


def _limits(of: Configuration) -> Limits:
    return Limits(of["header-timeout"], of["max-header-size"], of["stall-timeout"])


async def _serve(of: Configuration) -> None:
    stopped = asyncio.Event()
    on_signals(stopped)
    host, port = of["listen"]
    policy = _policy(of)
    async with running(
        data=None if of["ephemeral"] else of["data"],
        host=host,
        port=port,
        metrics=of["metrics-listen"],
        sparse=policy.sparse,
        policy=policy,
        ending=Patience(of["drain-timeout"], of["drain-delay"]),
        limits=_limits(of),
        access_log=of["access-log"],
    ) as registry:
        click.echo(registry.url)
        if registry.metrics is not None:
            _say_where_metrics_are(f"http://{registry.metrics}")
        await stopped.wait()
        on_signals(registry.hurry)  # who asks twice does not want to wait


def _serve_in_workers(of: Configuration) -> None:
    from wherry.cli.serve_workers import serve_in_workers  # noqa: PLC0415  # one process needs nothing of it

    serve_in_workers(
        of["workers"],
        data=None if of["ephemeral"] else of["data"],
        address=of["listen"],
        metrics=of["metrics-listen"],
        policy=_policy(of),
        ending=Patience(of["drain-timeout"], of["drain-delay"]),
        limits=_limits(of),
        access_log=of["access-log"],
        announce=click.echo,
        announce_metrics=_say_where_metrics_are,
    )


def _say_where_metrics_are(url: str) -> None:
    """On the standard error: the output has the registry's URL, and nothing else."""
    click.echo(f"metrics and health: {url}", err=True)


def _allow_many_files() -> None:
    """Each connection and each upload takes a file descriptor; the soft limit is often 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
