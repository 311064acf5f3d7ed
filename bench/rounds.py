"""Rounds: every subject once, then every subject again, so that a slow minute of the machine meets all of them."""

import sys
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from bench.report import Cell


class Subject(Protocol):
    """Whatever is compared: its label names its column."""

    @property
    def label(self) -> str: ...


S = TypeVar("S", bound=Subject)
V = TypeVar("V")


def collected(subjects: Sequence[S], once: Callable[[S], V], rounds: int) -> dict[str, list[V]]:
    """Call `once` for each subject in turn, `rounds` times; results by label, in the order of the subjects."""
    results: dict[str, list[V]] = {each.label: [] for each in subjects}
    for number in range(rounds):
        for each in subjects:
            print(f"\rround {number + 1} of {rounds}: {each.label:<30}", end="", file=sys.stderr, flush=True)
            results[each.label].append(once(each))
    print("\r" + " " * 60, end="\r", file=sys.stderr, flush=True)
    return results


def in_turn(subjects: Sequence[S], once: Callable[[S], float], rounds: int) -> dict[str, Cell]:
    """`collected`, as a row's cells."""
    return {label: Cell(tuple(values)) for label, values in collected(subjects, once, rounds).items()}
