"""`wherry serve --workers N`: the same registry in several processes."""

import asyncio
import mmap
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import uvloop

from wherry.cli.stopping import on_signals
from wherry.server.folder import held_folder, thrown_away_folder
from wherry.server.listening import Limits, Patience, listen, url_of
from wherry.server.policy import Durability, Policy
from wherry.server.registry import Registry
from wherry.server.running import answering, warn_if_emptied
from wherry.server.supervising import Lifeline, supervise
from wherry.server.traffic import Traffic, shared_numbers

__all__ = ["serve_in_workers"]


def serve_in_workers(
    count: int,
    *,
    data: Path | None,
    address: tuple[str, int],
    metrics: tuple[str, int] | None,
    policy: Policy,
    ending: Patience,
    limits: Limits,
    access_log: str,
    announce: Callable[[str], None],
    announce_metrics: Callable[[str], None],
) -> None:
    """Serve until a signal says that it is enough; `announce` is told the URL when all answer.

    With `metrics` every worker serves these on a second socket that they share; `announce_metrics` is told its URL.

    Raises:
        StoreError: the folder cannot be used, or another server uses it.
        CannotListen: the address cannot be listened on.
        WorkersFailed: the workers do not live.
    """
    if data is None:
        policy = replace(policy, durability=Durability.RELAXED)
    place: AbstractContextManager[Path] = thrown_away_folder() if data is None else held_folder(data)
    with (
        listen(*address, limits) as listener,
        nullcontext() if metrics is None else listen(*metrics, limits) as apart,
        place as folder,
    ):
        _bring_up_to_date(folder, policy)
        memory = shared_numbers(count)
        url, metrics_url = url_of(listener), None if apart is None else url_of(apart)

        def work(number: int, lifeline: Lifeline) -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(
                    _work(
                        number,
                        lifeline,
                        folder=folder,
                        policy=policy,
                        listener=listener,
                        apart=apart,
                        ending=ending,
                        limits=limits,
                        access_log=access_log,
                        memory=memory,
                    )
                )

        def on_ready() -> None:
            announce(url)
            if metrics_url is not None:
                announce_metrics(metrics_url)

        supervise(count, work, listener, on_ready)


def _bring_up_to_date(folder: Path, policy: Policy) -> None:
    """Make the database, or change its schema, before anybody else has it; nothing of it stays open when we fork."""

    async def bring() -> None:
        registry = Registry.open(folder, policy)
        await warn_if_emptied(registry, folder)
        await registry.close()

    asyncio.run(bring())


async def _work(
    number: int,
    lifeline: Lifeline,
    *,
    folder: Path,
    policy: Policy,
    listener: socket.socket,
    apart: socket.socket | None,
    ending: Patience,
    limits: Limits,
    access_log: str,
    memory: mmap.mmap,
) -> None:
    stopped = asyncio.Event()
    on_signals(stopped)
    loop = asyncio.get_running_loop()

    def orphaned() -> None:
        loop.remove_reader(lifeline.supervisor)
        stopped.set()

    loop.add_reader(lifeline.supervisor, orphaned)
    registry = await asyncio.to_thread(Registry.open, folder, policy, served=True)
    traffic = Traffic(memory, number)
    async with answering(
        registry, folder, listener, apart=apart, ending=ending, limits=limits, access_log=access_log, traffic=traffic
    ) as server:
        lifeline.is_ready()
        await stopped.wait()
        on_signals(server.hurry)  # who asks twice does not want to wait
