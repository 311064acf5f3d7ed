"""A credential helper that keeps what it is given in a folder: a program of its own, as docker's are."""

import os
import sys
from pathlib import Path

import pytest

__all__ = ["install_helper", "install_script"]

_KEEPER = """#!{python}
import hashlib, json, pathlib, sys
folder, verb, told = pathlib.Path({folder!r}), sys.argv[1], sys.stdin.read()
key = json.loads(told)["ServerURL"] if verb == "store" else told
file = folder / (hashlib.sha256(key.encode()).hexdigest() + ".json")
with open(folder / "log", "a") as log:
    log.write(f"{{verb}} {{key}}\\n")
if verb == "store":
    file.write_text(told)
elif not file.exists():
    print("credentials not found in native keychain")
    sys.exit(1)
elif verb == "get":
    print(file.read_text())
elif verb == "erase":
    file.unlink()
"""


def install_helper(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "test") -> Path:
    """Install `docker-credential-NAME`; returns the file with what it was asked, `verb key` a line."""
    kept = folder / f"kept-by-{name}"
    kept.mkdir()
    install_script(folder, monkeypatch, _KEEPER.format(python=f"{sys.executable} -IS", folder=str(kept)), name)
    return kept / "log"


def install_script(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, name: str = "test") -> None:
    """Install any program as `docker-credential-NAME`."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    if str(programs) not in os.environ["PATH"].split(os.pathsep):
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    program = programs / f"docker-credential-{name}"
    program.write_text(script)
    program.chmod(0o755)
