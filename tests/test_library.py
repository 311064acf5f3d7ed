"""The library's front door: what `import wherry` promises."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wherry
from tests.content import an_image, put


@pytest.mark.parametrize("name", wherry.__all__)
def test_every_name_of_the_front_door_leads_somewhere(name):
    assert getattr(wherry, name) is not None
    assert name in dir(wherry)


def test_the_manual_has_every_name_of_the_front_door():
    page = (Path(__file__).parent.parent / "docs" / "manual" / "library.md").read_text()
    named = set(re.findall(r"`(\w+)`", page.partition("```")[0]))
    assert set(wherry.__all__) - {"__version__"} == named & set(wherry.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Registery'"):
        _ = wherry.Registery


def test_importing_wherry_imports_nothing_of_its_floors():
    program = "import sys, wherry; print(sorted(name for name in sys.modules if name.startswith('wherry')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['wherry', 'wherry._version']"


async def test_a_program_that_ends_with_its_client_ends_in_order():
    """Without the client's care about 1 in 15 aborts, at a moment that nobody can choose: so many are run."""
    program = """
import asyncio, wherry
async def main():
    async with wherry.Client() as client:
        try:
            await client.repository(wherry.Reference.parse("127.0.0.1:1/absent:1")).resolve(wherry.Tag("1"))
        except wherry.errors.Unreachable:
            pass
asyncio.run(main())
"""
    programs = [await asyncio.create_subprocess_exec(sys.executable, "-c", program) for _ in range(12)]
    assert [await each.wait() for each in programs] == [0] * len(programs)


async def test_an_image_goes_through_the_front_door_into_a_registry_and_back(registry, tmp_path):
    source, layout = wherry.MemoryStore(), wherry.Layout(tmp_path / "layout")
    content = an_image()
    await put(content, source)
    reference = wherry.Reference.parse(f"{registry.address}/team/app:1.0")
    async with wherry.Client() as client:
        there = client.repository(reference)
        await wherry.copy(source, content.digest, there, tags=[wherry.Tag("1.0")])
        await wherry.copy(there, wherry.Tag("1.0"), layout, tags=[wherry.Tag("1.0")])
    assert await layout.manifest(wherry.Tag("1.0")) == content.manifest


async def test_verbs_of_the_front_door_work_on_places_of_the_front_door(tmp_path):
    layout, archive = wherry.Layout(tmp_path / "layout"), wherry.oci_archive(tmp_path / "app.tar")
    one, two = an_image("one"), an_image("two", platform="linux/arm64")
    for content in (one, two):
        await put(content, layout)
    index = wherry.assemble([one.descriptor, two.descriptor])
    await layout.push_manifest(index, wherry.Tag("1"))
    await wherry.copy(layout, wherry.Tag("1"), archive, tags=[wherry.Tag("1")])
    (layout.path / "blobs" / "sha256" / two.digest.encoded).unlink()
    found = await wherry.check(layout, wherry.Tag("1"))
    assert isinstance(found, wherry.Checked)
    assert [(problem.cause, problem.digest) for problem in found.problems] == [("manifest-unknown", two.digest)]
    assert (await wherry.check(archive, wherry.Tag("1"), deep=True)).problems == ()
    assert (await wherry.inspect(archive, index.digest)).children[1].descriptor == two.descriptor
    compared = await wherry.compare(archive, one.digest, archive, two.digest)
    assert isinstance(compared, wherry.Compared)
    assert not compared.comparison.same
