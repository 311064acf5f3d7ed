"""README and the manual's page of the library are true: their Python runs, and commands print what README says that they print.

Blocks of ```python are run as programs and print the block of ```text behind them; each `$ command` in blocks of ```console
runs through a shell; all in their order, with the registry of the test in the place of localhost:5000. Output has to be the
same to the letter.
"""

import asyncio
import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from tests.content import an_image, put
from wherry.cli.root import root
from wherry.oci.reference import Reference
from wherry.server.running import Running
from wherry.stores.remote import Client

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
LIBRARY = ROOT / "docs" / "manual" / "library.md"
STATED = "localhost:5000"


@dataclass(frozen=True)
class Step:
    """Something that a page runs, and what it says that comes out."""

    program: tuple[str, ...]
    expected: str


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [(language, text) for language, text in found if language in languages]


def steps(page: Path) -> list[Step]:
    found: list[Step] = []
    for language, text in blocks(page, "python", "text", "console"):
        if language == "python":
            found.append(Step((sys.executable, "-c", text), ""))
        elif language == "text":
            found[-1] = Step(found[-1].program, text)
        else:
            found += [
                Step(("sh", "-c", command), output)
                for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
                if not command.endswith("&")  # the registry is there already: the test's
            ]
    return found


async def run(step: Step, address: str, home: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(part.replace(STATED, address) for part in step.program),
        cwd=home,
        env={
            **os.environ,
            "DOCKER_CONFIG": str(home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode().replace(address, STATED)


@pytest.mark.parametrize(("page", "examples"), [(README, 6), (LIBRARY, 1)], ids=["README", "library"])
async def test_page_prints_what_it_says(registry: Running, tmp_path: Path, page: Path, examples: int) -> None:
    assert len(steps(page)) >= examples, "the page has examples, and they are found"
    async with Client() as client:
        store = client.repository(Reference.parse(f"{registry.address}/team/app"))
        for architecture in ("amd64", "arm64"):
            await put(an_image("app", platform=f"linux/{architecture}"), store, f"1.4-{architecture}")
    for step in steps(page):
        code, output = await run(step, registry.address, tmp_path)
        assert (code, output) == (0, step.expected), step.program


def command_lines() -> list[tuple[str, str]]:
    """Every `wherry …` in a block of shell, with the page that has it; as far as a line has no shell grammar in it."""
    found = []
    for page in PAGES:
        for _, text in blocks(page, "sh", "console"):
            for line in text.replace("\\\n", " ").splitlines():
                command = re.match(r"""(?:\$ )?wherry ((?:'[^']*'|"[^"]*"|[^#|>&;'"])*)""", line)
                if command and "[OPTIONS]" not in command[1]:  # a synopsis is no command line
                    found.append((str(page.relative_to(ROOT)), command[1].strip()))
    return found


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_command_lines_in_the_documents_are_understood(page: str, line: str) -> None:
    group: click.Command = root
    words = shlex.split(line)
    with click.Context(group, info_name="wherry") as context:
        while isinstance(group, click.Group) and words and not words[0].startswith("-"):
            found = group.get_command(context, words.pop(0))
            assert found is not None, f"{page}: wherry {line}"
            group = found
        if "--help" not in words and "--version" not in words:
            group.make_context("wherry", words, parent=context, resilient_parsing=False)
