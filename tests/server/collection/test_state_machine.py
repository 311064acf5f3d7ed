"""Whatever clients do, in whatever order, and however the time goes: the registry does what a simple model says.

The model knows what must be there and what must not; between the end of a lease and the next look of the collector both
are right. Requests go through the whole application, without a socket.
"""

import asyncio
import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from tests.server.asking import INDEX, MANIFEST, Answer, an_image, an_index, digest_of
from tests.server.clock import DAY, HOUR, Clock
from tests.server.inside import Inside
from wherry.server.inspection.fsck import inspect
from wherry.server.policy import Durability, Policy
from wherry.server.registry import Registry

LAYERS = [b"layer %d" % number * (number + 1) for number in range(4)]
CONFIG = b"{}"
BLOBS = [CONFIG, *LAYERS]
UNTAGGED = 3 * DAY

repositories = st.sampled_from(["a", "b/c"])
tags = st.sampled_from(["one", "two"])
layers = st.lists(st.sampled_from(LAYERS), min_size=1, max_size=3, unique=True)


class Model:
    """What is there, and until when it must be; times are the registry's clock's."""

    def __init__(self) -> None:
        self.manifests: dict[tuple[str, str], bytes] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.links: dict[tuple[str, bytes], float] = {}  # until when the link is safe, if nothing needs it
        self.kept: dict[tuple[str, str], float] = {}  # the same for manifests

    def needs(self, repository: str, content: bytes) -> bool:
        """Whether a manifest of the repository needs a blob."""
        digest = digest_of(content)
        return any(
            name == repository and digest in self.blobs_of(manifest) for (name, _), manifest in self.manifests.items()
        )

    def wanted(self, repository: str, digest: str) -> bool:
        """Whether a manifest has a tag, a parent or a subject."""
        here = {each: manifest for (name, each), manifest in self.manifests.items() if name == repository}
        subject = json.loads(here[digest]).get("subject", {}).get("digest")
        return (
            any(led == digest for (name, _), led in self.tags.items() if name == repository)
            or any(digest in self.children_of(manifest) for manifest in here.values())
            or subject in here
        )

    @staticmethod
    def blobs_of(manifest: bytes) -> set[str]:
        document = json.loads(manifest)
        return {each["digest"] for each in (*document.get("layers", ()), *filter(None, [document.get("config")]))}

    @staticmethod
    def children_of(manifest: bytes) -> set[str]:
        return {each["digest"] for each in json.loads(manifest).get("manifests", ())}


