"""What endpoints return, and how it leaves: the one place that writes HTTP answers.

Endpoints raise; `refusal` turns what they raised into the specification's error body.
"""

from dataclasses import dataclass, field

from wherry.oci.document import encode
from wherry.oci.errors import TooManyRequests, Unavailable, WherryError
from wherry.oci.wire.errors import write_errors
from wherry.oci.wire.ranges import Span
from wherry.server.refusals import Refusals
from wherry.server.rsgi import HTTPProtocol

__all__ = ["Answer", "FileAnswer", "Headers", "failure_of_ours", "json_answer", "refusal", "send"]

Headers = list[tuple[str, str]]

_EVERY: Headers = [("docker-distribution-api-version", "registry/2.0")]
_RETRY = ("retry-after", "5")
_JSON = ("content-type", "application/json")


@dataclass(frozen=True, slots=True)
class Answer:
    """A body that is at hand. To a HEAD request its length is sent in its place."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """A file, or a span of it; `size` is that of the whole file. The HTTP server reads it without our help."""

    status: int
    headers: Headers
    path: str
    size: int
    span: Span | None = None


def json_answer(document: object, headers: Headers | None = None) -> Answer:
    """200 with a JSON document."""
    return Answer(200, [_JSON, *(headers or ())], encode(document))


def refusal(failure: WherryError, headers: Headers | None = None) -> Answer:
    """The answer that tells what is wrong."""
    failures = failure.failures if isinstance(failure, Refusals) else (failure,)
    told = [_JSON, *(headers or ())]
    if isinstance(failure, TooManyRequests) and failure.retry_after is not None:
        told.append(("retry-after", str(int(failure.retry_after))))
    elif isinstance(failure, Unavailable):
        told.append(_RETRY)
    return Answer(failure.status, told, write_errors(failures))


def failure_of_ours() -> Answer:
    """500, without a word about the inside: that is in the log."""
    message = "the registry has failed here; its log says why"
    return Answer(500, [_JSON], encode({"errors": [{"code": "UNKNOWN", "message": message}]}))


def send(answer: Answer | FileAnswer, protocol: HTTPProtocol, *, head: bool) -> int:
    """Hand an answer to the HTTP server; how many bytes its body has."""
    headers = _EVERY + answer.headers
    if isinstance(answer, FileAnswer):
        length = answer.size if answer.span is None else len(answer.span)
        headers.append(("content-length", str(length)))
        if head or not length:
            protocol.response_empty(answer.status, headers)
            return 0
        if answer.span is None:
            protocol.response_file(answer.status, headers, answer.path)
        else:
            protocol.response_file_range(answer.status, headers, answer.path, answer.span.start, answer.span.stop)
        return length
    if answer.body and not head:
        protocol.response_bytes(answer.status, headers, answer.body)
        return len(answer.body)
    if answer.status not in _WITHOUT_BODY:
        headers.append(("content-length", str(len(answer.body))))
    protocol.response_empty(answer.status, headers)
    return 0


_WITHOUT_BODY = (204, 304)
