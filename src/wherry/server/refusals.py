"""A request that is wrong in several ways at once."""

from collections.abc import Iterable

from wherry.oci.errors import RegistryError

__all__ = ["Refusals"]

_MOST = 100
"""More is not read by anybody: a manifest has room for 40,000 names of blobs, and the answer would be as large again."""


class Refusals(RegistryError):
    """The first of the `failures` are told to the client, and how many more there are; the status is that of the first."""

    def __init__(self, failures: Iterable[RegistryError]) -> None:
        found = tuple(failures)
        first, more = found[0], len(found) - _MOST
        super().__init__(first.message, status=first.status)
        self.failures = (*found[:_MOST], type(first)(f"and {more} more")) if more > 0 else found
