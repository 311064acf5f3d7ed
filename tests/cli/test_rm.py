from tests.content import an_image, put
from tests.peers import registry_of
from wherry.stores.layout import Layout


async def test_a_tag_goes_alone(registry, wherry, pushed) -> None:
    image = an_image()
    reference = await pushed(image, "team/app:1")
    await wherry("tag", reference, "2")
    done = await wherry("rm", reference)
    assert (done.code, done.err, done.lines) == (0, "", [reference])
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["2"]
    assert (await wherry("digest", f"{registry.address}/team/app:2")).lines == [str(image.digest)]


async def test_a_manifest_with_its_only_tag_goes(registry, wherry, pushed) -> None:
    image, other = an_image(), an_image("other")
    reference = await pushed(image, "team/app:1")
    await pushed(other, "team/app:other")
    done = await wherry("rm", "--digest", reference)
    assert done.code == 0
    assert done.lines == [reference, f"{registry.address}/team/app@{image.digest}"]
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["other"]


async def test_other_tags_do_not_go_along_unasked(registry, wherry, pushed) -> None:
    image = an_image()
    reference = await pushed(image, "team/app:1")
    await wherry("tag", reference, "2", "3")
    refused = await wherry("rm", "--digest", reference)
    assert (refused.code, refused.out) == (1, b"")
    assert "has the tags 1, 2, 3" in refused.err
    assert "2 other tags would go along: 2, 3" in refused.err
    assert "try: with -y they do" in refused.err
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["1", "2", "3"]
    done = await wherry("rm", "--digest", "-y", f"{registry.address}/team/app@{image.digest}")
    assert done.code == 0
    assert done.lines == [f"{registry.address}/team/app{name}" for name in (":1", ":2", ":3", f"@{image.digest}")]


async def test_a_manifest_that_is_named_twice_goes_once(registry, wherry, pushed) -> None:
    image = an_image()
    reference = await pushed(image, "team/app:1")
    await wherry("tag", reference, "2")
    done = await wherry("rm", "--digest", reference, f"{registry.address}/team/app:2")
    assert done.code == 0
    assert done.lines == [f"{registry.address}/team/app{name}" for name in (":1", ":2", f"@{image.digest}")]


async def test_a_digest_without_the_word_is_refused(registry, wherry, pushed) -> None:
    image = an_image()
    reference = await pushed(image, "team/app:1")
    for text in (f"{reference}@{image.digest}", f"{registry.address}/team/app@{image.digest}"):
        done = await wherry("rm", text)
        assert done.code == 1
        assert f"try: wherry rm --digest {text}" in done.err
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["1"]


async def test_a_mistake_in_one_deletes_nothing(registry, wherry, pushed) -> None:
    reference = await pushed(an_image(), "team/app:1")
    done = await wherry("rm", reference, f"{registry.address}/team/app")
    assert done.code == 1
    assert "names neither a tag nor a digest" in done.err
    assert (await wherry("ls", f"{registry.address}/team/app")).lines == ["1"]


async def test_what_is_not_there_is_one_line(registry, wherry, pushed) -> None:
    reference = await pushed(an_image(), "team/app:1")
    for options in ([], ["--digest"]):
        done = await wherry("rm", *options, f"{reference}0")
        assert done.code == 1
        assert "no such tag" in done.err
        assert "Traceback" not in done.err


async def test_a_registry_that_deletes_no_tags_says_so(wherry, tmp_path) -> None:
    await put(an_image(docker=True), Layout(tmp_path / "layout"), "1")
    async with registry_of("docker-registry", tmp_path / "docker-registry") as address:
        place = f"{address}/team/app:1"
        assert (await wherry("copy", "-q", f"oci:{tmp_path}/layout:1", place)).code == 0
        done = await wherry("rm", place)
        assert done.code == 1
        assert "does not delete a tag alone" in done.err
        assert (await wherry("ls", f"{address}/team/app")).lines == ["1"]


async def test_a_tag_of_a_layout_goes(wherry, tmp_path) -> None:
    await put(an_image(), Layout(tmp_path / "there"), "1", "2")
    done = await wherry("rm", f"oci:{tmp_path}/there:1")
    assert (done.code, done.lines) == (0, [f"oci:{tmp_path}/there:1"])
    assert (await wherry("ls", f"oci:{tmp_path}/there")).lines == ["2"]
