import os
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from wherry.cli.failures import ExitCode, Manner, guarded
from wherry.oci import errors
from wherry.oci.errors import WherryError

PLAIN = Manner()
FINE = Manner(fine=True)


def failing(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


def test_a_failure_is_what_happened_and_what_to_do(capsys) -> None:
    assert guarded(failing(errors.StoreError("it is broken", hint="mend it")), PLAIN) == 1
    assert tuple(capsys.readouterr()) == ("", "wherry: it is broken\ntry: mend it\n")


def test_without_a_hint_there_is_one_line(capsys) -> None:
    assert guarded(failing(errors.StoreError("it is broken")), PLAIN) == 1
    assert capsys.readouterr().err == "wherry: it is broken\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ManifestUnknown("x"), ExitCode.ABSENT),
        (errors.NameUnknown("x"), ExitCode.ABSENT),
        (errors.BlobUnknown("x"), ExitCode.ABSENT),
        (errors.Unauthorized("x"), ExitCode.REFUSED),
        (errors.Denied("x"), ExitCode.REFUSED),
        (errors.CredentialsError("x"), ExitCode.REFUSED),
        (errors.PlainHTTP("x", registry="r"), ExitCode.NETWORK),
        (errors.TimedOut("x", registry="r"), ExitCode.NETWORK),
        (errors.Unavailable("x"), ExitCode.NETWORK),
        (errors.TooManyRequests("x"), ExitCode.NETWORK),
        (errors.DigestMismatch("x"), ExitCode.INVALID),
        (errors.ManifestInvalid("x"), ExitCode.INVALID),
        (errors.InvalidTag("x", "y"), ExitCode.INVALID),
        (errors.StoreError("x"), ExitCode.FAILED),
        (errors.Unsupported("x"), ExitCode.FAILED),
    ],
)
def test_codes_tell_failures_apart_when_asked(error: WherryError, code: ExitCode) -> None:
    assert guarded(failing(error), FINE) == code
    assert guarded(failing(error), PLAIN) == 1


def test_a_bug_is_a_line_and_a_traceback_only_on_demand(capsys) -> None:
    assert guarded(failing(KeyError("digest")), PLAIN) == ExitCode.BUG
    plain = capsys.readouterr().err
    assert plain.startswith("wherry: this is a bug: KeyError: 'digest'\ntry: ")
    assert "Traceback" not in plain
    assert guarded(failing(KeyError("digest")), Manner(debug=True)) == ExitCode.BUG
    assert "Traceback" in capsys.readouterr().err


def test_troubles_of_the_machine_are_no_bugs(capsys) -> None:
    assert guarded(failing(PermissionError(13, "Permission denied", "/some/file")), PLAIN) == 1
    assert guarded(failing(OSError(28, "No space left on device")), PLAIN) == 1
    assert capsys.readouterr().err == (
        "wherry: /some/file: Permission denied\n"
        "wherry: No space left on device\ntry: make room, and run the same command again\n"
    )


def test_several_failures_are_all_told(capsys) -> None:
    group = ExceptionGroup("", [errors.StoreError("one"), ExceptionGroup("", [errors.NameUnknown("other")])])
    assert guarded(failing(group), FINE) == ExitCode.ABSENT
    assert capsys.readouterr().err == "wherry: one\nwherry: other\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_130(capsys, error: BaseException) -> None:
    assert guarded(failing(error), PLAIN) == 130
    assert capsys.readouterr().err == "wherry: interrupted\n"


def test_a_command_line_that_makes_no_sense_is_two_lines_and_2(capsys) -> None:
    error = click.UsageError("what is this", ctx=click.Context(click.Command("copy"), info_name="copy"))
    assert guarded(failing(error), PLAIN) == 2
    assert capsys.readouterr().err == "wherry: what is this\ntry: copy --help\n"


@pytest.mark.parametrize(
    ("environment", "manner"),
    [
        ({}, PLAIN),
        ({"WHERRY_EXIT_CODES": "0", "WHERRY_DEBUG": ""}, PLAIN),
        ({"WHERRY_EXIT_CODES": "1"}, FINE),
        ({"WHERRY_DEBUG": "1"}, Manner(debug=True)),
    ],
)
def test_the_environment_says_how_to_fail(environment: dict[str, str], manner: Manner) -> None:
    assert Manner.of(environment) == manner


def test_a_reader_who_leaves_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from wherry.cli import main; main()", "--help"]
    with os.fdopen(writing, "wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


def test_ctrl_c_before_anything_has_begun_is_a_line() -> None:
    pressed = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "wherry.cli.root":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
from wherry.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", pressed, "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "wherry: interrupted\n")
