"""The migrations make the schema that the code believes in."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from wherry.server.metadata.migrations import migrate
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
