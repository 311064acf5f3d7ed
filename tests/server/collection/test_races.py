"""Races with the collector, each in the order that would be the worst: no push that was answered is lost, nothing that is
needed is collected, and no client sees an error that it could not have seen without a collector.
"""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest

from tests.server.asking import INDEX, MANIFEST, an_image, an_index, digest_of
from tests.server.clock import DAY
from tests.server.gates import Gate, collecting_elsewhere
from tests.server.inside import Inside
from wherry.server.folder import held_folder
from wherry.server.inspection.fsck import inspect
from wherry.server.points import Point
from wherry.server.policy import Policy
from wherry.server.registry import Registry

LAYER = b"layer" * 1000
DIGEST = digest_of(LAYER)
POLICY = Policy(delete_untagged_after=DAY)


class Scene:
    """A registry with a clock and perhaps a gate; requests go to it without a socket."""

    def __init__(self, registry, folder, clock, gate):
        self.registry, self.folder, self.clock, self.gate = registry, folder, clock, gate
        self.ask = Inside(registry, folder).ask

    async def push(self, how: str, name: str = "a") -> int:
        start = f"/v2/{name}/blobs/uploads/"
        if how == "whole":
            return (await self.ask("POST", f"{start}?digest={DIGEST}", LAYER)).status
        return await self.finish(await self.begin(name))

    async def begin(self, name: str = "a") -> str:
        location = (await self.ask("POST", f"/v2/{name}/blobs/uploads/", b"")).header("location")
        await self.ask("PATCH", location, LAYER[:1000])
        return location

    async def finish(self, location: str) -> int:
        return (await self.ask("PUT", f"{location}?digest={DIGEST}", LAYER[1000:])).status

    async def push_image(self, tag: str, name: str = "a", **more) -> tuple[int, str]:
        manifest = an_image(LAYER, **more)
        answer = await self.ask("PUT", f"/v2/{name}/manifests/{tag}", manifest, [("Content-Type", MANIFEST)])
        return answer.status, digest_of(manifest)

    async def config(self, name: str = "a") -> None:
        await self.ask("POST", f"/v2/{name}/blobs/uploads/?digest={digest_of(b'{}')}", b"{}")

    async def status(self, method: str, path: str) -> int:
        return (await self.ask(method, f"/v2/{path}")).status

    async def has_layer(self, name: str = "a") -> bool:
        answer = await self.ask("GET", f"/v2/{name}/blobs/{DIGEST}")
        return answer.status == 200 and answer.body == LAYER

    def collecting(self, point: Point):
        return collecting_elsewhere(self.folder, POLICY, self.clock, point)

    @asynccontextmanager
    async def reviewing(self):
        """A look of the collector, of another process, that has begun and must wait for a transaction of ours."""
        begun = threading.Event()

        async def review() -> None:
            registry = Registry.open(self.folder, POLICY, served=True, clock=self.clock)
            begun.set()
            await registry.collector.collect()
            await registry.close()

        task = asyncio.create_task(asyncio.to_thread(asyncio.run, review()))
        await asyncio.to_thread(begun.wait, 20)
        yield task

    async def push_index(self, tag: str, child: bytes) -> int:
        answer = await self.ask("PUT", f"/v2/a/manifests/{tag}", an_index(child), [("Content-Type", INDEX)])
        return answer.status

    async def collect(self) -> None:
        await self.registry.collector.collect()

    async def is_whole(self) -> bool:
        registry = self.registry
        return not [each async for each in inspect(registry.inspection, registry.blobs, deep=True, orphan_age=-1.0)]


@pytest.fixture
async def scene(tmp_path, clock, request):
    gate = Gate(getattr(request, "param", Point.BEGUN), shut=False)
    with held_folder(tmp_path):
        registry = Registry.open(tmp_path, POLICY, clock=clock, reached=gate)
        yield Scene(registry, tmp_path, clock, gate)
        await registry.close()


@pytest.mark.parametrize("how", ["whole", "in pieces"])
@pytest.mark.parametrize("point", [Point.MARKED, Point.REMOVED])
async def test_a_push_while_the_blob_is_being_deleted(scene, point, how):
    await scene.push("whole")
    scene.clock.later(2 * DAY)
    async with scene.collecting(point):
        assert await scene.push(how) == 201
        assert await scene.has_layer()
    await scene.collect()
    assert await scene.has_layer()
    assert await scene.is_whole()


