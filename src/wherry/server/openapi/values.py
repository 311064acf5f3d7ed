"""What an operation is made of, in our own words; `document` writes them in OpenAPI's."""

from msgspec import Struct

from wherry.oci.errors import WherryError

__all__ = ["Body", "Operation", "Refusal", "Reply"]


class Body(Struct, frozen=True):
    """What is in a body: one of the schemas, or any bytes; and the media types that it travels under."""

    schema: str | None
    media_types: tuple[str, ...]


class Reply(Struct, frozen=True):
    """An answer that is no refusal. `headers` are always there, `optional` ones sometimes."""

    description: str
    body: Body | None = None
    headers: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


class Refusal(Struct, frozen=True):
    """An error that a request may be answered with, `status` where it is not the one that the error usually has."""

    error: type[WherryError]
    status: int | None = None
    headers: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()

    @property
    def at(self) -> int:
        """The HTTP status."""
        return self.status or self.error.status


class Operation(Struct, frozen=True):
    """A method of an endpoint; `parameters` are names in `headers.PARAMETERS`."""

    subject: str
    summary: str
    replies: dict[int, Reply]
    parameters: tuple[str, ...] = ()
    body: Body | None = None
    refusals: tuple[Refusal, ...] = ()
    needs_body: bool = True
