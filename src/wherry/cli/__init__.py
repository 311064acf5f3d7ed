"""Floor 5: the command line. Thin: a command parses, calls one operation, prints."""

import atexit
import codecs
import gc
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `wherry` with these arguments and return its exit code; without any, as a process does that ends with it."""
    if arguments is None:
        # Imports make many objects and no garbage; looking for some every 700 of them is 8 of 147 ms of a start.
        gc.set_threshold(50_000, 20, 100)
        _fill_gaps()
        _take_every_text()
    try:
        from wherry.cli.root import run  # noqa: PLC0415  # click is imported when a command line is parsed, not before
    except KeyboardInterrupt:
        sys.stderr.write("wherry: interrupted\n")
        sys.stderr.flush()
        os._exit(_INTERRUPTED)  # nothing has begun; and what is imported half can do no more

    if arguments is None:
        _leave(run(sys.argv[1:]))
    return run(arguments)


def _fill_gaps() -> None:
    """Put /dev/null where a standard stream is closed: else the first socket or file would take its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, open(number, mode, encoding="utf-8"))  # noqa: PTH123, SIM115  # a number, kept open until the end


def _take_every_text() -> None:
    """Let nothing that is to be printed be an error: odd bytes of a file's name go out as they came in, and what the
    terminal's encoding does not have (a label in Japanese, Latin-1) is escaped.
    """
    codecs.register_error("wherry", _odd_bytes_or_escapes)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="wherry")


def _odd_bytes_or_escapes(error: UnicodeError) -> tuple[str | bytes, int]:
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.backslashreplace_errors(error)


def _leave(code: int) -> NoReturn:
    """End the process at once, with all that was written.

    The HTTP client's threads let go of Python objects when they find the time; one that does so while the interpreter
    is being taken down aborts the process (seen with Python 3.11 and pyreqwest 0.15: "PyGILState_Release: thread state
    must be current"). So there is no taking down.
    """
    if line := sys.modules.get("wherry.stores.remote.line"):
        atexit.unregister(line.let_go)  # waits for what cannot happen here
    atexit._run_exitfuncs()  # noqa: SLF001  # what others have asked for at exit still happens
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
