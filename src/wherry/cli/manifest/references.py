"""References as they are written on a command line of `wherry manifest`."""

from wherry.oci.errors import InvalidReference
from wherry.oci.reference import Reference

__all__ = ["Misnamed", "parsed"]


class Misnamed(InvalidReference):
    """A name on the command line is no reference; docker says which one it means, and in which command."""

    def __init__(self, error: InvalidReference, prefix: str) -> None:
        super().__init__(error.text, error.reason, hint=error.hint)
        self.prefix = prefix


def parsed(text: str, prefix: str = "") -> Reference:
    """Read a reference; `prefix` is what docker says before its complaint.

    Raises:
        Misnamed: it is none.
    """
    try:
        return Reference.parse(text)
    except InvalidReference as error:
        raise Misnamed(error, prefix) from error
