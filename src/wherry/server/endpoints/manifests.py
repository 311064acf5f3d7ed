"""`/v2/<name>/manifests/<reference>`. Spec: distribution-spec 1.1, "Pulling manifests", "Pushing Manifests",
"Deleting tags", "Deleting Manifests", and its main branch for the `tag` parameter.
"""

from wherry.oci.diagnosis import too_large
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestUnknown, PayloadTooLarge
from wherry.oci.manifest import LARGEST_MANIFEST
from wherry.oci.reference import Tag
from wherry.server.admission import admit, needs
from wherry.server.answers import Answer, Headers
from wherry.server.endpoints.conditions import demanded, held, matches_etag
from wherry.server.metadata.protocol import Push, StoredManifest
from wherry.server.negotiation import acceptable_child
from wherry.server.registry import Registry
from wherry.server.request import Request

__all__ = ["delete_manifest", "push_manifest", "show_manifest"]

_MOST_TAGS = 64
"""Each accepted tag is a header of the answer, and many clients take no more than a hundred of these."""


async def show_manifest(registry: Registry, request: Request) -> Answer:
    """A manifest as it was pushed; by tag perhaps a child that the client can read in its place."""
    name = _reference(request)
    found = await registry.metadata.manifest(request.route.name, name)
    if registry.policy.delete_untagged_after is not None and isinstance(name, Digest):
        # The client may build an index on it; so it must stay, or be unknown.
        found = found if await registry.metadata.hold_manifest(request.route.name, name) else None
    if found is None:
        what = "manifest" if isinstance(name, Digest) else "tag"
        detail = {"name": request.route.name, "reference": str(name)}
        raise ManifestUnknown(f"the repository has no such {what}", detail=detail)
    if isinstance(name, Tag):
        found = await _negotiated(registry, request, found)
    digest = str(found.digest)
    headers: Headers = [("docker-content-digest", digest), ("etag", f'"{digest}"')]
    if isinstance(name, Tag):  # caches between us and the client are to know it
        headers.append(("vary", "accept"))
    if matches_etag(request, str(name), found.digest):
        return Answer(304, headers)
    headers.append(("content-type", found.media_type))
    return Answer(200, headers, found.content)


async def push_manifest(registry: Registry, request: Request) -> Answer:
    """Store a manifest under its digest, and point tags at it; if the request has conditions, only while they hold."""
    name = _reference(request)
    asked = tuple(dict.fromkeys(map(Tag, request.query.get("tag", ()))))
    if len(asked) > _MOST_TAGS:
        raise PayloadTooLarge(f"{len(asked)} tags where at most {_MOST_TAGS} are taken in one request", status=414)
    tags = asked if isinstance(name, Digest) else (name, *asked)
    manifest = admit(await _body(registry, request), request.header("content-type"), name)
    condition = demanded(request)
    push = Push(manifest, needs(manifest, registry.policy.sparse), tags, condition)
    await registry.metadata.push_manifest(request.route.name, push)
    headers: Headers = [
        ("location", f"/v2/{request.route.name}/manifests/{manifest.digest}"),
        ("docker-content-digest", str(manifest.digest)),
        *held(condition),
    ]
    headers += [("oci-tag", tag) for tag in asked]
    if manifest.view.subject is not None:
        headers.append(("oci-subject", str(manifest.view.subject.digest)))
    return Answer(201, headers)


async def delete_manifest(registry: Registry, request: Request) -> Answer:
    """Remove a tag; or a manifest, and with it every tag on it; if the request has conditions, only while they hold."""
    name, condition = _reference(request), demanded(request)
    if isinstance(name, Digest):
        await registry.metadata.delete_manifest(request.route.name, name, condition)
    else:
        await registry.metadata.delete_tag(request.route.name, name, condition)
    return Answer(202, held(condition))


def _reference(request: Request) -> Tag | Digest:
    reference = request.route.reference
    assert reference is not None  # noqa: S101  # the route of this endpoint has one
    return reference


async def _body(registry: Registry, request: Request) -> bytes:
    limit = registry.policy.largest_manifest
    try:
        return await request.body(limit)
    except PayloadTooLarge:
        if limit == LARGEST_MANIFEST:
            raise too_large(request.content_length) from None
        raise


async def _negotiated(registry: Registry, request: Request, found: StoredManifest) -> StoredManifest:
    child = acceptable_child(found.content, found.media_type, request.headers("accept"))
    if child is None:
        return found
    return await registry.metadata.manifest(request.route.name, child.digest) or found
