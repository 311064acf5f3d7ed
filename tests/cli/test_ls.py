import json
from pathlib import Path

from tests.content import an_image, put
from wherry.stores.layout import Layout


async def test_tags_of_a_repository_one_a_line_in_byte_order(registry, wherry, pushed) -> None:
    for tag in ("b", "1.10", "1.9", "a"):
        await pushed(an_image(), f"team/app:{tag}")
    done = await wherry("ls", f"{registry.address}/team/app")
    assert (done.code, done.err) == (0, "")
    assert done.lines == ["1.10", "1.9", "a", "b"]


async def test_tags_as_json(registry, wherry, pushed) -> None:
    await pushed(an_image(), "team/app:1")
    done = await wherry("ls", "--json", f"{registry.address}/team/app")
    assert json.loads(done.out) == {"reference": f"{registry.address}/team/app", "tags": ["1"]}


async def test_repositories_of_a_registry(registry, wherry, pushed) -> None:
    await pushed(an_image(), "team/app:1")
    await pushed(an_image(), "base:1")
    for place in (registry.address, f"{registry.address}/", f"docker://{registry.address}"):
        assert (await wherry("ls", place)).lines == ["base", "team/app"]
    done = await wherry("ls", "--json", registry.address)
    assert json.loads(done.out) == {"registry": registry.address, "repositories": ["base", "team/app"]}


async def test_tags_of_a_layout(wherry, tmp_path: Path) -> None:
    await put(an_image(), Layout(tmp_path / "layout"), "1", "latest")
    assert (await wherry("ls", f"oci:{tmp_path / 'layout'}")).lines == ["1", "latest"]


async def test_missing_repository_and_layout_are_one_line(registry, wherry, tmp_path: Path) -> None:
    for place in (f"{registry.address}/team/none", f"oci:{tmp_path / 'none'}"):
        done = await wherry("ls", place)
        assert done.code == 1
        assert done.err.startswith(f"wherry: {place}: ")
        assert done.out == b""


async def test_reference_with_a_tag_is_told_what_to_type(registry, wherry) -> None:
    done = await wherry("ls", f"{registry.address}/team/app:1")
    assert done.code == 1
    assert f"try: wherry ls {registry.address}/team/app, or wherry inspect" in done.err
