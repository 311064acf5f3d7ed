"""Lists that come in pages: tags, repositories, referrers. The next page is where `Link` says (RFC 8288).

Spec: distribution-spec 1.1, "Listing Tags", "Listing Referrers"; Docker's catalogue.
"""

from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace
from pyreqwest.http import Url

from wherry.oci.document import NotJSON, decode
from wherry.oci.errors import InvalidDescriptor, UnexpectedResponse
from wherry.oci.wire.link import next_link
from wherry.stores.remote.refusals import is_page, page
from wherry.stores.remote.session import Request, Session, exchange_of
from wherry.stores.remote.transport import Answer

__all__ = ["bad_list", "pages", "texts"]

_LARGEST_PAGE = 64 * 1024 * 1024
"""Bytes: some registries send all their tags at once."""


async def pages(session: Session, request: Request) -> AsyncIterator[tuple[Answer, dict[str, Any]]]:
    """The JSON objects of all pages, with the answers that brought them.

    Raises:
        UnexpectedResponse: a page is no JSON object, or the links lead in a circle.
    """
    seen = set()
    target: str | None = request.target
    while target is not None:
        if target in seen:
            raise UnexpectedResponse(f"{request.place}: the list's pages lead in a circle, at {target}")
        seen.add(target)
        request = replace(request, target=target)
        answer, body = await session.ask(request, limit=_LARGEST_PAGE)
        yield answer, _document(answer, body, request)
        target = _next(answer, request)


def _document(answer: Answer, body: bytes, request: Request) -> dict[str, Any]:
    if is_page(answer, body):
        raise page(answer, exchange_of("GET", answer.url), request.place)
    try:
        document = decode(body)
    except NotJSON as error:
        raise bad_list(answer, request.place, f"is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise bad_list(answer, request.place, "is JSON, but not an object")
    return document


def _next(answer: Answer, request: Request) -> str | None:
    """The next page's path. Registries behind proxies write hosts of their own into it: the list stays where it began."""
    link = next_link(answer.headers("Link"))
    if link is None:
        return None
    try:
        url = Url(answer.url).join(link)
    except ValueError as error:
        raise bad_list(answer, request.place, f"has a Link that is no URL: {link!r} ({error})") from error
    return url.path + (f"?{url.query_string}" if url.query_string else "")


def texts(answer: Answer, document: dict[str, Any], name: str, place: str) -> list[str]:
    """A list of strings in a page; null, which some registries send for none, is empty."""
    found = document.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise bad_list(answer, place, f"has no list of strings as {name!r}")
    return found


def bad_list(answer: Answer, place: str, problem: str | InvalidDescriptor) -> UnexpectedResponse:
    """The error for a list that is not what it should be."""
    return UnexpectedResponse(
        f"{place}: the registry's list {problem}", request=exchange_of("GET", answer.url), status=answer.status
    )
