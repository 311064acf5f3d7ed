import json
from pathlib import Path

from tests.content import an_artifact, an_image, an_index_of, put
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


async def test_tags_that_match_in_the_order_of_their_versions(registry, wherry, pushed) -> None:
    for tag in ("v1.10.0", "1.9", "latest", "1.10.0-rc1", "2"):
        await pushed(an_image(), f"team/app:{tag}")
    place = f"{registry.address}/team/app"
    assert (await wherry("ls", "--sort", "semver", place)).lines == ["latest", "1.9", "1.10.0-rc1", "v1.10.0", "2"]
    assert (await wherry("ls", "--sort", "semver", "--reverse", "--limit", "1", "--match", "*1.*", place)).lines == [
        "v1.10.0"
    ]
    assert (await wherry("ls", "--match", "none*", place)).lines == []


async def test_tags_in_the_order_of_when_they_were_made(registry, wherry, pushed) -> None:
    made = {
        "new": "2026-03-01T00:00:00Z",
        "old": "2024-03-01T00:00:00+01:00",
        "middle": "2025-01-01T00:00:00.123456789Z",
    }
    for tag, created in made.items():
        await pushed(an_image(tag, created=created), f"team/app:{tag}")
    await pushed(an_index_of(an_image("between", created="2025-06-01T00:00:00Z")), "team/app:index")
    await pushed(an_artifact(), "team/app:artifact")
    place = f"{registry.address}/team/app"
    assert (await wherry("ls", "--sort", "created", place)).lines == ["artifact", "old", "middle", "index", "new"]


async def test_digests_stand_beside_their_tags(registry, wherry, pushed) -> None:
    await pushed(an_image(), "team/app:1")
    place = f"{registry.address}/team/app"
    assert (await wherry("ls", "--digests", place)).lines == [f"1  {an_image().digest}"]
    done = await wherry("ls", "--digests", "--json", place)
    assert json.loads(done.out) == {"reference": place, "tags": [{"tag": "1", "digest": str(an_image().digest)}]}


async def test_repositories_that_match(registry, wherry, pushed) -> None:
    for name in ("team/b", "team/a", "other"):
        await pushed(an_image(), f"{name}:1")
    assert (await wherry("ls", "--match", "team/*", registry.address)).lines == ["team/a", "team/b"]
    assert (await wherry("ls", "--reverse", "--limit", "2", registry.address)).lines == ["team/b", "team/a"]
    assert (await wherry("ls", "--limit", "1", registry.address)).lines == ["other"]
    refused = await wherry("ls", "--digests", registry.address)
    assert refused.code == 2
    assert "are for tags" in refused.err
