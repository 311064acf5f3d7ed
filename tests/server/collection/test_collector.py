"""What goes, what stays, and when."""

import asyncio
import os
import sqlite3
from contextlib import closing

import pytest

from tests.server.asking import an_image, an_index, ask, digest_of, push_blob, push_image, put
from tests.server.clock import DAY, HOUR
from wherry.server.metadata.reviews import Kind
from wherry.server.policy import Policy
from wherry.server.registry import Registry
from wherry.server.running import running


@pytest.fixture
async def server(tmp_path, clock):
    async with running(data=tmp_path, clock=clock) as server:
        # its own collector would be quicker, sometimes
        await server.registry.collector.reviews.claim("collection", "a test", 10**8)
        yield server


async def collect(server):
    return await server.registry.collector.collect()


async def has_blob(server, name, content) -> bool:
    return (await ask(server, "GET", f"/v2/{name}/blobs/{digest_of(content)}")).status == 200


async def has(server, name, reference) -> bool:
    return (await ask(server, "GET", f"/v2/{name}/manifests/{reference}")).status == 200


def files(server) -> list[str]:
    return sorted(name for _, _, names in os.walk(server.data / "blobs") for name in names)


async def test_a_blob_that_no_manifest_needs_goes_when_its_lease_is_over(server, clock):
    await push_blob(server, "a", b"x")
    clock.later(DAY - 60)
    assert (await collect(server)).blobs == 0
    assert await has_blob(server, "a", b"x")
    clock.later(120)
    collected = await collect(server)
    assert (collected.links, collected.blobs, collected.size) == (1, 1, 1)
    assert not await has_blob(server, "a", b"x")
    assert files(server) == []
    assert list((server.data / "aside").iterdir()) == []


async def test_what_a_manifest_needs_stays_tagged_or_not(server, clock):
    manifest, digest = await push_image(server, "a", "t", b"layer")
    await ask(server, "DELETE", "/v2/a/manifests/t")
    for _ in range(3):
        clock.later(30 * DAY)
        await collect(server)
    assert await has(server, "a", digest)
    assert await has_blob(server, "a", b"layer")
    assert (await put(server, "a", "again", manifest)).status == 201


async def test_what_a_deleted_manifest_needed_goes_an_hour_later(server, clock):
    _, digest = await push_image(server, "a", "t", b"layer")
    clock.later(2 * DAY)
    await collect(server)
    await ask(server, "DELETE", f"/v2/a/manifests/{digest}")
    clock.later(HOUR - 60)
    await collect(server)
    assert await has_blob(server, "a", b"layer")
    clock.later(120)
    assert (await collect(server)).blobs == 2
    assert files(server) == []


async def test_bytes_stay_while_any_repository_holds_them(server, clock):
    _, digest = await push_image(server, "a", "t", b"layer")
    await push_image(server, "b", "t", b"layer")
    clock.later(2 * DAY)
    await ask(server, "DELETE", f"/v2/a/manifests/{digest}")
    clock.later(2 * DAY)
    assert (await collect(server)).links == 2
    assert not await has_blob(server, "a", b"layer")  # nobody reads through a what only b has
    assert await has_blob(server, "b", b"layer")


@pytest.mark.parametrize("confirm", ["HEAD", "mount", "push"])
async def test_what_a_client_was_told_is_there_stays_for_a_day(server, clock, confirm):
    digest = await push_blob(server, "a", b"layer")
    await push_image(server, "keeps", "t", b"layer")
    clock.later(DAY - 60)
    if confirm == "HEAD":
        assert (await ask(server, "HEAD", f"/v2/a/blobs/{digest}")).status == 200
    elif confirm == "mount":
        answer = await ask(server, "POST", f"/v2/a/blobs/uploads/?mount={digest}&from=keeps", b"")
        assert answer.status == 201
    else:
        await push_blob(server, "a", b"layer")
    clock.later(DAY - 60)
    await collect(server)
    assert await has_blob(server, "a", b"layer")
    clock.later(HOUR)
    await collect(server)
    assert not await has_blob(server, "a", b"layer")


