"""First schema: repositories, blobs, manifests with their edges, tags, uploads."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    _make_repositories_and_blobs()
    _make_manifests()
    _make_edges()
    _make_tags_and_uploads()


def _make_repositories_and_blobs() -> None:
    op.create_table(
        "repositories",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False, unique=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "blobs",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "repository_blobs",
        sa.Column(
            "repository_id", sa.Integer(), sa.ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("blob_id", sa.Integer(), sa.ForeignKey("blobs.id"), primary_key=True),
        sa.Column("linked", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("repository_blobs_by_blob", "repository_blobs", ["blob_id"])


def _make_manifests() -> None:
    op.create_table(
        "manifests",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("repository_id", sa.Integer(), sa.ForeignKey("repositories.id", ondelete="CASCADE"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("pushed", sa.BigInteger(), nullable=False),
        sa.Column("subject", sa.LargeBinary()),
        sa.Column("artifact_type", sa.String()),
        sa.Column("referrer", sa.LargeBinary()),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("repository_id", "digest", name="manifests_by_digest"),
    )
    op.create_index(
        "manifests_by_subject",
        "manifests",
        ["repository_id", "subject", "id"],
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )


def _make_edges() -> None:
    op.create_table(
        "manifest_blobs",
        sa.Column("manifest_id", sa.Integer(), sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("manifest_blobs_by_digest", "manifest_blobs", ["digest"])
    op.create_table(
        "manifest_children",
        sa.Column("manifest_id", sa.Integer(), sa.ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("manifest_children_by_digest", "manifest_children", ["digest"])


def _make_tags_and_uploads() -> None:
    op.create_table(
        "tags",
        sa.Column(
            "repository_id", sa.Integer(), sa.ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("manifest_id", sa.Integer(), sa.ForeignKey("manifests.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("moved", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("tags_by_manifest", "tags", ["manifest_id"])
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("repository", sa.String(), nullable=False),
        sa.Column("algorithm", sa.String(), nullable=False),
        sa.Column("finished", sa.LargeBinary()),
        sa.Column("touched", sa.BigInteger(), nullable=False),
    )
    op.create_index("uploads_by_touched", "uploads", ["touched"])
