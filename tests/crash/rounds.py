"""Rounds of crashes: a child works on a registry until it is killed; the next child checks what was promised, and goes on.

Run as a program: python -m tests.crash.rounds FOLDER --random 500, or --points 4. One process, warm and with one thread,
forks a child for each round, which takes milliseconds. SIGKILL loses what the process has in memory, nothing that it
gave to the system: a power cut loses more. What is flushed before what has a test of its own.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import select
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.crash.clients import LEASE, Client
from tests.crash.promises import Promises, check
from tests.server.asking import ask as ask_over_a_socket
from tests.server.inside import Inside
from wherry.server.inspection.fsck import inspect
from wherry.server.inspection.protocol import Problem
from wherry.server.points import Point, Reached, pass_by
from wherry.server.policy import Durability, Policy
from wherry.server.registry import Registry
from wherry.server.running import running

WRITERS = 3
STEP = 7.0  # seconds that the clock moves between two looks of the collector
FRESH = 12  # rounds until a new registry is taken, because an old one takes long to check
MOST = 10  # notes that clients make before the kill, and at most so many seconds more:
LONGEST = 0.01
TOO_LONG = 60.0  # seconds for a round

_POLICY = Policy(lease=LEASE, grace=10.0, collect_every=3600.0)


class Failed(Exception):
    """A child found something that was promised, and is not there."""


class Killer:
    """Kills this process when it has reached a point for the n-th time."""

    def __init__(self, point: Point, arrivals: int) -> None:
        self._point = point
        self._left = arrivals
        self._lock = threading.Lock()

    def __call__(self, point: Point) -> None:
        if point is self._point:
            with self._lock:
                self._left -= 1
                if self._left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)


class Time:
    """A clock that the collector moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def opened(folder: Path, clock: Time, reached: Reached, *, socket: bool, durability: Durability) -> Any:
    """A registry in this process, and a way to ask it."""
    policy = Policy(
        **{name: getattr(_POLICY, name) for name in ("lease", "grace", "collect_every")}, durability=durability
    )
    if socket:
        async with running(data=folder, policy=policy, clock=clock, reached=reached) as server:
            yield server.registry, lambda *request: ask_over_a_socket(server, *request)
        return
    registry = Registry.open(folder, policy, alone=True, clock=clock, reached=reached)
    yield registry, Inside(registry, folder).ask
    await registry.close()


async def fsck(registry: Registry) -> None:
    """Nothing is damaged, nothing incomplete, nothing forgotten; orphans are what a crash may leave."""
    found = [
        each async for each in inspect(registry.inspection, registry.blobs, deep=True, repair=True, orphan_age=-1.0)
    ]
    bad = [each for each in found if each.problem is not Problem.ORPHAN]
    assert not bad, f"fsck: {bad}"


async def child(
    folder: Path, promises: Promises, note: Callable[[str], None], *, seed: int, killer: Reached, work: bool, **how: Any
) -> None:
    """Check everything, then work until somebody kills us."""
    clock = Time(promises.clock)
    live: list[Reached] = [pass_by]  # nobody dies before the promises were checked
    async with opened(folder, clock, lambda point: live[-1](point), **how) as (registry, ask):  # noqa: PLW0108  # it changes
        await check(promises, ask)
        await fsck(registry)
        if not work:
            return
        note('["ready"]')
        live.append(killer)

        async def collect() -> None:
            while True:
                clock.now += STEP
                note(json.dumps(["clock", clock.now]))
                await registry.collector.collect()
                await asyncio.sleep(0.002)

        collecting = asyncio.create_task(collect())
        clients = [Client(f"r{seed}/{number}", ask, clock, note, seed * 10 + number) for number in range(WRITERS)]
        await asyncio.gather(*(each.run(100_000) for each in clients))
        collecting.cancel()


def run_child(write: int, **what: Any) -> None:
    """In the forked process: never returns."""

    def note(line: str) -> None:
        os.write(write, f"{line}\n".encode())

    code = 0
    try:
        asyncio.run(child(note=note, **what))
    except BaseException:  # noqa: BLE001  # whatever it is, the parent must hear of it
        traceback.print_exc()
        code = 3
    finally:
        sys.stderr.flush()
        os._exit(code)


@dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds after so many notes. A machine that is busy with other things does not change the work."""

    notes: int
    seconds: float


def one_round(promises: Promises, *, moment: Moment | None, **what: Any) -> None:
    """Fork a child, let it be killed at a moment (None: it does that itself), and take its notes."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        run_child(write, promises=promises, **what)
    os.close(write)
    for line in _lines(read, pid, moment):
        promises.note(line)
    os.close(read)
    _, status = os.waitpid(pid, 0)
    if what["work"] and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return
    if not what["work"] and status == 0:
        return
    raise Failed(f"{what}: the child ended with status {status}")


def _lines(read: int, pid: int, moment: Moment | None) -> Iterator[str]:
    """What the child writes, to its end, which comes at the moment, or by itself."""
    rest = b""
    end = time.monotonic() + TOO_LONG
    left = None if moment is None else moment.notes
    while True:
        if not select.select([read], [], [], max(0.0, end - time.monotonic()))[0]:
            os.kill(pid, signal.SIGKILL)
            if left != 0:
                raise Failed(f"the child was not done after {TOO_LONG} seconds")
            end = time.monotonic() + TOO_LONG
            continue
        piece = os.read(read, 65536)
        if not piece:
            return
        *lines, rest = (rest + piece).split(b"\n")
        if left and moment is not None:
            left = max(0, left - sum(not line.startswith(b'["clock"') for line in lines))
            if left == 0:
                end = time.monotonic() + moment.seconds
        yield from (line.decode() for line in lines)


def all_points(folder: Path, rounds: int, seed: int, *, socket: bool) -> int:
    """Die at each point, `rounds` times, one arrival later each time."""
    promises = Promises()
    how: dict[str, Any] = {"folder": folder, "socket": socket, "durability": Durability.FULL}
    for point in Point:
        for number in range(rounds):
            killer = Killer(point, 1 + number)
            seed += 1
            one_round(promises, moment=None, seed=seed, killer=killer, work=True, **how)
    one_round(promises, moment=None, seed=seed, killer=pass_by, work=False, **how)
    return rounds * len(Point)


def random_moments(folder: Path, rounds: int, seed: int, *, socket: bool) -> int:
    """Die whenever it comes; a new registry now and then, since an old one takes long to check."""
    moments = random.Random(seed)
    (folder / "empty").mkdir()
    one_round(  # makes the database, so that not every registry has to
        Promises(),
        moment=None,
        folder=folder / "empty",
        seed=seed,
        killer=pass_by,
        work=False,
        socket=False,
        durability=Durability.RELAXED,
    )
    for start in range(0, rounds, FRESH):
        promises = Promises()
        how: dict[str, Any] = {
            "folder": folder / str(start),
            "socket": socket,
            "durability": moments.choice(list(Durability)),
        }
        shutil.copytree(folder / "empty", how["folder"])
        for _ in range(min(FRESH, rounds - start)):
            seed += 1
            one_round(
                promises,
                moment=Moment(moments.randint(1, MOST), moments.uniform(0, LONGEST)),
                seed=seed,
                killer=pass_by,
                work=True,
                **how,
            )
        one_round(promises, moment=None, seed=seed, killer=pass_by, work=False, **how)
    return rounds


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Kill a registry, over and over, and look whether it keeps its promises."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int, default=0, metavar="N", help="die N times at every named point")
    parser.add_argument("--random", type=int, default=0, metavar="N", help="die N times at random moments")
    parser.add_argument("--socket", action="store_true", help="ask over a socket, as clients do")
    parser.add_argument("--seed", type=int, default=random.randrange(10_000), help="as an earlier run printed it")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    sys.stdout.write(f"seed {options.seed}\n")
    sys.stdout.flush()  # before any child is forked, which would write it again
    done = 0
    for wanted, crash, place in ((options.points, all_points, "points"), (options.random, random_moments, "random")):
        if wanted:
            (options.folder / place).mkdir()
            done += crash(options.folder / place, wanted, options.seed, socket=options.socket)
    seconds = time.monotonic() - begun
    sys.stdout.write(f"{done} rounds in {seconds:.1f} s: {Promises.made} promises were made, and every one was kept\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
