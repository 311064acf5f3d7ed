"""A request that is wrong in several ways at once."""

from collections.abc import Iterable

from wherry.oci.errors import RegistryError, WherryError

__all__ = ["Refusals"]


class Refusals(RegistryError):
    """All `failures` are told to the client; the status is that of the first."""

    def __init__(self, failures: Iterable[WherryError]) -> None:
        self.failures = tuple(failures)
        first = self.failures[0]
        super().__init__(first.message, status=first.status)
