"""Commands by way of the files on a machine: mirrors for what is read, the registry for what is written."""

import json
from pathlib import Path

from tests.content import an_image, put
from tests.stores.remote.stub import Reply, front, stub
from wherry.stores.layout import Layout


async def test_copy_reads_from_the_mirror_and_writes_to_the_registry(
    registry_factory, wherry, tmp_path: Path, monkeypatch
) -> None:
    from_registry, to_registry = await registry_factory(), await registry_factory()
    mirrored = await registry_factory()
    layout = tmp_path / "layout"
    await _put(wherry, layout, f"{mirrored.address}/team/app:1")
    async with front(from_registry.address) as home, front(mirrored.address) as mirror:
        monkeypatch.setenv("WHERRY_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
        (tmp_path / "registries.conf").write_text(
            f'[[registry]]\nlocation = "{home.address}"\n[[registry.mirror]]\nlocation = "{mirror.address}"\n'
        )
        target = f"{to_registry.address}/team/app:1"
        done = await wherry("copy", "--quiet", f"{home.address}/team/app:1", target)
        assert (done.code, done.err) == (0, "")
        assert home.asked == []
        assert (await wherry("inspect", f"{home.address}/team/app:1")).code == 0
        assert (await wherry("copy", "--quiet", f"oci:{layout}:1", f"{home.address}/team/new:1")).code == 0
        assert not [line for line in mirror.lines() if "team/new" in line]


async def _put(wherry, layout: Path, reference: str) -> None:
    await put(an_image(), Layout(layout), "1")
    assert (await wherry("copy", "--quiet", f"oci:{layout}:1", reference)).code == 0


async def test_sources_of_an_index_come_from_the_mirror_and_the_index_goes_to_the_registry(
    registry_factory, wherry, tmp_path: Path, monkeypatch
) -> None:
    main, other = await registry_factory(), await registry_factory()
    await _put(wherry, tmp_path / "layout", f"{other.address}/team/app:1")
    async with front(main.address) as home, front(other.address) as mirror:
        monkeypatch.setenv("WHERRY_REGISTRIES_CONF", str(tmp_path / "registries.conf"))
        (tmp_path / "registries.conf").write_text(
            f'[[registry]]\nlocation = "{home.address}"\n[[registry.mirror]]\nlocation = "{mirror.address}"\n'
        )
        done = await wherry("index", "create", "-t", f"{home.address}/team/all:1", f"{home.address}/team/app:1")
        assert (done.code, done.err) == (0, "")
        assert not [line for line in mirror.lines() if "team/all" in line]
        assert {asked.method for asked in mirror.asked} <= {"GET", "HEAD"}
        assert not [line for line in home.lines() if line.startswith("GET /v2/team/app/")]


async def test_mirror_that_fails_is_a_line_and_no_failure(registry, wherry, pushed, tmp_path, monkeypatch) -> None:
    reference = await pushed(an_image(), "team/app:1")
    async with stub(lambda _: Reply(500)) as bad:
        folder = tmp_path / "certs.d" / registry.address
        folder.mkdir(parents=True)
        (folder / "hosts.toml").write_text(
            f'server = "http://{registry.address}"\n[host."http://{bad.address}"]\ncapabilities = ["pull", "resolve"]\n'
        )
        monkeypatch.setenv("WHERRY_CERTS_D", f"/nowhere:{tmp_path / 'certs.d'}")
        done = await wherry("inspect", "--json", reference)
    assert done.code == 0
    assert json.loads(done.out)["digest"] == str(an_image().manifest.digest)
    assert done.err.startswith(f"wherry: mirror {bad.address}, of {folder / 'hosts.toml'}, is passed over: ")
    assert len(done.err.splitlines()) == 1


async def test_blocked_registry_is_an_error_that_names_the_file(wherry, tmp_path, monkeypatch) -> None:
    conf = tmp_path / "registries.conf"
    conf.write_text('[[registry]]\nprefix = "r.example"\nblocked = true\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(conf))
    monkeypatch.delenv("WHERRY_REGISTRIES_CONF")
    for arguments in (
        ("ls", "r.example/app"),
        ("copy", "r.example/app", f"oci:{tmp_path}/x"),
        ("inspect", "r.example/app"),
    ):
        done = await wherry(*arguments)
        assert done.code == 1
        assert f"r.example/app: blocked by {conf}" in done.err


async def test_proxies_of_the_environment_are_used_and_never_for_loopback(
    registry, wherry, pushed, monkeypatch
) -> None:
    await pushed(an_image(), "team/app:1")
    async with stub(lambda _: Reply(502)) as proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://me:secret@{proxy.address}")
        assert (await wherry("ls", f"{registry.address}/team/app")).code == 0
        assert proxy.asked == []
        done = await wherry("ls", "registry.invalid/team/app")
    assert f"by way of the proxy {proxy.address}" in done.err
    assert "secret" not in done.err
