"""Lists that come in pages: tags, repositories, referrers. The next page is where `Link` says (RFC 8288).

Where a registry's own pages are short, the next ones are asked for with a number that all large registries take: ten thousand tags then
are eleven requests, and not a hundred. Who does not take it is asked as it likes it, from then on.

Spec: distribution-spec 1.1, "Listing Tags", "Listing Referrers"; Docker's catalogue.
"""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

from msgspec.structs import replace
from pyreqwest.http import Url

from wherry.oci.document import NotJSON, decode
from wherry.oci.errors import InvalidDescriptor, RegistryError, UnexpectedResponse
from wherry.oci.wire.link import next_link
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.refusals import is_page, page
from wherry.stores.remote.session import Request, Session, exchange_of

__all__ = ["bad_list", "pages", "texts"]

_LARGEST_PAGE = 64 * 1024 * 1024
"""Bytes: some registries send all their tags at once."""
_ENTRIES = 1000
"""Entries of a page to ask for: as many as Docker's registry gives at most."""
_ASKED_WRONGLY = frozenset((400, 404, 405, 416, 422))


async def pages(
    session: Session, request: Request, entries: str | None = None
) -> AsyncIterator[tuple[Answer, dict[str, Any]]]:
    """The JSON objects of all pages, with the answers that brought them.

    Args:
        entries: the name of what is listed, in pages whose length may be chosen with `n`; None: it may not.
    Raises:
        UnexpectedResponse: a page is no JSON object, or the links lead in a circle.
    """
    seen = set()
    learnt = session.learnt
    given: str | None = request.target  # where the registry leads
    target: str | None = _with_number(request.target) if entries and learnt.page else given
    shorter = 0  # entries of the page before
    while target is not None:
        if target in seen:
            raise UnexpectedResponse(f"{request.place}: the list's pages lead in a circle, at {target}")
        seen.add(target)
        request = replace(request, target=target)
        is_ours = target != given
        try:
            answer, body = await session.ask(request, limit=_LARGEST_PAGE)
        except RegistryError as error:
            if not is_ours or error.status not in _ASKED_WRONGLY:
                raise
            learnt.page, target = 0, given
            continue
        document = _document(answer, body, request)
        following = _next(answer, request)
        length = _length(document, entries)
        if is_ours and following is None and length >= _ENTRIES:
            target = given  # some cut a list without saying so, when they are asked for so many
            continue
        if is_ours:
            learnt.page = _ENTRIES if following is None or length > shorter else 0
        yield answer, document
        given = target = following
        shorter = length
        if entries and following is not None and learnt.page != 0 and length < _ENTRIES:
            target = _with_number(following)


def _with_number(target: str) -> str:
    """A page's path, asking for many entries; as it is, if there is more in its query than `n` and `last`."""
    path, _, query = target.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if not parameters.keys() <= {"n", "last"} or parameters.get("n") == str(_ENTRIES):
        return target
    return f"{path}?{urlencode({**parameters, 'n': _ENTRIES})}"


def _length(document: dict[str, Any], entries: str | None) -> int:
    found = document.get(entries) if entries else None
    return len(found) if isinstance(found, list) else 0


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
