"""What was answered with 201 is there after SIGKILL, at every named point and at random moments; fsck finds nothing wrong.

The rounds run in a program of their own, which has one thread and forks (tests/crash/rounds.py). A failure prints its
seed, and the folder stays where pytest keeps them.
"""

import asyncio
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


async def crash(folder: Path, *options: str) -> tuple[int, int]:
    """How many rounds there were, and how many promises were made in them."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crash.rounds", str(folder / "crash"), *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await program.communicate())[0].decode()
    assert program.returncode == 0, output
    found = re.search(r"(\d+) rounds in .*: (\d+) promises were made, and every one was kept", output)
    assert found, output
    return int(found[1]), int(found[2])


async def test_killed_at_every_point(tmp_path):
    rounds, promises = await crash(tmp_path, "--points", "4")
    assert rounds == 40
    assert promises > 100


async def test_killed_at_every_point_behind_a_socket(tmp_path):
    rounds, _ = await crash(tmp_path, "--points", "2", "--socket")
    assert rounds == 20


@pytest.mark.parametrize("part", ["first", "second"])
async def test_killed_at_random_moments(tmp_path, part):
    rounds, promises = await crash(tmp_path, "--random", "240")
    assert rounds == 240
    assert promises > 240


async def test_killed_at_random_moments_behind_a_socket(tmp_path):
    rounds, promises = await crash(tmp_path, "--random", "40", "--socket")
    assert rounds == 40
    assert promises > 20


@pytest.mark.soak
@pytest.mark.parametrize("how", [(), ("--socket",)], ids=["inside", "socket"])
async def test_killed_at_random_moments_for_long(tmp_path, how):
    rounds, _ = await crash(tmp_path, "--points", "25", "--random", "3000", *how)
    assert rounds == 3250
