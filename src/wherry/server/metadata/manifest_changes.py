"""What happens inside the transactions that change manifests and tags, as functions of a connection.

Spec: distribution-spec 1.1, "Pushing Manifests", "Deleting tags", "Deleting Manifests".
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects import sqlite

from wherry.oci.descriptor import Descriptor
from wherry.oci.diagnosis import missing
from wherry.oci.digest import Digest
from wherry.oci.document import encode
from wherry.oci.errors import ManifestUnknown, RegistryError, SizeInvalid
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Tag
from wherry.oci.wire.conditions import Condition
from wherry.server.metadata.blob_changes import MOST_USERS, refuse_if_needed, repository_row
from wherry.server.metadata.moment import Moment
from wherry.server.metadata.protocol import Need, Push, Role
from wherry.server.metadata.reviews import Kind, ask, ask_for_needs, forget
from wherry.server.metadata.schema import (
    BlobState,
    blobs,
    manifest_blobs,
    manifest_children,
    manifests,
    packed,
    repositories,
    repository_blobs,
    tags,
    unpacked,
)
from wherry.server.metadata.statements import Statement
from wherry.server.refusals import Refusals

__all__ = ["delete_manifest", "delete_tag", "hold_manifest", "push_manifest"]

_repository: Any = bindparam("repository")
_digest: Any = bindparam("manifest")
_tag: Any = bindparam("tag")
_scope = select(repositories.c.id).where(repositories.c.name == _repository).scalar_subquery()
_tagged = select(manifests.c.digest).join(tags, tags.c.manifest_id == manifests.c.id)

_FOUND = Statement(
    select(manifests.c.id, manifests.c.repository_id)
    .join(repositories)
    .where(repositories.c.name == _repository, manifests.c.digest == _digest)
)
_HOLD = Statement(
    update(manifests)
    .where(manifests.c.repository_id == _scope, manifests.c.digest == _digest)
    .values(leased=bindparam("until"))
)
_PARENTS = Statement(
    select(manifests.c.digest)
    .join(manifest_children)
    .where(manifest_children.c.digest == _digest, manifest_children.c.repository_id == _repository)
    .distinct()
    .limit(MOST_USERS)
)
_DELETE = Statement(delete(manifests).where(manifests.c.id == bindparam("row")))
_TAG = Statement(
    select(manifests.c.repository_id, manifests.c.digest)
    .join(tags, tags.c.manifest_id == manifests.c.id)
    .where(tags.c.repository_id == _scope, tags.c.name == _tag)
)
_DELETE_TAG = Statement(delete(tags).where(tags.c.repository_id == _repository, tags.c.name == _tag))

_TAGGED = Statement(_tagged.where(tags.c.repository_id == _repository, tags.c.name == _tag))
_OTHERWISE_TAGGED = Statement(
    _tagged.where(tags.c.repository_id == _repository, tags.c.name == _tag, manifests.c.id != bindparam("row"))
)
_MANIFEST = Statement(
    select(manifests.c.id, manifests.c.size).where(
        manifests.c.repository_id == _repository, manifests.c.digest == _digest
    )
)
_LEASED = Statement(update(manifests).where(manifests.c.id == bindparam("row")).values(leased=bindparam("until")))
_BLOB_SIZE = Statement(
    select(blobs.c.size)
    .join(repository_blobs)
    .where(repository_blobs.c.repository_id == _repository, blobs.c.state == BlobState.LIVE.value)
    .where(blobs.c.digest == bindparam("blob"))
)

_NEW = Statement(
    insert(manifests).returning(manifests.c.id),
    "repository_id",
    "digest",
    "media_type",
    "size",
    "pushed",
    "subject",
    "artifact_type",
    "referrer",
    "content",
    "leased",
)
_NEW_CHILD = Statement(insert(manifest_children), "manifest_id", "position", "digest", "repository_id")
_NEW_BLOB = Statement(
    insert(manifest_blobs), "manifest_id", "position", "digest", "role", "media_type", "size", "repository_id"
)
_moved = sqlite.insert(tags)
_MOVED = Statement(
    _moved.on_conflict_do_update(
        index_elements=["repository_id", "name"],
        set_={"manifest_id": _moved.excluded.manifest_id, "moved": _moved.excluded.moved},
        where=tags.c.manifest_id != _moved.excluded.manifest_id,
    ),
    "repository_id",
    "name",
    "manifest_id",
    "created",
    "moved",
)


def hold_manifest(connection: sqlite3.Connection, at: Moment, repository: str, digest: Digest) -> bool:
    """Keep a manifest for a while; the review that finds the lease comes again when it has ended."""
    return bool(_HOLD.run(connection, repository=repository, manifest=packed(digest), until=at.leased))


def push_manifest(connection: sqlite3.Connection, at: Moment, repository: str, push: Push) -> None:
    """Store a manifest with its edges, if all that it demands is there, and move its tags to it."""
    repository_id = repository_row(connection, at, repository)
    _check_condition(connection, repository_id, push)
    _check_needs(connection, repository_id, push.needs, repository)
    manifest_id = _store_manifest(connection, at, repository_id, push)
    _forget_untagged(connection, repository_id, push)
    if at.untagged is not None:
        _review_untagged(connection, at, repository_id, manifest_id, push)
    for tag in push.tags:
        _MOVED.run(
            connection,
            repository_id=repository_id,
            name=str(tag),
            manifest_id=manifest_id,
            created=at.now,
            moved=at.now,
        )


def delete_manifest(
    connection: sqlite3.Connection, at: Moment, repository: str, digest: Digest, condition: Condition | None
) -> None:
    """Remove a manifest and, by cascade, its tags and edges; unless an index needs it."""
    found = _FOUND.one(connection, repository=repository, manifest=packed(digest))
    if found is None:
        raise ManifestUnknown("no such manifest", detail={"name": repository, "reference": str(digest)})
    if condition is not None:
        condition.check(str(digest), digest)
    manifest_id, repository_id = found
    refuse_if_needed(_PARENTS.all(connection, manifest=packed(digest), repository=repository_id), "manifest")
    ask_for_needs(connection, at, repository_id, manifest_id)
    _DELETE.run(connection, row=manifest_id)


def delete_tag(
    connection: sqlite3.Connection, at: Moment, repository: str, tag: Tag, condition: Condition | None
) -> None:
    """Remove a tag alone."""
    found = _TAG.one(connection, repository=repository, tag=str(tag))
    if found is None:
        raise ManifestUnknown("no such tag", detail={"name": repository, "reference": str(tag)})
    repository_id, digest = found
    if condition is not None:
        condition.check(str(tag), unpacked(digest))
    _DELETE_TAG.run(connection, repository=repository_id, tag=str(tag))
    if at.untagged is not None:
        ask(connection, Kind.MANIFEST, repository_id, digest, at.untagged)


def _forget_untagged(connection: sqlite3.Connection, repository_id: int, push: Push) -> None:
    """What a push gives a tag or a parent: should it lose them again, its time begins anew."""
    found = {packed(need.descriptor.digest) for need in push.needs if need.role is Role.CHILD}
    if push.tags:
        found.add(packed(push.manifest.digest))
    for digest in found:
        forget(connection, Kind.MANIFEST, repository_id, digest)


def _review_untagged(
    connection: sqlite3.Connection, at: Moment, repository_id: int, manifest_id: int, push: Push
) -> None:
    """Whatever a push leaves without a tag is reviewed: what its tags pointed at before, or itself."""
    if not push.tags:
        ask(connection, Kind.MANIFEST, repository_id, packed(push.manifest.digest), max(at.untagged or 0, at.leased))
    for tag in push.tags:
        left = _OTHERWISE_TAGGED.one(connection, repository=repository_id, tag=str(tag), row=manifest_id)
        if left is not None:
            ask(connection, Kind.MANIFEST, repository_id, left[0], at.untagged or 0)


def _check_condition(connection: sqlite3.Connection, repository_id: int, push: Push) -> None:
    if push.condition is None:
        return
    name = push.tags[0] if push.tags else push.manifest.digest
    if push.tags:
        found = _TAGGED.one(connection, repository=repository_id, tag=str(name))
        digest = None if found is None else unpacked(found[0])
    else:
        found = _MANIFEST.one(connection, repository=repository_id, manifest=packed(push.manifest.digest))
        digest = None if found is None else push.manifest.digest
    push.condition.check(str(name), digest)


def _check_needs(connection: sqlite3.Connection, repository_id: int, needs: Sequence[Need], repository: str) -> None:
    failures: dict[Digest, RegistryError] = {}
    for need in needs:
        size = _size(connection, repository_id, need)
        if size is None and need.demanded:
            failures.setdefault(need.descriptor.digest, missing(need.descriptor, repository))
        elif size is not None and size != need.descriptor.size:
            failures.setdefault(need.descriptor.digest, _other_size(need.descriptor, size))
    if failures:
        raise Refusals(failures.values())


def _size(connection: sqlite3.Connection, repository_id: int, need: Need) -> int | None:
    """The size of what is there of that name."""
    digest = packed(need.descriptor.digest)
    if need.role is Role.CHILD:
        child = _MANIFEST.one(connection, repository=repository_id, manifest=digest)
        return None if child is None else int(child[1])
    blob = _BLOB_SIZE.one(connection, repository=repository_id, blob=digest)
    return None if blob is None else int(blob[0])


def _other_size(content: Descriptor, size: int) -> SizeInvalid:
    return SizeInvalid(
        f"the manifest says that {content.digest} has {content.size} bytes, and it has {size}",
        detail={"digest": str(content.digest), "described": content.size, "stored": size},
        hint="write the size of the content into its descriptor; or, if that is right, push the content that was meant",
    )


def _store_manifest(connection: sqlite3.Connection, at: Moment, repository_id: int, push: Push) -> int:
    """The row of the manifest, made with its edges if it is not there; kept for a while either way."""
    found = _MANIFEST.one(connection, repository=repository_id, manifest=packed(push.manifest.digest))
    if found is not None:
        _LEASED.run(connection, row=found[0], until=at.leased)
        return int(found[0])
    (manifest_id,) = _NEW.one(
        connection, repository_id=repository_id, pushed=at.now, leased=at.leased, **_manifest_row(push.manifest)
    )
    _store_edges(connection, manifest_id, repository_id, push.needs)
    return int(manifest_id)


def _manifest_row(manifest: Manifest) -> dict[str, Any]:
    view = manifest.view
    return {
        "digest": packed(manifest.digest),
        "media_type": manifest.media_type,
        "size": len(manifest.content),
        "subject": None if view.subject is None else packed(view.subject.digest),
        "artifact_type": view.artifact_type,
        "referrer": None if view.subject is None else _referrer(manifest),
        "content": manifest.content,
    }


def _referrer(manifest: Manifest) -> bytes:
    """The descriptor by which a manifest is listed among the referrers of its subject."""
    view = manifest.view
    document = manifest.descriptor.to_json()
    if view.artifact_type:
        document["artifactType"] = view.artifact_type
    if view.annotations:
        document["annotations"] = dict(view.annotations)
    return encode(document)


def _store_edges(connection: sqlite3.Connection, manifest_id: int, repository_id: int, needs: Sequence[Need]) -> None:
    children: list[dict[str, object]] = []
    others: list[dict[str, object]] = []
    for position, need in enumerate(needs):
        row: dict[str, object] = {
            "manifest_id": manifest_id,
            "repository_id": repository_id,
            "position": position,
            "digest": packed(need.descriptor.digest),
        }
        if need.role is Role.CHILD:
            children.append(row)
        else:
            media_type, size = need.descriptor.media_type, need.descriptor.size
            others.append(row | {"role": need.role.value, "media_type": media_type, "size": size})
    _NEW_CHILD.run_for_each(connection, children)
    _NEW_BLOB.run_for_each(connection, others)
