"""The tables. They are made by the migrations, which a test compares with what stands here.

Digests are bytes: one byte for the algorithm, then the value. Names and tags sort by byte (SQLite's BINARY collation,
PostgreSQL's "C"). Edges name their target by digest, not by row: a target may be missing, and the collector asks by
digest who needs something.
"""

from enum import Enum

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from wherry.oci.digest import Digest

__all__ = [
    "BlobState",
    "blobs",
    "jobs",
    "manifest_blobs",
    "manifest_children",
    "manifests",
    "metadata",
    "packed",
    "repositories",
    "repository_blobs",
    "reviews",
    "tags",
    "unpacked",
    "uploads",
]

metadata = MetaData()

repositories = Table(
    "repositories",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("created", BigInteger, nullable=False),
)

blobs = Table(
    "blobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("state", String, nullable=False, server_default="live"),  # a `BlobState`
    Column("epoch", Integer, nullable=False, server_default="0"),  # counts how often `state` changed
)

repository_blobs = Table(
    "repository_blobs",
    metadata,
    Column("repository_id", ForeignKey(repositories.c.id, ondelete="CASCADE"), primary_key=True),
    Column("blob_id", ForeignKey(blobs.c.id), primary_key=True),
    Column("linked", BigInteger, nullable=False),
    Column("leased", BigInteger, nullable=False, server_default="0"),  # until then it stays, needed or not
    Index("repository_blobs_by_blob", "blob_id"),
    sqlite_with_rowid=False,
)

manifests = Table(
    "manifests",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("repository_id", ForeignKey(repositories.c.id, ondelete="CASCADE"), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("media_type", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("pushed", BigInteger, nullable=False),
    Column("subject", LargeBinary),
    Column("artifact_type", String),
    Column("referrer", LargeBinary),  # the descriptor that the list of referrers shows; only with a subject
    Column("content", LargeBinary, nullable=False),
    Column("leased", BigInteger, nullable=False, server_default="0"),  # until then it stays, tagged or not
    UniqueConstraint("repository_id", "digest", name="manifests_by_digest"),
)
Index(
    "manifests_by_subject",
    manifests.c.repository_id,
    manifests.c.subject,
    manifests.c.id,
    sqlite_where=manifests.c.subject.is_not(None),
    postgresql_where=manifests.c.subject.is_not(None),
)

manifest_blobs = Table(
    "manifest_blobs",
    metadata,
    Column("manifest_id", ForeignKey(manifests.c.id, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("role", String, nullable=False),
    Column("media_type", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("repository_id", Integer, nullable=False, server_default="0"),  # the manifest's own, for the index
    Index("manifest_blobs_by_digest", "digest", "repository_id"),
    sqlite_with_rowid=False,
)

manifest_children = Table(
    "manifest_children",
    metadata,
    Column("manifest_id", ForeignKey(manifests.c.id, ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("repository_id", Integer, nullable=False, server_default="0"),
    Index("manifest_children_by_digest", "digest", "repository_id"),
    sqlite_with_rowid=False,
)

tags = Table(
    "tags",
    metadata,
    Column("repository_id", ForeignKey(repositories.c.id, ondelete="CASCADE"), primary_key=True),
    Column("name", String, primary_key=True),
    Column("manifest_id", ForeignKey(manifests.c.id, ondelete="CASCADE"), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("moved", BigInteger, nullable=False),
    Index("tags_by_manifest", "manifest_id"),
    sqlite_with_rowid=False,
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String, primary_key=True),
    Column("repository", String, nullable=False),  # by name: the repository comes into being with the first blob
    Column("algorithm", String, nullable=False),
    Column("finished", LargeBinary),
    Column("touched", BigInteger, nullable=False),
    Index("uploads_by_touched", "touched"),
)

reviews = Table(
    "reviews",
    metadata,
    Column("kind", String, primary_key=True),  # a `Kind`
    Column("repository_id", Integer, primary_key=True),  # 0 for a blob that no repository holds
    Column("digest", LargeBinary, primary_key=True),
    Column("due", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Index("reviews_by_due", "kind", "due"),
    sqlite_with_rowid=False,
)

jobs = Table(
    "jobs",
    metadata,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", BigInteger, nullable=False),
)


class BlobState(Enum):
    """What a blob's row says of its bytes; whoever reads takes what is live alone."""

    LIVE = "live"
    DELETING = "deleting"
    """No repository holds it, and its bytes are about to go, or gone."""
    DAMAGED = "damaged"
    """Its bytes are lost or wrong; the next push brings it back."""


_CODES = {"sha256": b"\x01", "sha512": b"\x02"}
_ALGORITHMS = {code[0]: algorithm for algorithm, code in _CODES.items()}


def packed(digest: Digest) -> bytes:
    """A digest as the tables hold it."""
    return _CODES[digest.algorithm] + bytes.fromhex(digest.encoded)


def unpacked(stored: bytes) -> Digest:
    """A digest as it was."""
    return Digest(_ALGORITHMS[stored[0]], stored[1:].hex())
