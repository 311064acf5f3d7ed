"""Redirects: where one leads, and which are not followed. Credentials stay with their host: `direct` sees to that."""

from msgspec.structs import replace
from pyreqwest.http import Url

from wherry.oci.errors import UnexpectedResponse
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.reach import Policy, authority
from wherry.stores.remote.session import Request, exchange_of

__all__ = ["MOST_REDIRECTS", "REDIRECTS", "redirected"]

MOST_REDIRECTS = 10
REDIRECTS = frozenset((301, 302, 303, 307, 308))
_SEE_OTHER = 303


def redirected(request: Request, answer: Answer, policy: Policy, registry: str) -> tuple[Request, Url]:
    """The request to send after an answer that leads elsewhere, and where to.

    Raises:
        UnexpectedResponse: it leads nowhere, down to plain HTTP, or comes when the body cannot be sent once more.
    """
    exchange, url = exchange_of(request.method, answer.url), Url(answer.url)
    location = answer.header("Location")
    try:
        target = url.join(location) if location else None
    except ValueError:
        target = None
    if target is None or target.scheme not in {"http", "https"}:
        raise UnexpectedResponse(
            f"{request.place}: a redirect to {location or 'nowhere'}", request=exchange, status=answer.status
        )
    if (
        url.scheme == "https"
        and target.scheme == "http"
        and not (policy.covers(registry) or policy.allows_plain(target))
    ):
        raise UnexpectedResponse(
            f"{request.place}: a redirect from HTTPS to plain HTTP at {authority(target)}, which is not followed",
            request=exchange,
            status=answer.status,
            hint="if you trust the network in between, use --insecure",
        )
    if answer.status == _SEE_OTHER:
        return replace(request, method="HEAD" if request.method == "HEAD" else "GET", body=None), target
    if not request.can_repeat:
        raise UnexpectedResponse(
            f"{request.place}: a redirect in the middle of an upload", request=exchange, status=answer.status
        )
    return request, target
