"""Many copies in one run: what they share goes once, and one that fails stops none of the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator

import pytest

from tests.content import Content, a_layer, an_image, an_index_of, put
from tests.ops.recording import RecordingStore
from tests.ops.test_copy import BASE, everything_is_in, holding
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import BlobUnknown, Denied, DigestInvalid, ManifestUnknown
from wherry.oci.manifest import Manifest
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference, Tag
from wherry.ops._run import Run, Turns
from wherry.ops.copy_many import Errand, copy_many
from wherry.ops.errand import Tally
from wherry.ops.progress import Arrived, Ended, Event, Expected, Failed
from wherry.stores.memory import MemoryStore
from wherry.stores.protocol import Source
from wherry.stores.remote import Client

IMAGES = [an_image(f"app{number}", layers=(BASE, a_layer({"own": str(number).encode()}))) for number in range(12)]


class Target(RecordingStore):
    """Gets many tags, each after what it leads to."""

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        self.tagged = []
        await super().push_manifest(manifest, *tags)


class Counting(MemoryStore):
    """Counts the questions that it is asked, and the writes."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[str] = Counter()

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        self.counted["resolve"] += 1
        return await super().resolve(name)

    async def exists(self, content: Descriptor) -> bool:
        self.counted["exists"] += 1
        return await super().exists(content)

    async def manifest(self, name: Tag | Digest) -> Manifest:
        self.counted["manifest"] += 1
        return await super().manifest(name)

    async def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
        self.counted["fetch"] += 1
        async for piece in super().fetch(blob, offset=offset):
            yield piece

    async def tags(self) -> AsyncIterator[Tag]:
        self.counted["tags"] += 1
        async for tag in super().tags():
            yield tag

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        self.counted["push"] += 1
        await super().push(blob, content)

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        self.counted["push_manifest"] += 1
        await super().push_manifest(manifest, *tags)


async def counting(*contents: Content) -> Counting:
    store = Counting()
    for number, content in enumerate(contents):
        await put(content, store, str(number))
    store.counted.clear()
    return store


def errands(source, destination, count: int = len(IMAGES)) -> list[Errand]:
    return [Errand(source, Tag(str(number)), destination, (Tag(str(number)),)) for number in range(count)]


async def test_images_that_share_a_layer_send_it_once() -> None:
    source, destination = await counting(*IMAGES), Target()
    outcomes = await copy_many(errands(source, destination))
    assert [outcome.error for outcome in outcomes] == [None] * len(IMAGES)
    assert destination.pushed.count(BASE.descriptor.digest) == 1
    for number, image in enumerate(IMAGES):
        assert (await destination.resolve(Tag(str(number)))).digest == image.digest
    copied = [outcome.copied for outcome in outcomes if outcome.copied]
    assert sum((each.moved for each in copied), Tally()).blobs == 1 + 2 * len(IMAGES)
    assert sum((each.skipped for each in copied), Tally()).blobs == len(IMAGES) - 1


async def test_requests_for_new_images_are_as_few_as_can_be() -> None:
    source, destination = await counting(*IMAGES), Counting()
    await copy_many(errands(source, destination))
    blobs = 1 + 2 * len(IMAGES)
    assert source.counted == {"manifest": len(IMAGES), "fetch": blobs}
    # One list of tags; the large layer is asked for; nothing else is asked before it is written.
    assert destination.counted == {"tags": 1, "exists": 1, "push": blobs, "push_manifest": len(IMAGES)}


async def test_images_that_are_there_cost_one_question_each_side() -> None:
    source, destination = await counting(*IMAGES), await counting(*IMAGES)
    outcomes = await copy_many(errands(source, destination))
    assert source.counted == {"resolve": len(IMAGES)}
    assert destination.counted == {"resolve": len(IMAGES), "tags": 1}
    assert all(outcome.copied and outcome.copied.manifests == 0 for outcome in outcomes)


async def test_failure_of_one_stops_none_of_the_others() -> None:
    source, destination = await counting(*IMAGES), Target()
    del source._blobs[IMAGES[3].blobs[2].descriptor.digest]
    events: list[Event] = []
    asked = [*errands(source, destination), Errand(source, Tag("none"), destination, (Tag("none"),))]
    outcomes = await copy_many(asked, progress=events.append)
    failed = {outcome.errand.name: type(outcome.error) for outcome in outcomes if outcome.error}
    assert failed == {"3": BlobUnknown, "none": ManifestUnknown}
    assert len([tag async for tag in destination.tags()]) == len(IMAGES) - 1
    assert events[0] == Expected(len(asked))
    assert sum(isinstance(event, Failed) for event in events) == 2
    assert sum(isinstance(event, Arrived) for event in events) == len(IMAGES) - 1


