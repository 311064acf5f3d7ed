"""Looks both ways: rows without files, files without rows; and at the bytes themselves, if asked.

The server may run meanwhile. So whatever looks wrong is looked at again: a row that has changed since is somebody's work
in progress, and a file is an orphan only when it has lain for a while. What is mended is mended in a transaction that
finds it as it was.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from errno import EMFILE, ENFILE, ENOMEM
from functools import partial

from wherry.oci.digest import Digest
from wherry.server.blobs.protocol import Blobs
from wherry.server.inspection.protocol import BlobRow, Finding, Inspection, Problem

__all__ = ["inspect", "is_emptied"]

_PAGE = 500
_EMPTIED = "it knows of no repository, and blobs are kept that are older: put back a copy of registry.sqlite; until then no orphan is deleted"
_OURS = (EMFILE, ENFILE, ENOMEM)  # trouble of this process, and no blob's


async def inspect(
    inspection: Inspection,
    blobs: Blobs,
    *,
    deep: bool = False,
    repair: bool = False,
    orphan_age: float = 3600.0,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Finding]:
    """What is not as it should be.

    Args:
        deep: read all bytes, and compare their digests.
        repair: move damaged blobs away, so that the next push brings them back; delete orphans; have reviewed what the
            collector does not know of.
        orphan_age: seconds that a file must have lain without a row; what is younger is perhaps on its way in.
    """
    for words in await inspection.trouble():
        yield Finding(Problem.DATABASE, words)
    emptied = await is_emptied(inspection, blobs)
    if emptied:
        yield Finding(Problem.DATABASE, _EMPTIED)
    async for finding in _bad_blobs(inspection, blobs, deep=deep, repair=repair):
        yield finding
    if deep:
        async for finding in _bad_manifests(inspection):
            yield finding
    for finding in (*await inspection.incomplete(), *await inspection.unreviewed(ask=repair)):
        yield finding
    before = clock() - orphan_age
    async for finding in _orphans(inspection, blobs, before, repair=repair and not emptied):
        yield finding
    async for finding in _strays(blobs, before):
        yield finding
    if repair:
        await blobs.clear_aside()


async def is_emptied(inspection: Inspection, blobs: Blobs) -> bool:
    """Whether the database knows of nothing at all, and blobs are older than it: then it is not the one that was here.

    A crash in the very first push may leave a blob, too; but that is younger.
    """
    since = await inspection.empty_since()
    if since is None:
        return False
    async with aclosing(blobs.listed()) as listed:
        async for _, arrived in listed:
            if arrived.touched < since:
                return True
    return False


async def _bad_blobs(inspection: Inspection, blobs: Blobs, *, deep: bool, repair: bool) -> AsyncIterator[Finding]:
    async for row in _rows(inspection):
        finding = await _check_blob(inspection, blobs, row, deep=deep, repair=repair)
        if finding is not None:
            yield finding


async def _rows(inspection: Inspection) -> AsyncIterator[BlobRow]:
    after: Digest | None = None
    while page := await inspection.blobs(after, _PAGE):
        for row in page:
            yield row
        after = page[-1].digest


async def _check_blob(
    inspection: Inspection, blobs: Blobs, row: BlobRow, *, deep: bool, repair: bool
) -> Finding | None:
    if row.damaged:
        return Finding(Problem.DAMAGED, "was found damaged, and not pushed since", row.digest)
    found = await _damage(blobs, row, deep=deep)
    if found is None or not await inspection.unchanged(row):
        return None
    problem, words = found
    repaired = False
    if repair:
        try:
            repaired = await inspection.mark_damaged(row, lambda: blobs.set_apart(row.digest))
        except OSError as error:
            words = f"{words}; it cannot be moved away: {error.strerror}"
    return Finding(problem, words, row.digest, repaired=repaired)


async def _damage(blobs: Blobs, row: BlobRow, *, deep: bool) -> tuple[Problem, str] | None:
    try:
        blob = await blobs.find(row.digest)
        if blob is None:
            obstacle = await blobs.obstacle(row.digest)
            return (Problem.UNREADABLE, obstacle) if obstacle else (Problem.LOST, f"{row.size} bytes are lost")
        if blob.size != row.size:
            return Problem.SIZE, f"{blob.size} bytes where {row.size} should be"
        if deep and (actual := await blobs.digest(row.digest)) != row.digest:
            return Problem.BYTES, f"its bytes have the digest {actual}" if actual else f"{row.size} bytes are lost"
    except OSError as error:
        if error.errno in _OURS:
            raise
        return Problem.UNREADABLE, f"it cannot be read: {error.strerror}"
    return None


async def _bad_manifests(inspection: Inspection) -> AsyncIterator[Finding]:
    after = 0
    while page := await inspection.manifests(after, _PAGE):
        for row in page:
            actual = Digest.of(row.content, row.digest.algorithm)
            if actual != row.digest:
                words = f"its bytes have the digest {actual}"
                yield Finding(Problem.MANIFEST, words, row.digest, row.repository)
        after = page[-1].position


async def _orphans(inspection: Inspection, blobs: Blobs, before: float, *, repair: bool) -> AsyncIterator[Finding]:
    listed = [(digest, arrived.size) async for digest, arrived in blobs.listed() if arrived.touched <= before]
    for start in range(0, len(listed), _PAGE):
        some = listed[start : start + _PAGE]
        known = await inspection.known([digest for digest, _ in some])
        for digest, size in some:
            if digest in known:
                continue
            words, repaired = f"{size} bytes that no row knows", False
            if repair:
                try:
                    repaired = await inspection.drop_orphan(digest, partial(blobs.set_aside, digest))
                except OSError as error:
                    words = f"{words}; they cannot be taken away: {error.strerror}"
            yield Finding(Problem.ORPHAN, words, digest, repaired=repaired)


async def _strays(blobs: Blobs, before: float) -> AsyncIterator[Finding]:
    async for stray in blobs.strays():
        if stray.touched <= before:
            yield Finding(Problem.STRAY, f"{stray.place}: {stray.what}")
