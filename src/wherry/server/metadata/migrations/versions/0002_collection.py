"""Collection: states of blobs, leases, the queue of reviews; edges know their repository, and are found by it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what collection needs, and have everything reviewed that nothing seems to need."""
    op.add_column("blobs", sa.Column("state", sa.String(), nullable=False, server_default="live"))
    op.add_column("blobs", sa.Column("epoch", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("repository_blobs", sa.Column("leased", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("manifests", sa.Column("leased", sa.BigInteger(), nullable=False, server_default="0"))
    _make_reviews_and_jobs()
    for edges in ("manifest_blobs", "manifest_children"):
        _add_repository(edges)
    _review_what_is_there()


def _make_reviews_and_jobs() -> None:
    op.create_table(
        "reviews",
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("repository_id", sa.Integer(), primary_key=True),
        sa.Column("digest", sa.LargeBinary(), primary_key=True),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sqlite_with_rowid=False,
    )
    op.create_index("reviews_by_due", "reviews", ["kind", "due"])
    op.create_table(
        "jobs",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
    )


def _add_repository(edges: str) -> None:
    op.add_column(edges, sa.Column("repository_id", sa.Integer(), nullable=False, server_default="0"))
    table = sa.table(edges, sa.column("manifest_id"), sa.column("repository_id"))
    manifests = sa.table("manifests", sa.column("id"), sa.column("repository_id"))
    owner = sa.select(manifests.c.repository_id).where(manifests.c.id == table.c.manifest_id).scalar_subquery()
    op.execute(table.update().values(repository_id=owner))
    op.drop_index(f"{edges}_by_digest", edges)
    op.create_index(f"{edges}_by_digest", edges, ["digest", "repository_id"])


def _review_what_is_there() -> None:
    """A day after it was given to its repository: what a push in progress has brought must not go with the rest."""
    op.execute(
        "INSERT INTO reviews (kind, repository_id, digest, due) "
        "SELECT 'link', repository_blobs.repository_id, blobs.digest, repository_blobs.linked + 86400 "
        "FROM repository_blobs JOIN blobs ON blobs.id = repository_blobs.blob_id"
    )
    op.execute(
        "INSERT INTO reviews (kind, repository_id, digest, due) SELECT 'blob', 0, digest, stored + 86400 FROM blobs "
        "WHERE NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_blobs.blob_id = blobs.id)"
    )