class Registries(RuleBasedStateMachine):
    """One registry, its collector, and its model."""

    images = Bundle("images")

    @initialize(untagged=st.sampled_from([None, UNTAGGED]))
    def open(self, untagged: float | None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wherry-machine-"))
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.policy = Policy(durability=Durability.RELAXED, delete_untagged_after=untagged)
        self.model = Model()
        self.registry = Registry.open(self.folder, self.policy, clock=self.clock)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.loop.run_until_complete(self.registry.close())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            shutil.rmtree(self.folder)

    def ask(self, method: str, path: str, body: bytes | None = None, media_type: str | None = None) -> Answer:
        headers = [("Content-Type", media_type)] if media_type else []
        answer = self.loop.run_until_complete(
            Inside(self.registry, self.folder).ask(method, f"/v2/{path}", body, headers)
        )
        assert answer.status < 500, answer
        return answer

    @property
    def leased(self) -> float:
        return self.clock.now + self.policy.lease

    @rule(name=repositories, content=st.sampled_from(BLOBS), whole=st.booleans())
    def push_blob(self, name: str, content: bytes, *, whole: bool) -> None:
        if whole:
            answer = self.ask("POST", f"{name}/blobs/uploads/?digest={digest_of(content)}", content)
        else:
            location = (self.ask("POST", f"{name}/blobs/uploads/", b"").header("location") or "").removeprefix("/v2/")
            assert self.ask("PATCH", location, content[:3]).status == 202
            answer = self.ask("PUT", f"{location}?digest={digest_of(content)}", content[3:])
        assert answer.status == 201
        self.model.links[name, content] = self.leased

    @rule(target=images, name=repositories, tag=st.none() | tags, some=layers, subject=st.none() | images)
    def push_image(self, name, tag, some, subject):
        for content in (CONFIG, *some):
            self.push_blob(name, content, whole=True)
        more = {}
        if subject is not None:
            more = {"subject": {"mediaType": MANIFEST, "digest": digest_of(subject[1]), "size": len(subject[1])}}
        manifest = an_image(*some, **more)
        return self._put(name, tag, manifest, MANIFEST)

    @rule(target=images, name=repositories, tag=st.none() | tags, child=images)
    def push_index(self, name, tag, child):
        """Of a child that the repository may not have: then it is refused."""
        return self._put(name, tag, an_index(child[1]), INDEX)

    @rule(target=images, image=images, tag=st.none() | tags)
    def push_again(self, image, tag):
        """Perhaps with another tag, perhaps after it was deleted, perhaps after its blobs have gone."""
        name, manifest = image
        return self._put(name, tag, manifest, json.loads(manifest)["mediaType"])

    def _put(self, name: str, tag: str | None, manifest: bytes, media_type: str):
        digest = digest_of(manifest)
        blobs_there = all(self._has_blob(name, each) for each in self.model.blobs_of(manifest))
        children_there = all(
            self.ask("HEAD", f"{name}/manifests/{each}").status == 200 for each in self.model.children_of(manifest)
        )
        answer = self.ask("PUT", f"{name}/manifests/{tag or digest}", manifest, media_type)
        assert answer.status == (201 if blobs_there and children_there else 400 if not blobs_there else answer.status)
        if answer.status != 201:
            assert not (blobs_there and children_there)
            return multiple()
        before = self.model.tags.get((name, tag)) if tag else None
        self.model.manifests[name, digest] = manifest
        self._untagged(name, digest)
        if tag:
            self.model.tags[name, tag] = digest
            if before:
                self._untagged(name, before)
        return name, manifest

    def _has_blob(self, name: str, digest: str) -> bool:
        return self.ask("HEAD", f"{name}/blobs/{digest}").status == 200

    def _untagged(self, name: str, digest: str) -> None:
        self.model.kept[name, digest] = self.clock.now + UNTAGGED

    @rule(name=repositories, tag=tags)
    def untag(self, name: str, tag: str) -> None:
        before = self.model.tags.pop((name, tag), None)
        answer = self.ask("DELETE", f"{name}/manifests/{tag}")
        assert answer.status == (404 if before is None else 202)
        if before is not None:
            self._untagged(name, before)

    @rule(image=images)
    def delete(self, image) -> None:
        name, manifest = image
        digest = digest_of(manifest)
        answer = self.ask("DELETE", f"{name}/manifests/{digest}")
        there = (name, digest) in self.model.manifests
        needed = there and any(
            digest in self.model.children_of(other)
            for (place, _), other in self.model.manifests.items()
            if place == name
        )
        if there and answer.status != 404:
            assert answer.status == (405 if needed else 202)
        if answer.status == 202:
            self._remove(name, digest)
        if answer.status == 404:
            assert not there or self._may_be_gone(name, digest)

    def _remove(self, name: str, digest: str) -> None:
        manifest = self.model.manifests.pop((name, digest))
        for place, led in list(self.model.tags.items()):
            if place[0] == name and led == digest:
                del self.model.tags[place]
        for content in BLOBS:
            if digest_of(content) in self.model.blobs_of(manifest) and (name, content) in self.model.links:
                until = self.clock.now + self.policy.grace
                self.model.links[name, content] = max(self.model.links[name, content], until)
        for place, other in self.model.manifests.items():
            about = json.loads(other).get("subject", {}).get("digest") == digest
            if place[0] == name and (about or place[1] in self.model.children_of(manifest)):
                self._untagged(*place)

    @rule(name=repositories, content=st.sampled_from(BLOBS))
    def delete_blob(self, name: str, content: bytes) -> None:
        answer = self.ask("DELETE", f"{name}/blobs/{digest_of(content)}")
        if self.model.needs(name, content):
            assert answer.status == 405
        elif answer.status == 202:
            self.model.links.pop((name, content), None)

    @rule(name=repositories, origin=repositories, content=st.sampled_from(BLOBS))
    def mount(self, name: str, origin: str, content: bytes) -> None:
        answer = self.ask("POST", f"{name}/blobs/uploads/?mount={digest_of(content)}&from={origin}", b"")
        if self._must_have(origin, content):
            assert answer.status == 201
        if answer.status == 201:
            assert (origin, content) in self.model.links
            self.model.links[name, content] = self.leased

    @rule(name=repositories, content=st.sampled_from(BLOBS))
    def confirm(self, name: str, content: bytes) -> None:
        """Who is told that it is there can build on it, for half a lease at least."""
        if self._has_blob(name, digest_of(content)):
            self.model.links[name, content] = max(
                self.model.links.get((name, content), 0), self.clock.now + self.policy.lease / 2
            )

    @rule(seconds=st.sampled_from([60.0, HOUR, DAY / 2, 2 * DAY, 4 * DAY]))
    def later(self, seconds: float) -> None:
        self.clock.later(seconds)

    @rule()
    def collect(self) -> None:
        self.loop.run_until_complete(self.registry.collector.collect())
        for name, digest in list(self.model.manifests):
            if self.ask("GET", f"{name}/manifests/{digest}").status == 404:
                assert self._may_be_gone(name, digest), (name, digest)
                self._remove(name, digest)
        for name, content in list(self.model.links):
            if self.ask("GET", f"{name}/blobs/{digest_of(content)}").status == 404:
                assert not self._must_have(name, content), (name, content)
                del self.model.links[name, content]

    @rule()
    def collect_everything_that_can_go(self) -> None:
        """Long after, what nothing needs has gone, bytes and all."""
        self.loop.run_until_complete(self.registry.collector.reviews.ask_for_untagged())
        for _ in range(6):  # an index, its children, their referrers, then blobs: each has its own time
            self.clock.later(4 * DAY)
            self.collect()
        for name, content in self.model.links:
            assert self.model.needs(name, content), (name, content)
        if self.policy.delete_untagged_after is not None:
            for name, digest in self.model.manifests:
                assert self.model.wanted(name, digest), (name, digest)
        files = {path.name for path in (self.folder / "blobs").rglob("*") if path.is_file()}
        assert files == {digest_of(content)[7:] for _, content in self.model.links}

    @rule()
    def restart(self) -> None:
        self.loop.run_until_complete(self.registry.close())
        self.registry = Registry.open(self.folder, self.policy, clock=self.clock)

    def _must_have(self, name: str, content: bytes) -> bool:
        until = self.model.links.get((name, content))
        return until is not None and (self.model.needs(name, content) or self.clock.now < until)

    def _may_be_gone(self, name: str, digest: str) -> bool:
        if self.policy.delete_untagged_after is None or self.model.wanted(name, digest):
            return False
        return self.clock.now >= self.model.kept[name, digest]

    @invariant()
    def everything_promised_is_there(self) -> None:
        if not hasattr(self, "model"):
            return
        for (name, tag), digest in self.model.tags.items():
            answer = self.ask("GET", f"{name}/manifests/{tag}")
            assert (answer.status, answer.body) == (200, self.model.manifests[name, digest])
        for name, content in self.model.links:
            if self._must_have(name, content):
                answer = self.ask("GET", f"{name}/blobs/{digest_of(content)}")
                assert (answer.status, answer.body) == (200, content)

    @invariant()
    def referrers_are_those_that_are_there(self) -> None:
        if not hasattr(self, "model"):
            return
        for name, digest in self.model.manifests:
            listed = {each["digest"] for each in self.ask("GET", f"{name}/referrers/{digest}").json["manifests"]}
            expected = {
                other
                for (place, other), manifest in self.model.manifests.items()
                if place == name and json.loads(manifest).get("subject", {}).get("digest") == digest
            }
            assert listed == expected

    @invariant()
    def fsck_has_nothing_to_say(self) -> None:
        if not hasattr(self, "model"):
            return

        async def findings() -> list[object]:
            registry = self.registry
            return [each async for each in inspect(registry.inspection, registry.blobs, deep=True, orphan_age=-1.0)]

        assert self.loop.run_until_complete(findings()) == []


TestStateMachine = Registries.TestCase
TestStateMachine.settings = settings(
    max_examples=10, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.soak
class TestStateMachineForLong(Registries.TestCase):
    settings = settings(
        max_examples=1000, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
    )
