"""wherry at a terminal of its own, as a person sits at it."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

__all__ = ["at_a_terminal"]

_TOO_LONG = 30.0  # seconds


def at_a_terminal(
    arguments: Sequence[str], answers: Sequence[bytes | signal.Signals], prompt: bytes, **environment: str
) -> tuple[int, str]:
    """Run it, give it an answer at each `prompt`, bytes to read or a signal; return its exit code and what the terminal shows."""
    ours, theirs = pty.openpty()
    shown, answered, left = b"", 0, list(answers)
    with subprocess.Popen(
        [sys.executable, "-c", "from wherry.cli import main; main()", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=os.environ | environment,
    ) as process:
        os.close(theirs)
        limit = threading.Timer(_TOO_LONG, process.kill)
        limit.start()
        try:
            while piece := os.read(ours, 1000):
                shown += piece
                if left and shown[answered:].rstrip().endswith(prompt):
                    answer, answered = left.pop(0), len(shown)
                    process.send_signal(answer) if isinstance(answer, signal.Signals) else os.write(ours, answer)
        except OSError:  # the other side has closed the terminal
            os.close(ours)
        limit.cancel()
    return process.returncode, shown.decode()
