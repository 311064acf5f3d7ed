"""What a registry can do, as far as it shows without writing to it."""

from collections.abc import AsyncIterator

from wherry.oci.document import NotJSON, decode, list_at
from wherry.oci.errors import NotFound, TooManyRequests, Unsupported, WherryError
from wherry.oci.mediatype import ACCEPTED_MANIFESTS
from wherry.oci.reference import Reference, Tag
from wherry.oci.wire.limits import RateLimit
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.direct import Direct
from wherry.stores.remote.finding import Finding
from wherry.stores.remote.hosts import API, Endpoint
from wherry.stores.remote.routed import at
from wherry.stores.remote.scopes import CATALOGUE, pull
from wherry.stores.remote.session import Request

__all__ = ["abilities", "catalogue", "uploads"]

_OK, _NOT_FOUND = 200, 404
_ACCEPT = {"Accept": ", ".join(ACCEPTED_MANIFESTS)}
_NO_SUCH = "sha256:" + "0" * 64
_LARGEST = 8 * 1024 * 1024  # bytes of a list


async def abilities(session: Direct, home: Endpoint, reference: Reference) -> AsyncIterator[Finding]:
    """What can be learnt of a repository without writing to it."""
    name = reference.repository
    tag = reference.tag
    place = reference.context

    def request(method: str, path: str, *expected: int) -> Request:
        headers = _ACCEPT if path.startswith("manifests/") else {}
        target, statuses = f"{API}/{name}/{path}", (_OK, *expected)
        return at(home, name, Request(method, target, place, pull(name), headers, expected=statuses, patient=False))

    try:
        answer, body = await session.ask(request("GET", "tags/list?n=1"), limit=_LARGEST)
    except WherryError as error:
        error.hint = error.hint or ("check the name; a push would make it" if isinstance(error, NotFound) else None)
        yield Finding.failure("repository", error)
        if not isinstance(error, NotFound | Unsupported) or tag is None:
            return
    else:
        tags = _tags(body)
        yield Finding("repository", "ok", "it is there, and may be read", facts={"tags": bool(tags)})
        yield _pages(answer, tags)
        tag = tag or next(iter(tags), None)
    if tag is not None:
        yield await _head(session, request("HEAD", f"manifests/{tag}", _NOT_FOUND), tag)
        yield _rate_limit(session.pace.rate_limit)
    yield await _referrers(session, request("GET", f"referrers/{_NO_SUCH}", _NOT_FOUND))


def _tags(body: bytes) -> list[Tag]:
    try:
        return [Tag(each) for each in list_at(decode(body), "tags") or []]
    except (NotJSON, WherryError, AttributeError, TypeError):
        return []


def _pages(answer: Answer, tags: list[Tag]) -> Finding:
    is_paged = bool(answer.headers("Link"))
    if len(tags) > 1 and not is_paged:
        return Finding("pages", "note", f"n=1 was asked for, and all {len(tags)} tags came", facts={"honoursN": False})
    if is_paged:
        return Finding("pages", "ok", "lists come in pages of the size that is asked for", facts={"honoursN": True})
    return Finding("pages", "unknown", "there are too few tags to tell", facts={"honoursN": None})


async def _head(session: Direct, request: Request, tag: Tag) -> Finding:
    try:
        answer, _ = await session.ask(request)
    except TooManyRequests as error:
        return Finding.failure("head", error)
    except WherryError as error:
        return Finding(
            "head", "note", f"HEAD is refused, so GET is used, which costs more: {error}", facts={"head": False}
        )
    digest = answer.header("Docker-Content-Digest")
    if answer.status == _NOT_FOUND:
        return Finding("head", "unknown", f"there is no tag {tag} to ask for", facts={"head": None})
    if digest is None:
        return Finding(
            "head", "note", "HEAD comes without a digest, so GET is used, which costs more", facts={"head": False}
        )
    return Finding("head", "ok", f"HEAD tells the digest ({digest})", facts={"head": True})


def _rate_limit(limit: RateLimit | None) -> Finding:
    if limit is None:
        return Finding("rate-limit", "ok", "none is told", facts={"limit": None, "remaining": None, "window": None})
    facts = {"limit": limit.limit, "remaining": limit.remaining, "window": limit.window}
    window = f" in {limit.window:g} s" if limit.window else ""
    text = f"{limit.remaining} of {limit.limit} pulls left{window}"
    return Finding("rate-limit", "ok" if limit.remaining else "note", text, facts=facts)


async def _referrers(session: Direct, request: Request) -> Finding:
    try:
        answer, _ = await session.ask(request, limit=_LARGEST)
    except WherryError as error:
        return Finding("referrers", "note", f"the referrers API does not work: {error}", facts={"referrers": None})
    if answer.status == _OK:
        return Finding("referrers", "ok", "it has the referrers API", facts={"referrers": True})
    text = "it has no referrers API: signatures and the like are listed under a tag (sha256-…)"
    return Finding("referrers", "note", text, facts={"referrers": False})


async def catalogue(session: Direct) -> Finding:
    request = Request("GET", f"{session.host.api}/_catalog?n=1", session.registry, CATALOGUE, patient=False)
    try:
        await session.ask(request, limit=_LARGEST)
    except WherryError:
        return Finding("catalogue", "note", "it does not list its repositories (to us)", facts={"catalogue": False})
    return Finding("catalogue", "ok", "it lists its repositories", facts={"catalogue": True})


def uploads(session: Direct) -> Finding:
    learnt = session.learnt
    known = {
        "single POST": learnt.single_post,
        "PUT of any size": learnt.whole_put,
    }
    facts = {"singlePost": learnt.single_post, "wholePut": learnt.whole_put}
    said = [f"{name}: {'yes' if can else 'no'}" for name, can in known.items() if can is not None]
    if said:
        return Finding("uploads", "ok", f"as it was met: {', '.join(said)}", facts=facts)
    return Finding(
        "uploads", "unknown", "mounts, single POST and chunks show only when something is pushed", facts=facts
    )
