"""The transcripts, and how a run of the same command is compared with one."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CASES", "Case", "Outcome", "Surroundings", "differences"]

FOLDER = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Outcome:
    """What a process did."""

    exit: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Surroundings:
    """What the placeholders of a case stand for."""

    registry: str
    docker_config: Path

    def fill(self, text: str) -> str:
        return (
            text.replace("REGISTRY_FS", self.registry.replace(":", "-"))
            .replace("REGISTRY", self.registry)
            .replace("$DOCKER_CONFIG", str(self.docker_config))
        )


@dataclass(frozen=True)
class Case:
    """One transcript."""

    name: str
    expect: str
    argv: tuple[str, ...]
    outcome: Outcome
    setup: Mapping[str, Any]
    store_after: Mapping[str, str | None]

    @classmethod
    def load(cls, path: Path) -> "Case":
        document = json.loads(path.read_text())
        return cls(
            document["name"],
            document.get("expect", "identical"),
            tuple(document["argv"]),
            Outcome(document["exit"], document["stdout"], document["stderr"]),
            document["setup"],
            document.get("store_after", {}),
        )

    @property
    def tier(self) -> str:
        return self.expect.partition(":")[0]

    @property
    def needs_stub(self) -> bool:
        """Whether the answers are fixed to the byte, so that no registry gives them."""
        return "responses" in self.setup

    @property
    def nothing_listens(self) -> bool:
        return str(self.setup.get("server", "")).startswith("nothing listens")

    @property
    def refuses_mounts(self) -> bool:
        return self.name == "push-mount-refused"

    @property
    def before(self) -> Sequence[Sequence[str]]:
        """Commands to run first."""
        return self.setup.get("pre", ())

    @property
    def blobs(self) -> list[tuple[str, str, bytes]]:
        """Repository, digest and content of what the registry holds first."""
        return [
            (each["repo"], each["digest"], base64.b64decode(each["base64"])) for each in self.setup.get("blobs", ())
        ]

    @property
    def manifests(self) -> list[tuple[str, str, str, bytes]]:
        """Repository, tag, media type and content; children first."""
        return [
            (each["repo"], each["tag"], each["media_type"], base64.b64decode(each["base64"]))
            for each in self.setup.get("manifests", ())
        ]

    def prepare_drafts(self, surroundings: Surroundings) -> None:
        """The one thing that no command makes: a draft with nothing in it."""
        if self.name.endswith("empty-dir"):
            folder = surroundings.docker_config / "manifests" / surroundings.fill("REGISTRY_FS_team_app-empty")
            folder.mkdir(parents=True)


def differences(case: Case, got: Outcome, surroundings: Surroundings, *, strict: bool = False) -> list[str]:
    """How a run is not what the case expects; `strict` takes every case for `identical` (docker's own client)."""
    tier = "identical" if strict else case.tier
    wanted = Outcome(case.outcome.exit, surroundings.fill(case.outcome.stdout), surroundings.fill(case.outcome.stderr))
    found = [] if "Traceback" not in got.stderr else [f"a traceback: {got.stderr}"]
    return found + _COMPARISONS[tier](case, got, wanted, surroundings)


def _identical(case: Case, got: Outcome, wanted: Outcome, surroundings: Surroundings) -> list[str]:
    found = [
        f"{name}: {getattr(got, name)!r}, not {getattr(wanted, name)!r}"
        for name in ("exit", "stdout", "stderr")
        if getattr(got, name) != getattr(wanted, name)
    ]
    for place, text in case.store_after.items():
        path = Path(surroundings.fill(place))
        if text is None:
            found += [f"{path}: {each.name} is left" for each in path.iterdir()]
        elif not path.exists() or path.read_text() != surroundings.fill(text):
            found.append(f"{path} differs")
    return found


def _compatible(_case: Case, got: Outcome, wanted: Outcome, _surroundings: Surroundings) -> list[str]:
    found = [] if got.exit == wanted.exit else [f"exit: {got.exit}, not {wanted.exit} ({got.stderr!r})"]
    found += [] if got.stdout == wanted.stdout else [f"stdout: {got.stdout!r}, not {wanted.stdout!r}"]
    return found + _streams(got, wanted, ("stderr",))


def _usage(_case: Case, got: Outcome, wanted: Outcome, _surroundings: Surroundings) -> list[str]:
    found = [] if got.exit == wanted.exit else [f"exit: {got.exit}, not {wanted.exit} ({got.stderr!r})"]
    return found + _streams(got, wanted, ("stdout", "stderr"))


def _improve(_case: Case, got: Outcome, _wanted: Outcome, _surroundings: Surroundings) -> list[str]:
    return [] if got.exit in (0, 1) else [f"exit: {got.exit} ({got.stderr!r})"]


def _streams(got: Outcome, wanted: Outcome, names: Sequence[str]) -> list[str]:
    return [f"{name} is used otherwise" for name in names if bool(getattr(got, name)) != bool(getattr(wanted, name))]


_COMPARISONS: Mapping[str, Callable[[Case, Outcome, Outcome, Surroundings], list[str]]] = {
    "identical": _identical,
    "compatible": _compatible,
    "usage": _usage,
    "improve": _improve,
}

CASES = tuple(Case.load(path) for path in sorted(FOLDER.glob("*.json")))