@pytest.mark.parametrize("how", ["whole", "in pieces"])
@pytest.mark.parametrize("scene", [Point.BLOB_KEPT], indirect=True)
@pytest.mark.parametrize("point", [Point.CHANGED, Point.MARKED, Point.SET_ASIDE, Point.REMOVED])
@pytest.mark.parametrize("first", ["push", "collector"])
async def test_a_push_that_has_stored_its_bytes_when_the_collector_takes_them(scene, first, point, how):
    """At every point of the collector; its bytes were there already, so nothing was written, and then they go."""
    await scene.push("whole")
    scene.clock.later(2 * DAY)
    location = await scene.begin()
    async with scene.collecting(point):
        scene.gate.shut()
        pushing = asyncio.create_task(scene.push(how) if how == "whole" else scene.finish(location))
        await scene.gate.arrival()
        if first == "push":
            scene.gate.open()
    scene.gate.open()
    assert await pushing == 201
    assert await scene.has_layer()
    await scene.collect()
    assert await scene.has_layer()
    assert await scene.is_whole()


@pytest.mark.parametrize("point", [Point.CHANGED, Point.COMMITTED, Point.MARKED, Point.SET_ASIDE, Point.REMOVED])
@pytest.mark.parametrize("confirm", ["HEAD", "mount"])
async def test_whoever_is_told_that_a_blob_is_there_can_push_the_manifest_that_needs_it(scene, confirm, point):
    await scene.push("whole")
    scene.clock.later(2 * DAY)
    await scene.config("a")
    async with scene.collecting(point):
        if confirm == "HEAD":
            asking = asyncio.create_task(scene.status("HEAD", f"a/blobs/{DIGEST}"))
        else:
            asking = asyncio.create_task(scene.status("POST", f"a/blobs/uploads/?mount={DIGEST}"))
        await asyncio.wait([asking], timeout=0.05)  # it may have to wait for the collector's transaction
    told = await asking in (200, 201)
    assert (await scene.push_image("t"))[0] == (201 if told else 400)
    assert not told or await scene.has_layer()
    assert await scene.is_whole()


@pytest.mark.parametrize("point", [Point.BEGUN, Point.CHANGED])
async def test_a_manifest_that_is_pushed_while_its_blob_is_reviewed(scene, point):
    """Who is first has the last word: the blob stays, or the manifest is refused; never one without the other."""
    await scene.push("whole")
    scene.clock.later(2 * DAY)
    await scene.config()
    async with scene.collecting(point):
        pushing = asyncio.create_task(scene.push_image("t"))
        await asyncio.wait([pushing], timeout=0.05)
        assert not pushing.done()  # it waits for the collector's transaction
    status, digest = await pushing
    assert status == 400
    assert await scene.status("GET", f"a/manifests/{digest}") == 404
    assert await scene.push("whole") == 201
    assert (await scene.push_image("t"))[0] == 201
    assert await scene.is_whole()


@pytest.mark.parametrize("scene", [Point.CHANGED], indirect=True)
async def test_a_blob_that_is_reviewed_while_its_manifest_is_pushed(scene):
    await scene.push("whole")
    scene.clock.later(2 * DAY)
    await scene.config()
    scene.gate.shut()
    pushing = asyncio.create_task(scene.push_image("t"))
    await scene.gate.arrival()
    async with scene.reviewing() as review:
        scene.gate.open()
        assert (await pushing)[0] == 201
        await review
    assert await scene.has_layer()
    scene.clock.later(2 * DAY)
    await scene.collect()
    assert await scene.has_layer()
    assert await scene.is_whole()


@pytest.mark.parametrize("point", [Point.BEGUN, Point.CHANGED, Point.COMMITTED])
@pytest.mark.parametrize("change", ["tag", "untag", "index", "delete"])
async def test_a_manifest_that_is_tagged_or_deleted_while_it_is_collected(scene, change, point):
    await scene.push("whole")
    await scene.config()
    _, digest = await scene.push_image("t")
    await scene.push_image("other", annotations={"a": "b"})
    assert await scene.status("DELETE", "a/manifests/t") == 202
    scene.clock.later(2 * DAY)
    async with scene.collecting(point):
        if change == "tag":
            changing = asyncio.create_task(scene.push_image("again"))
        elif change == "index":
            child = an_image(LAYER)
            changing = asyncio.create_task(scene.push_index("list", child))
        else:
            path = f"a/manifests/{digest if change == 'delete' else 'other'}"
            changing = asyncio.create_task(scene.status("DELETE", path))
        await asyncio.wait([changing], timeout=0.05)
    outcome = await changing
    if change == "tag":
        assert outcome == (201, digest)  # its blobs are still there: they are reviewed an hour later
        assert await scene.status("GET", "a/manifests/again") == 200
        scene.clock.later(30 * DAY)
        await scene.collect()
        assert await scene.status("GET", f"a/manifests/{digest}") == 200
        assert await scene.has_layer()
    elif change == "index":
        assert outcome == 400  # the child has gone: an index is never there without it
        assert await scene.status("GET", "a/manifests/list") == 404
    elif change == "untag":
        assert outcome == 202
    else:
        assert outcome == 404
    assert await scene.is_whole()


