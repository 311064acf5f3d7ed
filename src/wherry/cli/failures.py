"""How a command fails: what goes to stderr, and which exit code.

Two lines for people, `wherry: what happened` and `try: what to do now`, and a code for scripts. The codes are documented
in docs/exit-codes.md. A traceback is for bugs alone, and then only with `WHERRY_DEBUG=1`.
"""

import os
import sys
import traceback
from collections.abc import Callable, Iterator
from enum import IntEnum

import click

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

__all__ = ["ExitCode", "exit_code", "exit_code_of", "fine_exit_codes", "guarded", "report"]

DEBUG = "WHERRY_DEBUG"
EXIT_CODES = "WHERRY_EXIT_CODES"


class ExitCode(IntEnum):
    """The finer ones (absent, refused, network, invalid) are used only when they are asked for; else 1 stands for all."""

    OK = 0
    FAILED = 1
    USAGE = 2
    ABSENT = 3
    REFUSED = 4
    NETWORK = 5
    INVALID = 6
    BUG = 70
    DOCKER_USAGE = 125
    INTERRUPTED = 130
    BROKEN_PIPE = 141


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


def guarded(command: Callable[[], int]) -> int:
    """Run a command; whatever it raises becomes words on stderr and an exit code."""
    try:
        code = command()
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        _say("wherry: interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return _gone()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BaseExceptionGroup as group:
        return max((_failed(error) for error in _leaves(group)), default=ExitCode.FAILED)
    except Exception as error:  # noqa: BLE001  # the one place where what nobody expected is turned into words
        return _failed(error)
    return code


def report(error: WherryError) -> None:
    """Say on stderr what happened and, where it is known, what to do now."""
    _say(f"wherry: {error}")
    if error.hint:
        _say(f"try: {error.hint}")


def exit_code(error: WherryError, *, fine: bool | None = None) -> ExitCode:
    """The exit code for an error; `fine` asks for the finer codes, None leaves that to the environment."""
    if not (fine_exit_codes() if fine is None else fine):
        return ExitCode.FAILED
    return next((code for kind, code in _FINE if isinstance(error, kind)), ExitCode.FAILED)


def fine_exit_codes() -> bool:
    """Whether the environment asks for the finer exit codes."""
    return os.environ.get(EXIT_CODES, "") not in ("", "0")


def exit_code_of(returned: object) -> int:
    """The exit code in what a command returned: an integer is one, anything else means that all went well."""
    return returned if isinstance(returned, int) else ExitCode.OK


def _failed(error: BaseException) -> int:
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    if isinstance(error, WherryError):
        report(error)
        return exit_code(error)
    if isinstance(error, BrokenPipeError):
        return _gone()
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        _say(f"wherry: {place}{error.strerror or error}")
        return ExitCode.FAILED
    if isinstance(error, KeyboardInterrupt):
        _say("wherry: interrupted")
        return ExitCode.INTERRUPTED
    _say(f"wherry: this is a bug: {type(error).__name__}: {error}")
    _say(f"try: {DEBUG}=1 and the same command, for the traceback; a report with it is welcome")
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


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
