"""Metadata in one SQLite file: reads on the event loop, changes in the writer's thread."""

from collections.abc import Callable, Sequence

from wherry.oci.digest import Digest
from wherry.oci.reference import Tag
from wherry.oci.wire.conditions import Condition
from wherry.server.metadata import blob_changes, manifest_changes, reads
from wherry.server.metadata.database import Database
from wherry.server.metadata.hot import Hot
from wherry.server.metadata.moment import Keeping, Moment
from wherry.server.metadata.protocol import Push, Referrer, StoredManifest, UploadRecord, UploadState
from wherry.server.metadata.schema import packed, unpacked

__all__ = ["SQLiteMetadata"]

_HOT = 64 * 1024 * 1024
_ROW = 200  # bytes that a kept answer takes beside its content, about


class SQLiteMetadata:
    """`close` it, and the database is closed."""

    def __init__(self, database: Database, keeping: Keeping) -> None:
        self._database = database
        self._keeping = keeping
        self._reader = database.reader
        self._writer = database.writer
        self._hot = Hot(database.version, _HOT)

    def _now(self) -> Moment:
        return self._keeping.at(self._database.clock())

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
        found = self._held_blob(repository, digest)
        return None if found is None else found[0]

    async def hold_blob(self, repository: str, digest: Digest) -> int | None:
        found = self._held_blob(repository, digest)
        if found is None:
            return None
        size, leased = found
        if leased - self._database.clock() > self._keeping.lease / 2:  # a write for each half of a lease, at most
            return size
        at = self._now()
        held = await self._writer.run(lambda it: blob_changes.hold_blob(it, at, repository, digest), promised=False)
        return size if held else None

    async def hold_manifest(self, repository: str, digest: Digest) -> bool:
        row = reads.LEASE.one(self._reader, repository=repository, digest=packed(digest))
        if row is None:
            return False
        # Without the policy no manifest goes by itself; with it, a write for each half of a lease at most.
        if self._keeping.untagged is None or row[0] - self._database.clock() > self._keeping.lease / 2:
            return True
        at = self._now()
        return await self._writer.run(
            lambda it: manifest_changes.hold_manifest(it, at, repository, digest), promised=False
        )

    def _held_blob(self, repository: str, digest: Digest) -> tuple[int, int] | None:
        key = (repository, digest, "blob")
        found: tuple[int, int] | None = self._hot.get(key)
        if found is Hot.MISSING:
            found = reads.BLOB.one(self._reader, repository=repository, digest=packed(digest))
            self._hot.put(key, found, _ROW)
        return found

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

    async def link_blob(
        self,
        repository: str,
        digest: Digest,
        size: int,
        *,
        stored: Callable[[], bool],
        upload: UploadRecord | None = None,
    ) -> bool:
        at = self._now()
        return await self._writer.run(
            lambda it: blob_changes.link_blob(it, at, repository, digest, size, upload=upload, stored=stored)
        )

    async def mount_blob(self, repository: str, digest: Digest, origin: str | None) -> bool:
        at = self._now()
        return await self._writer.run(lambda it: blob_changes.mount_blob(it, at, repository, digest, origin))

    async def unlink_blob(self, repository: str, digest: Digest) -> None:
        at = self._now()
        await self._writer.run(lambda it: blob_changes.unlink_blob(it, at, repository, digest))

    async def push_manifest(self, repository: str, push: Push) -> None:
        at = self._now()
        await self._writer.run(lambda it: manifest_changes.push_manifest(it, at, repository, push))

    async def delete_manifest(self, repository: str, digest: Digest, condition: Condition | None = None) -> None:
        at = self._now()
        await self._writer.run(lambda it: manifest_changes.delete_manifest(it, at, repository, digest, condition))

    async def delete_tag(self, repository: str, tag: Tag, condition: Condition | None = None) -> None:
        at = self._now()
        await self._writer.run(lambda it: manifest_changes.delete_tag(it, at, repository, tag, condition))

    async def upload(self, identifier: str) -> UploadRecord | None:
        row = reads.UPLOAD.one(self._reader, id=identifier)
        if row is None:
            return None
        name, repository, algorithm, finished = row
        return UploadRecord(name, repository, algorithm, None if finished is None else unpacked(finished))

    async def begin_upload(self, record: UploadRecord) -> None:
        at = self._now()
        await self._writer.run(lambda it: blob_changes.begin_upload(it, at, record), promised=False)

    async def forget_uploads(self, identifiers: Sequence[str]) -> None:
        await self._writer.run(lambda it: blob_changes.forget_uploads(it, identifiers), promised=False)

    async def uploads_before(self, moment: float) -> list[str]:
        return [name for (name,) in reads.UPLOADS_BEFORE.all(self._reader, moment=int(moment))]

    async def uploads(self) -> list[UploadState]:
        return [
            UploadState(UploadRecord(name, repository, algorithm), touched)
            for name, repository, algorithm, touched in reads.UPLOADS.all(self._reader)
        ]

    async def close(self) -> None:
        await self._database.close()