async def test_blob_of_a_copy_that_failed_is_brought_by_another_that_needs_it() -> None:
    class Fragile(Target):
        """Refuses the base layer the first time."""

        refused = False

        async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
            if blob.digest == BASE.descriptor.digest and not self.refused:
                self.refused = True
                await asyncio.sleep(0)
                raise Denied("not now")
            await super().push(blob, content)

    source, destination = await counting(*IMAGES), Fragile()
    outcomes = await copy_many(errands(source, destination))
    assert sum(outcome.error is not None for outcome in outcomes) == 1
    assert destination.pushed.count(BASE.descriptor.digest) == 1
    for outcome in outcomes:
        if outcome.copied:
            await everything_is_in(
                destination, next(each for each in IMAGES if each.digest == outcome.copied.root.digest)
            )


async def test_two_tags_of_one_image_move_it_once() -> None:
    source = await holding(IMAGES[0], "a", "b")
    destination = Target()
    await copy_many([Errand(source, Tag(name), destination, (Tag(name),)) for name in "ab"])
    counted = Counter(destination.pushed)
    assert {counted[blob.descriptor.digest] for blob in IMAGES[0].blobs} == {1}
    assert {tag async for tag in destination.tags()} == {"a", "b"}


async def test_child_that_two_indexes_share_is_pushed_and_both_are_whole() -> None:
    first, second = an_index_of(IMAGES[0], IMAGES[1]), an_index_of(IMAGES[1], IMAGES[2])
    source, destination = await counting(first, second), Target()
    await copy_many(errands(source, destination, 2))
    await everything_is_in(destination, first)
    await everything_is_in(destination, second)


async def test_blob_is_mounted_from_one_destination_to_the_next() -> None:
    class Neighbour(Target):
        """A repository of a registry that mounts."""

        mounted: list[Digest]

        def is_beside(self, origin: Source) -> bool:
            return isinstance(origin, Neighbour) and origin is not self

        async def mount(self, blob: Descriptor, origin: "Neighbour") -> bool:
            self._blobs[blob.digest] = origin._blobs[blob.digest]
            self.mounted.append(blob.digest)
            return True

    source = await counting(*IMAGES)
    one, other = Neighbour(), Neighbour()
    one.mounted, other.mounted = [], []
    # Side by side both may send it: so the second one waits here until the first is there.
    there = asyncio.Event()

    class Later(Counting):
        async def manifest(self, name: Tag | Digest) -> Manifest:
            await there.wait()
            return await super().manifest(name)

    later = Later()
    await put(IMAGES[1], later, "1")

    def watch(event: Event) -> None:
        if isinstance(event, Arrived):
            there.set()

    asked = [Errand(source, Tag("0"), one, (Tag("0"),)), Errand(later, Tag("1"), other, (Tag("1"),))]
    await copy_many(asked, progress=watch)
    assert BASE.descriptor.digest in one.pushed
    assert other.mounted == [BASE.descriptor.digest]
    await everything_is_in(other, IMAGES[1])


class Row(Target):
    """One of many repositories in a registry, which mounts or does not; `refuses` so many pushes of the shared layer."""

    mounts = True
    refuses = 0

    def is_beside(self, origin: Source) -> bool:
        return isinstance(origin, Row) and origin is not self

    async def mount(self, blob: Descriptor, origin: "Row") -> bool:
        await asyncio.sleep(0)
        if self.mounts:
            self._blobs[blob.digest] = origin._blobs[blob.digest]
        return self.mounts

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        await asyncio.sleep(0)
        if blob.digest == SHARED.descriptor.digest and Row.refuses:
            Row.refuses -= 1
            raise Denied("not now")
        await super().push(blob, content)


SHARED = a_layer({"shared": b"s" * 300_000})
ROW = [an_image(f"row{number}", layers=(SHARED, a_layer({"own": str(number).encode()}))) for number in range(12)]


