"""The blobs of one copy: how each of them comes to the destination, and what has become of it."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing, nullcontext
from enum import Enum

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.ops._content import Content
from wherry.ops._each import both, each
from wherry.ops._foreign import push_foreign
from wherry.ops._plan import CHEAP, Plan
from wherry.ops._run import SMALL, SMALL_REQUESTS, Run
from wherry.ops.errand import Errand, Tally
from wherry.ops.progress import Dropped, Ended, Passed, Progress
from wherry.stores.protocol import Mounter

__all__ = ["Fate", "Freight"]


class Fate(Enum):
    """What becomes of a blob."""

    MOVED = "moved"
    MOUNTED = "mounted"
    SKIPPED = "skipped"
    FOREIGN = "foreign"


class Freight:
    """Brings blobs, and counts. `source` is where they come from; `closely` is whether nothing is taken for granted."""

    def __init__(self, errand: Errand, run: Run, progress: Progress, *, closely: bool) -> None:
        self.source = errand.source
        self._destination = errand.destination
        self._run = run
        self._number = run.begin()
        self._progress = progress
        self._closely = closely
        self._fates: dict[Digest, tuple[Fate, Descriptor]] = {}

    async def bring(self, plan: Plan) -> None:
        """Bring the missing blobs, and wait for those that others bring."""
        near = [blob for blob in plan.missing if self._run.neighbour(self._destination, blob, self.source)]
        mounted = {blob.digest for blob, done in await each(self._mount, near, at_once=SMALL_REQUESTS) if done}
        rest = [blob for blob in plan.missing if blob.digest not in mounted]
        large = [blob for blob in rest if blob.size > SMALL]
        small = [blob for blob in rest if blob.size <= SMALL]
        at_once = 2 * self._run.jobs  # those that have passed their turn on are not done
        if large and small:
            await both(each(self._send, large, at_once=at_once), each(self._send, small, at_once=SMALL_REQUESTS))
        else:
            await each(self._send, rest, at_once=at_once if large else SMALL_REQUESTS)
        await each(self._await, plan.elsewhere, at_once=SMALL_REQUESTS)

    async def _mount(self, blob: Descriptor) -> bool:
        """Mount a blob that was claimed; whether it is there now."""
        origin = self._run.neighbour(self._destination, blob, self.source)
        if origin is None or not isinstance(self._destination, Mounter):
            return False
        async with self._run.small:
            fate = Fate.MOUNTED if await self._destination.mount(blob, origin) else None
            if fate is None:
                asked = self._run.declined(self._destination) or self._closely
                self._run.note_declined(self._destination)
                if not asked and blob.size > CHEAP and await self._destination.exists(blob):
                    fate = Fate.SKIPPED
        if fate is not None:
            self._arrived(blob, fate)
        return fate is not None

    async def _send(self, blob: Descriptor) -> None:
        """Send a blob that was claimed; but if another copy sends it to the same registry, wait, and mount it from there."""
        while True:
            lane = self._run.large.turn(blob.size, copy=self._number) if blob.size > SMALL else self._run.small
            async with lane as pass_on:
                beside = self._run.sent_beside(self._destination, blob) if blob.size > CHEAP else None
                if beside is None and not self._is_next_door(blob):
                    return await self._transfer(blob, pass_on or _keep)
            if beside is not None:
                await asyncio.shield(beside)
            if await self._mount(blob):
                return None

    def _is_next_door(self, blob: Descriptor) -> bool:
        """Whether it is worth trying to mount a blob that was missing in the whole registry a moment ago."""
        if blob.size <= CHEAP or self._run.declined(self._destination):
            return False
        return self._run.neighbour(self._destination, blob, self.source) is not None

    async def _transfer(self, blob: Descriptor, sent: Callable[[], None]) -> None:
        async with self._run.sending(self._destination, blob) if blob.size > CHEAP else nullcontext():
            try:
                await self._push_blob(blob, sent)
            except BaseException:
                self._progress(Dropped(blob))
                raise
            self._arrived(blob, Fate.MOVED)

    async def _push_blob(self, blob: Descriptor, sent: Callable[[], None]) -> None:
        if blob.is_foreign and not await self.source.exists(blob):
            await push_foreign(self.source, self._destination, blob, lambda n: self._progress(Passed(blob, n)))
            return
        async with aclosing(Content(self.source, blob, self._progress, sent)) as content:
            await self._destination.push(blob, content)

    async def _await(self, blob: Descriptor) -> None:
        """Wait for a blob that another copy brings; bring it if that gives up."""
        while not self._run.claim(self._destination, blob):
            if await self._run.settled(self._destination, blob):
                self.note((blob,), Fate.SKIPPED)
                return
        try:
            if await self._destination.exists(blob):
                self._arrived(blob, Fate.SKIPPED)
            elif not await self._mount(blob):
                await self._send(blob)
        finally:
            self._run.release(self._destination, (blob,))

    def _arrived(self, blob: Descriptor, fate: Fate) -> None:
        self._run.settle(self._destination, blob, there=True)
        self.note((blob,), fate)
        if fate is not Fate.SKIPPED:
            self._progress(Ended(blob, mounted=fate is Fate.MOUNTED))

    def note(self, blobs: Iterable[Descriptor], fate: Fate) -> None:
        """Say what has become of blobs; what was said first stays."""
        for blob in blobs:
            self._fates.setdefault(blob.digest, (fate, blob))  # what was moved is there when one looks again

    def foresee(self, plan: Plan) -> None:
        """Count what would be done."""
        for blob in plan.missing:
            near = self._run.neighbour(self._destination, blob, self.source) is not None
            self.note((blob,), Fate.MOUNTED if near else Fate.MOVED)
            self._run.settle(self._destination, blob, there=True)  # for the copies that come after it
        self.note(plan.elsewhere, Fate.SKIPPED)

    def tally(self, fate: Fate) -> Tally:
        """How many blobs that became of, and their bytes."""
        return Tally.of([blob for its, blob in self._fates.values() if its is fate])


def _keep() -> None:
    """A turn for what is small ends with its request."""
