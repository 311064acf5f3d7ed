"""The migrations make the schema that the code believes in."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from wherry.oci.errors import StoreError
from wherry.server.metadata import migrations
from wherry.server.metadata.migrations import check_version, migrate
from wherry.server.metadata.schema import metadata


def test_the_migrations_make_the_schema(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/x.sqlite")
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_tables_have_the_same_definition_either_way(tmp_path):
    """What Alembic does not compare: tables without row ids, partial indexes, what a deletion takes with it."""
    made, migrated = (create_engine(f"sqlite:///{tmp_path}/{name}.sqlite") for name in ("made", "migrated"))
    metadata.create_all(made)
    migrate(migrated)

    def definitions(engine):
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
        tables = inspect(engine)
        return {
            name: (
                "WITHOUT ROWID" in sql,
                sql.partition("WHERE")[2],
                tables.get_foreign_keys(name) if kind == "table" else (),
            )
            for name, kind, sql in rows
            if name != "alembic_version"
        }

    assert definitions(made) == definitions(migrated)
    made.dispose()
    migrated.dispose()


def test_migrating_again_changes_nothing(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path}/x.sqlite")
    for _ in range(2):
        migrate(engine)
    assert "manifests" in inspect(engine).get_table_names()
    engine.dispose()


def test_what_an_older_version_has_stored_is_kept_and_reviewed(tmp_path, monkeypatch):
    """0001 to 0002: edges learn their repository; whatever nothing may need is looked at, a day after it came."""
    engine = create_engine(f"sqlite:///{tmp_path}/x.sqlite")
    monkeypatch.setattr(migrations, "HEAD", "0001")
    migrate(engine)
    with engine.connect() as connection:
        for statement in (
            "INSERT INTO repositories VALUES (1, 'a', 10), (2, 'b', 10)",
            "INSERT INTO blobs VALUES (1, x'01aa', 5, 100), (2, x'01bb', 6, 200), (3, x'01cc', 7, 300)",
            "INSERT INTO repository_blobs VALUES (1, 1, 100), (2, 1, 150), (2, 2, 200)",
            "INSERT INTO manifests VALUES (1, 2, x'01dd', 'm', 1, 10, NULL, NULL, NULL, x'00')",
            "INSERT INTO manifests VALUES (2, 2, x'01ee', 'm', 1, 10, NULL, NULL, NULL, x'00')",
            "INSERT INTO manifest_blobs VALUES (1, 0, x'01aa', 'layer', 'm', 5)",
            "INSERT INTO manifest_children VALUES (2, 0, x'01dd')",
        ):
            connection.exec_driver_sql(statement)
        connection.commit()
    monkeypatch.undo()
    migrate(engine)
    with engine.connect() as connection:

        def rows(query):
            return sorted(tuple(row) for row in connection.exec_driver_sql(query))

        assert rows("SELECT manifest_id, repository_id FROM manifest_blobs") == [(1, 2)]
        assert rows("SELECT manifest_id, repository_id FROM manifest_children") == [(2, 2)]
        assert rows("SELECT state, epoch FROM blobs") == [("live", 0)] * 3
        assert rows("SELECT kind, repository_id, digest, due FROM reviews") == [
            ("blob", 0, b"\x01\xcc", 300 + 86400),
            ("link", 1, b"\x01\xaa", 100 + 86400),
            ("link", 2, b"\x01\xaa", 150 + 86400),
            ("link", 2, b"\x01\xbb", 200 + 86400),
        ]
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_database_in_use_by_another_version_is_left_alone(tmp_path, monkeypatch):
    engine = create_engine(f"sqlite:///{tmp_path}/x.sqlite")
    monkeypatch.setattr(migrations, "HEAD", "0001")
    migrate(engine)
    with pytest.raises(StoreError, match="another version"):
        check_version(engine)
    monkeypatch.undo()
    migrate(engine)
    check_version(engine)
    engine.dispose()
