"""The database's half of an inspection."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, exists, literal, select, update

from wherry.oci.digest import Digest
from wherry.oci.mediatype import is_foreign_layer
from wherry.server.inspection.protocol import BlobRow, Finding, ManifestRow, Problem
from wherry.server.metadata.database import Database
from wherry.server.metadata.moment import Keeping
from wherry.server.metadata.reviews import Kind, ask, needed_blob
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
    unpacked,
)
from wherry.server.metadata.statements import Statement

__all__ = ["SQLiteInspection"]

_after: Any = bindparam("after")
_limit: Any = bindparam("limit")

_BLOBS = Statement(
    select(blobs.c.digest, blobs.c.size, blobs.c.epoch, blobs.c.state)
    .where(blobs.c.digest > _after, blobs.c.state != BlobState.DELETING.value)
    .order_by(blobs.c.digest)
    .limit(_limit)
)
_ANY_REPOSITORY = Statement(select(literal(1)).select_from(repositories).limit(1))
_KNOWN = Statement(select(literal(1)).select_from(blobs).where(blobs.c.digest == bindparam("digest")))
_epoch: Select[Any] = select(blobs.c.epoch).where(blobs.c.digest == bindparam("digest"))
_EPOCH = Statement(_epoch)
_MANIFESTS = Statement(
    select(manifests.c.id, repositories.c.name, manifests.c.digest, manifests.c.content)
    .select_from(manifests.join(repositories))
    .where(manifests.c.id > _after)
    .order_by(manifests.c.id)
    .limit(_limit)
)
_child = manifests.alias("child")
_ABSENT_CHILDREN = Statement(
    select(repositories.c.name, manifests.c.digest, manifest_children.c.digest)
    .select_from(manifest_children.join(manifests).join(repositories))
    .where(
        ~exists().where(
            _child.c.repository_id == manifests.c.repository_id, _child.c.digest == manifest_children.c.digest
        )
    )
)
_ABSENT_BLOBS = Statement(
    select(repositories.c.name, manifests.c.digest, manifest_blobs.c.digest, manifest_blobs.c.media_type)
    .select_from(manifest_blobs.join(manifests).join(repositories))
    .where(
        ~exists().where(
            blobs.c.digest == manifest_blobs.c.digest,
            repository_blobs.c.blob_id == blobs.c.id,
            repository_blobs.c.repository_id == manifests.c.repository_id,
        )
    )
)


def _waiting(kind: Kind, repository_id: Any) -> Any:
    return exists().where(
        reviews.c.kind == kind.value, reviews.c.repository_id == repository_id, reviews.c.digest == blobs.c.digest
    )


_UNREVIEWED_LINKS = Statement(
    select(repositories.c.id, repositories.c.name, blobs.c.digest)
    .select_from(repository_blobs.join(repositories).join(blobs))
    .where(
        ~needed_blob(repository_blobs.c.repository_id, blobs.c.digest),
        ~_waiting(Kind.LINK, repository_blobs.c.repository_id),
    )
)
_UNREVIEWED_BLOBS = Statement(
    select(blobs.c.digest).where(~exists().where(repository_blobs.c.blob_id == blobs.c.id), ~_waiting(Kind.BLOB, 0))
)
_DAMAGE = Statement(
    update(blobs)
    .where(blobs.c.digest == bindparam("blob"), blobs.c.epoch == bindparam("seen_epoch"))
    .values(state=BlobState.DAMAGED.value, epoch=blobs.c.epoch + 1)
)


class SQLiteInspection:
    """See `Inspection`."""

    def __init__(self, database: Database, keeping: Keeping) -> None:
        self._database = database
        self._keeping = keeping

    async def trouble(self) -> Sequence[str]:
        reader = self._database.reader
        words = [text for (text,) in reader.execute("PRAGMA quick_check") if text != "ok"]
        return words + [
            f"a row of {table} leads to a row of {parent} that is not there"
            for table, _, parent, _ in reader.execute("PRAGMA foreign_key_check")
        ]

    async def empty_since(self) -> float | None:
        reader = self._database.reader
        if _ANY_REPOSITORY.one(reader) is not None:  # those of which everything was deleted stay
            return None
        (made,) = reader.execute("PRAGMA user_version").fetchone()
        return float(made)

    async def blobs(self, after: Digest | None, limit: int) -> Sequence[BlobRow]:
        start = b"" if after is None else packed(after)
        return [
            BlobRow(unpacked(digest), size, epoch, state == BlobState.DAMAGED.value)
            for digest, size, epoch, state in _BLOBS.all(self._database.reader, after=start, limit=limit)
        ]

    async def unchanged(self, row: BlobRow) -> bool:
        found = _EPOCH.one(self._database.reader, digest=packed(row.digest))
        return found is not None and bool(found[0] == row.epoch)

    async def known(self, digests: Collection[Digest]) -> Collection[Digest]:
        reader = self._database.reader
        return {digest for digest in digests if _KNOWN.one(reader, digest=packed(digest)) is not None}

    async def manifests(self, after: int, limit: int) -> Sequence[ManifestRow]:
        rows = _MANIFESTS.all(self._database.reader, after=after, limit=limit)
        return [ManifestRow(position, name, unpacked(digest), content) for position, name, digest, content in rows]

    async def incomplete(self) -> Sequence[Finding]:
        reader = self._database.reader
        absent = [(*row, "child") for row in _ABSENT_CHILDREN.all(reader)]
        absent += [(*row[:3], "blob") for row in _ABSENT_BLOBS.all(reader) if not is_foreign_layer(row[3])]
        return [
            Finding(Problem.INCOMPLETE, f"needs {what} {unpacked(needed)}", unpacked(digest), name)
            for name, digest, needed, what in absent
        ]

    async def unreviewed(self, *, ask: bool) -> Sequence[Finding]:
        if ask:
            due = self._keeping.at(self._database.clock()).reviewed
            return await self._database.writer.run(lambda connection: _unreviewed(connection, due))
        return _unreviewed(self._database.reader, None)

    async def mark_damaged(self, row: BlobRow, set_apart: Callable[[], None]) -> bool:
        return await self._database.writer.run(lambda connection: _mark_damaged(connection, row, set_apart))

    async def drop_orphan(self, digest: Digest, set_aside: Callable[[], None]) -> bool:
        return await self._database.writer.run(lambda connection: _drop_orphan(connection, digest, set_aside))


def _unreviewed(connection: sqlite3.Connection, due: int | None) -> list[Finding]:
    """What no review waits for; with `due` one does from now on."""
    found: list[Finding] = []
    for repository_id, name, digest in _UNREVIEWED_LINKS.all(connection):
        found.append(Finding(Problem.UNREVIEWED, "nothing needs it", unpacked(digest), name, repaired=due is not None))
        if due is not None:
            ask(connection, Kind.LINK, repository_id, digest, due)
    for (digest,) in _UNREVIEWED_BLOBS.all(connection):
        found.append(Finding(Problem.UNREVIEWED, "no repository holds it", unpacked(digest), repaired=due is not None))
        if due is not None:
            ask(connection, Kind.BLOB, 0, digest, due)
    return found


def _mark_damaged(connection: sqlite3.Connection, row: BlobRow, set_apart: Callable[[], None]) -> bool:
    if not _DAMAGE.run(connection, blob=packed(row.digest), seen_epoch=row.epoch):
        return False
    set_apart()
    return True


def _drop_orphan(connection: sqlite3.Connection, digest: Digest, set_aside: Callable[[], None]) -> bool:
    """Who has stored it, and links it after this, will see that it is not there, and store it again."""
    if _KNOWN.one(connection, digest=packed(digest)) is not None:
        return False
    set_aside()
    return True
