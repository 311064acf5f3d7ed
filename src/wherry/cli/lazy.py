"""Groups of commands that import a command when it runs, and only then.

`wherry manifest inspect` must not pay for the server. So the one-line helps stand in a table, beside the places.
"""

from collections.abc import Collection, Mapping
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem
from msgspec import Struct

from wherry.oci.errors import WherryError

__all__ = ["ExtraMissing", "LazyGroup", "Place"]


class ExtraMissing(WherryError):
    """A command needs a package that comes with an extra."""


class Place(Struct, frozen=True):
    """Where a command is (`module:attribute`, a click command), what it does, and the extra that it needs installed."""

    where: str
    summary: str
    extra: str | None = None

    def load(self) -> click.Command:
        """Import the command.

        Raises:
            ExtraMissing: its extra is not installed.
        """
        module, _, attribute = self.where.partition(":")
        try:
            command = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            if self.extra is None or (error.name or "").startswith("wherry"):
                raise
            raise ExtraMissing(f"{error.name} is not installed", hint=f"pip install 'wherry[{self.extra}]'") from error
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.where} is not a click command")
        return command


class LazyGroup(click.Group):
    """A group that knows its commands by a table. Its help lists them in `sections`, by title; by name where there are none."""

    def __init__(
        self,
        *arguments: Any,
        places: Mapping[str, Place],
        sections: Mapping[str, Collection[str]] | None = None,
        aliases: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.places = places
        self.sections = sections or {"Commands": sorted(places)}
        self.aliases = aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return sorted(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        place = self.places.get(self.aliases.get(cmd_name, cmd_name))
        return None if place is None else place.load()

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """What can be typed here; click's own would import every command for its help."""
        names = [CompletionItem(name, help=self.places[name].summary) for name in self.list_commands(ctx)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [item for item in names if item.value.startswith(incomplete)] + options

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        width = max(len(self._spelled(name)) for name in self.places)  # the same in all sections
        for title, names in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(self._spelled(name).ljust(width), self.places[name].summary) for name in names])

    def _spelled(self, name: str) -> str:
        return ", ".join([name, *(alias for alias, meant in self.aliases.items() if meant == name)])
