"""Commands that are used, and misused, as docker's are: arguments, exit codes, and the words of their failures.

A wrong number of arguments is 1, a wrong flag 125, anything else 1. An error for which docker has words is those words
alone on a line, because scripts look for them; any other is told as wherry tells errors.
"""

from collections.abc import Sequence
from typing import Any

import click

from wherry.cli.failures import ExitCode, Manner, report, say, say_lines
from wherry.cli.lazy import LazyGroup
from wherry.cli.manifest.references import Misnamed
from wherry.cli.options import exit_codes_option
from wherry.oci.errors import NotFound, RegistryError, Unauthorized, WherryError
from wherry.stores.drafts import AmendRefused, DraftUnknown, EmptyDraft, NoPlatform

__all__ = ["DockerCommand", "DockerGroup", "docker_words", "tell"]

_HELP = {"help_option_names": ["-h", "--help"]}
_SERVER_TROUBLE = 500
_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


class DockerCommand(click.Command):
    """A command that takes between `least` and `most` arguments (None: any number of them)."""

    def __init__(self, *arguments: Any, least: int, most: int | None, usage: str, **options: Any) -> None:
        super().__init__(*arguments, **{"context_settings": _HELP} | options)
        exit_codes_option(self)
        self.least = least
        self.most = most
        self.usage = usage

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            rest = super().parse_args(ctx, self._spelled_out(args))
        except click.UsageError as error:
            self._complain(ctx, _flag_words(error))
            ctx.exit(ExitCode.DOCKER_USAGE)
        given = len(ctx.params.get("names", ()))
        if not ctx.resilient_parsing and not self._takes(given):
            self._complain(ctx, f"wherry: '{ctx.command_path}' requires {self._arity()}")
            ctx.exit(ExitCode.FAILED)
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            self._complain(ctx, f"wherry: {error.format_message()}")
            return ExitCode.DOCKER_USAGE
        except WherryError as error:
            tell(error)
            manner = ctx.find_object(Manner)
            return ExitCode.FAILED if manner is None else manner.code(error)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return [self.usage]

    def _takes(self, given: int) -> bool:
        return given >= self.least and (self.most is None or given <= self.most)

    def _arity(self) -> str:
        plural = "" if self.least == 1 else "s"
        if self.most is None:
            return f"at least {self.least} argument{plural}"
        if self.most != self.least:
            return f"at least {self.least} and at most {self.most} arguments"
        return f"{self.least} argument{plural}"

    def _complain(self, ctx: click.Context, words: str) -> None:
        say_lines(f"{words}\n\n{ctx.get_usage()}\n\nRun '{ctx.command_path} --help' for more information")

    def _spelled_out(self, arguments: Sequence[str]) -> list[str]:
        """Go's flags take `--insecure=true` too, and of several the last one counts."""
        switches = {
            spelling: parameter.opts
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.is_flag
            for spelling in parameter.opts
        }
        plain: list[str] = []
        for position, argument in enumerate(arguments):
            name, _, value = argument.partition("=")
            if argument == "--":
                return plain + list(arguments[position:])
            if name not in switches or value not in (*_TRUE, *_FALSE):
                plain.append(argument)
            elif value in _TRUE:
                plain.append(name)
            else:
                plain = [each for each in plain if each not in switches[name]]
        return plain


class DockerGroup(LazyGroup):
    """A group that prints its usage and exits with 0 when no command is named, and with 1 for an unknown one."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"context_settings": _HELP} | options)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            self._complain(ctx, _flag_words(error))
            ctx.exit(ExitCode.DOCKER_USAGE)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.places:
            self._complain(ctx, f"wherry: unknown command: {ctx.command_path} {args[0]}")
            ctx.exit(ExitCode.FAILED)
        return super().resolve_command(ctx, args)

    def _complain(self, ctx: click.Context, words: str) -> None:
        say_lines(f"{words}\n\n{ctx.get_usage()}\n\nRun '{ctx.command_path} --help' for more information")


def tell(error: WherryError) -> None:
    """Say an error on stderr: in docker's words where it has some, else in wherry's."""
    words = docker_words(error)
    if words is None:
        report(error)
        return
    say(words)
    if isinstance(error, AmendRefused | NoPlatform) and error.hint:
        say(f"try: {error.hint}")


def docker_words(error: WherryError) -> str | None:
    """The line that docker prints for an error; None if it has none, or one that says nothing."""
    if isinstance(error, Misnamed):
        return _reference_words(error)
    if isinstance(error, AmendRefused | DraftUnknown | EmptyDraft | NoPlatform):
        return error.message
    if isinstance(error, NotFound) and error.request is None and error.message.lower().startswith("no such manifest: "):
        return error.message
    if (
        isinstance(error, RegistryError)
        and error.request is not None
        and not isinstance(error, NotFound | Unauthorized)
    ):
        return _refusal_words(error)
    return None


def _reference_words(error: Misnamed) -> str:
    words = f"{error.prefix}invalid reference format"
    return f"{words}: {error.reason}" if error.text else words


def _refusal_words(error: RegistryError) -> str | None:
    from http import HTTPStatus  # noqa: PLC0415  # 4 ms that only a failure should cost

    if error.status >= _SERVER_TROUBLE and error.status in [each.value for each in HTTPStatus]:
        return f"received unexpected HTTP status: {error.status} {HTTPStatus(error.status).phrase}"
    if error.words:
        return f"{error.code.lower().replace('_', ' ')}: {error.words}"
    return None


def _flag_words(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        name = error.option_name
        return f"unknown flag: {name}" if name.startswith("--") else f"unknown shorthand flag: {name[1]!r} in {name}"
    if isinstance(error, click.BadOptionUsage) and "requires an argument" in error.message:
        return f"flag needs an argument: {error.option_name}"
    return error.format_message()
