"""Logins that others wrote, and that others read: skopeo and crane share their files with us."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from tests.content import an_image
from tests.peers import installed
from tests.stores.remote.guarded import behind_basic


async def _run(program: str, *arguments: str, told: str = "", **environment: str) -> str:
    installed(program)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=os.environ | environment
    )
    out, err = await process.communicate(told.encode())
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.peer("skopeo")
async def test_wherry_reads_what_skopeo_login_left_and_forgets_it(
    registry, wherry, pushed, tmp_path, monkeypatch
) -> None:
    await pushed(an_image(), "team/app:1")
    file = tmp_path / "auth.json"
    async with behind_basic(registry.address, "me", "secret") as server:
        await _run(
            "skopeo", "login", "--tls-verify=false", "--authfile", str(file), "-u", "me", "--password-stdin",
            server.address, told="secret",
        )  # fmt: skip
        assert (await wherry("ls", f"{server.address}/team/app")).code == 1
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))
        assert (await wherry("ls", f"{server.address}/team/app")).lines == ["1"]
        assert (await wherry("logout", server.address)).code == 0
    assert json.loads(file.read_text()) == {"auths": {}}


@pytest.mark.peer("skopeo")
async def test_skopeo_reads_what_wherry_login_left(registry, wherry, pushed, tmp_path, monkeypatch) -> None:
    await pushed(an_image(), "team/app:1")
    file = tmp_path / "auth.json"
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(file))
    async with behind_basic(registry.address, "me", "secret") as server:
        assert (await wherry("login", server.address, "-u", "me", "-p", "secret")).code == 0
        told = await _run("skopeo", "list-tags", "--tls-verify=false", f"docker://{server.address}/team/app")
    assert json.loads(told)["Tags"] == ["1"]


@pytest.mark.peer("crane")
async def test_crane_and_wherry_read_each_others_logins(registry, wherry, pushed, tmp_path: Path) -> None:
    await pushed(an_image(), "team/app:1")
    config = {"DOCKER_CONFIG": str(tmp_path / "docker")}
    async with behind_basic(registry.address, "me", "secret") as server:
        assert (await wherry("login", server.address, "-u", "me", "-p", "secret")).code == 0
        assert (await _run("crane", "ls", f"{server.address}/team/app", **config)).split() == ["1"]
        assert (await wherry("logout", server.address)).code == 0
        await _run("crane", "auth", "login", server.address, "-u", "me", "-p", "secret", **config)
        assert (await wherry("ls", f"{server.address}/team/app")).lines == ["1"]
