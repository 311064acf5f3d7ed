"""A registry that runs inside this program: for tests, for tools, and for `wherry serve`.

async with running(data=None) as registry:
    ...  # registry.url is "http://127.0.0.1:43211"
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from wherry.server.application import Application
from wherry.server.folder import held_folder, thrown_away_folder
from wherry.server.listening import listen, serving
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
) -> AsyncIterator[Running]:
    """Serve a registry until the block ends; it answers when the block begins.

    Args:
        data: its folder, made if need be; None for one that is thrown away, where nothing waits for the disk.
        port: 0 takes a free one.
        policy: everything else that can be chosen; `sparse` is part of it, and wins.
        patience: seconds that requests get to finish at the end.
    Raises:
        StoreError: the folder cannot be used, or another server uses it.
        CannotListen: the address cannot be listened on.
    """
    policy = replace(policy or Policy(), sparse=sparse)
    if data is None:
        policy = replace(policy, durability=Durability.RELAXED)
    listener = listen(host, port)
    with listener, thrown_away_folder() if data is None else held_folder(data) as folder:
        registry = await asyncio.to_thread(Registry.open, folder, policy)
        bound_host, bound_port, *_ = listener.getsockname()
        bare = f"[{bound_host}]" if ":" in bound_host else bound_host
        server = Running(f"{bare}:{bound_port}", folder)
        try:
            async with (
                serving(Application(registry), listener, patience=patience, hurry=server.hurry),
                _swept(registry),
            ):
                yield server
        finally:
            await registry.close()


@asynccontextmanager
async def _swept(registry: Registry) -> AsyncIterator[None]:
    """Meanwhile, throw away uploads that were abandoned."""

    async def sweep() -> None:
        while True:
            await registry.sessions.sweep(registry.policy.upload_lifetime)
            await asyncio.sleep(_SWEEP)

    task = asyncio.create_task(sweep())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
