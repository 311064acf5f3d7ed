"""Metadata in one SQLite file, in WAL mode.

Reads run where they are called, on the event loop, on a connection of their own: with WAL they wait for nobody. Writes
go to the writer's thread.
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from sqlalchemy import URL, Engine, NullPool, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from wherry.oci.digest import Digest
from wherry.oci.errors import StoreError
from wherry.oci.reference import Tag
from wherry.server.metadata import changes, reads
from wherry.server.metadata.hot import Hot
from wherry.server.metadata.migrations import migrate
from wherry.server.metadata.protocol import Push, Referrer, StoredManifest, UploadRecord
from wherry.server.metadata.schema import packed, unpacked
from wherry.server.metadata.writer import Writer

__all__ = ["SQLiteMetadata"]

_BUSY = 10_000  # milliseconds to wait for another process that writes
_HOT = 64 * 1024 * 1024
_ROW = 200  # bytes that a kept answer takes beside its content, about


class SQLiteMetadata:
    """Everything in one file. `close` it."""

    def __init__(self, engine: Engine, reader: sqlite3.Connection, *, durable: bool) -> None:
        self._engine = engine
        self._reader = reader
        self._writer = Writer(engine, durable=durable)
        self._hot = Hot(self._writer.commits, _HOT)

    @classmethod
    def open(cls, path: Path, *, durable: bool) -> Self:
        """Open the database, made or brought to the newest schema first. Blocks for that long.

        Raises:
            StoreError: it is not a database of ours, or a newer wherry made it; or this user may not write it.
        """
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):  # SQLite would start, and refuse the first push
            raise StoreError(f"{path} cannot be read and written by this user", hint="run the registry as its owner")
        location = URL.create("sqlite", database=str(path))  # not parsed from a text: a path may have `?` and `#` in it
        engine = create_engine(location, poolclass=NullPool, connect_args={"check_same_thread": False})
        event.listen(engine, "connect", _prepare)
        migrate(engine)
        reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        reader.execute("PRAGMA query_only=ON")
        return cls(engine, reader, durable=durable)

    async def manifest(self, repository: str, name: Tag | Digest) -> StoredManifest | None:
        key = (repository, name)
        found = self._hot.get(key)
        if found is Hot.MISSING:
            found = self._read_manifest(repository, name)
            self._hot.put(key, found, _ROW + (0 if found is None else len(found.content)))
        stored: StoredManifest | None = found
        return stored

    def _read_manifest(self, repository: str, name: Tag | Digest) -> StoredManifest | None:
        if isinstance(name, Digest):
            row = reads.MANIFEST_BY_DIGEST.one(self._reader, repository=repository, digest=packed(name))
        else:
            row = reads.MANIFEST_BY_TAG.one(self._reader, repository=repository, tag=str(name))
        return None if row is None else StoredManifest(unpacked(row[0]), row[1], row[2])

    async def blob_size(self, repository: str, digest: Digest) -> int | None:
        key = (repository, digest, "blob")
        size = self._hot.get(key)
        if size is Hot.MISSING:
            row = reads.BLOB.one(self._reader, repository=repository, digest=packed(digest))
            size = None if row is None else row[0]
            self._hot.put(key, size, _ROW)
        stored: int | None = size
        return stored

    async def tags(self, repository: str, after: str, limit: int) -> list[str] | None:
        row = reads.REPOSITORY.one(self._reader, repository=repository)
        if row is None:
            return None
        return [name for (name,) in reads.TAGS.all(self._reader, repository=row[0], after=after, limit=limit)]

    async def repositories(self, after: str, limit: int) -> list[str]:
        return [name for (name,) in reads.REPOSITORIES.all(self._reader, after=after, limit=limit)]

    async def referrers(
        self, repository: str, subject: Digest, artifact_type: str | None, after: int, limit: int
    ) -> list[Referrer]:
        page = {"repository": repository, "subject": packed(subject), "after": after, "limit": limit}
        if artifact_type is None:
            rows = reads.REFERRERS.all(self._reader, **page)
        else:
            rows = reads.REFERRERS_OF_TYPE.all(self._reader, **page, artifact_type=artifact_type)
        return [Referrer(position, descriptor) for position, descriptor in rows]

    async def link_blob(self, repository: str, digest: Digest, size: int, *, upload: str | None = None) -> None:
        await self._writer.run(lambda connection: changes.link_blob(connection, repository, digest, size, upload))

    async def mount_blob(self, repository: str, digest: Digest, origin: str | None) -> bool:
        return await self._writer.run(lambda connection: changes.mount_blob(connection, repository, digest, origin))

    async def unlink_blob(self, repository: str, digest: Digest) -> None:
        await self._writer.run(lambda connection: changes.unlink_blob(connection, repository, digest))

    async def push_manifest(self, repository: str, push: Push) -> None:
        await self._writer.run(lambda connection: changes.push_manifest(connection, repository, push))

    async def delete_manifest(self, repository: str, digest: Digest) -> None:
        await self._writer.run(lambda connection: changes.delete_manifest(connection, repository, digest))

    async def delete_tag(self, repository: str, tag: Tag) -> None:
        await self._writer.run(lambda connection: changes.delete_tag(connection, repository, tag))

    async def upload(self, identifier: str) -> UploadRecord | None:
        row = reads.UPLOAD.one(self._reader, id=identifier)
        if row is None:
            return None
        name, repository, algorithm, finished = row
        return UploadRecord(name, repository, algorithm, None if finished is None else unpacked(finished))

    async def begin_upload(self, record: UploadRecord) -> None:
        await self._writer.run(lambda connection: changes.begin_upload(connection, record), promised=False)

    async def forget_uploads(self, identifiers: Sequence[str]) -> None:
        await self._writer.run(lambda connection: changes.forget_uploads(connection, identifiers), promised=False)

    async def uploads_before(self, moment: float) -> list[str]:
        return [name for (name,) in reads.UPLOADS_BEFORE.all(self._reader, moment=int(moment))]

    async def close(self) -> None:
        await self._writer.close()
        self._reader.close()
        self._engine.dispose()


def _prepare(driver: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """Every connection: we begin transactions ourselves (the driver would begin them too late)."""
    driver.isolation_level = None
    driver.execute("PRAGMA journal_mode=WAL")
    driver.execute("PRAGMA foreign_keys=ON")
    driver.execute(f"PRAGMA busy_timeout={_BUSY}")
