"""What a registry has promised, as its clients know it; it outlives the registry that made the promises.

A client notes what it is about to do, and then what it was answered. Between the two a crash leaves both outcomes possible.
"""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.server.asking import an_image, digest_of

CONFIG = b"{}"


def layer(number: int) -> bytes:
    """The layer of that number: the same bytes each time, some of it small, some large."""
    size = (10, 500, 20_000, 90_000)[number % 4]
    seed = hashlib.sha256(b"layer %d" % number).digest()
    return (seed * (size // len(seed) + 1))[:size]


def image(number: int, layers: list[int]) -> bytes:
    """The image of that number."""
    return an_image(*map(layer, layers), annotations={"number": str(number)})


@dataclass
class Promises:
    """Manifests by repository and digest, tags with what they may lead to (None: nowhere), and blobs until their leases end."""

    made: ClassVar[int] = 0
    """How many notes were taken, in this process."""

    manifests: dict[tuple[str, str], tuple[int, list[int]]] = field(default_factory=dict)
    tags: dict[tuple[str, str], set[str | None]] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)
    blobs: dict[tuple[str, int], float] = field(default_factory=dict)
    clock: float = 1_800_000_000.0

    def note(self, line: str) -> None:
        """Take in what a client has written down."""
        event, *values = json.loads(line)
        Promises.made += event in ("blob", "pushed", "untagged", "deleted")
        getattr(self, f"_{event}")(*values)

    def _ready(self) -> None:
        """It has begun to work."""

    def _clock(self, now: float) -> None:
        self.clock = now

    def _blob(self, repository: str, number: int, until: float) -> None:
        self.blobs[repository, number] = until

    def _push(self, repository: str, number: int, layers: list[int], tag: str) -> None:
        digest = digest_of(image(number, layers))
        self.gone.discard((repository, digest))
        self.tags.setdefault((repository, tag), {None}).add(digest)

    def _pushed(self, repository: str, number: int, layers: list[int], tag: str) -> None:
        digest = digest_of(image(number, layers))
        self.manifests[repository, digest] = number, layers
        self.tags[repository, tag] = {digest}

    def _untag(self, repository: str, tag: str) -> None:
        self.tags.setdefault((repository, tag), {None}).add(None)

    def _untagged(self, repository: str, tag: str) -> None:
        self.tags[repository, tag] = {None}

    def _delete(self, repository: str, digest: str) -> None:
        self.manifests.pop((repository, digest), None)
        for place, leads in self.tags.items():
            if place[0] == repository and digest in leads:
                leads.add(None)

    def _deleted(self, repository: str, digest: str) -> None:
        self.gone.add((repository, digest))
        for place, leads in self.tags.items():
            if place[0] == repository:
                leads.discard(digest)


async def check(promises: Promises, ask: Any) -> None:
    """Every promise, byte for byte."""
    for (repository, digest), (number, layers) in promises.manifests.items():
        manifest = image(number, layers)
        answer = await ask("GET", f"/v2/{repository}/manifests/{digest}")
        assert (answer.status, answer.body) == (200, manifest), f"lost: {repository}@{digest}"
        for content in (CONFIG, *map(layer, layers)):
            answer = await ask("GET", f"/v2/{repository}/blobs/{digest_of(content)}")
            assert (answer.status, answer.body) == (200, content), f"lost: a blob of {repository}@{digest}"
    for (repository, tag), leads in promises.tags.items():
        answer = await ask("GET", f"/v2/{repository}/manifests/{tag}")
        found = digest_of(answer.body) if answer.status == 200 else None
        assert found in leads, f"{repository}:{tag} leads to {found}, not to any of {leads}"
    for repository, digest in promises.gone:
        answer = await ask("GET", f"/v2/{repository}/manifests/{digest}")
        assert answer.status == 404, f"back again: {repository}@{digest}"
    for (repository, number), until in promises.blobs.items():
        if promises.clock < until:
            content = layer(number)
            answer = await ask("GET", f"/v2/{repository}/blobs/{digest_of(content)}")
            assert (answer.status, answer.body) == (200, content), f"lost: blob {number} of {repository}"
