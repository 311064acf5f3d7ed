"""Which endpoint a path names. Pure: the path comes percent-decoded, exactly once, from the HTTP server.

A repository's name may hold any component, `blobs` and `tags` included, so a path is read from its end: the name is all
that stands between `/v2/` and the last thing that looks like an endpoint. Only the shape is decided here; that the name,
the tag and the digest follow their grammars is checked by the values that are made of them.

Spec: distribution-spec 1.1, "Endpoints".
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidName, NotFound
from wherry.oci.reference import LONGEST_NAME, Tag, check_name

__all__ = ["Endpoint", "Route", "find_route", "no_endpoint"]


class Endpoint(Enum):
    """A row of the specification's table of endpoints, less the method."""

    ROOT = "/"
    BASE = "/v2/"
    CATALOGUE = "/v2/_catalog"
    MANIFEST = "/v2/<name>/manifests/<reference>"
    BLOB = "/v2/<name>/blobs/<digest>"
    UPLOADS = "/v2/<name>/blobs/uploads/"
    UPLOAD = "/v2/<name>/blobs/uploads/<id>"
    TAGS = "/v2/<name>/tags/list"
    REFERRERS = "/v2/<name>/referrers/<digest>"
    HEALTH = "/healthz"
    READY = "/readyz"
    METRICS = "/metrics"
    DESCRIPTION = "/openapi.json"
    UNKNOWN = "unknown"
    """No endpoint: what a request has before its path is read, or when that leads nowhere."""


@dataclass(frozen=True, slots=True)
class Route:
    """`name` is the repository. Of the other three an endpoint has the one that it needs."""

    endpoint: Endpoint
    name: str = ""
    reference: Tag | Digest | None = None
    digest: Digest | None = None
    upload: str = ""


_PATH = re.compile(
    r"/v2/(?P<name>.*)/(?:"
    r"manifests/(?P<reference>[^/]+)"
    r"|blobs/uploads(?:/(?P<upload>[^/]*))?"
    r"|blobs/(?P<digest>[^/]+)"
    r"|tags/(?P<tags>list)"
    r"|referrers/(?P<subject>[^/]+)"
    r")",
    re.DOTALL,
)
_FIXED = {
    each.value: each
    for each in (
        Endpoint.ROOT,
        Endpoint.CATALOGUE,
        Endpoint.HEALTH,
        Endpoint.READY,
        Endpoint.METRICS,
        Endpoint.DESCRIPTION,
    )
}
_LONGEST_PATH = LONGEST_NAME + 300  # a name, a sha512 digest, and the fixed parts: nothing longer is worth remembering


def find_route(path: str) -> Route:
    """Read a path.

    Raises:
        NotFound: it names no endpoint.
        InvalidName: the repository's name does not follow the grammar.
        InvalidTag: neither does the tag.
        InvalidDigest: nor the digest.
    """
    return _remembered(path) if len(path) <= _LONGEST_PATH else _read(path)


def no_endpoint(path: str) -> NotFound:
    """The error for a path that names none; it may be long, and is cut."""
    path = path[:_LONGEST_PATH]
    near = _near(path)
    hint = f"perhaps {near}" if near and near != path else "the API is below /v2/"
    return NotFound(f"{path!r} is not an endpoint of the registry API", hint=hint)


def _near(path: str) -> str | None:
    """The endpoint that was probably meant: without a slash too many, with the part that was left out."""
    straight = re.sub("//+", "/", path).rstrip("/")
    if straight in _FIXED or _PATH.fullmatch(straight):
        return straight
    if straight == "/v2":
        return "/v2/"
    if not straight.startswith("/v2/"):
        return None
    name, _, last = straight.removeprefix("/v2/").rpartition("/")
    name, rest = (
        (name, f"{last}/{_LEFT_OUT[last]}") if last in _LEFT_OUT else (f"{name}/{last}".strip("/"), "tags/list")
    )
    try:
        return None if _LEFT_OUT.keys() & set(name.split("/")) else f"/v2/{check_name(name)}/{rest}"
    except InvalidName:
        return None


_LEFT_OUT = {"tags": "list", "manifests": "<tag or digest>", "blobs": "<digest>", "referrers": "<digest>"}


def _read(path: str) -> Route:
    if path in ("/v2/", "/v2"):
        return Route(Endpoint.BASE)
    if path in _FIXED:
        return Route(_FIXED[path])
    found = _PATH.fullmatch(path)
    if not found:
        raise no_endpoint(path)
    name = check_name(found["name"])
    if found["reference"]:
        return Route(Endpoint.MANIFEST, name, reference=_reference(found["reference"]))
    if found["digest"]:
        return Route(Endpoint.BLOB, name, digest=Digest.parse(found["digest"]))
    if found["tags"]:
        return Route(Endpoint.TAGS, name)
    if found["subject"]:
        return Route(Endpoint.REFERRERS, name, digest=Digest.parse(found["subject"]))
    if found["upload"]:
        return Route(Endpoint.UPLOAD, name, upload=found["upload"])
    return Route(Endpoint.UPLOADS, name)


_remembered = lru_cache(maxsize=4096)(_read)


def _reference(text: str) -> Tag | Digest:
    return Digest.parse(text) if ":" in text else Tag(text)