@pytest.mark.parametrize("point", [Point.CHANGED, Point.MARKED, Point.SET_ASIDE, Point.REMOVED])
async def test_a_mount_while_the_source_is_deleted_and_collected(scene, point):
    await scene.push("whole", "source")
    assert await scene.status("DELETE", f"source/blobs/{DIGEST}") == 202
    await scene.push("whole", "other")
    scene.clock.later(2 * DAY)
    mount = f"target/blobs/uploads/?mount={DIGEST}&from="
    async with scene.collecting(point):
        mounting = [asyncio.create_task(scene.status("POST", mount + each)) for each in ("source", "other")]
        await asyncio.wait(mounting, timeout=0.05)
    from_source, from_other = [await each for each in mounting]
    assert from_source == 202
    assert from_other == 202  # other's lease was over as well
    assert not await scene.has_layer("target")
    assert await scene.push("in pieces", "target") == 201
    assert await scene.has_layer("target")
    assert await scene.is_whole()


@pytest.mark.parametrize("scene", [Point.CHANGED], indirect=True)
async def test_a_mount_that_comes_first_keeps_the_bytes(scene):
    await scene.push("whole", "source")
    scene.clock.later(2 * DAY)
    scene.gate.shut()
    mounting = asyncio.create_task(scene.status("POST", f"target/blobs/uploads/?mount={DIGEST}&from=source"))
    await scene.gate.arrival()
    async with scene.reviewing() as review:
        scene.gate.open()
        assert await mounting == 201
        await review
    assert await scene.has_layer("target")
    assert not await scene.has_layer("source")
    assert await scene.is_whole()


@pytest.mark.parametrize("point", [Point.BLOB_FLUSHED, Point.BLOB_NAMED])
async def test_the_same_blob_twice_at_the_same_time(tmp_path, clock, point):
    """Each in a registry object of its own, as in two worker processes; both are held with their bytes written."""
    gates = [Gate(point) for _ in range(2)]
    with held_folder(tmp_path):
        registries = [Registry.open(tmp_path, POLICY, clock=clock, reached=gate) for gate in gates]
        scenes = [Scene(each, tmp_path, clock, gate) for each, gate in zip(registries, gates, strict=True)]
        first = asyncio.create_task(scenes[0].push("in pieces"))
        await gates[0].arrival()
        second = asyncio.create_task(scenes[1].push("whole", "b"))
        if point is Point.BLOB_FLUSHED:  # else the file has its name, and the second has nothing to write
            await gates[1].arrival()
        for gate in reversed(gates):
            gate.open()
        assert (await first, await second) == (201, 201)
        assert await scenes[0].has_layer("b")
        assert await scenes[1].has_layer("a")
        assert await scenes[0].is_whole()
        for each in registries:
            await each.close()


async def test_the_same_tag_twice_at_the_same_time(tmp_path, clock):
    gate = Gate(Point.CHANGED, shut=False)
    with held_folder(tmp_path):
        registries = [Registry.open(tmp_path, POLICY, clock=clock, reached=gate) for _ in range(2)]
        one, two = (Scene(each, tmp_path, clock, gate) for each in registries)
        await one.push("whole")
        await one.config()
        gate.shut()
        first = asyncio.create_task(one.push_image("t"))
        await gate.arrival()
        second = asyncio.create_task(two.push_image("t", annotations={"a": "b"}))
        gate.open()
        (status, before), (other_status, after) = await first, await second
        assert (status, other_status) == (201, 201)
        for each in (one, two):
            answer = await each.ask("GET", "/v2/a/manifests/t")
            assert digest_of(answer.body) == after  # the later one, everywhere
            assert await each.status("GET", f"a/manifests/{before}") == 200
        assert await one.is_whole()
        for each in registries:
            await each.close()
