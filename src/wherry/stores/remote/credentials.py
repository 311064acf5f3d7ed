"""Credentials for registries: what they are, and where a client asks for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from wherry.oci.errors import CredentialsError

__all__ = ["IDENTITY_TOKEN", "Credential", "Credentials", "Fixed", "HelperAbsent", "InOrder"]

IDENTITY_TOKEN = "<token>"
"""The user name that says: what stands in the password's place is an identity token (docker's convention)."""


class HelperAbsent(CredentialsError):
    """A credential helper is named, and not installed."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What proves who asks: a user name and password, an identity token (traded for tokens), or a ready token.

    `source` says for people where it came from.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    source: str = field(default="", compare=False, repr=False)

    @property
    def who(self) -> str:
        """Who asks, for messages."""
        return f"user {self.username!r}" if self.username else "a token"


class Credentials(Protocol):
    """Where a client finds credentials."""

    async def find(self, registry: str, repository: str = "") -> Credential | None:
        """The credential for `host[:port]` as the user writes it; None asks anonymously.

        Args:
            repository: the one that is asked for, where that is known: some sources keep one for each.
        Raises:
            CredentialsError: what should hold them does not work.
        """


class Fixed(Struct, frozen=True):
    """Credentials that the program has at hand, by registry."""

    by_registry: Mapping[str, Credential]

    async def find(self, registry: str, repository: str = "") -> Credential | None:  # noqa: ARG002  # the protocol's
        return self.by_registry.get(registry)


class InOrder(Struct, frozen=True):
    """Several sources; the first that has a credential gives it.

    A source whose helper is not installed is passed over; where nobody has a credential, that is said.
    """

    sources: Sequence[Credentials]

    async def find(self, registry: str, repository: str = "") -> Credential | None:
        absent: HelperAbsent | None = None
        for source in self.sources:
            try:
                found = await source.find(registry, repository)
            except HelperAbsent as error:
                absent = absent or error
                continue
            if found is not None:
                return found
        if absent is not None:
            raise absent
        return None
