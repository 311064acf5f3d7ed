"""What happens inside the transactions, as functions of a connection.

Spec: distribution-spec 1.1, "Pushing", "Content Management".
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from wherry.oci.descriptor import Descriptor
from wherry.oci.diagnosis import missing
from wherry.oci.digest import Digest
from wherry.oci.document import encode
from wherry.oci.errors import BlobUnknown, Denied, ManifestUnknown, PreconditionFailed, RegistryError, SizeInvalid
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Tag
from wherry.server.metadata.moment import Moment
from wherry.server.metadata.protocol import Need, Push, Role, UploadRecord
from wherry.server.metadata.reviews import Kind, ask, ask_for_needs
from wherry.server.metadata.schema import (
    BlobState,
    blobs,
    manifest_blobs,
    manifest_children,
    manifests,
    packed,
    repositories,
    repository_blobs,
    reviews,
    tags,
    unpacked,
    uploads,
)
from wherry.server.refusals import Refusals

__all__ = [
    "begin_upload",
    "delete_manifest",
    "delete_tag",
    "forget_uploads",
    "hold_blob",
    "hold_manifest",
    "link_blob",
    "mount_blob",
    "push_manifest",
    "unlink_blob",
]

_MANY = 500  # parameters of one statement; SQLite allows far more, PostgreSQL plans better with fewer


def link_blob(
    connection: Connection,
    at: Moment,
    repository: str,
    digest: Digest,
    size: int,
    *,
    upload: str | None,
    stored: Callable[[], bool],
) -> bool:
    """Record a blob whose bytes are stored, and give it to a repository; False if they were collected meanwhile.

    Bytes go in the transaction that proves that nobody wants them, and not in this one. So what `stored` sees here stays.
    """
    if not stored():
        return False
    row = {"digest": packed(digest), "size": size, "stored": at.now}
    live = {"size": size, "state": BlobState.LIVE.value, "epoch": blobs.c.epoch + 1}
    connection.execute(insert(blobs).values(row).on_conflict_do_update(index_elements=["digest"], set_=live))
    _link(connection, at, _repository(connection, at, repository), digest)
    if upload is not None:
        finished = update(uploads).where(uploads.c.id == upload).values(finished=packed(digest), touched=at.now)
        connection.execute(finished)
    return True


def mount_blob(connection: Connection, at: Moment, repository: str, digest: Digest, origin: str | None) -> bool:
    """Give a repository what another one holds."""
    held = _holders(digest).where(blobs.c.state == BlobState.LIVE.value)
    if origin is not None:
        held = held.where(repositories.c.name == origin)
    if connection.execute(held.limit(1)).first() is None:
        return False
    _link(connection, at, _repository(connection, at, repository), digest)
    return True


def hold_blob(connection: Connection, at: Moment, repository: str, digest: Digest) -> bool:
    """Keep for a while what a client was told is there; False if it is not."""
    found = connection.execute(
        _holders(digest).where(repositories.c.name == repository, blobs.c.state == BlobState.LIVE.value)
    ).first()
    if found is not None:
        _link(connection, at, found.repository_id, digest)
    return found is not None


def hold_manifest(connection: Connection, at: Moment, repository: str, digest: Digest) -> bool:
    """The same for a manifest; the review that finds the lease comes again when it has ended."""
    scope = select(repositories.c.id).where(repositories.c.name == repository).scalar_subquery()
    mine = (manifests.c.repository_id == scope) & (manifests.c.digest == packed(digest))
    return bool(connection.execute(update(manifests).where(mine).values(leased=at.leased)).rowcount)


def unlink_blob(connection: Connection, at: Moment, repository: str, digest: Digest) -> None:
    """Take a blob away from a repository, unless a manifest there needs it."""
    found = connection.execute(_holders(digest).where(repositories.c.name == repository)).first()
    if found is None:
        raise BlobUnknown("the repository does not hold this blob", detail={"digest": str(digest)})
    users = select(manifests.c.digest).join(manifest_blobs).where(manifest_blobs.c.digest == packed(digest))
    here = manifest_blobs.c.repository_id == found.repository_id
    _refuse_if_needed(connection, users.where(here), "blob")
    link = (repository_blobs.c.repository_id == found.repository_id) & (repository_blobs.c.blob_id == found.blob_id)
    connection.execute(delete(repository_blobs).where(link))
    ask(connection, Kind.BLOB, 0, packed(digest), at.reviewed)


def push_manifest(connection: Connection, at: Moment, repository: str, push: Push) -> None:
    """Store a manifest with its edges, if all that it demands is there, and move its tags to it."""
    repository_id = _repository(connection, at, repository)
    _check_condition(connection, repository_id, push)
    _check_needs(connection, repository_id, push.needs, repository)
    manifest_id = _store_manifest(connection, at, repository_id, push)
    _forget_untagged(connection, repository_id, push)
    if at.untagged is not None:
        _review_untagged(connection, at, repository_id, manifest_id, push)
    for tag in push.tags:
        row = {"repository_id": repository_id, "name": str(tag), "manifest_id": manifest_id}
        moved = insert(tags).values(row | {"created": at.now, "moved": at.now})
        connection.execute(
            moved.on_conflict_do_update(
                index_elements=["repository_id", "name"],
                set_={"manifest_id": manifest_id, "moved": at.now},
                where=tags.c.manifest_id != manifest_id,
            )
        )


def delete_manifest(connection: Connection, at: Moment, repository: str, digest: Digest) -> None:
    """Remove a manifest and, by cascade, its tags and edges; unless an index needs it."""
    found = connection.execute(
        select(manifests.c.id, manifests.c.repository_id)
        .join(repositories)
        .where(repositories.c.name == repository, manifests.c.digest == packed(digest))
    ).first()
    if found is None:
        raise ManifestUnknown("no such manifest", detail={"name": repository, "reference": str(digest)})
    parents = select(manifests.c.digest).join(manifest_children).where(manifest_children.c.digest == packed(digest))
    here = manifest_children.c.repository_id == found.repository_id
    _refuse_if_needed(connection, parents.where(here), "manifest")
    ask_for_needs(connection, at, found.repository_id, found.id)
    connection.execute(delete(manifests).where(manifests.c.id == found.id))


def delete_tag(connection: Connection, at: Moment, repository: str, tag: Tag) -> None:
    """Remove a tag alone."""
    scope = select(repositories.c.id).where(repositories.c.name == repository).scalar_subquery()
    mine = (tags.c.repository_id == scope) & (tags.c.name == str(tag))
    found = connection.execute(
        select(manifests.c.repository_id, manifests.c.digest)
        .join(tags, tags.c.manifest_id == manifests.c.id)
        .where(mine)
    ).first()
    if found is None:
        raise ManifestUnknown("no such tag", detail={"name": repository, "reference": str(tag)})
    connection.execute(delete(tags).where(mine))
    if at.untagged is not None:
        ask(connection, Kind.MANIFEST, found.repository_id, found.digest, at.untagged)


def begin_upload(connection: Connection, at: Moment, record: UploadRecord) -> None:
    """Remember an upload."""
    row = {"id": record.id, "repository": record.repository, "algorithm": record.algorithm, "touched": at.now}
    connection.execute(insert(uploads).values(row))


def forget_uploads(connection: Connection, identifiers: Sequence[str]) -> None:
    """Forget uploads, however many."""
    for some in _batches(identifiers):
        connection.execute(delete(uploads).where(uploads.c.id.in_(some)))


def _batches(items: Iterable[Any]) -> Iterable[list[Any]]:
    remaining = iter(items)
    while batch := list(islice(remaining, _MANY)):
        yield batch


def _repository(connection: Connection, at: Moment, name: str) -> int:
    """The row of a repository, made if it is not there."""
    by_name = select(repositories.c.id).where(repositories.c.name == name)
    found = connection.execute(by_name).scalar()
    if found is None:
        connection.execute(insert(repositories).values(name=name, created=at.now))
        found = connection.execute(by_name).scalar_one()
    return int(found)


def _holders(digest: Digest) -> Select[tuple[int, int]]:
    return (
        select(repository_blobs.c.repository_id, repository_blobs.c.blob_id)
        .join(blobs)
        .join(repositories)
        .where(blobs.c.digest == packed(digest))
    )


def _link(connection: Connection, at: Moment, repository_id: int, digest: Digest) -> None:
    """Give a blob to a repository, and keep it there until a manifest that needs it has had time to come."""
    blob_id = select(blobs.c.id).where(blobs.c.digest == packed(digest)).scalar_subquery()
    row = {"repository_id": repository_id, "blob_id": blob_id, "linked": at.now, "leased": at.leased}
    linked = insert(repository_blobs).values(row)
    longer = case(
        (linked.excluded.leased > repository_blobs.c.leased, linked.excluded.leased), else_=repository_blobs.c.leased
    )
    connection.execute(
        linked.on_conflict_do_update(index_elements=["repository_id", "blob_id"], set_={"leased": longer})
    )
    ask(connection, Kind.LINK, repository_id, packed(digest), at.leased)


def _forget_untagged(connection: Connection, repository_id: int, push: Push) -> None:
    """What a push gives a tag or a parent: should it lose them again, its time begins anew."""
    found = {packed(need.descriptor.digest) for need in push.needs if need.role is Role.CHILD}
    if push.tags:
        found.add(packed(push.manifest.digest))
    for some in _batches(found):
        waiting = (reviews.c.kind == Kind.MANIFEST.value) & (reviews.c.repository_id == repository_id)
        connection.execute(delete(reviews).where(waiting, reviews.c.digest.in_(some)))


def _review_untagged(connection: Connection, at: Moment, repository_id: int, manifest_id: int, push: Push) -> None:
    """Whatever a push leaves without a tag is reviewed: what its tags pointed at before, or itself."""
    if not push.tags:
        ask(connection, Kind.MANIFEST, repository_id, packed(push.manifest.digest), max(at.untagged or 0, at.leased))
        return
    left = (
        select(manifests.c.digest)
        .join(tags, tags.c.manifest_id == manifests.c.id)
        .where(tags.c.repository_id == repository_id, tags.c.name.in_([str(tag) for tag in push.tags]))
        .where(manifests.c.id != manifest_id)
    )
    for digest in connection.execute(left.distinct()).scalars():
        ask(connection, Kind.MANIFEST, repository_id, digest, at.untagged or 0)


def _refuse_if_needed(connection: Connection, users: Select[tuple[bytes]], what: str) -> None:
    needed_by = [str(unpacked(row.digest)) for row in connection.execute(users.distinct().limit(10))]
    if needed_by:
        raise Denied(
            f"the {what} is needed by {len(needed_by)} or more manifests of the repository"
            if len(needed_by) > 1
            else f"the {what} is needed by manifest {needed_by[0]} of the repository",
            detail={"needed_by": needed_by},
            hint="delete what needs it first",
            status=405,
        )


def _check_condition(connection: Connection, repository_id: int, push: Push) -> None:
    if push.condition is None:
        return
    there = select(manifests.c.digest).where(manifests.c.repository_id == repository_id)
    if push.tags:
        there = there.join(tags).where(tags.c.name == str(push.tags[0]))
    else:
        there = there.where(manifests.c.digest == packed(push.manifest.digest))
    found = connection.execute(there).scalar()
    digest = None if found is None else unpacked(found)
    if not push.condition.holds(digest):
        name = push.tags[0] if push.tags else push.manifest.digest
        raise PreconditionFailed(
            f"{name} {f'leads to {digest}' if digest else 'leads nowhere'}, which is not what the request expects",
            detail={"reference": str(name), "digest": None if digest is None else str(digest)},
            hint="read it again, and decide anew",
        )


def _check_needs(connection: Connection, repository_id: int, needs: Sequence[Need], repository: str) -> None:
    children = {need.descriptor.digest for need in needs if need.role is Role.CHILD}
    others = {need.descriptor.digest for need in needs if need.role is not Role.CHILD}
    manifest_sizes = _sizes(connection, _manifest_sizes, repository_id, children)
    blob_sizes = _sizes(connection, _blob_sizes, repository_id, others)
    failures: dict[Digest, RegistryError] = {}
    for need in needs:
        size = (manifest_sizes if need.role is Role.CHILD else blob_sizes).get(need.descriptor.digest)
        if size is None and need.demanded:
            failures.setdefault(need.descriptor.digest, missing(need.descriptor, repository))
        elif size is not None and size != need.descriptor.size:
            failures.setdefault(need.descriptor.digest, _other_size(need.descriptor, size))
    if failures:
        raise Refusals(failures.values())


def _other_size(content: Descriptor, size: int) -> SizeInvalid:
    return SizeInvalid(
        f"the manifest says that {content.digest} has {content.size} bytes, and it has {size}",
        detail={"digest": str(content.digest), "described": content.size, "stored": size},
    )


_blob_sizes = (
    select(blobs.c.digest, blobs.c.size)
    .join(repository_blobs)
    .where(repository_blobs.c.repository_id == bindparam("repository"), blobs.c.state == BlobState.LIVE.value)
    .where(blobs.c.digest.in_(bindparam("digests", expanding=True)))
)
_manifest_sizes = (
    select(manifests.c.digest, manifests.c.size)
    .where(manifests.c.repository_id == bindparam("repository"))
    .where(manifests.c.digest.in_(bindparam("digests", expanding=True)))
)


def _sizes(
    connection: Connection, statement: Select[Any], repository_id: int, digests: Iterable[Digest]
) -> dict[Digest, int]:
    return {
        unpacked(row.digest): row.size
        for some in _batches(packed(digest) for digest in digests)
        for row in connection.execute(statement, {"repository": repository_id, "digests": some})
    }


def _store_manifest(connection: Connection, at: Moment, repository_id: int, push: Push) -> int:
    """The row of the manifest, made with its edges if it is not there; kept for a while either way."""
    mine = (manifests.c.repository_id == repository_id) & (manifests.c.digest == packed(push.manifest.digest))
    found = connection.execute(select(manifests.c.id).where(mine)).scalar()
    if found is not None:
        connection.execute(update(manifests).where(mine).values(leased=at.leased))
        return int(found)
    row = _manifest_row(push.manifest) | {"repository_id": repository_id, "pushed": at.now, "leased": at.leased}
    manifest_id = int(connection.execute(insert(manifests).values(row).returning(manifests.c.id)).scalar_one())
    _store_edges(connection, manifest_id, repository_id, push.needs)
    return manifest_id


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


def _store_edges(connection: Connection, manifest_id: int, repository_id: int, needs: Sequence[Need]) -> None:
    edges: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for position, need in enumerate(needs):
        row = {
            "manifest_id": manifest_id,
            "repository_id": repository_id,
            "position": position,
            "digest": packed(need.descriptor.digest),
        }
        if need.role is Role.CHILD:
            edges[True].append(row)
        else:
            media_type, size = need.descriptor.media_type, need.descriptor.size
            edges[False].append(row | {"role": need.role.value, "media_type": media_type, "size": size})
    if edges[True]:
        connection.execute(insert(manifest_children), edges[True])
    if edges[False]:
        connection.execute(insert(manifest_blobs), edges[False])
