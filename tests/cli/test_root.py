import asyncio
import os
import subprocess
import sys

import pytest

from tests.content import an_image, put
from wherry import __version__
from wherry.cli.lazy import Place
from wherry.cli.root import ALIASES, COMMANDS, SECTIONS, root
from wherry.stores.layout import Layout


async def test_help_lists_every_command(wherry) -> None:
    done = await wherry("--help")
    assert (done.code, done.err) == (0, "")
    for name, place in COMMANDS.items():
        assert any(line.split()[:1] in ([name], [f"{name},"]) and place.summary in line for line in done.lines)


async def test_help_has_a_line_for_each_command_below_the_title_of_what_it_is_for(wherry) -> None:
    lines = (await wherry("--help")).lines
    for title, places in SECTIONS.items():
        begin = lines.index(f"{title}:") + 1
        section = lines[begin : lines.index("", begin)]
        assert [line.split()[0].rstrip(",") for line in section] == [*places]
    assert sorted(COMMANDS) == sorted(name for places in SECTIONS.values() for name in places)
    starts = {line.index(place.summary) for line in lines for place in COMMANDS.values() if place.summary in line}
    assert len(starts) == 1, "the summaries stand below each other in all sections"


def test_help_imports_no_command() -> None:
    program = (
        "import sys; from wherry.cli import main; main(['--help']);"
        "print(*[name for name in sys.modules if name.startswith(('wherry.stores', 'wherry.ops', 'asyncio'))])"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.splitlines()[-1] == ""


async def test_version_is_a_result(wherry) -> None:
    done = await wherry("--version")
    assert (done.code, done.lines, done.err) == (0, [f"wherry {__version__}"], "")


async def test_without_a_command_there_is_help_and_code_2(wherry) -> None:
    done = await wherry()
    assert (done.code, done.out) == (2, b"")
    assert done.err.startswith("Usage: wherry")


async def test_an_unknown_command_is_two_lines(wherry) -> None:
    done = await wherry("push")
    assert (done.code, done.out) == (2, b"")
    assert [line.partition(":")[0] for line in done.err.splitlines()] == ["wherry", "try"]


@pytest.mark.parametrize("name", [*COMMANDS, *ALIASES])
async def test_every_command_explains_itself(wherry, name) -> None:
    done = await wherry(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"Usage: wherry {name}" in done.lines[0]


ABSENT = Place("tests.cli.needs_absent_module:command", "…", extra="more")


async def test_an_extra_that_is_not_installed_is_named_with_what_installs_it(wherry, monkeypatch) -> None:
    monkeypatch.setitem(root.places, "absent", ABSENT)
    done = await wherry("absent", "--help")
    assert (done.code, done.out) == (1, b"")
    assert done.err.splitlines() == [
        "wherry: absent_module is not installed",
        "try: pip install 'wherry[more]'",
    ]


def test_a_place_without_its_module_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError):
        Place("wherry.cli.absent:command", "…", extra="more").load()


def completed(*words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """What the shell is told of the last word; `before` is Python that runs before."""
    asked = {"_WHERRY_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    command = [sys.executable, "-c", f"{before}\nfrom wherry.cli import main; main()"]
    return subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)


def test_the_shell_can_complete_commands() -> None:
    assert completed("wherry", "man").stdout == "plain,manifest\n"
    assert completed("wherry", "man", before="import sys; sys.modules['wherry.cli.manifest'] = None").returncode == 0
    assert completed("wherry", "manifest", "p").stdout.split() == ["plain,prune", "plain,push"]
    assert "plain,--exit-codes" in completed("wherry", "--").stdout.split()


def test_completing_without_an_extra_says_nothing_about_it() -> None:
    without = "import sys; sys.modules['granian'] = sys.modules['sqlalchemy'] = None"
    assert completed("wherry", "s", before=without).stdout == "plain,serve\n"
    done = completed("wherry", "serve", "--", before=without)
    assert (done.stdout, done.stderr) == ("", "")


def shell(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the shell in which `$0 -m wherry` is the command."""
    return subprocess.run(["/bin/sh", "-c", script, sys.executable], capture_output=True, text=True, check=False)


def test_module_is_the_command() -> None:
    assert shell('exec "$0" -m wherry --version').stdout == f"wherry {__version__}\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_stream_that_is_closed_is_no_bug(closed: str) -> None:
    done = shell(f'exec "$0" -m wherry inspect oci:/nowhere {closed}')
    assert done.returncode == 1
    assert done.stdout == ""
    expected = [] if "2>&-" in closed else ["wherry: oci:/nowhere: there is no such folder"]
    assert done.stderr.splitlines()[:1] == expected


@pytest.mark.parametrize(
    ("encoding", "name", "label"),
    [
        ("utf-8", b"n\xff", "日本: ü".encode()),
        ("latin-1", b"n\xff", b"\\u65e5\\u672c: \xfc"),
        ("ascii", b"n?", "日本: ü".encode()),  # click takes ASCII for a mistake, and writes UTF-8
    ],
)
async def test_what_the_encoding_does_not_have_is_printed_all_the_same(tmp_path, encoding, name, label) -> None:
    folder = tmp_path / os.fsdecode(b"n\xff")
    await put(an_image(labels={"日本": "ü"}), Layout(folder), "1")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wherry", "inspect", f"oci:{folder}"),
        env=os.environ | {"PYTHONIOENCODING": f"{encoding}:strict"},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert out.splitlines()[0].endswith(b"/" + name + b":1")
    assert out.splitlines()[-1].strip() == label
