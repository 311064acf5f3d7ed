"""The collector's transactions. Each proves anew that nothing needs what goes: the queue only says where to look."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, exists, func, literal, select, update
from sqlalchemy.dialects.sqlite import insert

from wherry.server.collection.protocol import Doomed, Going, Queue, Reviewed
from wherry.server.metadata.database import Database
from wherry.server.metadata.moment import Keeping, Moment
from wherry.server.metadata.reads import Read
from wherry.server.metadata.reviews import Kind, ask, ask_for_needs, needed_blob, needed_manifest
from wherry.server.metadata.schema import (
    BlobState,
    blobs,
    jobs,
    manifests,
    packed,
    repositories,
    repository_blobs,
    reviews,
    unpacked,
)

__all__ = ["SQLiteReviews"]

_RETRY = 60  # seconds until a blob that was marked is looked at again; doubled with each attempt
_MOST_ATTEMPTS = 12
_PAGE = 5000  # manifests
_ALL = 2**62


def _due(kind: Kind) -> Any:
    return (reviews.c.kind == kind.value) & (reviews.c.due <= bindparam("now"))


_limit: Any = bindparam("limit")

_links = (
    select(
        reviews.c.repository_id,
        reviews.c.digest,
        repositories.c.name,
        blobs.c.id.label("blob_id"),
        blobs.c.size,
        repository_blobs.c.leased,
        needed_blob(reviews.c.repository_id, reviews.c.digest).label("needed"),
    )
    .select_from(
        reviews.outerjoin(repositories, repositories.c.id == reviews.c.repository_id)
        .outerjoin(blobs, blobs.c.digest == reviews.c.digest)
        .outerjoin(
            repository_blobs,
            (repository_blobs.c.repository_id == reviews.c.repository_id) & (repository_blobs.c.blob_id == blobs.c.id),
        )
    )
    .where(_due(Kind.LINK))
    .order_by(reviews.c.due)
    .limit(_limit)
)
_manifests = (
    select(
        reviews.c.repository_id,
        reviews.c.digest,
        repositories.c.name,
        manifests.c.id.label("manifest_id"),
        manifests.c.size,
        manifests.c.leased,
        needed_manifest(manifests).label("needed"),
    )
    .select_from(
        reviews.outerjoin(repositories, repositories.c.id == reviews.c.repository_id).outerjoin(
            manifests,
            (manifests.c.repository_id == reviews.c.repository_id) & (manifests.c.digest == reviews.c.digest),
        )
    )
    .where(_due(Kind.MANIFEST))
    .order_by(reviews.c.due)
    .limit(_limit)
)
_linked = exists().where(repository_blobs.c.blob_id == blobs.c.id)
_blobs = (
    select(
        reviews.c.digest,
        reviews.c.attempts,
        blobs.c.id.label("blob_id"),
        blobs.c.size,
        blobs.c.state,
        blobs.c.epoch,
        _linked.label("linked"),
    )
    .select_from(reviews.outerjoin(blobs, blobs.c.digest == reviews.c.digest))
    .where(_due(Kind.BLOB))
    .order_by(reviews.c.due)
    .limit(_limit)
)
_READ_LINKS, _READ_MANIFESTS, _READ_BLOBS = Read(_links), Read(_manifests), Read(_blobs)
_HOLDERS = Read(select(repository_blobs.c.repository_id).where(repository_blobs.c.blob_id == bindparam("blob")))
_queue: Any = select(func.count(reviews.c.due), func.min(reviews.c.due))
_QUEUE = Read(_queue)


class SQLiteReviews:
    """See `Reviews`."""

    def __init__(self, database: Database, keeping: Keeping) -> None:
        self._database = database
        self._keeping = keeping

    def _now(self) -> Moment:
        return self._keeping.at(self._database.clock())

    async def review(self, limit: int) -> Reviewed:
        at = self._now()
        return await self._database.writer.run(lambda connection: _review(connection, at, limit))

    async def remove(self, going: Going, set_aside: Callable[[], None]) -> bool:
        return await self._database.writer.run(lambda connection: _remove(connection, going, set_aside))

    async def foresee(self) -> Sequence[Doomed]:
        reader, now = self._database.reader, self._now().now
        doomed: list[Doomed] = []
        if self._keeping.untagged is not None:
            for _, digest, name, row, size, leased, needed in _READ_MANIFESTS.all(reader, now=now, limit=_ALL):
                if row is not None and not needed and leased <= now:
                    doomed.append(Doomed(Kind.MANIFEST, name, unpacked(digest), size))
        left: dict[int, set[int]] = {}
        for repository_id, digest, name, blob, size, leased, needed in _READ_LINKS.all(reader, now=now, limit=_ALL):
            if leased is None or needed or leased > now:
                continue
            doomed.append(Doomed(Kind.LINK, name, unpacked(digest), size))
            holders = left.setdefault(blob, {holder for (holder,) in _HOLDERS.all(reader, blob=blob)})
            holders.discard(repository_id)
            if not holders:
                doomed.append(Doomed(Kind.BLOB, None, unpacked(digest), size))
        for digest, _, blob, size, _, _, linked in _READ_BLOBS.all(reader, now=now, limit=_ALL):
            if blob is not None and not linked:
                doomed.append(Doomed(Kind.BLOB, None, unpacked(digest), size))
        return doomed

    async def queue(self) -> Queue:
        return Queue(*_QUEUE.one(self._database.reader))

    async def ask_for_untagged(self) -> int:
        at, asked, after = self._now(), 0, 0
        if at.untagged is None:
            return 0
        while True:
            some, last = await self._database.writer.run(partial(_ask_for_untagged, at=at, after=after))
            if last is None:
                return asked
            asked, after = asked + some, last

    async def claim(self, job: str, holder: str, seconds: float) -> bool:
        now = self._now().now
        row = {"name": job, "holder": holder, "until": now + 1 + int(seconds)}
        claimed = insert(jobs).values(row)
        free = (jobs.c.until <= now) | (jobs.c.holder == holder)
        change = claimed.on_conflict_do_update(index_elements=["name"], set_=row, where=free)
        return await self._database.writer.run(
            lambda connection: bool(connection.execute(change).rowcount), promised=False
        )


def _review(connection: Connection, at: Moment, limit: int) -> Reviewed:
    looked = [0, 0, 0]
    gone_manifests = 0
    if at.untagged is not None:  # else the reviews are for somebody else, who has that policy
        looked[0], gone_manifests = _review_manifests(connection, at, limit)
    looked[1], gone_links = _review_links(connection, at, limit)
    looked[2], going = _review_blobs(connection, at, limit)
    return Reviewed(sum(looked), gone_manifests, gone_links, going)


def _review_manifests(connection: Connection, at: Moment, limit: int) -> tuple[int, int]:
    rows = connection.execute(_manifests, {"now": at.now, "limit": limit}).all()
    gone = 0
    for row in rows:
        wanted = row.manifest_id is None or row.needed
        if not wanted and row.leased > at.now:
            _put_off(connection, Kind.MANIFEST, row.repository_id, row.digest, row.leased)
            continue
        _forget(connection, Kind.MANIFEST, row.repository_id, row.digest)
        if not wanted:
            ask_for_needs(connection, at, row.repository_id, row.manifest_id)
            connection.execute(delete(manifests).where(manifests.c.id == row.manifest_id))
            gone += 1
    return len(rows), gone


def _review_links(connection: Connection, at: Moment, limit: int) -> tuple[int, int]:
    rows = connection.execute(_links, {"now": at.now, "limit": limit}).all()
    gone = 0
    for row in rows:
        wanted = row.leased is None or row.needed
        if not wanted and row.leased > at.now:
            _put_off(connection, Kind.LINK, row.repository_id, row.digest, row.leased)
            continue
        _forget(connection, Kind.LINK, row.repository_id, row.digest)
        if not wanted:
            link = (repository_blobs.c.repository_id == row.repository_id) & (repository_blobs.c.blob_id == row.blob_id)
            connection.execute(delete(repository_blobs).where(link))
            ask(connection, Kind.BLOB, 0, row.digest, at.now)
            gone += 1
    return len(rows), gone


def _review_blobs(connection: Connection, at: Moment, limit: int) -> tuple[int, tuple[Going, ...]]:
    rows = connection.execute(_blobs, {"now": at.now, "limit": limit}).all()
    going: list[Going] = []
    for row in rows:
        if row.blob_id is None or row.linked:
            _forget(connection, Kind.BLOB, 0, row.digest)
            continue
        epoch = row.epoch
        if row.state != BlobState.DELETING.value:  # else whoever marked it did not come to the end
            epoch += 1
            marked = update(blobs).where(blobs.c.id == row.blob_id)
            connection.execute(marked.values(state=BlobState.DELETING.value, epoch=epoch))
        wait = _RETRY << min(row.attempts, _MOST_ATTEMPTS)
        _put_off(connection, Kind.BLOB, 0, row.digest, at.now + wait, attempts=row.attempts + 1)
        going.append(Going(unpacked(row.digest), epoch, row.size))
    return len(rows), tuple(going)


def _remove(connection: Connection, going: Going, set_aside: Callable[[], None]) -> bool:
    """Both proofs were committed by others before this transaction began: so even if it comes to nothing, all is well."""
    digest = packed(going.digest)
    marked = (blobs.c.digest == digest) & (blobs.c.epoch == going.epoch) & (blobs.c.state == BlobState.DELETING.value)
    if connection.execute(select(blobs.c.id).where(marked)).first() is None:
        return False
    set_aside()
    connection.execute(delete(blobs).where(marked))
    _forget(connection, Kind.BLOB, 0, digest)
    return True


def _ask_for_untagged(connection: Connection, at: Moment, after: int) -> tuple[int, int | None]:
    page = select(manifests.c.id).where(manifests.c.id > after).order_by(manifests.c.id).limit(_PAGE)
    last = connection.execute(select(func.max(page.subquery().c.id))).scalar()
    if last is None:
        return 0, None
    untagged = select(
        literal(Kind.MANIFEST.value),
        manifests.c.repository_id,
        manifests.c.digest,
        case((manifests.c.leased > at.untagged, manifests.c.leased), else_=at.untagged),
    ).where(manifests.c.id > after, manifests.c.id <= last, ~needed_manifest(manifests))
    asked = insert(reviews).from_select(["kind", "repository_id", "digest", "due"], untagged)
    return connection.execute(asked.on_conflict_do_nothing()).rowcount, last


def _entry(kind: Kind, repository_id: int, digest: bytes) -> Any:
    return (reviews.c.kind == kind.value) & (reviews.c.repository_id == repository_id) & (reviews.c.digest == digest)


def _forget(connection: Connection, kind: Kind, repository_id: int, digest: bytes) -> None:
    connection.execute(delete(reviews).where(_entry(kind, repository_id, digest)))


def _put_off(
    connection: Connection, kind: Kind, repository_id: int, digest: bytes, due: int, *, attempts: int = 0
) -> None:
    later = update(reviews).where(_entry(kind, repository_id, digest))
    connection.execute(later.values(due=due, attempts=attempts))
