"""Conditional requests; the ETag of all content is its digest (RFC 9110, 13.1)."""

from wherry.oci.digest import Digest
from wherry.oci.errors import RegistryError
from wherry.oci.wire.conditions import HONOURED, Condition
from wherry.server.answers import Headers
from wherry.server.request import Request

__all__ = ["asked_range", "demanded", "held", "matches_etag"]

_MATCH, _NONE_MATCH = "if-match", "if-none-match"


def demanded(request: Request) -> Condition | None:
    """What a request that changes something demands of that which is there.

    Raises:
        RegistryError: a header that may forbid the change is there, and cannot be read.
    """
    if request.has(_NONE_MATCH) and not request.headers(_NONE_MATCH):
        raise RegistryError(
            "If-None-Match is no text", hint='send the ETag of the content: its digest, in quotes ("…")'
        )
    return _condition(request)


def held(condition: Condition | None) -> Headers:
    """How an answer tells that the condition was looked at."""
    return [] if condition is None else [(HONOURED.lower(), "held")]


def matches_etag(request: Request, name: str, digest: Digest) -> bool:
    """Whether the client has this content, which `name` leads to, already.

    Raises:
        PreconditionFailed: it wants other content, or nothing.
    """
    condition = _condition(request)
    if condition is None:
        return False
    Condition(match=condition.match).check(name, digest)
    return not Condition(none_match=condition.none_match).holds(digest)


def asked_range(request: Request, digest: str) -> str | None:
    """The `Range` header, unless `If-Range` says that it is meant for other content; then all is sent. Only GET has one."""
    if request.method != "GET":  # RFC 9110, 14.2
        return None
    if request.has("if-range") and (request.header("if-range") or "").strip() != f'"{digest}"':
        return None
    return request.header("range")


def _condition(request: Request) -> Condition | None:
    """A header that is there without a line that is text is a list of nothing: no digest is in what it named."""
    match = request.headers(_MATCH) if request.has(_MATCH) else None
    none_match = request.headers(_NONE_MATCH) if request.has(_NONE_MATCH) else None
    return Condition.read(match, none_match)