async def test_a_download_is_no_lease(server, clock):
    await push_blob(server, "a", b"layer")
    clock.later(DAY - 60)
    assert await has_blob(server, "a", b"layer")
    clock.later(HOUR)
    await collect(server)
    assert not await has_blob(server, "a", b"layer")


async def test_a_blob_that_is_deleted_by_hand_goes_too(server, clock):
    digest = await push_blob(server, "a", b"layer")
    await ask(server, "DELETE", f"/v2/a/blobs/{digest}")
    assert files(server) != []
    clock.later(2 * HOUR)
    assert (await collect(server)).size == 5
    assert files(server) == []


async def test_what_was_collected_can_be_pushed_again(server, clock):
    for _ in range(2):
        await push_blob(server, "a", b"layer")
        assert await has_blob(server, "a", b"layer")
        clock.later(2 * DAY)
        await collect(server)
        assert files(server) == []


class TestUntagged:
    """With the policy that lets manifests go that have no tag."""

    @pytest.fixture
    async def server(self, tmp_path, clock):
        async with running(data=tmp_path, clock=clock, policy=Policy(delete_untagged_after=7 * DAY)) as server:
            yield server

    async def test_goes_a_week_after_its_last_tag(self, server, clock):
        _, old = await push_image(server, "a", "t", b"old")
        clock.later(30 * DAY)
        await push_image(server, "a", "t", b"new")
        clock.later(7 * DAY - 60)
        assert (await collect(server)).manifests == 0
        clock.later(120)
        assert (await collect(server)).manifests == 1
        assert not await has(server, "a", old)
        assert await has(server, "a", "t")
        clock.later(DAY)
        assert (await collect(server)).blobs == 1
        assert not await has_blob(server, "a", b"old")
        assert await has_blob(server, "a", b"new")

    async def test_stays_with_a_second_tag_or_a_new_one(self, server, clock):
        manifest, digest = await push_image(server, "a", "one", b"layer")
        await put(server, "a", "two", manifest)
        await ask(server, "DELETE", "/v2/a/manifests/one")
        clock.later(8 * DAY)
        await collect(server)
        assert await has(server, "a", digest)
        await ask(server, "DELETE", "/v2/a/manifests/two")
        clock.later(6 * DAY)
        await put(server, "a", "three", manifest)
        clock.later(30 * DAY)
        await collect(server)
        assert await has(server, "a", digest)

    async def test_children_and_referrers_stay_with_what_they_belong_to_and_go_after_it(self, server, clock):
        child, child_digest = await push_image(server, "a", "child", b"layer")
        await ask(server, "DELETE", "/v2/a/manifests/child")
        index = an_index(child)
        await put(server, "a", "t", index)
        subject = {
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "digest": digest_of(index),
            "size": len(index),
        }
        signature = an_image(b"layer", subject=subject)
        assert (await put(server, "a", digest_of(signature), signature)).status == 201
        clock.later(30 * DAY)
        assert (await collect(server)).manifests == 0
        await ask(server, "DELETE", "/v2/a/manifests/t")
        clock.later(8 * DAY)
        assert (await collect(server)).manifests == 1
        assert await has(server, "a", child_digest)
        clock.later(8 * DAY)
        assert (await collect(server)).manifests == 2
        assert not await has(server, "a", digest_of(signature))

    async def test_a_manifest_that_was_confirmed_by_digest_waits_for_its_index(self, server, clock):
        child, digest = await push_image(server, "a", "child", b"layer")
        await ask(server, "DELETE", "/v2/a/manifests/child")
        clock.later(7 * DAY - 60)
        assert (await ask(server, "HEAD", f"/v2/a/manifests/{digest}")).status == 200
        clock.later(HOUR)
        assert (await collect(server)).manifests == 0
        assert (await put(server, "a", "t", an_index(child))).status == 201

    async def test_the_time_begins_anew_for_what_had_a_tag_or_an_index_in_between(self, server, clock):
        manifest, digest = await push_image(server, "a", "t", b"layer")
        await ask(server, "DELETE", "/v2/a/manifests/t")
        for give in ("tag", "index"):
            clock.later(6 * DAY)
            added = manifest if give == "tag" else an_index(manifest)
            await put(server, "a", "again", added)
            await ask(server, "DELETE", f"/v2/a/manifests/{'again' if give == 'tag' else digest_of(added)}")
        clock.later(6 * DAY)
        await collect(server)
        assert await has(server, "a", digest)

    async def test_the_policy_of_one_process_is_not_that_of_another(self, tmp_path, clock):
        """`wherry admin gc --delete-untagged-after` now and then, beside a server that keeps everything."""
        data = tmp_path / "other"
        policy = Policy(delete_untagged_after=7 * DAY)
        async with running(data=data, clock=clock) as server:
            _, digest = await push_image(server, "a", "t", b"layer")
            await ask(server, "DELETE", "/v2/a/manifests/t")
            admin = Registry.open(data, policy, served=True, clock=clock)
            for day in range(9):
                assert await has(server, "a", digest) == (day < 8)
                await collect(server)
                await admin.collector.reviews.ask_for_untagged()
                await admin.collector.collect()
                clock.later(DAY + 60)
            await admin.close()

    async def test_the_policy_holds_for_what_was_untagged_before_it(self, tmp_path, clock):
        data = tmp_path / "other"
        async with running(data=data, clock=clock) as server:
            _, digest = await push_image(server, "a", "t", b"layer")
            await ask(server, "DELETE", "/v2/a/manifests/t")
        async with running(data=data, clock=clock, policy=Policy(delete_untagged_after=7 * DAY)) as server:
            asked = await server.registry.collector.reviews.ask_for_untagged()
            assert asked in {0, 1}  # the server asks by itself, too
            with closing(sqlite3.connect(data / "registry.sqlite")) as database:  # who asks the server renews a lease

                def count() -> int:
                    return database.execute("SELECT count(*) FROM manifests").fetchone()[0]

                assert count() == 1
                clock.later(8 * DAY)
                async with asyncio.timeout(20):
                    while count():
                        await collect(server)  # as the server does, which may be quicker
            assert not await has(server, "a", digest)


