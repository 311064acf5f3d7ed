"""Changes that many threads want of a list which is read, changed and written as a whole.

Whoever's turn it is carries out the changes of all who wait meanwhile, in their order: so a thousand tags are not a thousand
times the whole list on the disk. Each is told what became of its own.
"""

import threading
from collections.abc import Callable, Sequence

from msgspec import Struct

from wherry.stores._names import Names

__all__ = ["Wish", "Wishes"]


class Wish(Struct, eq=False):
    """`change` makes a new list of the one that is there; None: that one does not allow it."""

    change: Callable[[Names], Names | None]
    granted: bool | None = None
    """Whether it was allowed; None until somebody has looked."""
    error: BaseException | None = None


class Wishes:
    """`carry_out` reads the list, makes the changes that it is given, and writes the list; it says of each whether it was granted."""

    def __init__(self, carry_out: Callable[[Sequence[Wish]], None]) -> None:
        self._carry_out = carry_out
        self._waiting: list[Wish] = []
        self._adding = threading.Lock()
        self._turn = threading.Lock()

    def fulfil(self, change: Callable[[Names], Names | None]) -> bool:
        """Have a change made, together with those of others; False if the list does not allow it.

        Raises:
            StoreError, OSError: the list could not be read or written; so it is for all who were together.
        """
        wish = Wish(change)
        with self._adding:
            self._waiting.append(wish)
        with self._turn:
            if wish.granted is None and wish.error is None:
                self._carry_out_all()
        if wish.error is not None:
            raise wish.error
        return bool(wish.granted)

    def _carry_out_all(self) -> None:
        with self._adding:
            wishes, self._waiting = self._waiting, []
        try:
            self._carry_out(wishes)
        except BaseException as error:  # noqa: BLE001  # each of them raises it, in its own thread
            for wish in wishes:
                wish.error = error
