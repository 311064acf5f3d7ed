"""An in-process cache of reads that is never wrong.

One process holds the folder, and one thread of it writes: it counts its commits, and an answer is kept as long as the
count stays. (When several processes share a database, `PRAGMA data_version` counts the commits of the others; it costs
2 to 5 µs a read, which is more than all the rest of a read that is kept.)
"""

from collections.abc import Callable
from typing import Any, Final

__all__ = ["Hot"]


class Hot:
    """Answers of reads, up to `limit` bytes of them, the first kept the first to go. `commits` tells the count."""

    MISSING: Final = object()

    def __init__(self, commits: Callable[[], int], limit: int) -> None:
        self._commits = commits
        self._limit = limit
        self._count = -1
        self._size = 0
        self._answers: dict[object, tuple[Any, int]] = {}

    def get(self, key: object) -> Any:
        """What was kept under `key`, if nothing was written since; else `Hot.MISSING`."""
        count = self._commits()
        if count != self._count:
            self._count = count
            self._answers.clear()
            self._size = 0
        kept = self._answers.get(key)
        return self.MISSING if kept is None else kept[0]

    def put(self, key: object, answer: Any, size: int) -> None:
        """Keep an answer of about `size` bytes; call it after the read, without an `await` since `get`.

        The count is the one from before the read. If somebody has committed meanwhile, the answer is perhaps newer than
        its count, and is dropped at the next `get`; it is never older.
        """
        if size > self._limit or key in self._answers:
            return
        self._answers[key] = (answer, size)
        self._size += size
        while self._size > self._limit:
            _, gone = self._answers.pop(next(iter(self._answers)))
            self._size -= gone
