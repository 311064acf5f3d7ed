"""A registry that runs inside this program: for tests, for tools, and for `wherry serve`.

async with running(data=None) as registry:
    ...  # registry.url is "http://127.0.0.1:43211"
"""

import asyncio
import logging
import socket
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from wherry.oci.errors import WherryError
from wherry.server.access_log import AccessLog, open_access_log
from wherry.server.application import OPERATION, Application
from wherry.server.folder import held_folder, thrown_away_folder
from wherry.server.health import Health, log_failure
from wherry.server.inspection.fsck import is_emptied
from wherry.server.listening import USUAL, Limits, Patience, address_of, listen, serving
from wherry.server.metadata.database import Clock
from wherry.server.points import Reached, pass_by
from wherry.server.policy import Durability, Policy, Sparse
from wherry.server.registry import Registry
from wherry.server.routes import Endpoint
from wherry.server.traffic import Number, Traffic

__all__ = ["Running", "Sparse", "answering", "running", "warn_if_emptied"]

_log = logging.getLogger("wherry.server")

_SWEEP = 3600.0  # seconds between two looks for abandoned uploads
_COUNT = 1.0  # seconds between two looks at what the collector has done
_APART = Patience(1.0)  # metrics are short, and are answered until all else has ended


@dataclass(frozen=True, slots=True)
class Running:
    """Where it listens: `address` is `host:port`, as in a reference; `data` is its folder.

    `metrics` is the address where metrics and health are, if they have one of their own. Set `hurry`, and the end waits no longer for requests that are under way.
    """

    address: str
    data: Path
    registry: Registry | None = field(default=None, repr=False, compare=False)
    hurry: asyncio.Event = field(default_factory=asyncio.Event, repr=False, compare=False)
    metrics: str | None = None

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
    metrics: tuple[str, int] | None = None,
    sparse: Sparse = Sparse.NONE,
    policy: Policy | None = None,
    patience: float = 10.0,
    ending: Patience | None = None,
    limits: Limits = USUAL,
    access_log: str = "off",
    clock: Clock = time.time,
    reached: Reached = pass_by,
) -> AsyncIterator[Running]:
    """Serve a registry until the block ends; it answers when the block begins.

    Args:
        data: its folder, made if need be; None for one that is thrown away, where nothing waits for the disk.
        port: 0 takes a free one.
        metrics: host and port where metrics and health are, and then only there.
        policy: everything else that can be chosen; `sparse` is part of it, and wins.
        patience: seconds that requests get to finish at the end.
        ending: the same with more to choose; it wins.
        limits: what clients may take of connections.
        access_log: `off`, `stderr`, or the path of a file.
        clock: what the time is, for leases and for what lies too long; tests move it.
        reached: is told each point where a crash would leave something half done; tests crash there.
    Raises:
        StoreError: the folder cannot be used, or another server uses it.
        CannotListen: the address cannot be listened on.
    """
    policy = replace(policy or Policy(), sparse=sparse)
    if data is None:
        policy = replace(policy, durability=Durability.RELAXED)
    with (
        listen(host, port, limits) as listener,
        nullcontext() if metrics is None else listen(*metrics, limits) as apart,
        thrown_away_folder() if data is None else held_folder(data) as folder,
    ):
        registry = await asyncio.to_thread(Registry.open, folder, policy, alone=True, clock=clock, reached=reached)
        if data is not None:
            await warn_if_emptied(registry, folder)
        ending = ending or Patience(patience)
        async with answering(
            registry, folder, listener, apart=apart, ending=ending, limits=limits, access_log=access_log
        ) as server:
            yield server


async def warn_if_emptied(registry: Registry, folder: Path) -> None:
    """Say in the log if blobs are kept in a folder, and its database knows of nothing."""
    if await is_emptied(registry.inspection, registry.blobs):
        _log.warning(
            "%s has blobs, and its registry.sqlite knows of no repository: if that was lost, stop, and put a copy of it back",
            folder,
        )


@asynccontextmanager
async def answering(
    registry: Registry,
    folder: Path,
    listener: socket.socket,
    *,
    ending: Patience,
    apart: socket.socket | None = None,
    limits: Limits = USUAL,
    access_log: str = "off",
    traffic: Traffic | None = None,
) -> AsyncIterator[Running]:
    """Serve a registry that is open, on a socket that is; and metrics and health `apart`, on another. All are closed at the end."""
    traffic = traffic or Traffic()
    server = Running(address_of(listener), folder, registry, metrics=None if apart is None else address_of(apart))
    health = Health(folder)
    try:
        file = open_access_log(access_log)
        with file or nullcontext():
            log = None if file is None else AccessLog(file, traffic)
            application = Application(registry, health, traffic, log, _SERVED if apart is None else _SERVED - OPERATION)
            operation = Application(registry, health, traffic, log, OPERATION)
            async with (
                nullcontext()
                if apart is None
                else serving(operation, apart, ending=_APART, limits=limits, hurry=server.hurry, probe="/healthz"),
                serving(application, listener, ending=ending, limits=limits, hurry=server.hurry),
                _tidied(registry, traffic),
            ):
                yield server
    finally:
        await registry.close()


@asynccontextmanager
async def _tidied(registry: Registry, traffic: Traffic) -> AsyncIterator[None]:
    """Meanwhile, throw away uploads that were abandoned, and collect what nobody needs."""

    async def sweep() -> None:
        while True:
            try:
                await registry.sessions.sweep(registry.policy.upload_lifetime)
            except (OSError, sqlite3.Error, WherryError) as error:
                log_failure(_log, "abandoned uploads could not be thrown away", error)
            await asyncio.sleep(_SWEEP)

    works = (sweep(), registry.collector.run(registry.policy.collect_every), _counted(registry, traffic))
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _counted(registry: Registry, traffic: Traffic) -> None:
    """Show what the collector has done so far to whoever asks for metrics, whichever process that is."""
    shown = dict.fromkeys(_COLLECTED, 0)
    while True:
        for number, field_name in _COLLECTED.items():
            now = getattr(registry.collector.total, field_name)
            traffic.add(number, now - shown[number])
            shown[number] = now
        await asyncio.sleep(_COUNT)


_SERVED = frozenset(Endpoint)
_COLLECTED = {
    Number.REVIEWS: "reviews",
    Number.MANIFESTS: "manifests",
    Number.LINKS: "links",
    Number.BLOBS: "blobs",
    Number.BYTES: "size",
}
