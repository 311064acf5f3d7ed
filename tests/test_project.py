"""The project's shape: public names, the manual against the code, links, pins, and what must not be in a repository."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import wherry
from wherry.cli.failures import ExitCode
from wherry.cli.root import ALIASES, root

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
MANUAL = ROOT / "docs" / "manual"
MIGRATIONS = "wherry.server.metadata.migrations."  # their names are Alembic's: it finds them by file
OWN_FOLDERS = (".ci", "bench", "demo", "docs", "src", "tests")
OWN_SUFFIXES = {".md", ".py", ".toml", ".txt", ".json", ".sh", ""}


def modules() -> list[str]:
    files = sorted(SOURCE.rglob("*.py"))
    parts = [file.relative_to(SOURCE).with_suffix("").parts for file in files]
    return [".".join(each[:-1] if each[-1] == "__init__" else each) for each in parts]


def own_files() -> Iterator[Path]:
    yield from (file for file in ROOT.iterdir() if file.is_file() and not file.name.startswith(".coverage"))
    for folder in OWN_FOLDERS:
        yield from (file for file in (ROOT / folder).rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def source_of(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@pytest.mark.parametrize("module", [each for each in modules() if not each.startswith(MIGRATIONS)])
def test_public_functions_and_classes_stand_in_all(module: str) -> None:
    defined = {
        node.name
        for node in ast.parse(source_of(module).read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    loaded = importlib.import_module(module)
    stated = getattr(loaded, "__all__", [])
    assert defined - set(stated) == set(), "public by name, but not in __all__"
    assert [name for name in stated if not hasattr(loaded, name)] == [], "in __all__, but not there"


def test_version_is_stated_once_and_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == wherry.__version__


def commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from commands(command, *path, name)
            else:
                yield (*path, name), command


def section(page: Path, title: str) -> str:
    """The text under a heading of any level, up to the next heading of its level or above."""
    found = re.search(rf"^(#+) {re.escape(title)}$(.*?)(?=^#{{1,6}} |\Z)", page.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"{page.name} has no heading {title!r}"
    return found[2]


@pytest.mark.parametrize(("path", "command"), [pytest.param(*each, id=" ".join(each[0])) for each in commands(root)])
def test_manual_has_every_command_with_every_option(path: tuple[str, ...], command: click.Command) -> None:
    text = section(MANUAL / f"{path[0]}.md", f"wherry {' '.join(path)}")
    options = [option for each in command.params if isinstance(each, click.Option) for option in each.opts]
    assert [each for each in options if not re.search(rf"`[^`\n]*(?<![\w-]){re.escape(each)}(?![\w-])", text)] == []


@pytest.mark.parametrize(("path", "command"), [pytest.param(*each, id=" ".join(each[0])) for each in commands(root)])
def test_manual_has_no_option_that_the_command_does_not_know(path: tuple[str, ...], command: click.Command) -> None:
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    rows = re.findall(r"^\| `([^`]+)`", section(MANUAL / f"{path[0]}.md", f"wherry {' '.join(path)}"), re.MULTILINE)
    stated = {option for row in rows for option in re.findall(r"(?<![\w-])--?[a-z][\w-]*", row)}
    assert stated - known == set()


def test_manual_names_every_alias() -> None:
    for alias, command in ALIASES.items():
        assert f"`wherry {alias}`" in (MANUAL / f"{command}.md").read_text()


def test_every_exit_code_is_documented() -> None:
    stated = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "exit-codes.md").read_text(), re.MULTILINE)
    assert sorted(map(int, stated)) == sorted(ExitCode)


def test_links_in_the_documents_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in own_files()
        if page.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_constraints_are_exact_versions_and_nothing_else() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+]*", line)] == []


def test_each_dependency_has_its_pin_and_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {re.split(r"[\[<>=!~ ]", each)[0].lower() for each in wanted} - {"wherry"}
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    reasons = (ROOT / "docs" / "design" / "dependencies.md").read_text().lower()
    assert names - pinned == set()
    assert [name for name in sorted(names) if f"**{name}**" not in reasons] == []


def test_no_file_names_this_machine_or_a_package_host() -> None:
    # Single letters stand in brackets, so that this file does not find itself.
    words = (
        r"(?:^|[^a-z0-9.])/(?:[w]ork|[f]arm|[r]oot)/",
        r"/[h]ome/[a-z]",
        "[i]ndex-url",
        r"pypi[.]org/simple",
        "files[.]pythonhosted",
    )
    pattern = re.compile("|".join(words), re.MULTILINE)
    found = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in own_files()
        if file.suffix in OWN_SUFFIXES
        for match in pattern.finditer(file.read_text(errors="replace"))
    ]
    assert found == []


def test_a_client_command_does_not_load_the_server() -> None:
    """What a person waits for: `wherry manifest inspect` starts in the time of what it needs."""
    program = (
        "import sys; from wherry.cli import main; "
        "main(['manifest', 'inspect', '127.0.0.1:1/absent:1']); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules} & {'granian', 'sqlalchemy', 'alembic', 'rich'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert done.stderr.startswith("wherry: "), "the command must have run"


def test_the_benchmark_can_be_asked_what_it_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--write" in done.stdout
