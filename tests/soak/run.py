"""Pushes, pulls and deletes for a while, with the collector at work all the time: no client must see an error.

A program: python -m tests.soak.run --seconds 60. Leases take seconds instead of a day, so that what is pushed is collected
soon after, and the collector looks every second; requests come over sockets. At the end everything is deleted, all of it
must be collected, and fsck must have nothing to say.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.server.asking import Answer, an_image, an_index, ask, digest_of, put
from wherry.server.inspection.fsck import inspect
from wherry.server.policy import Policy
from wherry.server.running import Running, running

LEASE = 20.0  # seconds; half of it must be enough for a push on a machine that is busy
GRACE = 1.0
EVERY = 1.0
POOL = 40

_POLICY = Policy(lease=LEASE, grace=GRACE, collect_every=EVERY)


class Broken(Exception):
    """A client saw what it must never see."""


class Client:
    """Works in a repository of its own, and on layers that others have, too."""

    def __init__(self, server: Running, name: str, seed: int, counts: Counter[str]) -> None:
        self._server = server
        self.name = name
        self._random = random.Random(seed)
        self._counts = counts
        self._images: dict[str, tuple[bytes, list[bytes]]] = {}

    async def run(self, until: float) -> None:
        while time.monotonic() < until:
            weights = {self.push: 4, self.pull: 6, self.delete: 3, self.mount: 1, self.push_index: 1}
            [action] = self._random.choices(list(weights), list(weights.values()))
            await action()
            self._counts[action.__name__] += 1
        for tag in list(self._images):
            await self._remove(tag)

    async def push(self) -> None:
        layers = [self._layer() for _ in range(self._random.randint(1, 4))]
        manifest = an_image(*layers, annotations={"at": str(self._random.random())})
        for content in (b"{}", *layers):
            await self._bring(content)
        tag = f"t{self._random.randrange(6)}"
        self._must(await put(self._server, self.name, tag, manifest), 201)
        await self._forget_untagged(tag)
        self._images[tag] = manifest, layers

    async def push_index(self) -> None:
        if not self._images:
            return
        child, _ = self._random.choice(list(self._images.values()))
        index = an_index(child, annotations={"at": str(self._random.random())})
        self._must(await put(self._server, self.name, "index", index), 201)
        self._must(await self._ask("GET", f"manifests/{digest_of(child)}"), 200)
        self._must(await self._ask("DELETE", f"manifests/{digest_of(index)}"), 202)

    async def pull(self) -> None:
        if not self._images:
            return
        tag, (manifest, layers) = self._random.choice(list(self._images.items()))
        answer = self._must(await self._ask("GET", f"manifests/{tag}"), 200)
        if answer.body != manifest:
            raise Broken(f"{self.name}:{tag} is another manifest")
        for content in (b"{}", *layers):
            answer = self._must(await self._ask("GET", f"blobs/{digest_of(content)}"), 200)
            if answer.body != content:
                raise Broken(f"{self.name}: a blob has other bytes")

    async def mount(self) -> None:
        content = self._layer()
        answer = await self._ask("POST", f"blobs/uploads/?mount={digest_of(content)}", b"")
        if answer.status == 202:
            location = (answer.header("location") or "").partition(f"/v2/{self.name}/")[2]
            self._must(await self._ask("PUT", f"{location}?digest={digest_of(content)}", content), 201)
        else:
            self._must(answer, 201)
        self._must(await self._ask("HEAD", f"blobs/{digest_of(content)}"), 200)

    async def delete(self) -> None:
        if self._images:
            await self._remove(self._random.choice(list(self._images)))

    async def _remove(self, tag: str) -> None:
        await self._forget_untagged(tag)

    async def _forget_untagged(self, tag: str) -> None:
        """Delete what a tag led to before, if no other tag leads there."""
        before = self._images.pop(tag, None)
        if before is not None and before not in self._images.values():
            self._must(await self._ask("DELETE", f"manifests/{digest_of(before[0])}"), 202)

    async def _bring(self, content: bytes) -> None:
        digest = digest_of(content)
        if (await self._ask("HEAD", f"blobs/{digest}")).status == 200:
            self._counts["found"] += 1
            return
        if len(content) < 50_000:
            self._must(await self._ask("POST", f"blobs/uploads/?digest={digest}", content), 201)
            return
        begun = self._must(await self._ask("POST", "blobs/uploads/", b""), 202)
        location = (begun.header("location") or "").partition(f"/v2/{self.name}/")[2]
        half = len(content) // 2
        self._must(await self._ask("PATCH", location, content[:half]), 202)
        self._must(await self._ask("PUT", f"{location}?digest={digest}", content[half:]), 201)

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        return await ask(self._server, method, f"/v2/{self.name}/{path}", body)

    def _must(self, answer: Answer, status: int) -> Answer:
        if answer.status != status:
            raise Broken(f"{self.name}: {answer.status} where {status} should be: {answer.body[:300]!r}")
        return answer

    def _layer(self) -> bytes:
        """Mostly one that others have, too; some large, some of this client alone."""
        if self._random.random() < 0.2:
            return self._random.randbytes(self._random.choice((100, 5_000, 200_000)))
        number = self._random.randrange(POOL)
        return random.Random(number).randbytes((200, 3_000, 60_000, 1_500_000)[number % 4])


async def soak(folder: Path, seconds: float, clients: int, seed: int) -> str:
    """Run it; what happened, in a sentence."""
    counts: Counter[str] = Counter()
    async with running(data=folder, policy=_POLICY) as server:
        assert server.registry is not None
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(Client(server, f"soak/{number}", seed + number, counts).run(until))
        registry = server.registry
        async with asyncio.timeout(10 * (LEASE + GRACE) + 60):
            while (await registry.collector.reviews.queue()).length:
                await registry.collector.collect()
                await asyncio.sleep(EVERY)
        found = [each async for each in inspect(registry.inspection, registry.blobs, deep=True, orphan_age=-1)]
        if found:
            raise Broken(f"fsck: {found}")
        left = [path for path in (folder / "blobs").rglob("*") if path.is_file()]
        if left:
            raise Broken(f"nothing needs these, and they are still there: {left}")
        total = registry.collector.total
    done = ", ".join(f"{count} × {what}" for what, count in counts.most_common())
    return f"{done}; collected {total.blobs} blobs, {total.size:,} bytes; no client saw an error"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="as an earlier run printed it")
    options = parser.parse_args()
    sys.stdout.write(f"seed {options.seed}\n")
    with tempfile.TemporaryDirectory(prefix="wherry-soak-") as folder:
        sys.stdout.write(asyncio.run(soak(Path(folder), options.seconds, options.clients, options.seed)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
