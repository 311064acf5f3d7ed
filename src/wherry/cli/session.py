"""What every command needs that talks to registries: a client that knows the user's surroundings, and the one event loop."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from wherry.cli.failures import Stopped, say
from wherry.cli.stopping import handle
from wherry.cli.surroundings import credential_files, docker_config, host_files, notes_folder
from wherry.oci.errors import TimedOut
from wherry.stores.remote import Client
from wherry.stores.remote.credentials import Credentials, InOrder
from wherry.stores.remote.proxies import Proxies
from wherry.stores.remote.reach import Loopback

__all__ = ["docker_config", "open_client", "run", "within"]

Result = TypeVar("Result")

_PATIENT = 2
"""Signals that ask for the end before who sends them has waited long enough."""
_CURSOR = "\x1b[?25h"
"""Show it: bars hide it."""


def open_client(
    *,
    insecure: bool = False,
    loopback: Loopback = "plain",
    credentials: Credentials | None = None,
    limit_rate: int | None = None,
) -> Client:
    """A client for all registries, as the user's surroundings say: credentials, routes, proxies. To be entered with `async with`.

    `credentials` replaces those of the surroundings; `limit_rate` is in bytes a second.
    """
    return Client(
        credentials=credentials or InOrder(credential_files()),
        insecure=insecure,
        loopback=loopback,
        proxies=Proxies.of(os.environ),
        hosts=host_files(),
        limit_rate=limit_rate,
        notes=notes_folder(),
        notify=lambda line: say(f"wherry: {line}"),
    )


def run(main: Coroutine[Any, Any, Result], *, heavy: bool = False) -> Result:
    """Run a command's coroutine on the event loop, which this starts and ends.

    `heavy` is for commands that move blobs: uvloop's loop takes longer to import, and then less time for each piece. They
    clean up behind themselves whatever signal ends them, and a second one does not disturb that; the third ends them at once.

    Raises:
        KeyboardInterrupt: Ctrl-C has.
        Stopped: SIGTERM or SIGHUP has.
    """
    if not heavy:
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415  # commands that ask a registry one thing are over before it has paid

    caught: list[int] = []
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_cancelled_by_signals(main, caught))
    except asyncio.CancelledError:
        if not caught:
            raise
    raise KeyboardInterrupt if caught[0] == signal.SIGINT else Stopped(caught[0])


async def _cancelled_by_signals(main: Coroutine[Any, Any, Result], caught: list[int]) -> Result:
    """Do it; a signal that asks for the end is noted in `caught`, and cancels it."""
    task = asyncio.current_task()

    def stop(number: int) -> None:
        caught.append(number)
        if len(caught) > _PATIENT:
            sys.stderr.write(_CURSOR if sys.stderr.isatty() else "")
            sys.stderr.flush()
            os._exit(128 + number)
        if task is not None:
            task.cancel()

    if threading.current_thread() is threading.main_thread():  # no other one may handle signals
        handle(stop, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return await main


async def within(seconds: float | None, work: Coroutine[Any, Any, Result], next_time: str) -> Result:
    """Do it in this time; None is: however long it takes. `next_time` says what the same command would do.

    Raises:
        TimedOut: it takes longer.
    """
    try:
        async with asyncio.timeout(seconds) as scope:
            return await work
    except TimeoutError:
        if not scope.expired():
            raise
        raise TimedOut(f"not done within the {seconds:g} s of --timeout", registry="", hint=next_time) from None
