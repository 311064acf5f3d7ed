"""Whose turn it will be to be looked at: the queue of the collector, as functions of a connection.

Whatever removes a reason to keep something asks for a review of it, in the same transaction. The queue is a hint and
never a proof: the review looks again at all reasons, in a transaction of its own. See docs/design/collection.md.
"""

import sqlite3
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, String, bindparam, case, delete, exists, literal, select
from sqlalchemy.dialects.sqlite import Insert, insert

from wherry.server.metadata.moment import Moment
from wherry.server.metadata.schema import manifest_blobs, manifest_children, manifests, reviews, tags
from wherry.server.metadata.statements import Statement

__all__ = ["Kind", "ask", "ask_for_needs", "forget", "needed_blob", "needed_manifest"]


class Kind(Enum):
    """What is reviewed."""

    LINK = "link"
    """That a repository holds a blob."""
    BLOB = "blob"
    """A blob's bytes; its repository is 0."""
    MANIFEST = "manifest"
    """A manifest without a tag."""


def _the_later(asked: Insert) -> Insert:
    later = case((asked.excluded.due > reviews.c.due, asked.excluded.due), else_=reviews.c.due)
    return asked.on_conflict_do_update(
        index_elements=["kind", "repository_id", "digest"], set_={"due": later, "attempts": 0}
    )


def _for_all(kind: Kind, digests: Select[tuple[Any]]) -> Statement:
    """Ask for everything that a query finds; its column is `digest`."""
    found = digests.distinct().subquery()
    rows = select(
        literal(kind.value, String),
        bindparam("repository", type_=Integer),
        found.c.digest,
        bindparam("due", type_=Integer),
    ).where(found.c.digest.is_not(None))  # SQLite cannot tell an upsert from a join without a WHERE
    return Statement(_the_later(insert(reviews).from_select(["kind", "repository_id", "digest", "due"], rows)))


_ASK = Statement(_the_later(insert(reviews)), "kind", "repository_id", "digest", "due")
_FORGET = Statement(
    delete(reviews).where(
        reviews.c.kind == bindparam("kind"),
        reviews.c.repository_id == bindparam("repository"),
        reviews.c.digest == bindparam("digest"),
    )
)
_going: Any = bindparam("manifest")
_ASK_FOR_BLOBS = _for_all(Kind.LINK, select(manifest_blobs.c.digest).where(manifest_blobs.c.manifest_id == _going))
_ASK_FOR_CHILDREN = _for_all(
    Kind.MANIFEST, select(manifest_children.c.digest).where(manifest_children.c.manifest_id == _going)
)
_subject = manifests.alias("subject")
_ASK_FOR_REFERRERS = _for_all(
    Kind.MANIFEST,
    select(manifests.c.digest).where(
        manifests.c.repository_id == bindparam("repository"),
        manifests.c.subject == select(_subject.c.digest).where(_subject.c.id == _going).scalar_subquery(),
    ),
)


def ask(connection: sqlite3.Connection, kind: Kind, repository_id: int, digest: bytes, due: int) -> None:
    """Have something reviewed at `due`, or later if that was asked for already."""
    _ASK.run(connection, kind=kind.value, repository_id=repository_id, digest=digest, due=due)


def ask_for_needs(connection: sqlite3.Connection, at: Moment, repository_id: int, manifest_id: int) -> None:
    """Have everything reviewed that a manifest keeps, because the manifest goes: its blobs, children and referrers."""
    _ASK_FOR_BLOBS.run(connection, repository=repository_id, manifest=manifest_id, due=at.reviewed)
    if at.untagged is None:
        return
    for each in (_ASK_FOR_CHILDREN, _ASK_FOR_REFERRERS):
        each.run(connection, repository=repository_id, manifest=manifest_id, due=at.untagged)


def forget(connection: sqlite3.Connection, kind: Kind, repository_id: int, digest: bytes) -> None:
    """Have something not reviewed any more."""
    _FORGET.run(connection, kind=kind.value, repository=repository_id, digest=digest)


def needed_blob(repository_id: Any, digest: Any) -> ColumnElement[bool]:
    """Whether a manifest of a repository needs a blob."""
    return exists().where(manifest_blobs.c.digest == digest, manifest_blobs.c.repository_id == repository_id)


def needed_manifest(manifest: Any) -> ColumnElement[bool]:
    """Whether a manifest (a row of the table, or an alias of it) has a tag, a parent, or a subject that is there."""
    subject = manifests.alias("subject")
    tagged = exists().where(tags.c.manifest_id == manifest.c.id)
    child = exists().where(
        manifest_children.c.digest == manifest.c.digest, manifest_children.c.repository_id == manifest.c.repository_id
    )
    about = exists().where(subject.c.repository_id == manifest.c.repository_id, subject.c.digest == manifest.c.subject)
    return tagged | child | about
