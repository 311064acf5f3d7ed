"""Scopes: what a token allows, `type:name:actions`. Spec: distribution's token scope documentation."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Self

from msgspec import Struct

__all__ = ["CATALOGUE", "NOTHING", "Scopes", "delete_scope", "pull", "push"]

_KEPT = 256  # of a thousand requests, most are for the same few repositories


class Scopes(Struct, frozen=True):
    """A set of (resource, action): `("repository:team/app", "pull")`."""

    grants: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read scopes separated by spaces; what is not of their form is passed over."""
        return cls.of(scope.rpartition(":")[::2] for scope in text.split() if scope.count(":") > 1)

    @classmethod
    def of(cls, scopes: Iterable[tuple[str, str]]) -> Self:
        """From resources with their actions, the latter separated by commas."""
        return cls(frozenset((name, action) for name, actions in scopes for action in actions.split(",") if action))

    def __or__(self, other: "Scopes") -> "Scopes":
        return Scopes(self.grants | other.grants)

    @property
    def repository(self) -> str:
        """The repository that they are about, the one to write to if there are several; empty if there is none."""
        named = sorted((action != "push", name) for name, action in self.grants if name.startswith("repository:"))
        return named[0][1].removeprefix("repository:") if named else ""

    def covers(self, other: "Scopes") -> bool:
        """Whether a token with these scopes serves for `other`."""
        return self.grants >= other.grants

    def texts(self) -> tuple[str, ...]:
        """One text a resource, in a stable order (`pull` before `push`)."""
        resources = sorted({resource for resource, _ in self.grants})
        return tuple(
            f"{resource}:{','.join(sorted(action for name, action in self.grants if name == resource))}"
            for resource in resources
        )


NOTHING = Scopes()
CATALOGUE = Scopes.of([("registry:catalog", "*")])


@lru_cache(_KEPT)
def pull(repository: str) -> Scopes:
    """To read a repository."""
    return Scopes.of([(f"repository:{repository}", "pull")])


@lru_cache(_KEPT)
def push(repository: str) -> Scopes:
    """To write to a repository, and read what is there."""
    return Scopes.of([(f"repository:{repository}", "pull,push")])


def delete_scope(repository: str) -> Scopes:
    """To delete from a repository. The token server gives what it grants of this, and `pull` at least is always right."""
    return Scopes.of([(f"repository:{repository}", "delete,pull")])