async def test_what_is_foreseen_is_what_goes(server, clock):
    await push_blob(server, "a", b"shared")
    await push_blob(server, "b", b"shared")
    await push_image(server, "b", "t", b"layer")
    await push_blob(server, "b", b"alone")
    clock.later(2 * DAY)
    foreseen = await server.registry.collector.reviews.foresee()
    told = sorted(
        (each.kind.value, each.repository, str(each.digest), each.size) for each in foreseen if each.repository
    )
    assert told == sorted(
        ("link", name, digest_of(content), len(content))
        for name, content in (("a", b"shared"), ("b", b"shared"), ("b", b"alone"))
    )
    blobs = {str(each.digest) for each in foreseen if each.kind is Kind.BLOB}
    assert blobs == {digest_of(b"shared"), digest_of(b"alone")}
    assert await has_blob(server, "a", b"shared")
    collected = await collect(server)
    assert (collected.links, collected.blobs) == (3, 2)
    assert await server.registry.collector.reviews.foresee() == []


async def test_one_process_collects_at_a_time(server, clock):
    reviews = server.registry.collector.reviews
    assert await reviews.claim("job", "one", 60)
    assert not await reviews.claim("job", "two", 60)
    assert await reviews.claim("job", "one", 60)
    clock.later(120)
    assert await reviews.claim("job", "two", 60)
    assert not await reviews.claim("job", "one", 60)


async def test_a_server_that_ends_leaves_the_work_to_the_next_one(tmp_path, clock):
    async with running(data=tmp_path, clock=clock, policy=Policy(collect_every=0.01)) as first:
        reviews = first.registry.collector.reviews
        while await reviews.claim("collection", "somebody else", 60):  # until its collector has begun
            await reviews.claim("collection", "somebody else", -1)
    registry = Registry.open(tmp_path, Policy(), clock=clock)
    try:
        assert await registry.collector.reviews.claim("collection", "the next one", 60)
    finally:
        await registry.close()
