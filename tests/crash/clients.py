"""Clients that push, mount, untag and delete at random, each in a repository of its own, and note what they were promised."""

import json
import random
from collections.abc import Callable
from typing import Any

from tests.crash.promises import CONFIG, image, layer
from tests.server.asking import MANIFEST, digest_of

LEASE = 100.0
"""Seconds, of a clock that the collector moves."""

_POOL = 12  # layers that all repositories share: so they are deduplicated, mounted, collected and pushed again
_KEPT = 8  # images in a repository


class Client:
    """One repository's only writer. `note` writes down what happens, so that it outlives this process."""

    def __init__(self, name: str, ask: Any, clock: Callable[[], float], note: Callable[[str], None], seed: int) -> None:
        self.name = name
        self._ask = ask
        self._clock = clock
        self._note = note
        self._random = random.Random(seed)
        self._count = seed * 1_000_000
        self._images: list[tuple[int, list[int]]] = []

    async def run(self, turns: int) -> None:
        """Do one thing after the other."""
        for _ in range(turns):
            actions = [self.push, self.push, self.push, self.push_blob, self.mount, self.untag, self.delete]
            await self._random.choice(actions)()
            if len(self._images) > _KEPT:
                await self.delete()

    async def push(self) -> None:
        """An image, new or pushed before, with whatever of its blobs is not there."""
        if self._images and self._random.random() < 0.2:
            number, layers = self._random.choice(self._images)
        else:
            self._count += 1
            number, layers = self._count, self._random.sample(range(_POOL), self._random.randint(1, 3))
            layers = [*layers, self._count] if self._random.random() < 0.3 else layers
        tag = f"t{self._random.randrange(3)}"
        manifest = image(number, layers)
        self._write("push", self.name, number, layers, tag)
        for _ in range(100):
            for content in (CONFIG, *map(layer, layers)):
                await self._bring(content)
            path = f"/v2/{self.name}/manifests/{tag}"
            answer = await self._ask("PUT", path, manifest, [("Content-Type", MANIFEST)])
            if answer.status == 201:
                break
            # The clock runs a hundred times faster than any client: a lease may end in the middle of a push.
            assert answer.codes[0] == "MANIFEST_BLOB_UNKNOWN", answer
        else:
            raise AssertionError("no lease is long enough")
        self._write("pushed", self.name, number, layers, tag)
        if (number, layers) not in self._images:
            self._images.append((number, layers))

    async def push_blob(self) -> None:
        number = self._random.randrange(_POOL)
        until = self._clock() + LEASE - 1
        await self._upload(layer(number))
        self._write("blob", self.name, number, until)

    async def mount(self) -> None:
        number = self._random.randrange(_POOL)
        digest, until = digest_of(layer(number)), self._clock() + LEASE - 1
        answer = await self._ask("POST", f"/v2/{self.name}/blobs/uploads/?mount={digest}", b"")
        if answer.status == 201:
            self._write("blob", self.name, number, until)
            return
        assert answer.status == 202, answer
        answer = await self._ask("DELETE", answer.header("location"))
        assert answer.status == 204, answer

    async def untag(self) -> None:
        tag = f"t{self._random.randrange(3)}"
        self._write("untag", self.name, tag)
        answer = await self._ask("DELETE", f"/v2/{self.name}/manifests/{tag}")
        assert answer.status in (202, 404), answer
        self._write("untagged", self.name, tag)

    async def delete(self) -> None:
        if not self._images:
            return
        number, layers = self._images.pop(self._random.randrange(len(self._images)))
        digest = digest_of(image(number, layers))
        self._write("delete", self.name, digest)
        answer = await self._ask("DELETE", f"/v2/{self.name}/manifests/{digest}")
        assert answer.status == 202, answer
        self._write("deleted", self.name, digest)

    async def _bring(self, content: bytes) -> None:
        answer = await self._ask("HEAD", f"/v2/{self.name}/blobs/{digest_of(content)}")
        if answer.status != 200:
            assert answer.status == 404, answer
            await self._upload(content)

    async def _upload(self, content: bytes) -> None:
        digest = digest_of(content)
        start = f"/v2/{self.name}/blobs/uploads/"
        if self._random.random() < 0.5:
            answer = await self._ask("POST", f"{start}?digest={digest}", content)
        else:
            location = (await self._ask("POST", start, b"")).header("location")
            half = len(content) // 2
            answer = await self._ask("PATCH", location, content[:half])
            assert answer.status == 202, answer
            answer = await self._ask("PUT", f"{location}?digest={digest}", content[half:])
        assert answer.status == 201, answer

    def _write(self, *event: object) -> None:
        self._note(json.dumps(event))
