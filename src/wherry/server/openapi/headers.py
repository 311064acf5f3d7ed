"""The headers of answers, `#/components/headers`; and the parameters of requests, `#/components/parameters`."""

from typing import Any

from wherry.oci.digest import ALGORITHMS
from wherry.oci.wire.conditions import HONOURED
from wherry.server.openapi.schemas import schema

__all__ = ["ALWAYS", "HEADERS", "PARAMETERS", "header", "parameter"]

_Part = dict[str, Any]

_TEXT: _Part = {"type": "string"}
_NUMBER: _Part = {"type": "integer", "minimum": 0}


def header(name: str, *, required: bool = True) -> _Part:
    """A header of an answer; one that is not always there is the same but for that."""
    return {"$ref": f"#/components/headers/{name}"} if required else {**HEADERS[name], "required": False}


def parameter(name: str) -> _Part:
    """Where one of `PARAMETERS` stands in the document."""
    return {"$ref": f"#/components/parameters/{name}"}


def _header(description: str, of: _Part) -> _Part:
    return {"description": description, "required": True, "schema": of}


def _matching(pattern: str) -> _Part:
    return {"type": "string", "pattern": pattern}


HEADERS: dict[str, _Part] = {
    "Docker-Distribution-Api-Version": _header("In every answer.", {"const": "registry/2.0"}),
    "Content-Length": _header("Bytes of the body; to HEAD, of what GET would answer.", _NUMBER),
    "Docker-Content-Digest": _header("The digest of the content.", schema("Digest")),
    "ETag": _header("The digest of the content, in quotes.", _matching('^"[^"]+"$')),
    "Location": _header("A relative reference (RFC 9110, 10.2.2).", _matching("^/v2/")),
    "Range": _header("What the upload has: `0-N`, both ends included; `0-0` for nothing.", _matching("^0-[0-9]+$")),
    "Docker-Upload-UUID": _header("The upload's identifier.", _TEXT),
    "Content-Range": _header("What of how much: `bytes 0-9/100`, or `bytes */100`.", _matching("^bytes ")),
    "Accept-Ranges": _header("Downloads may ask for ranges.", {"const": "bytes"}),
    "Cache-Control": _header("Content never changes under its digest.", _TEXT),
    "Link": _header('The next page, `<…>; rel="next"`; absent from the last one.', _matching('^<.+>; rel="next"$')),
    "OCI-Filters-Applied": _header("`artifactType`, where the request filtered by it.", {"const": "artifactType"}),
    "OCI-Subject": _header("The subject of the manifest that was pushed.", schema("Digest")),
    "OCI-Tag": _header("A tag that the request asked for beside the path; the header is repeated.", _TEXT),
    HONOURED: _header("`held`: the request's condition was looked at.", {"const": "held"}),
    "Allow": _header("The methods that are for it as it is now.", _TEXT),
    "Vary": _header("By tag: the answer depends on `Accept`.", {"const": "accept"}),
    "Retry-After": _header("Seconds to wait.", _NUMBER),
}

ALWAYS = "Docker-Distribution-Api-Version"


def _in(place: str, name: str, of: _Part, description: str = "", *, required: bool = False) -> _Part:
    described = {"description": description} if description else {}
    return {"name": name, "in": place, "required": required or place == "path", **described, "schema": of}


PARAMETERS: dict[str, _Part] = {
    "name": _in("path", "name", schema("Name"), "The repository. Slashes in it may be sent as they are."),
    "reference": _in("path", "reference", schema("Reference"), "A tag or a digest."),
    "digest": _in("path", "digest", schema("Digest")),
    "upload": _in("path", "id", _matching("^[^/]+$"), "What `Location` said when the upload was begun."),
    "n": _in("query", "n", _NUMBER, "How many entries; more than the registry gives are that many, and a `Link`."),
    "last": _in("query", "last", _TEXT, "The page begins behind this entry, whether it is there or not."),
    "position": _in("query", "last", _matching("^[0-9]{0,18}$"), "From a `Link`, as it is."),
    "artifactType": _in("query", "artifactType", _TEXT, "Only referrers of this type."),
    "tag": _in(
        "query",
        "tag",
        {"type": "array", "items": schema("Tag"), "maxItems": 64},
        "More tags for the manifest; the parameter is repeated.",
    ),
    "whole": _in("query", "digest", schema("Digest"), "The body is the whole blob, of this digest."),
    "final": _in("query", "digest", schema("Digest"), "Of the whole blob.", required=True),
    "mount": _in("query", "mount", schema("Digest"), "Take this blob over from another repository; no body needed."),
    "from": _in(
        "query", "from", schema("Name"), "The repository to mount from; any that has the blob, if it is left out."
    ),
    "digest-algorithm": _in(
        "query", "digest-algorithm", {"enum": list(ALGORITHMS)}, "What the final digest will be by."
    ),
    "if-none-match": _in("header", "If-None-Match", _TEXT, "ETags; 304 if the content is one of these."),
    "if-range": _in("header", "If-Range", _TEXT, "An ETag; `Range` counts only for that content."),
    "range": _in(
        "header",
        "Range",
        _TEXT,
        "`bytes=a-b`, or several: `bytes=a-b,c-d`. Too many or too much at once, or other units, are as none.",
    ),
    "content-range": _in(
        "header", "Content-Range", _matching("^[0-9]{1,18}-[0-9]{1,18}$"), "Where the body goes: `0-1023`."
    ),
    "if-match": _in(
        "header", "If-Match", _TEXT, "ETags; 412 if the content is none of these. Weak ones are like no other."
    ),
    "change-if-match": _in(
        "header",
        "If-Match",
        _TEXT,
        "ETags; change it only if it leads to one of these (`*`: anywhere), and none is weak.",
    ),
    "change-if-none-match": _in(
        "header", "If-None-Match", _TEXT, "Change it only if it leads to none of these (`*`: nowhere)."
    ),
}
