"""What happens inside the transactions that give blobs to repositories and take them away, as functions of a connection.

Spec: distribution-spec 1.1, "Pushing Blobs", "Deleting Blobs".
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import bindparam, case, delete, select
from sqlalchemy.dialects.sqlite import insert

from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUnknown, Denied
from wherry.server.metadata.moment import Moment
from wherry.server.metadata.protocol import UploadRecord
from wherry.server.metadata.reviews import Kind, ask
from wherry.server.metadata.schema import (
    BlobState,
    blobs,
    manifest_blobs,
    manifests,
    packed,
    repositories,
    repository_blobs,
    unpacked,
    uploads,
)
from wherry.server.metadata.statements import Statement

__all__ = [
    "begin_upload",
    "forget_uploads",
    "hold_blob",
    "link_blob",
    "mount_blob",
    "refuse_if_needed",
    "repository_row",
    "unlink_blob",
]

MOST_USERS = 10
"""Manifests that a refusal names."""

_digest: Any = bindparam("blob")
_name: Any = bindparam("repository")

_REPOSITORY = Statement(select(repositories.c.id).where(repositories.c.name == _name))
_NEW_REPOSITORY = Statement(insert(repositories).returning(repositories.c.id), "name", "created")

_stored = insert(blobs)
_STORED = Statement(
    _stored.on_conflict_do_update(
        index_elements=["digest"],
        set_={"size": _stored.excluded.size, "state": BlobState.LIVE.value, "epoch": blobs.c.epoch + 1},
    ).returning(blobs.c.id),
    "digest",
    "size",
    "stored",
)
_linked = insert(repository_blobs)
_LINKED = Statement(
    _linked.on_conflict_do_update(
        index_elements=["repository_id", "blob_id"],
        set_={
            "leased": case(
                (_linked.excluded.leased > repository_blobs.c.leased, _linked.excluded.leased),
                else_=repository_blobs.c.leased,
            )
        },
    ),
    "repository_id",
    "blob_id",
    "linked",
    "leased",
)

_holders = (
    select(repository_blobs.c.repository_id, repository_blobs.c.blob_id)
    .join(blobs)
    .join(repositories)
    .where(blobs.c.digest == _digest)
)
_live_holders = _holders.where(blobs.c.state == BlobState.LIVE.value).limit(1)
_HELD_ANYWHERE = Statement(_live_holders)
_HELD = Statement(_live_holders.where(repositories.c.name == _name))
_LINK = Statement(_holders.where(repositories.c.name == _name))
_UNLINK = Statement(
    delete(repository_blobs).where(
        repository_blobs.c.repository_id == bindparam("repository"), repository_blobs.c.blob_id == bindparam("blob")
    )
)
_USERS = Statement(
    select(manifests.c.digest)
    .join(manifest_blobs)
    .where(manifest_blobs.c.digest == _digest, manifest_blobs.c.repository_id == bindparam("repository"))
    .distinct()
    .limit(MOST_USERS)
)

_BEGUN = Statement(insert(uploads), "id", "repository", "algorithm", "touched")
_ended = insert(uploads)
_FINISHED = Statement(
    _ended.on_conflict_do_update(
        index_elements=["id"], set_={"finished": _ended.excluded.finished, "touched": _ended.excluded.touched}
    ),
    "id",
    "repository",
    "algorithm",
    "finished",
    "touched",
)
_FORGET = Statement(delete(uploads).where(uploads.c.id == bindparam("upload")))


def link_blob(
    connection: sqlite3.Connection,
    at: Moment,
    repository: str,
    digest: Digest,
    size: int,
    *,
    upload: UploadRecord | None,
    stored: Callable[[], bool],
) -> bool:
    """Record a blob whose bytes are stored, and give it to a repository; False if they were collected meanwhile.

    Bytes go in the transaction that proves that nobody wants them, and not in this one. So what `stored` sees here stays.
    """
    if not stored():
        return False
    blob = packed(digest)
    (blob_id,) = _STORED.one(connection, digest=blob, size=size, stored=at.now)
    _link(connection, at, repository_row(connection, at, repository), blob_id, blob)
    if upload is not None:
        _FINISHED.run(connection, finished=blob, **_upload_row(at, upload))
    return True


def mount_blob(connection: sqlite3.Connection, at: Moment, repository: str, digest: Digest, origin: str | None) -> bool:
    """Give a repository what another one holds."""
    blob = packed(digest)
    if origin is None:
        held = _HELD_ANYWHERE.one(connection, blob=blob)
    else:
        held = _HELD.one(connection, blob=blob, repository=origin)
    if held is None:
        return False
    _link(connection, at, repository_row(connection, at, repository), held[1], blob)
    return True


def hold_blob(connection: sqlite3.Connection, at: Moment, repository: str, digest: Digest) -> bool:
    """Keep for a while what a client was told is there; False if it is not."""
    blob = packed(digest)
    held = _HELD.one(connection, blob=blob, repository=repository)
    if held is not None:
        repository_id, blob_id = held
        _link(connection, at, repository_id, blob_id, blob)
    return held is not None


def unlink_blob(connection: sqlite3.Connection, at: Moment, repository: str, digest: Digest) -> None:
    """Take a blob away from a repository, unless a manifest there needs it."""
    blob = packed(digest)
    found = _LINK.one(connection, blob=blob, repository=repository)
    if found is None:
        raise BlobUnknown("the repository does not hold this blob", detail={"digest": str(digest)})
    repository_id, blob_id = found
    refuse_if_needed(_USERS.all(connection, blob=blob, repository=repository_id), "blob")
    _UNLINK.run(connection, repository=repository_id, blob=blob_id)
    ask(connection, Kind.BLOB, 0, blob, at.reviewed)


def begin_upload(connection: sqlite3.Connection, at: Moment, record: UploadRecord) -> None:
    """Remember an upload."""
    _BEGUN.run(connection, **_upload_row(at, record))


def forget_uploads(connection: sqlite3.Connection, identifiers: Sequence[str]) -> None:
    """Forget uploads, however many."""
    _FORGET.run_for_each(connection, ({"upload": each} for each in identifiers))


def repository_row(connection: sqlite3.Connection, at: Moment, name: str) -> int:
    """The row of a repository, made if it is not there."""
    found = _REPOSITORY.one(connection, repository=name)
    if found is None:
        found = _NEW_REPOSITORY.one(connection, name=name, created=at.now)
    return int(found[0])


def refuse_if_needed(users: Sequence[tuple[bytes]], what: str) -> None:
    """What manifests need is not taken away from them.

    Raises:
        Denied: there are some.
    """
    needed_by = [str(unpacked(digest)) for (digest,) in users]
    if needed_by:
        raise Denied(
            f"the {what} is needed by {len(needed_by)} or more manifests of the repository"
            if len(needed_by) > 1
            else f"the {what} is needed by manifest {needed_by[0]} of the repository",
            detail={"needed_by": needed_by},
            hint="delete what needs it first",
            status=405,
        )


def _upload_row(at: Moment, record: UploadRecord) -> dict[str, object]:
    return {"id": record.id, "repository": record.repository, "algorithm": record.algorithm, "touched": at.now}


def _link(connection: sqlite3.Connection, at: Moment, repository_id: int, blob_id: int, blob: bytes) -> None:
    """Give a blob to a repository, and keep it there until a manifest that needs it has had time to come."""
    _LINKED.run(connection, repository_id=repository_id, blob_id=blob_id, linked=at.now, leased=at.leased)
    ask(connection, Kind.LINK, repository_id, blob, at.leased)
