"""Whose turn it will be to be looked at: the queue of the collector, as functions of a connection.

Whatever removes a reason to keep something asks for a review of it, in the same transaction. The queue is a hint and
never a proof: the review looks again at all reasons, in a transaction of its own. See docs/design/collection.md.
"""

from enum import Enum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    Select,
    String,
    case,
    cast,
    exists,
    literal,
    select,
)
from sqlalchemy.dialects.sqlite import Insert, insert

from wherry.server.metadata.moment import Moment
from wherry.server.metadata.schema import manifest_blobs, manifest_children, manifests, reviews, tags

__all__ = ["Kind", "ask", "ask_for_all", "ask_for_needs", "needed_blob", "needed_manifest"]


class Kind(Enum):
    """What is reviewed."""

    LINK = "link"
    """That a repository holds a blob."""
    BLOB = "blob"
    """A blob's bytes; its repository is 0."""
    MANIFEST = "manifest"
    """A manifest without a tag."""


def ask(connection: Connection, kind: Kind, repository_id: int, digest: bytes, due: int) -> None:
    """Have something reviewed at `due`, or later if that was asked for already."""
    row = {"kind": kind.value, "repository_id": repository_id, "digest": digest, "due": due}
    connection.execute(_the_later(insert(reviews).values(row)))


def ask_for_all(
    connection: Connection, kind: Kind, repository_id: int, digests: Select[tuple[bytes]], due: int
) -> None:
    """The same for everything that a query finds; its column is `digest`, its WHERE is not empty."""
    found = digests.distinct().subquery()
    rows = select(
        literal(kind.value, String),
        literal(repository_id, Integer),
        cast(found.c.digest, LargeBinary),
        literal(due, Integer),
    ).where(found.c.digest.is_not(None))  # SQLite cannot tell an upsert from a join without a WHERE
    columns = ["kind", "repository_id", "digest", "due"]
    connection.execute(_the_later(insert(reviews).from_select(columns, rows)))


def ask_for_needs(connection: Connection, at: Moment, repository_id: int, manifest_id: int) -> None:
    """Have everything reviewed that a manifest keeps, because the manifest goes: its blobs, children and referrers."""
    blobs = select(manifest_blobs.c.digest).where(manifest_blobs.c.manifest_id == manifest_id)
    ask_for_all(connection, Kind.LINK, repository_id, blobs, at.reviewed)
    if at.untagged is None:
        return
    children = select(manifest_children.c.digest).where(manifest_children.c.manifest_id == manifest_id)
    ask_for_all(connection, Kind.MANIFEST, repository_id, children, at.untagged)
    subject = select(manifests.c.digest).where(manifests.c.id == manifest_id).scalar_subquery()
    referrers = select(manifests.c.digest).where(
        manifests.c.repository_id == repository_id, manifests.c.subject == subject
    )
    ask_for_all(connection, Kind.MANIFEST, repository_id, referrers, at.untagged)


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


def _the_later(asked: Insert) -> Insert:
    later = case((asked.excluded.due > reviews.c.due, asked.excluded.due), else_=reviews.c.due)
    return asked.on_conflict_do_update(
        index_elements=["kind", "repository_id", "digest"], set_={"due": later, "attempts": 0}
    )
