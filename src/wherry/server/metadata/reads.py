"""The reads, compiled once to plain SQL.

A pull is one indexed query, and SQLite answers it in a few microseconds: going through SQLAlchemy's execution each
time would cost more than the query. So the statements are written in its expression language, over the one schema, and
run on the driver's own connection.
"""

import sqlite3
from typing import Any

from sqlalchemy import BindParameter, Select, bindparam, select
from sqlalchemy.dialects import sqlite

from wherry.server.metadata.schema import BlobState, blobs, manifests, repositories, repository_blobs, tags, uploads

__all__ = ["BLOB", "LEASE", "MANIFEST_BY_DIGEST", "MANIFEST_BY_TAG", "REFERRERS", "REFERRERS_OF_TYPE", "REPOSITORIES"]
__all__ += ["REPOSITORY", "TAGS", "UPLOAD", "UPLOADS", "UPLOADS_BEFORE", "Read"]


class Read:
    """A compiled SELECT; its parameters go in by name."""

    def __init__(self, statement: Select[Any]) -> None:
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
        self._sql = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def one(self, connection: sqlite3.Connection, **parameters: object) -> Any:
        """The first row as a tuple, or None."""
        return connection.execute(self._sql, parameters | self._fixed).fetchone()

    def all(self, connection: sqlite3.Connection, **parameters: object) -> list[Any]:
        """All rows, as tuples."""
        return connection.execute(self._sql, parameters | self._fixed).fetchall()


_repository: BindParameter[Any] = bindparam("repository")
_digest: BindParameter[Any] = bindparam("digest")
_after: BindParameter[Any] = bindparam("after")
_limit: BindParameter[Any] = bindparam("limit")
_subject: BindParameter[Any] = bindparam("subject")

_manifest = select(manifests.c.digest, manifests.c.media_type, manifests.c.content).where(
    repositories.c.name == _repository
)

MANIFEST_BY_TAG = Read(
    _manifest.select_from(repositories.join(tags).join(manifests, tags.c.manifest_id == manifests.c.id)).where(
        tags.c.name == bindparam("tag")
    )
)
MANIFEST_BY_DIGEST = Read(_manifest.select_from(repositories.join(manifests)).where(manifests.c.digest == _digest))

LEASE = Read(
    select(manifests.c.leased)
    .select_from(repositories.join(manifests))
    .where(repositories.c.name == _repository, manifests.c.digest == _digest)
)

BLOB = Read(
    select(blobs.c.size, repository_blobs.c.leased)
    .select_from(repositories.join(repository_blobs).join(blobs))
    .where(repositories.c.name == _repository, blobs.c.digest == _digest, blobs.c.state == BlobState.LIVE.value)
)

REPOSITORY = Read(select(repositories.c.id).where(repositories.c.name == _repository))
REPOSITORIES = Read(
    select(repositories.c.name).where(repositories.c.name > _after).order_by(repositories.c.name).limit(_limit)
)
TAGS = Read(
    select(tags.c.name)
    .where(tags.c.repository_id == _repository, tags.c.name > _after)
    .order_by(tags.c.name)
    .limit(_limit)
)

_referrers = (
    select(manifests.c.id, manifests.c.referrer)
    .select_from(repositories.join(manifests))
    .where(repositories.c.name == _repository, manifests.c.subject == _subject, manifests.c.id > _after)
    .order_by(manifests.c.id)
    .limit(_limit)
)
REFERRERS = Read(_referrers)
REFERRERS_OF_TYPE = Read(_referrers.where(manifests.c.artifact_type == bindparam("artifact_type")))

UPLOAD = Read(
    select(uploads.c.id, uploads.c.repository, uploads.c.algorithm, uploads.c.finished).where(
        uploads.c.id == bindparam("id")
    )
)
UPLOADS = Read(
    select(uploads.c.id, uploads.c.repository, uploads.c.algorithm, uploads.c.touched)
    .where(uploads.c.finished.is_(None))
    .order_by(uploads.c.touched)
)
UPLOADS_BEFORE = Read(select(uploads.c.id).where(uploads.c.touched < bindparam("moment")))
