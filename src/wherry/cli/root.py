"""The command line's root: which commands there are, and where each one lives.

A command's module is imported when that command runs, and only then: `wherry manifest inspect` must not pay for the
server. So the one-line helps stand here, beside the places.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import click

from wherry import __version__
from wherry.cli.failures import exit_code_of, guarded

__all__ = ["ALIASES", "COMMANDS", "Place", "root", "run"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is (`module:attribute`, a click command), what it does, and the extra that it needs installed."""

    where: str
    summary: str
    extra: str | None = None

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.where.partition(":")
        try:
            command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            if self.extra is None or (error.name or "").startswith("wherry"):
                raise
            raise click.ClickException(
                f"{error.name} is not installed\ntry: pip install 'wherry[{self.extra}]'"
            ) from error
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.where} is not a click command")
        return command


COMMANDS = {
    "copy": Place("wherry.cli.copy:copy", "Copy an image, whole, from one place to another."),
    "inspect": Place("wherry.cli.inspect:inspect", "Show what a reference leads to: platforms, sizes, digests."),
    "ls": Place("wherry.cli.ls:ls", "List the repositories of a registry, or the tags of a repository."),
    "manifest": Place("wherry.cli.manifest:manifest", "Assemble multi-platform images, as `docker manifest` does."),
    "serve": Place("wherry.cli.serve:serve", "Run a registry.", extra="server"),
}

ALIASES = {"cp": "copy"}


class LazyGroup(click.Group):
    """A group that knows its commands by the table and imports none before it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        place = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        return None if place is None else place.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        spelled = {name: [name, *(alias for alias in ALIASES if ALIASES[alias] == name)] for name in sorted(COMMANDS)}
        with formatter.section("Commands"):
            formatter.write_dl([(", ".join(names), COMMANDS[name].summary) for name, names in spelled.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes and environment variables: docs/exit-codes.md. Every command explains itself with --help.",
)
@click.version_option(__version__, message="wherry %(version)s")
def root() -> None:
    """Inspect, assemble, copy and serve multi-platform container images, without a daemon."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; a command's own code is the integer that it returns."""
    return guarded(
        lambda: exit_code_of(root.main(list(arguments), prog_name="wherry", standalone_mode=False)),
    )
