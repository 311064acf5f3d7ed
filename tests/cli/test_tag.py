import json
from pathlib import Path

from tests.content import an_image, an_index_of, put
from tests.faults.proxy import FOREVER, Fault, answered, proxy
from tests.peers import registry_of
from wherry.stores.archive import oci_archive
from wherry.stores.layout import Layout


async def test_every_tag_leads_to_the_same_digest(registry, wherry, pushed) -> None:
    index = an_index_of(an_image(), an_image(platform="linux/arm64"))
    reference = await pushed(index, "team/app:1")
    done = await wherry("tag", reference, "2", f"{registry.address}/team/app:3")
    assert (done.code, done.err) == (0, "")
    assert done.lines == [f"{registry.address}/team/app:{tag}" for tag in "23"]
    for place in done.lines:
        assert (await wherry("digest", place)).lines == [str(index.digest)]


async def test_a_digest_gets_a_tag_and_json_tells_it(registry, wherry, pushed) -> None:
    image = an_image()
    await pushed(image, "team/app:1")
    done = await wherry("tag", "--json", f"{registry.address}/team/app@{image.digest}", "stable", "stable")
    assert json.loads(done.out) == {
        "digest": str(image.digest),
        "references": [f"{registry.address}/team/app:stable"],
    }


async def test_another_repository_is_refused_with_a_way_there(registry, wherry, pushed) -> None:
    reference = await pushed(an_image(), "team/app:1")
    done = await wherry("tag", reference, "2", f"{registry.address}/team/other:2")
    assert (done.code, done.out) == (1, b"")
    assert f"try: wherry copy {reference} {registry.address}/team/other:2" in done.err
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["1"], "nothing was done"


async def test_bad_tag_is_refused_before_anything_is_done(registry, wherry, pushed) -> None:
    reference = await pushed(an_image(), "team/app:1")
    done = await wherry("tag", reference, "2", "b@d")
    assert done.code == 1
    assert done.err.startswith("wherry: bad ")
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["1"]


async def test_tags_before_one_that_fails_stand_and_are_told(registry, wherry, pushed) -> None:
    await pushed(an_image(), "team/app:1")
    refused = Fault(lambda asked: asked.method == "PUT" and asked.target.endswith("/b"), answered(403), FOREVER)
    async with proxy(registry.address, refused) as between:
        place = f"{between.address}/team/app"
        done = await wherry("tag", f"{place}:1", "a", "b", "c")
        assert (done.code, done.lines) == (1, [f"{place}:a"])
        assert "-> 403" in done.err
        assert (await wherry("ls", place)).lines == ["1", "a"]


async def test_missing_image_is_one_line_with_a_next_step(registry, wherry, pushed) -> None:
    await pushed(an_image(), "team/app:1")
    done = await wherry("tag", f"{registry.address}/team/app:none", "2")
    assert done.code == 1
    assert "no such tag" in done.err
    assert "try: `wherry ls " in done.err


async def test_tags_in_a_layout_and_in_an_archive(wherry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    await put(an_image(), layout, "1")
    assert (await wherry("tag", f"{layout}:1", "2")).lines == [f"{layout}:2"]
    archive = f"oci-archive:{tmp_path / 'a.tar'}"
    await put(an_image(), oci_archive(tmp_path / "a.tar"), "1")
    assert (await wherry("tag", f"{archive}:1", "2", "3")).code == 0
    for place in (str(layout), archive):
        assert (await wherry("digest", f"{place}:2")).lines == [str(an_image().digest)]
    assert (await wherry("ls", archive)).lines == ["1", "2", "3"]


async def test_tags_on_debians_registry(wherry, tmp_path: Path) -> None:
    async with registry_of("docker-registry", tmp_path / "docker-registry") as address:
        await tags_a_copy(f"{address}/team/app", wherry, tmp_path)


async def tags_a_copy(place: str, wherry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    await put(an_image(docker=True), layout, "1")
    assert (await wherry("copy", "-q", f"{layout}:1", f"{place}:1")).code == 0
    assert (await wherry("tag", f"{place}:1", "2", "3")).code == 0
    assert (await wherry("ls", place)).lines == ["1", "2", "3"]
    assert (await wherry("digest", f"{place}:3")).lines == [str(an_image(docker=True).digest)]
