"""An in-process cache of reads that is never wrong.

An answer is kept as long as the database's version stays, and the version changes with each commit, whichever process
makes it.
"""

from collections.abc import Callable
from typing import Any, Final

__all__ = ["Hot"]


class Hot:
    """Answers of reads, up to `limit` bytes of them, the first kept the first to go. `version` tells the database's."""

    MISSING: Final = object()

    def __init__(self, version: Callable[[], object], limit: int) -> None:
        self._version = version
        self._limit = limit
        self._seen: object = None
        self._size = 0
        self._answers: dict[object, tuple[Any, int]] = {}

    def get(self, key: object) -> Any:
        """What was kept under `key`, if nothing was written since; else `Hot.MISSING`."""
        version = self._version()
        if version != self._seen:
            self._seen = version
            self._answers.clear()
            self._size = 0
        kept = self._answers.get(key)
        return self.MISSING if kept is None else kept[0]

    def put(self, key: object, answer: Any, size: int) -> None:
        """Keep an answer of about `size` bytes; call it after the read, without an `await` since `get`.

        The version is the one from before the read. If somebody has committed meanwhile, the answer is perhaps newer than
        its version, and is dropped at the next `get`; it is never older.
        """
        if size > self._limit or key in self._answers:
            return
        self._answers[key] = (answer, size)
        self._size += size
        while self._size > self._limit:
            _, gone = self._answers.pop(next(iter(self._answers)))
            self._size -= gone
