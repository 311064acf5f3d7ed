"""The document: the table of operations, written as OpenAPI 3.1 has it.

Spec: OpenAPI 3.1.0.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import groupby
from typing import Any

from wherry._version import __version__
from wherry.oci.document import encode
from wherry.oci.errors import RegistryError, Unavailable, WherryError
from wherry.server.openapi.headers import ALWAYS, HEADERS, PARAMETERS, header, parameter
from wherry.server.openapi.operations import OPERATIONS
from wherry.server.openapi.schemas import SCHEMAS, errors_of, schema
from wherry.server.openapi.values import Body, Operation, Refusal, Reply
from wherry.server.routes import Endpoint

__all__ = ["describe", "path_of"]

_Part = dict[str, Any]

_ABOUT = (
    "The OCI Distribution Specification 1.1, what stands on its main branch since, and Docker's catalogue, headers and error"
    " bodies. A repository's name is one parameter here though it may have slashes; they may be sent as `%2F` or as they are."
    " There is no authentication."
)
_FROM_ANY = (Refusal(RegistryError), Refusal(WherryError), Refusal(Unavailable, optional=("Retry-After",)))
"""A request without `Host`; trouble that nobody expected; storage that cannot be used, or a registry that stops."""

_WITHOUT_BODY = (204, 304)
_OF_RANGES = (206, 416)
_RANGE = ("range", "if-range")
"""What only GET takes of ranges (RFC 9110, 14.2)."""


@cache
def describe(endpoints: frozenset[Endpoint]) -> bytes:
    """The document on these endpoints, as JSON; it is made once."""
    described = dict.fromkeys(endpoint for endpoint, _ in OPERATIONS if endpoint in endpoints)
    return encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "wherry: a container registry", "version": __version__, "description": _ABOUT},
            "servers": [{"url": "/"}],
            "paths": {path_of(endpoint): _path(endpoint) for endpoint in described},
            "components": {"schemas": SCHEMAS, "headers": HEADERS, "parameters": PARAMETERS},
        }
    )


def path_of(endpoint: Endpoint) -> str:
    """An endpoint's path as a template."""
    return re.sub(r"<(\w+)>", r"{\1}", endpoint.value)


def _path(endpoint: Endpoint) -> _Part:
    methods = {method: each for (of, method), each in OPERATIONS.items() if of is endpoint}
    item = {method.lower(): _operation(method, each) for method, each in methods.items()}
    if "GET" in methods:
        item["head"] = _operation("HEAD", methods["GET"])
    return item


def _operation(method: str, operation: Operation) -> _Part:
    body = operation.body
    head = method == "HEAD"
    return {
        "operationId": f"{method.lower()}{operation.subject}",
        "summary": f"{operation.summary} (Without the body.)" if head else operation.summary,
        "parameters": [parameter(name) for name in operation.parameters if not (head and name in _RANGE)],
        **({} if body is None else {"requestBody": {"required": operation.needs_body, "content": _content(body)}}),
        "responses": _responses(operation, head=head),
    }


def _responses(operation: Operation, *, head: bool) -> dict[str, _Part]:
    found = {status: _reply(status, reply, head=head) for status, reply in operation.replies.items()}
    refusals = sorted((*operation.refusals, *_FROM_ANY), key=lambda refusal: refusal.at)
    for status, some in groupby(refusals, key=lambda refusal: refusal.at):
        found.setdefault(status, _refusal(tuple(some), head=head))
    return {str(status): found[status] for status in sorted(found) if not (head and status in _OF_RANGES)}


def _reply(status: int, reply: Reply, *, head: bool) -> _Part:
    part: _Part = {"description": reply.description, "headers": _headers(reply.headers, reply.optional, status)}
    if reply.body is not None and not head:
        part["content"] = _content(reply.body)
    return part


def _refusal(refusals: tuple[Refusal, ...], *, head: bool) -> _Part:
    codes = list(dict.fromkeys(refusal.error.code for refusal in refusals))
    always = {name for refusal in refusals for name in refusal.headers}
    sometimes = {name for refusal in refusals for name in refusal.optional}
    part: _Part = {
        "description": f"Refused: {', '.join(codes)}.",
        "headers": _headers(sorted(always), sorted(sometimes), refusals[0].at),
    }
    if not head:
        part["content"] = {"application/json": {"schema": errors_of(codes)}}
    return part


def _headers(always: Iterable[str], sometimes: Iterable[str], status: int) -> Mapping[str, _Part]:
    length = () if status in _WITHOUT_BODY else ("Content-Length",)
    every = {name: header(name) for name in (ALWAYS, *length, *always)}
    return every | {name: header(name, required=False) for name in sometimes}


def _content(body: Body) -> _Part:
    what: _Part = {} if body.schema is None else {"schema": schema(body.schema)}
    return dict.fromkeys(body.media_types, what)
