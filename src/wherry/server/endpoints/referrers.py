"""`/v2/<name>/referrers/<digest>`: who points at a manifest. Spec: distribution-spec 1.1, "Listing Referrers".

The answer is an index, and clients read it as one: so a page is kept below the size that a manifest may have, however
long the annotations are that it repeats.
"""

from collections.abc import Sequence

from wherry.oci.errors import PageSizeInvalid
from wherry.oci.manifest import LARGEST_MANIFEST
from wherry.oci.mediatype import OCI_INDEX
from wherry.server.answers import Answer, Headers
from wherry.server.endpoints.pages import Page
from wherry.server.metadata.protocol import Referrer
from wherry.server.registry import Registry
from wherry.server.request import Request

__all__ = ["list_referrers"]

_ENTRIES = 1000
_EMPTY = b'{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}'


async def list_referrers(registry: Registry, request: Request) -> Answer:
    """An index of the manifests whose subject this is; an empty one if there is none, or no such repository."""
    subject = request.route.digest
    assert subject is not None  # noqa: S101  # the route of this endpoint has one
    artifact_type = _artifact_type(request)
    page = Page.of(request, min(_ENTRIES, registry.policy.largest_page))
    found = await registry.metadata.referrers(
        request.route.name, subject, artifact_type, _position(page.last), page.size + 1
    )
    shown = _within(found[: page.size], LARGEST_MANIFEST)
    headers: Headers = [("content-type", OCI_INDEX)]
    if artifact_type is not None:
        headers.append(("oci-filters-applied", "artifactType"))
    if shown and len(shown) < len(found):
        headers += page.link(request.path, str(shown[-1].position), artifactType=artifact_type)
    entries = b",".join(referrer.descriptor for referrer in shown)
    return Answer(200, headers, _EMPTY % (OCI_INDEX.encode(), entries))


def _artifact_type(request: Request) -> str | None:
    """The type that is asked for. No type has a space in it, many have a plus: one that was not escaped means itself."""
    asked = request.parameter("artifactType") or None
    if asked is None or "+" not in request.query_string:
        return asked
    kind, semicolon, parameters = asked.partition(";")
    return kind.replace(" ", "+") + semicolon + parameters


def _position(last: str) -> int:
    if not last:
        return -1
    if last.isascii() and last.isdigit() and len(last) <= len(str(2**63)) - 1:
        return int(last)
    raise PageSizeInvalid(f"last={last[:40]!r} is not from a Link header of this list")


def _within(referrers: Sequence[Referrer], limit: int) -> Sequence[Referrer]:
    """As many as fit into an index of `limit` bytes, but one at least: the client must get on."""
    size = len(_EMPTY) + len(OCI_INDEX)
    for count, referrer in enumerate(referrers):
        size += len(referrer.descriptor) + 1
        if size > limit and count:
            return referrers[:count]
    return referrers
