"""A registry that runs inside this program: for tests, for tools, and for `wherry serve`.

async with running(data=None) as registry:
    ...  # registry.url is "http://127.0.0.1:43211"
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from wherry.server.application import Application
from wherry.server.folder import held_folder, thrown_away_folder
from wherry.server.listening import listen, serving
from wherry.server.metadata.database import Clock
from wherry.server.points import Reached, pass_by
from wherry.server.policy import Durability, Policy, Sparse
from wherry.server.registry import Registry

__all__ = ["Running", "Sparse", "running"]

_SWEEP = 3600.0  # seconds between two looks for abandoned uploads


@dataclass(frozen=True, slots=True)
class Running:
    """Where it listens: `address` is `host:port`, as in a reference; `data` is its folder.

    Set `hurry`, and the end waits no longer for requests that are under way.
    """

    address: str
    data: Path
    registry: Registry | None = field(default=None, repr=False, compare=False)
    hurry: asyncio.Event = field(default_factory=asyncio.Event, repr=False, compare=False)

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"http://{self.address}"


@asynccontextmanager
async def running(
    *,
    data: Path | None,
    host: str = "127.0.0.1",
    port: int = 0,
    sparse: Sparse = Sparse.NONE,
    policy: Policy | None = None,
    patience: float = 10.0,
    clock: Clock = time.time,
    reached: Reached = pass_by,
) -> AsyncIterator[Running]:
    """Serve a registry until the block ends; it answers when the block begins.

    Args:
        data: its folder, made if need be; None for one that is thrown away, where nothing waits for the disk.
        port: 0 takes a free one.
        policy: everything else that can be chosen; `sparse` is part of it, and wins.
        patience: seconds that requests get to finish at the end.
        clock: what the time is, for leases and for what lies too long; tests move it.
        reached: is told each point where a crash would leave something half done; tests crash there.
    Raises:
        StoreError: the folder cannot be used, or another server uses it.
        CannotListen: the address cannot be listened on.
    """
    policy = replace(policy or Policy(), sparse=sparse)
    if data is None:
        policy = replace(policy, durability=Durability.RELAXED)
    listener = listen(host, port)
    with listener, thrown_away_folder() if data is None else held_folder(data) as folder:
        registry = await asyncio.to_thread(Registry.open, folder, policy, clock=clock, reached=reached)
        bound_host, bound_port, *_ = listener.getsockname()
        bare = f"[{bound_host}]" if ":" in bound_host else bound_host
        server = Running(f"{bare}:{bound_port}", folder, registry)
        try:
            async with (
                serving(Application(registry), listener, patience=patience, hurry=server.hurry),
                _tidied(registry),
            ):
                yield server
        finally:
            await registry.close()


@asynccontextmanager
async def _tidied(registry: Registry) -> AsyncIterator[None]:
    """Meanwhile, throw away uploads that were abandoned, and collect what nobody needs."""

    async def sweep() -> None:
        while True:
            await registry.sessions.sweep(registry.policy.upload_lifetime)
            await asyncio.sleep(_SWEEP)

    tasks = [asyncio.create_task(sweep()), asyncio.create_task(registry.collector.run(registry.policy.collect_every))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
