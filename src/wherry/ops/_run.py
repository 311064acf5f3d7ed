"""What copies share that run together: turns for what they send, and what is known to be at their destinations.

Two lanes keep the small from waiting behind the large. Requests without much content (manifests, whether something is
there, mounts, blobs that fit one request) have many places. Large blobs have `jobs`, and when one ends, the next is the
largest that waits of the copy that was begun first: so images are finished one after the other, and none of their blobs
is left alone at the end.

A blob that several copies want goes to a destination once. Whoever asks first has it to bring; the others wait until it is
there, or until the first one gives up, and then one of them has it to bring.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import Denied, NotFound, Unauthorized, Unsupported
from wherry.oci.reference import Tag
from wherry.stores.protocol import Mounter, Reluctant, Source, Store

__all__ = ["SMALL", "SMALL_REQUESTS", "Run", "Turns"]

SMALL_REQUESTS = 16
"""Requests in flight at once that carry little: they are mostly waiting."""
SMALL_REQUESTS_OF_MANY = 32
"""The same, where many copies are to be done: what counts then is how many get done, and not how soon the first one is."""
SMALL = 256 * 1024
"""Bytes: what fits one request at registries."""

_Key = tuple[int, Digest]


class Turns:
    """At most so many have their turn at once; when one is over, next is the largest that waits of the oldest copy.

    Whoever has sent all bytes may pass the turn on while the other side puts them on its disk: then the network works for
    one blob while the disk works for another. At most as many again wait so.
    """

    def __init__(self, at_once: int) -> None:
        self._free = self._may_end = at_once
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []
        self._asked = 0

    @asynccontextmanager
    async def turn(self, size: int, *, copy: int = 0) -> AsyncIterator[Callable[[], None]]:
        """Wait for a turn, and have it as long as the context lasts, or until it is passed on: that is what to call then.

        Args:
            copy: the number of the copy that wants it.
        """
        await self._begin(copy, size)
        is_passed_on = False

        def pass_on() -> None:
            nonlocal is_passed_on
            if not is_passed_on and self._may_end:
                self._may_end -= 1
                is_passed_on = True
                self._end()

        try:
            yield pass_on
        finally:
            if is_passed_on:
                self._may_end += 1
            else:
                self._end()

    async def _begin(self, copy: int, size: int) -> None:
        if self._free > 0:
            self._free -= 1
            return
        self._asked += 1
        mine = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (copy, -size, self._asked, mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._end()  # the turn came in the moment in which nobody wanted it any more
            raise

    def _end(self) -> None:
        while self._waiting:
            *_, following = heapq.heappop(self._waiting)
            if not following.done():
                following.set_result(None)
                return
        self._free += 1


class Run:
    """What copies share that run together. The stores must live as long as it does."""

    def __init__(self, jobs: int, *, is_busy: bool = False) -> None:
        if jobs < 1:
            raise ValueError(f"jobs is {jobs}; at least 1 has to work")
        self.jobs = jobs
        self.is_busy = is_busy
        """Whether there are copies enough to keep all places taken."""
        self.small = asyncio.Semaphore(SMALL_REQUESTS_OF_MANY if is_busy else SMALL_REQUESTS)
        self.large = Turns(jobs)
        self._begun = 0
        self._coming: dict[_Key, asyncio.Future[bool]] = {}
        self._there: set[_Key] = set()
        self._manifests: set[_Key] = set()
        self._pushed: set[_Key] = set()
        self._pushing: dict[_Key, asyncio.Lock] = {}
        self._holders: dict[Digest, list[Store]] = {}
        self._sending: dict[Digest, list[tuple[Store, asyncio.Future[None]]]] = {}
        self._declined: set[int] = set()
        self._tags: dict[int, frozenset[Tag] | None] = {}
        self._listing = asyncio.Lock()

    def begin(self) -> int:
        """The number of a copy that begins now."""
        self._begun += 1
        return self._begun

    def claim(self, store: Store, blob: Descriptor) -> bool:
        """Whether nobody has brought this blob, or is about to. Who gets True must `settle` it."""
        key = (id(store), blob.digest)
        if key in self._there or key in self._coming:
            return False
        self._coming[key] = asyncio.get_running_loop().create_future()
        return True

    def release(self, store: Store, blobs: Iterable[Descriptor]) -> None:
        """Give up whatever of these blobs was claimed and is not settled: others may bring it."""
        for blob in blobs:
            if (id(store), blob.digest) in self._coming:
                self.settle(store, blob, there=False)

    def settle(self, store: Store, blob: Descriptor, *, there: bool) -> None:
        """Say that a blob which was claimed is there, or that it will not come from us."""
        key = (id(store), blob.digest)
        if there:
            self._there.add(key)
            self._note_holder(store, blob.digest)
        self._coming.pop(key).set_result(there)

    async def settled(self, store: Store, blob: Descriptor) -> bool:
        """Wait for a blob that somebody else brings; whether it came."""
        key = (id(store), blob.digest)
        coming = self._coming.get(key)
        if coming is None:
            return key in self._there
        return await asyncio.shield(coming)  # who waits may be cancelled, and the others go on waiting for the same

    def note_manifest(self, store: Store, digest: Digest) -> None:
        """Remember that a store has a manifest."""
        self._manifests.add((id(store), digest))

    def has_manifest(self, store: Store, digest: Digest) -> bool:
        """Whether it is known that a store has a manifest."""
        return (id(store), digest) in self._manifests

    @asynccontextmanager
    async def pushing(self, store: Store, digest: Digest) -> AsyncIterator[bool]:
        """While a manifest is pushed, no other copy pushes the same one: registries that keep files (distribution 2.8) write such a
        one in its place, and whoever looks for it in that moment is told that its digest is wrong. Gives whether one has.
        """
        key = (id(store), digest)
        async with self._pushing.setdefault(key, asyncio.Lock()):
            yield key in self._pushed
            self._pushed.add(key)
            self._manifests.add(key)

    def foresee(self, store: Store, digest: Digest) -> bool:
        """Take a manifest for pushed, in a dry run; False if it was already."""
        key = (id(store), digest)
        is_new = key not in self._pushed
        self._pushed.add(key)
        self._manifests.add(key)
        return is_new

    async def tags_of(self, source: Source) -> frozenset[Tag] | None:
        """All tags of a source, asked for once in a run; None where it does not list them."""
        async with self._listing:
            if id(source) not in self._tags:
                self._tags[id(source)] = await _tags(source)
        return self._tags[id(source)]

    def neighbour(self, store: Store, blob: Descriptor, source: Source) -> Source | None:
        """Where a store may mount a blob from: its source, or another destination that has got it meanwhile."""
        if not isinstance(store, Mounter):
            return None
        return next((each for each in (source, *self._holders.get(blob.digest, ())) if store.is_beside(each)), None)

    def _note_holder(self, store: Store, digest: Digest) -> None:
        """Remember one store of each registry that has a blob."""
        known = self._holders.setdefault(digest, [])
        if isinstance(store, Mounter) and not any(each is store or store.is_beside(each) for each in known):
            known.append(store)

    @asynccontextmanager
    async def sending(self, store: Store, blob: Descriptor) -> AsyncIterator[None]:
        """As long as the context lasts, the bytes of a blob are on their way to a store."""
        ended = asyncio.get_running_loop().create_future()
        entry = (store, ended)
        self._sending.setdefault(blob.digest, []).append(entry)
        try:
            yield
        finally:
            self._sending[blob.digest].remove(entry)
            ended.set_result(None)

    def sent_beside(self, store: Store, blob: Descriptor) -> asyncio.Future[None] | None:
        """What ends when a blob that is on its way to another repository of the registry is there: to be shielded.

        None if it is on its way to none, or if this registry mounts nothing.
        """
        if not isinstance(store, Mounter) or self.declined(store):
            return None
        found = (ended for other, ended in self._sending.get(blob.digest, ()) if store.is_beside(other))
        return next(found, None)

    def declined(self, store: Store) -> bool:
        """Whether a store has declined a mount before: then it is first asked what it has."""
        return id(store) in self._declined or (isinstance(store, Reluctant) and store.declines_mounts)

    def note_declined(self, store: Store) -> None:
        """A store was asked to mount a blob, and did not."""
        self._declined.add(id(store))


async def _tags(source: Source) -> frozenset[Tag] | None:
    try:
        return frozenset([tag async for tag in source.tags()])
    except NotFound:
        return frozenset()
    except (Unauthorized, Denied, Unsupported):  # some give images to those whom they show no list
        return None
