"""Changes of one list by many threads: made together, each told what became of its own."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from wherry.stores._names import Names
from wherry.stores._wishes import Wish, Wishes

EMPTY = Names.empty()


class Slow:
    """Carries out what it is given when it may; the first round lasts until others wait."""

    def __init__(self, error: Exception | None = None) -> None:
        self.rounds: list[int] = []
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.wishes = Wishes(self.carry_out)
        self._error = error

    def carry_out(self, wishes: Sequence[Wish]) -> None:
        self.rounds.append(len(wishes))
        self.begun.set()
        assert self.may_end.wait(60)
        for wish in wishes:
            wish.granted = wish.change(EMPTY) is not None
        if self._error is not None and len(self.rounds) > 1:
            raise self._error

    def together(self, *allowed: bool) -> list[Future[bool]]:
        """One wish alone; while that is carried out, one for each of `allowed`."""
        with ThreadPoolExecutor(len(allowed) + 1) as pool:
            first = pool.submit(self.wishes.fulfil, lambda names: names)
            assert self.begun.wait(60)
            others = [
                pool.submit(self.wishes.fulfil, lambda names, is_so=is_so: names if is_so else None)
                for is_so in allowed
            ]
            while len(self.wishes._waiting) < len(allowed):
                self.begun.wait()
            self.may_end.set()
        return [first, *others]


def test_who_waits_is_done_together_and_told_what_became_of_his() -> None:
    slow = Slow()
    assert [each.result() for each in slow.together(True, False, True)] == [True, True, False, True]
    assert slow.rounds == [1, 3]


def test_failure_is_that_of_all_who_were_together_and_of_nobody_else() -> None:
    slow = Slow(OSError("disk full"))
    first, *others = slow.together(True, False)
    assert first.result()
    for each in others:
        with pytest.raises(OSError, match="disk full"):
            each.result()
    slow.rounds.clear()
    assert slow.wishes.fulfil(lambda names: names)