@pytest.mark.parametrize(("mounts", "refuses", "sent"), [(True, 0, 1), (True, 2, 1), (False, 0, 12)])
async def test_layer_that_many_repositories_share_is_sent_to_a_registry_once(
    monkeypatch: pytest.MonkeyPatch, mounts: bool, refuses: int, sent: int
) -> None:
    monkeypatch.setattr(Row, "mounts", mounts)
    monkeypatch.setattr(Row, "refuses", refuses)
    source, row = await counting(*ROW), [Row() for _ in ROW]
    asked = [Errand(source, Tag(str(number)), one, (Tag("1"),)) for number, one in enumerate(row)]
    outcomes = await copy_many(asked)
    assert sum(outcome.error is not None for outcome in outcomes) == refuses
    assert sum(one.pushed.count(SHARED.descriptor.digest) for one in row) == sent
    for one, image, outcome in zip(row, ROW, outcomes, strict=True):
        if outcome.copied:
            await everything_is_in(one, image)


async def test_platforms_hold_for_each() -> None:
    multi = an_index_of(an_image(), an_image(platform="linux/arm64"))
    source, destination = await counting(multi, an_image("alone")), Target()
    outcomes = await copy_many(errands(source, destination, 2), platforms=[Platform.parse("linux/arm64")])
    assert outcomes[0].copied is not None
    assert outcomes[0].copied.narrowed is not None
    assert isinstance(outcomes[1].error, ManifestUnknown)


async def test_dry_run_writes_nothing_and_counts_what_would_be_written() -> None:
    source, destination = await counting(*IMAGES), await counting(IMAGES[0])
    outcomes = await copy_many(errands(source, destination), dry_run=True)
    copied = [outcome.copied for outcome in outcomes if outcome.copied]
    assert destination.counted["push"] == destination.counted["push_manifest"] == source.counted["fetch"] == 0
    assert sum(each.manifests for each in copied) == len(IMAGES) - 1
    # The base is there already, with the first image.
    assert sum((each.moved for each in copied), Tally()).blobs == 2 * (len(IMAGES) - 1)


OVERLAPPING = [an_index_of(*IMAGES[first : first + 4]) for first in range(8)]


class OneAtATime(Counting):
    """Fails as distribution 2.8 does when a manifest is written while somebody else writes it, or what it names."""

    def __init__(self) -> None:
        super().__init__()
        self.written: Counter[Digest] = Counter()
        self._writing: set[Digest] = set()

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        assert manifest.digest not in self._writing
        self._writing.add(manifest.digest)
        await asyncio.sleep(0)  # lets the others begin
        self._writing.remove(manifest.digest)
        self.written[manifest.digest] += 1
        await super().push_manifest(manifest, *tags)


async def test_manifest_that_several_indexes_hold_is_pushed_once() -> None:
    source, destination = await counting(*OVERLAPPING), OneAtATime()
    outcomes = await copy_many(errands(source, destination, len(OVERLAPPING)))
    assert [outcome.error for outcome in outcomes] == [None] * len(OVERLAPPING)
    assert set(destination.written.values()) == {1}
    copied = [outcome.copied for outcome in outcomes if outcome.copied]
    assert sum(each.manifests for each in copied) == len(destination.written) == len(OVERLAPPING) + 11


async def test_dry_run_counts_what_several_share_once() -> None:
    source = await counting(*OVERLAPPING)
    dry, real = [
        await copy_many(errands(source, Counting(), len(OVERLAPPING)), dry_run=dry_run) for dry_run in (True, False)
    ]
    for tally in ("moved", "mounted"):
        told, was = (sum((getattr(each.copied, tally) for each in outcomes), Tally()) for outcomes in (dry, real))
        assert told == was, tally
    told, was = (sum(each.copied.manifests for each in outcomes if each.copied) for outcomes in (dry, real))
    assert told == was


@pytest.mark.parametrize(("times", "fails"), [(1, False), (2, True)])
async def test_digest_that_is_called_wrong_once_is_pushed_again(times: int, fails: bool) -> None:
    class Busy(Counting):
        async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
            await super().push_manifest(manifest, *tags)
            if self.counted["push_manifest"] <= times:
                raise DigestInvalid("provided digest did not match uploaded content")

    source, destination = await counting(IMAGES[0]), Busy()
    (outcome,) = await copy_many(errands(source, destination, 1))
    assert isinstance(outcome.error, DigestInvalid) is fails
    assert destination.counted["push_manifest"] == 2


