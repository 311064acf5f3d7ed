"""The collector's transactions. Each proves anew that nothing needs what goes: the queue only says where to look."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Integer, bindparam, case, delete, exists, func, literal, select, update
from sqlalchemy.dialects.sqlite import insert

from wherry.server.collection.protocol import Doomed, Going, Queue, Reviewed
from wherry.server.metadata.database import Database
from wherry.server.metadata.moment import Keeping, Moment
from wherry.server.metadata.reviews import Kind, ask, ask_for_needs, forget, needed_blob, needed_manifest
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
from wherry.server.metadata.statements import Statement

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
_LINKS, _MANIFESTS, _BLOBS = Statement(_links), Statement(_manifests), Statement(_blobs)
_HOLDERS = Statement(select(repository_blobs.c.repository_id).where(repository_blobs.c.blob_id == bindparam("blob")))
_queue: Any = select(func.count(reviews.c.due), func.min(reviews.c.due))
_QUEUE = Statement(_queue)

_FORGET_MANIFEST = Statement(delete(manifests).where(manifests.c.id == bindparam("manifest")))
_UNLINK = Statement(
    delete(repository_blobs).where(
        repository_blobs.c.repository_id == bindparam("repository"), repository_blobs.c.blob_id == bindparam("blob")
    )
)
_MARK = Statement(
    update(blobs)
    .where(blobs.c.id == bindparam("blob"))
    .values(state=BlobState.DELETING.value, epoch=bindparam("new_epoch"))
)
_marked = (
    (blobs.c.digest == bindparam("blob"))
    & (blobs.c.epoch == bindparam("marked_epoch"))
    & (blobs.c.state == BlobState.DELETING.value)
)
_MARKED = Statement(select(blobs.c.id).where(_marked))
_FORGET_MARKED = Statement(delete(blobs).where(_marked))
_PUT_OFF = Statement(
    update(reviews)
    .where(
        reviews.c.kind == bindparam("of_kind"),
        reviews.c.repository_id == bindparam("repository"),
        reviews.c.digest == bindparam("of_digest"),
    )
    .values(due=bindparam("later"), attempts=bindparam("tried"))
)

_next_page = select(manifests.c.id).where(manifests.c.id > bindparam("after")).order_by(manifests.c.id).limit(_PAGE)
_LAST_OF_PAGE = Statement(select(func.max(_next_page.subquery().c.id)))
_untagged: Any = bindparam("untagged", type_=Integer)
_ASK_FOR_UNTAGGED = Statement(
    insert(reviews)
    .from_select(
        ["kind", "repository_id", "digest", "due"],
        select(
            literal(Kind.MANIFEST.value),
            manifests.c.repository_id,
            manifests.c.digest,
            case((manifests.c.leased > _untagged, manifests.c.leased), else_=_untagged),
        ).where(manifests.c.id > bindparam("after"), manifests.c.id <= bindparam("last"), ~needed_manifest(manifests)),
    )
    .on_conflict_do_nothing()
)

_claimed = insert(jobs)
_CLAIM = Statement(
    _claimed.on_conflict_do_update(
        index_elements=["name"],
        set_={"holder": _claimed.excluded.holder, "until": _claimed.excluded.until},
        where=(jobs.c.until <= bindparam("now")) | (jobs.c.holder == _claimed.excluded.holder),
    ),
    "name",
    "holder",
    "until",
)


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
            for _, digest, name, row, size, leased, needed in _MANIFESTS.all(reader, now=now, limit=_ALL):
                if row is not None and not needed and leased <= now:
                    doomed.append(Doomed(Kind.MANIFEST, name, unpacked(digest), size))
        left: dict[int, set[int]] = {}
        for repository_id, digest, name, blob, size, leased, needed in _LINKS.all(reader, now=now, limit=_ALL):
            if leased is None or needed or leased > now:
                continue
            doomed.append(Doomed(Kind.LINK, name, unpacked(digest), size))
            holders = left.setdefault(blob, {holder for (holder,) in _HOLDERS.all(reader, blob=blob)})
            holders.discard(repository_id)
            if not holders:
                doomed.append(Doomed(Kind.BLOB, None, unpacked(digest), size))
        for digest, _, blob, size, _, _, linked in _BLOBS.all(reader, now=now, limit=_ALL):
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
        return await self._database.writer.run(lambda it: bool(_CLAIM.run(it, now=now, **row)), promised=False)


def _review(connection: sqlite3.Connection, at: Moment, limit: int) -> Reviewed:
    looked = [0, 0, 0]
    gone_manifests = 0
    if at.untagged is not None:  # else the reviews are for somebody else, who has that policy
        looked[0], gone_manifests = _review_manifests(connection, at, limit)
    looked[1], gone_links = _review_links(connection, at, limit)
    looked[2], going = _review_blobs(connection, at, limit)
    return Reviewed(sum(looked), gone_manifests, gone_links, going)


def _review_manifests(connection: sqlite3.Connection, at: Moment, limit: int) -> tuple[int, int]:
    rows = _MANIFESTS.all(connection, now=at.now, limit=limit)
    gone = 0
    for repository_id, digest, _, manifest_id, _, leased, needed in rows:
        wanted = manifest_id is None or needed
        if not wanted and leased > at.now:
            _put_off(connection, Kind.MANIFEST, repository_id, digest, leased)
            continue
        forget(connection, Kind.MANIFEST, repository_id, digest)
        if not wanted:
            ask_for_needs(connection, at, repository_id, manifest_id)
            _FORGET_MANIFEST.run(connection, manifest=manifest_id)
            gone += 1
    return len(rows), gone


def _review_links(connection: sqlite3.Connection, at: Moment, limit: int) -> tuple[int, int]:
    rows = _LINKS.all(connection, now=at.now, limit=limit)
    gone = 0
    for repository_id, digest, _, blob_id, _, leased, needed in rows:
        wanted = leased is None or needed
        if not wanted and leased > at.now:
            _put_off(connection, Kind.LINK, repository_id, digest, leased)
            continue
        forget(connection, Kind.LINK, repository_id, digest)
        if not wanted:
            _UNLINK.run(connection, repository=repository_id, blob=blob_id)
            ask(connection, Kind.BLOB, 0, digest, at.now)
            gone += 1
    return len(rows), gone


def _review_blobs(connection: sqlite3.Connection, at: Moment, limit: int) -> tuple[int, tuple[Going, ...]]:
    rows = _BLOBS.all(connection, now=at.now, limit=limit)
    going: list[Going] = []
    for digest, attempts, blob_id, size, state, epoch, linked in rows:
        if blob_id is None or linked:
            forget(connection, Kind.BLOB, 0, digest)
            continue
        marked = epoch
        if state != BlobState.DELETING.value:  # else whoever marked it did not come to the end
            marked += 1
            _MARK.run(connection, blob=blob_id, new_epoch=marked)
        wait = _RETRY << min(attempts, _MOST_ATTEMPTS)
        _put_off(connection, Kind.BLOB, 0, digest, at.now + wait, attempts=attempts + 1)
        going.append(Going(unpacked(digest), marked, size))
    return len(rows), tuple(going)


def _remove(connection: sqlite3.Connection, going: Going, set_aside: Callable[[], None]) -> bool:
    """Both proofs were committed by others before this transaction began: so even if it comes to nothing, all is well."""
    digest = packed(going.digest)
    if _MARKED.one(connection, blob=digest, marked_epoch=going.epoch) is None:
        return False
    set_aside()
    _FORGET_MARKED.run(connection, blob=digest, marked_epoch=going.epoch)
    forget(connection, Kind.BLOB, 0, digest)
    return True


def _ask_for_untagged(connection: sqlite3.Connection, at: Moment, after: int) -> tuple[int, int | None]:
    (last,) = _LAST_OF_PAGE.one(connection, after=after)
    if last is None:
        return 0, None
    return _ASK_FOR_UNTAGGED.run(connection, after=after, last=last, untagged=at.untagged), last


def _put_off(
    connection: sqlite3.Connection, kind: Kind, repository_id: int, digest: bytes, due: int, *, attempts: int = 0
) -> None:
    _PUT_OFF.run(connection, of_kind=kind.value, repository=repository_id, of_digest=digest, later=due, tried=attempts)
