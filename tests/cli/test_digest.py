from pathlib import Path

from tests.content import an_image, an_index_of, put
from wherry.stores.layout import Layout

INDEX = an_index_of(an_image(), an_image(platform="linux/arm64/v8"))


async def test_prints_the_digest_alone(registry, wherry, pushed) -> None:
    done = await wherry("digest", await pushed(INDEX, "team/app:1"))
    assert (done.code, done.out, done.err) == (0, f"{INDEX.digest}\n".encode(), "")


async def test_of_a_platform_and_as_a_full_reference(registry, wherry, pushed) -> None:
    reference = await pushed(INDEX, "team/app:1")
    done = await wherry("digest", "--full-ref", "--platform", "linux/arm64", reference)
    assert done.lines == [f"{registry.address}/team/app@{INDEX.children[1].digest}"]


async def test_platform_that_is_not_there_lists_those_that_are(registry, wherry, pushed) -> None:
    done = await wherry("digest", "--platform", "linux/s390x", await pushed(INDEX, "team/app:1"))
    assert (done.code, done.out) == (1, b"")
    assert "try: it has linux/amd64, linux/arm64/v8" in done.err


async def test_missing_tag_is_absent(registry, wherry, pushed) -> None:
    await pushed(INDEX, "team/app:1")
    done = await wherry("--exit-codes", "digest", f"{registry.address}/team/app:2")
    assert (done.code, done.out) == (3, b"")
    assert "try: `wherry ls " in done.err


async def test_bad_platform_is_refused(wherry) -> None:
    done = await wherry("digest", "--platform", "arm", "alpine")
    assert done.code == 2
    assert "'arm' is not of the form os/architecture" in done.err


async def test_of_a_layout_with_one_image(wherry, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    await put(INDEX, layout, "1")
    assert (await wherry("digest", layout)).lines == [str(INDEX.digest)]
