"""Files that a command writes its result to, for programs.

They are opened before the work begins: what cannot be written is told before anything has been sent. What is in them stays
until the result is there; a file that was made for a result which never came is removed.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

__all__ = ["ResultFile", "opened"]


class ResultFile:
    """A file that is open, and as it was. May be a pipe or a device, too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_new = not os.path.lexists(path)
        self._is_written = False
        # held open, and not opened twice: the reader of a pipe would take the first closing for the end
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666), "wb")

    def write(self, content: bytes) -> None:
        """Put the result in the place of what is there.

        Raises:
            OSError: it cannot be written; the error names the file.
        """
        self._is_written = True
        try:
            with self._file as file:
                if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    file.truncate()
                file.write(content)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def close(self) -> None:
        """Leave the file as it was, if nothing has been written."""
        if not self._is_written:
            self._file.close()
            if self._is_new:
                self.path.unlink(missing_ok=True)


@contextmanager
def opened(paths: Iterable[Path | None]) -> Iterator[list[ResultFile | None]]:
    """Open files; None stays None.

    Raises:
        OSError: one cannot be opened; the error names it.
    """
    with ExitStack() as stack:
        yield [None if path is None else stack.enter_context(closing(ResultFile(path))) for path in paths]