async def test_recheck_looks_at_every_blob_of_every_image() -> None:
    source, destination = await counting(*IMAGES), await counting(*IMAGES)
    lost = IMAGES[5].blobs[2].descriptor.digest
    del destination._blobs[lost]
    await copy_many(errands(source, destination), recheck=True)
    assert lost in destination._blobs


async def test_repositories_of_registries(registry, registry_factory) -> None:
    elsewhere = await registry_factory()
    async with Client() as client:
        source = client.repository(Reference.parse(f"{registry.address}/team/app"))
        for number, image in enumerate(IMAGES):
            await put(image, source, str(number))
        one, other = (client.repository(Reference.parse(f"{elsewhere.address}/{name}")) for name in ("one", "other"))
        events: list[Event] = []
        outcomes = await copy_many([*errands(source, one), *errands(source, other)], progress=events.append)
        assert not any(outcome.error for outcome in outcomes)
        base = [event for event in events if isinstance(event, Ended) and event.blob.digest == BASE.descriptor.digest]
        assert len(base) == 2
        again = await copy_many([*errands(source, one), *errands(source, other)])
        assert all(outcome.copied and outcome.copied.manifests == 0 for outcome in again)


async def test_cancelling_stops_all() -> None:
    class Stuck(Target):
        async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
            reached.set()
            await asyncio.Event().wait()

    reached = asyncio.Event()
    source, destination = await counting(*IMAGES), Stuck()
    running = asyncio.create_task(copy_many(errands(source, destination)))
    await reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [tag async for tag in destination.tags()] == []


async def test_bug_is_not_taken_for_a_failure() -> None:
    class Broken(Target):
        async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await copy_many(errands(await counting(*IMAGES), Broken()))


async def test_turns_go_to_the_largest_that_waits() -> None:
    turns = Turns(1)
    order: list[int] = []

    async def take(size: int) -> None:
        async with turns.turn(size):
            order.append(size)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for size in (3, 1, 9, 5):
            group.create_task(take(size))
    assert order == [3, 9, 5, 1]


async def test_turns_of_the_copy_that_was_begun_first_come_first() -> None:
    turns = Turns(1)
    order: list[tuple[int, int]] = []

    async def take(copy: int, size: int) -> None:
        async with turns.turn(size, copy=copy):
            order.append((copy, size))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for copy, size in ((3, 1), (2, 9), (1, 2), (2, 3), (1, 8)):
            group.create_task(take(copy, size))
    assert order == [(3, 1), (1, 8), (1, 2), (2, 9), (2, 3)]


async def test_turn_is_passed_on_when_all_is_sent_but_by_no_more_than_have_one() -> None:
    turns = Turns(2)
    began: list[int] = []
    over = asyncio.Event()

    async def take(number: int) -> None:
        async with turns.turn(1) as pass_on:
            began.append(number)
            pass_on()
            pass_on()  # twice is once
            await over.wait()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(take(number))
        for _ in range(20):  # turns of the loop: time enough for those who may
            await asyncio.sleep(0)
        assert began == [0, 1, 2, 3]
        over.set()
    assert began == [0, 1, 2, 3, 4, 5]
    async with asyncio.timeout(20), turns.turn(1), turns.turn(1):
        pass


async def test_turn_of_one_who_is_cancelled_goes_to_the_next() -> None:
    turns = Turns(1)
    taken = asyncio.Event()

    async def take() -> None:
        async with turns.turn(1):
            taken.set()

    async with turns.turn(9):
        gone, stays = asyncio.create_task(take()), asyncio.create_task(take())
        await asyncio.sleep(0)
        gone.cancel()
    async with asyncio.timeout(20):
        await stays
    assert taken.is_set()
    assert gone.cancelled()
    async with asyncio.timeout(20), turns.turn(1):
        pass


async def test_who_waits_for_a_blob_that_is_given_up_may_bring_it() -> None:
    run, store = Run(1), MemoryStore()
    blob = BASE.descriptor
    assert run.claim(store, blob)
    assert not run.claim(store, blob)
    waiting = asyncio.create_task(run.settled(store, blob))
    await asyncio.sleep(0)
    run.release(store, [blob])
    assert await waiting is False
    assert run.claim(store, blob)
    run.settle(store, blob, there=True)
    assert await run.settled(store, blob)
