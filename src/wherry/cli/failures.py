"""How a command fails: what goes to stderr, and which exit code.

Two lines for people, `wherry: what happened` and `try: what to do now`, and a code for scripts. The codes are documented
in docs/exit-codes.md. A traceback is for bugs alone, and then only with `WHERRY_DEBUG=1`.
"""

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import click

from wherry.cli.tables import one_line, printable
from wherry.oci.errors import (
    ContentMismatch,
    CredentialsError,
    Denied,
    InvalidValue,
    ManifestInvalid,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    WherryError,
)

__all__ = [
    "ExitCode",
    "Manner",
    "Stopped",
    "exit_code_of",
    "guarded",
    "hint_of",
    "report",
    "say",
    "say_lines",
    "stopped_by",
    "words_of",
]


class ExitCode(IntEnum):
    """The finer ones (absent, refused, network, invalid) are used only when they are asked for; else 1 stands for all."""

    OK = 0
    FAILED = 1
    USAGE = 2
    TROUBLE = 2
    ABSENT = 3
    REFUSED = 4
    NETWORK = 5
    INVALID = 6
    BUG = 70
    DOCKER_USAGE = 125
    HUNG_UP = 129
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


class Stopped(KeyboardInterrupt):
    """The terminal was closed, or somebody sent SIGTERM: what a command does then is what it does at Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


_FINE: tuple[tuple[type[WherryError], ExitCode], ...] = (
    (NotFound, ExitCode.ABSENT),
    (Unauthorized, ExitCode.REFUSED),
    (Denied, ExitCode.REFUSED),
    (CredentialsError, ExitCode.REFUSED),
    (Unreachable, ExitCode.NETWORK),
    (Unavailable, ExitCode.NETWORK),
    (TooManyRequests, ExitCode.NETWORK),
    (ContentMismatch, ExitCode.INVALID),
    (ManifestInvalid, ExitCode.INVALID),
    (InvalidValue, ExitCode.INVALID),
)


@dataclass(slots=True)
class Manner:
    """How this run fails: with finer exit codes (`--exit-codes`), with tracebacks. Options may change it while parsing.

    `failed` is the code that stands for all failures where they are not told apart; a command may set another.
    """

    fine: bool = False
    debug: bool = False
    failed: ExitCode = ExitCode.FAILED

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """What the environment asks for."""
        fine, debug = (environment.get(name, "") not in ("", "0") for name in ("WHERRY_EXIT_CODES", "WHERRY_DEBUG"))
        return cls(fine=fine, debug=debug)

    def code(self, error: WherryError | OSError) -> ExitCode:
        """The exit code for an error."""
        if not self.fine:
            return self.failed
        return next((code for kind, code in _FINE if isinstance(error, kind)), self.failed)

    def code_of_all(self, errors: Iterable[WherryError | OSError]) -> ExitCode:
        """The exit code that all errors have; where they differ, the one that stands for any. None is no failure."""
        codes = {self.code(error) for error in errors}
        if not codes:
            return ExitCode.OK
        return codes.pop() if len(codes) == 1 else self.failed


def guarded(command: Callable[[], int], manner: Manner) -> int:
    """Run a command; whatever it raises becomes words on stderr and an exit code."""
    try:
        code = command()
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort) as stop:
        word, code = stopped_by(stop)
        say(f"wherry: {word}")
        return code
    except BrokenPipeError:
        return _gone()
    except click.ClickException as error:
        return _misused(error)
    except BaseExceptionGroup as group:
        return max(_failed(error, manner) for error in _leaves(group))
    except Exception as error:  # noqa: BLE001  # the one place where what nobody expected is turned into words
        return _failed(error, manner)
    return code


def stopped_by(stop: BaseException) -> tuple[str, ExitCode]:
    """What to call it, and the exit code, where a command was told to stop."""
    if not isinstance(stop, Stopped):
        return "interrupted", ExitCode.INTERRUPTED
    return ("terminated", ExitCode.TERMINATED) if stop.number == signal.SIGTERM else ("hung up", ExitCode.HUNG_UP)


def report(error: WherryError | OSError) -> None:
    """Say on stderr what happened and, where it is known, what to do now."""
    say(f"wherry: {words_of(error)}")
    hint = hint_of(error)
    if hint:
        say(f"try: {hint}")


def words_of(error: BaseException) -> str:
    """What happened; the system's own words with the place in front, and without its number."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def hint_of(error: BaseException) -> str | None:
    """What to do now, where it is known."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room, and run the same command again"
    return error.hint if isinstance(error, WherryError) else None


def say(line: str) -> None:
    """Write a line to stderr. Words of others in it may neither steer the terminal nor go on to another line."""
    sys.stderr.write(f"{one_line(line)}\n")


def say_lines(text: str) -> None:
    """Write to stderr what has several lines by intention: a usage, a help page."""
    sys.stderr.write("".join(f"{printable(line)}\n" for line in text.split("\n")))


def exit_code_of(returned: object) -> int:
    """The exit code in what a command returned: an integer is one, anything else means that all went well."""
    return returned if isinstance(returned, int) else ExitCode.OK


def _misused(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return ExitCode.USAGE
    say(f"wherry: {error.format_message()}")
    if isinstance(error, click.UsageError) and error.ctx is not None:
        say(f"try: {error.ctx.command_path} --help")
    return error.exit_code


def _failed(error: BaseException, manner: Manner) -> int:
    if manner.debug:
        traceback.print_exception(error)
    if isinstance(error, BrokenPipeError):
        return _gone()
    if isinstance(error, WherryError | OSError):
        report(error)
        return manner.code(error)
    if isinstance(error, KeyboardInterrupt):
        say("wherry: interrupted")
        return ExitCode.INTERRUPTED
    say(f"wherry: this is a bug: {type(error).__name__}: {error}")
    say("try: the same with WHERRY_DEBUG=1, for the traceback; a report with it is welcome")
    return ExitCode.BUG


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _gone() -> int:
    """Whoever read our output has left (`… | head -1`): stop quietly, and let nothing complain at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.BROKEN_PIPE
