"""Blobs looked at by a check: whether they are there, or, deeply, whether their bytes are what all that name them say.

A blob is read once, in pieces, however many manifests name it; layers are decompressed on the way.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import BlobUnknown, ContentMismatch, NotFound, SizeMismatch, WherryError
from wherry.oci.mediatype import OCTET_STREAM
from wherry.ops._each import both, each
from wherry.ops._findings import DAMAGED, Findings
from wherry.ops._inside import COMPRESSION, Inside
from wherry.ops._run import SMALL, SMALL_REQUESTS, Run
from wherry.ops._survey import Named, Naming
from wherry.ops.progress import Ended, Passed, Progress
from wherry.stores.protocol import Measurer, Source

__all__ = ["ContentCheck"]

_WRONG_SIZE = "make the manifests anew that name it with another size"
_OTHER_TYPE = "name it by the media type that it has, in a new manifest, or compress it as its media type says"
_OTHER_LAYER = "make the image anew: whoever unpacks it compares diff IDs, and refuses it"
_IMAGE_ANEW = "make the image anew: nobody can unpack this layer"


class ContentCheck:
    """Counts the `bytes` that are there, the `foreign` layers that are elsewhere, and layers that could not be `unopened`."""

    def __init__(self, source: Source, run: Run, findings: Findings, progress: Progress) -> None:
        self.bytes = 0
        self.foreign = 0
        self.unopened = 0
        self._source = source
        self._run = run
        self._findings = findings
        self._progress = progress

    async def ask(self, blobs: Collection[Named]) -> None:
        """Ask whether blobs are there, and how large they are."""
        await each(self._ask, blobs, at_once=SMALL_REQUESTS)

    async def read(self, blobs: Collection[Named]) -> None:
        """Read blobs."""
        large = [blob for blob in blobs if (blob.size or 0) > SMALL]
        small = [blob for blob in blobs if (blob.size or 0) <= SMALL]
        await both(each(self._read, large, at_once=self._run.jobs), each(self._read, small, at_once=SMALL_REQUESTS))

    async def _ask(self, named: Named) -> None:
        try:
            found = await self._size(named)
        except (WherryError, OSError) as error:
            self._failed(named, error)
            return
        if named.size in {None, found}:
            self.bytes += found
            return
        problem = f"blob {named.digest} has {found} bytes, and its descriptor says {named.size}"
        self._add(named, "size-differs", problem, "--deep reads it, and says which of the two is wrong")

    async def _size(self, named: Named) -> int:
        if isinstance(self._source, Measurer):
            return await self._source.size(named.digest)
        blob = _descriptor(named, named.size or 0)
        if not await self._source.exists(blob):
            raise BlobUnknown(f"{self._source}: no blob {named.digest}")
        return blob.size

    async def _read(self, named: Named) -> None:
        layers = [naming for naming in named.at if naming.media_type in COMPRESSION]
        diff_ids = [naming.diff_id for naming in layers if naming.diff_id is not None]
        inside = Inside(diff_ids or [named.digest]) if layers else None
        try:
            size = await self._size(named) if named.size is None else named.size
            await self._pass(_descriptor(named, size), inside)
        except SizeMismatch as error:
            await self._reread(named, error)
        except (WherryError, OSError) as error:
            self._failed(named, error)
        else:
            self.bytes += size
            if inside is not None:
                self._compare(named, layers, inside)
        self._progress(Ended(_descriptor(named, named.size or 0), mounted=False))

    async def _pass(self, blob: Descriptor, inside: Inside | None) -> None:
        """Read a blob to its end; the source verifies it as it passes.

        Raises:
            BlobUnknown, ContentMismatch: as `Source.fetch`.
        """
        content = self._source.fetch(blob)
        try:
            async for piece in content:
                self._progress(Passed(blob, len(piece)))
                if inside is not None:
                    await asyncio.to_thread(inside.update, piece)
        finally:
            if isinstance(content, AsyncGenerator):
                await content.aclose()
        if inside is not None:
            await asyncio.to_thread(inside.finish)

    async def _reread(self, named: Named, error: SizeMismatch) -> None:
        """Find out which is wrong where a blob is not as long as its descriptor says: the descriptor or the bytes."""
        try:
            size = await self._size(named)
            if size == named.size:
                raise error
            await self._pass(_descriptor(named, size), None)
        except ContentMismatch:
            self._add(named, "size-differs", str(error), DAMAGED)
        except (WherryError, OSError) as failure:
            self._failed(named, failure)
        else:
            self.bytes += size
            problem = f"blob {named.digest} is whole with {size} bytes, and its descriptor says {named.size}"
            self._add(named, "size-differs", problem, _WRONG_SIZE)

    def _compare(self, named: Named, layers: Collection[Naming], inside: Inside) -> None:
        """What is said of a layer, against what it is inside."""
        digest = named.digest
        for naming in layers:
            stated = COMPRESSION[naming.media_type]
            if stated != inside.compression:
                problem = f"layer {digest} is {_words(inside.compression)}, and its media type is {naming.media_type}"
                self._findings.add("compression-differs", naming.place, digest, problem, _OTHER_TYPE)
        found = {algorithm: inside.digest(algorithm) for algorithm in inside.algorithms}
        if inside.broken:
            problem = f"layer {digest} has the right bytes, but they do not decompress: {inside.broken}"
            self._add(named, "bad-compression", problem, _IMAGE_ANEW)
            return
        if inside.compression == "zstd":
            self.unopened += 1
            return
        for naming in layers:
            wanted = naming.diff_id
            if wanted is not None and found[wanted.algorithm] != wanted:
                problem = f"layer {digest} has diff ID {found[wanted.algorithm]}, and the config says {wanted}"
                self._findings.add("diff-id-differs", naming.place, digest, problem, _OTHER_LAYER)

    def _failed(self, named: Named, error: WherryError | OSError) -> None:
        if named.is_foreign and isinstance(error, NotFound):
            self.foreign += 1
            return
        for naming in named.at:
            self._findings.add_error(error, naming.place, _descriptor(named, named.size or 0))

    def _add(self, named: Named, cause: str, problem: str, cure: str) -> None:
        for naming in named.at:
            self._findings.add(cause, naming.place, named.digest, problem, cure)


def _descriptor(named: Named, size: int) -> Descriptor:
    return Descriptor(OCTET_STREAM, named.digest, size)


def _words(compression: str | None) -> str:
    return "not compressed" if compression == "none" else f"compressed with {compression}"
