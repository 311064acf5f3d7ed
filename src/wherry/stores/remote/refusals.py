"""Words for answers that are not the wanted one: from status, headers and error body to one of the errors' classes."""

import math
import time

from msgspec import Struct

from wherry.oci import errors
from wherry.oci.errors import Exchange, NotFound, RegistryError, TooManyRequests, Unavailable, UnexpectedResponse
from wherry.oci.wire.errors import WireError, class_for, read_errors
from wherry.oci.wire.limits import read_retry_after
from wherry.stores.remote.answer import Answer

__all__ = ["LARGEST_ERROR", "NO_HEAD", "Missing", "Page", "brief", "is_page", "page", "refusal", "words_of"]

LARGEST_ERROR = 64 * 1024
"""Bytes of an error's body that are read; what is longer is not for people."""

NO_HEAD = frozenset((400, 403, 405, 501))
"""What may be about HEAD alone: GET shows whether it is. 403 is what object stores answer to an URL that is signed for GET."""


class Missing(Struct, frozen=True):
    """What it means that something is not there: the class, and the words for it."""

    kind: type[NotFound]
    problem: str
    hint: str | None = None


_PROBLEMS: dict[type[RegistryError], str] = {
    errors.NameUnknown: "no such repository",
    errors.ManifestUnknown: "no such manifest",
    errors.BlobUnknown: "no such blob",
    errors.BlobUploadUnknown: "the registry has lost this upload",
    errors.Denied: "the registry denies it",
    errors.Unsupported: "the registry does not support it",
    errors.TooManyRequests: "too many requests",
    errors.Unavailable: "the registry has trouble of its own",
    errors.ManifestInvalid: "the registry calls the manifest invalid",
    errors.ManifestBlobUnknown: "the manifest names something that the repository does not have",
    errors.PayloadTooLarge: "too large for this registry",
    errors.DigestInvalid: "the registry calls the digest wrong",
    errors.NameInvalid: "the registry does not take that repository name",
    errors.TagInvalid: "the registry does not take that tag",
}
_PAGE_HINT = "check the host name and the port; a proxy or a login page may stand in between"
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_LONGEST_WORDS = 300


async def refusal(answer: Answer, exchange: Exchange, place: str, missing: Missing | None = None) -> RegistryError:
    """The error that an answer stands for; its body is read for that.

    Args:
        place: what the request was about, as people write it.
        missing: what a 404 means here if the body does not say.
    """
    body = await answer.body(LARGEST_ERROR) or b""
    told = read_errors(body)
    first = told[0] if told else None
    status = answer.status
    if first is None and is_page(answer, body) and status not in {401, 403, 405, 413, 429} and status < _SERVER_ERROR:
        return page(answer, exchange, place)
    if status < _CLIENT_ERROR:
        return UnexpectedResponse(
            f"{place}: an answer that no registry should give here", request=exchange, status=status, hint=_PAGE_HINT
        )
    kind = class_for(first.code if first else None, status)
    if missing is not None and kind in {errors.NotFound, missing.kind}:
        return missing.kind(
            f"{place}: {missing.problem}",
            detail=first.detail if first else None,
            words=first.message if first else None,
            hint=missing.hint or words_of(first)[1],
            request=exchange,
            status=status,
        )
    return _error(kind, first, answer, exchange, place)


def _error(
    kind: type[RegistryError], first: WireError | None, answer: Answer, exchange: Exchange, place: str
) -> RegistryError:
    words, hint = words_of(first)
    if issubclass(kind, NotFound):
        words = ""  # its own words would say it twice
    problem = _PROBLEMS.get(kind, "the registry refuses")
    error = kind(
        f"{place}: {problem}" + (f": {words}" if words else ""),
        detail=first.detail if first else None,
        words=first.message if first else None,
        hint=hint,
        request=exchange,
        status=answer.status,
    )
    if isinstance(error, TooManyRequests | Unavailable):
        error.retry_after = read_retry_after(answer.header("Retry-After"), time.time())
        if error.retry_after is not None:
            error.hint = f"the registry asks to wait {math.ceil(error.retry_after)} s"
    return error


class Page(UnexpectedResponse):
    """A web page came instead of an answer."""


def page(answer: Answer, exchange: Exchange, place: str) -> Page:
    """The error for a web page that came instead of an answer."""
    return Page(
        f"{place}: no registry: a web page (HTML) answers there",
        request=exchange,
        status=answer.status,
        hint=_PAGE_HINT,
    )


def words_of(told: WireError | None) -> tuple[str, str | None]:
    """What a registry said, its own message and detail in one, and the hint that it may have put into the detail."""
    if told is None:
        return "", None
    detail, hint = told.detail, None
    if isinstance(detail, dict):
        hint = brief(detail["hint"]) if isinstance(detail.get("hint"), str) else None
        detail = None
    parts = [told.message, detail if isinstance(detail, str) else ""]
    return brief(": ".join(part.strip() for part in parts if part.strip())), hint


def brief(words: str) -> str:
    """A registry's words as a sentence of ours can hold them: in one line, and cut where they are too long."""
    line = " ".join(words.split())
    return line if len(line) <= _LONGEST_WORDS else line[: _LONGEST_WORDS - 1] + "…"


def is_page(answer: Answer, body: bytes) -> bool:
    """Whether an answer is meant for a browser."""
    content_type = (answer.header("Content-Type") or "").lower()
    start = body[:64].lstrip().lower()
    return content_type.startswith("text/html") or start.startswith((b"<!doctype", b"<html"))
