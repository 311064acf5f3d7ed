"""Where docker is wrong: each transcript marked `improve`, and the better behaviour that it names."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.golden.cases import CASES, Outcome, Surroundings
from tests.golden.replay import Run, replayed
from tests.golden.servers import fetch, fill
from wherry.oci.dockerjson import LIST_INDENT, indented
from wherry.oci.mediatype import DOCKER_LIST, OCI_INDEX

CASE = {case.name: case for case in CASES}
covered: set[str] = set()

AMD64 = "sha256:c640d5eec91e893e116a6a984c9aa0e20373d1642ea9b1b781c1078b49d7d4be"
ARM64 = "sha256:fa43ff64104e01e8532c4a4b170fff479e69e600b998baf980324c28e2a06fb7"


def improves(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Note which cases a test is about."""
    covered.update(names)
    return lambda test: test


class Replay:
    """Replays a case, and goes on from there with more commands."""

    def __init__(self, run: Run, registry: str, folder: Path) -> None:
        self._run = run
        self._registry = registry
        self._folder = folder
        self._surroundings: Surroundings | None = None

    @contextmanager
    def __call__(self, name: str) -> Iterator[Outcome]:
        with replayed(CASE[name], self._run, self._registry, self._folder) as (outcome, surroundings):
            self._surroundings = surroundings
            yield outcome

    def run(self, *argv: str) -> Outcome:
        """Run `wherry manifest …` in the surroundings of the case."""
        return self._run(["wherry", "manifest", *(self.fill(argument) for argument in argv)])

    def fill(self, text: str) -> str:
        assert self._surroundings is not None
        return self._surroundings.fill(text)

    def stored(self, repository: str, name: str) -> tuple[str, bytes]:
        """The media type and the bytes of a manifest in the registry."""
        return fetch(self.fill("REGISTRY"), repository, name)

    def content(self, case: str, tag: str) -> bytes:
        """The bytes of a manifest that a case pushes first."""
        return next(content for _, each, _, content in CASE[case].manifests if each == tag)

    def draft(self, name: str) -> dict[str, Any]:
        """The files of a draft, decoded."""
        folder = self._folder / "manifests" / self.fill(name)
        return {path.name: json.loads(path.read_bytes()) for path in sorted(folder.iterdir())}


@pytest.fixture
def replay(wherry: Run, our_registry: str, tmp_path: Path) -> Replay:
    return Replay(wherry, our_registry, tmp_path)


def test_every_case_has_its_improvement() -> None:
    assert covered == {case.name for case in CASES if case.tier == "improve"}


@improves("annotate-invalid-arch", "annotate-windows-arm64")
@pytest.mark.parametrize(
    ("name", "platform"),
    [("annotate-invalid-arch", ("linux", "loong64")), ("annotate-windows-arm64", ("windows", "arm64"))],
)
def test_annotate_takes_platforms_that_are_not_in_dockers_table(
    replay: Replay, name: str, platform: tuple[str, str]
) -> None:
    with replay(name) as outcome:
        assert outcome == Outcome(0, "", "")
        stated = replay.draft("REGISTRY_FS_team_app-multi")[replay.fill("REGISTRY_FS_team_app-arm64")]
        assert (stated["Descriptor"]["platform"]["os"], stated["Descriptor"]["platform"]["architecture"]) == platform


@improves("annotate-invalid-arch")
def test_annotate_warns_about_a_platform_that_nobody_knows(replay: Replay) -> None:
    with replay("annotate-invalid-arch"):
        outcome = replay.run(
            "annotate", "REGISTRY/team/app:multi", "REGISTRY/team/app:arm64", "--os", "linux", "--arch", "arm46"
        )
        assert outcome == Outcome(0, "", "wherry: linux/arm46 is no platform that Go knows; taken as it is\n")


@improves("annotate-noplatform-os-only")
def test_annotate_goes_in_steps_and_push_checks(replay: Replay) -> None:
    with replay("annotate-noplatform-os-only") as outcome:
        assert outcome == Outcome(0, "", "")
        refused = replay.run("push", "REGISTRY/team/app:np")
        assert (refused.exit, refused.stdout) == (1, "")
        assert refused.stderr.startswith(
            replay.fill("manifest REGISTRY/team/app:noplatform must have an OS and Architecture to be pushed")
        )
        assert (
            replay.run("annotate", "REGISTRY/team/app:np", "REGISTRY/team/app:noplatform", "--arch", "arm64").exit == 0
        )
        assert replay.run("push", "REGISTRY/team/app:np").exit == 0
        _, content = replay.stored("team/app", "np")
        assert json.loads(content)["manifests"][0]["platform"] == {"architecture": "arm64", "os": "linux"}


@improves("create-amend-same-image-no-refetch")
def test_amend_keeps_quiet_about_a_tag_that_has_not_moved(replay: Replay) -> None:
    with replay("create-amend-same-image-no-refetch") as outcome:
        assert outcome == Outcome(0, replay.fill("Created manifest list REGISTRY/team/app:multi\n"), "")


@improves("create-amend-same-image-no-refetch")
def test_amend_looks_the_tag_up_again(replay: Replay, our_registry: str) -> None:
    amend = ("create", "--insecure", "--amend", "REGISTRY/team/app:multi", "REGISTRY/team/app:amd64")
    with replay("create-amend-same-image-no-refetch"):
        moved = CASE["inspect-armv7-verbose-variant"]
        fill(our_registry, moved, renamed={"armv7": "amd64"})
        outcome = replay.run(*amend)
        new = "sha256:36f87b932b6aae7aa5e0b111bdb3cc48983bc87a010667e8bad8f44f3869caf9"
        assert outcome.exit == 0
        assert outcome.stderr == replay.fill(f"REGISTRY/team/app:amd64: {AMD64} -> {new}\n")
        draft = replay.draft("REGISTRY_FS_team_app-multi")
        assert [each["Descriptor"]["digest"] for each in draft.values()] == [new, ARM64]
        assert draft[replay.fill("REGISTRY_FS_team_app-amd64")]["Descriptor"]["platform"]["variant"] == "v7"


@improves("create-from-buildx-index")
def test_an_index_stands_for_its_images_and_their_attestations(replay: Replay) -> None:
    with replay("create-from-buildx-index") as outcome:
        assert outcome == Outcome(0, replay.fill("Created manifest list REGISTRY/team/oci:lst\n"), "")
        assert replay.run("push", "REGISTRY/team/oci:lst").exit == 0
        media_type, content = replay.stored("team/oci", "lst")
        source = json.loads(replay.content("create-from-buildx-index", "buildx"))["manifests"]
        assert media_type == OCI_INDEX
        assert json.loads(content)["manifests"] == source
        assert [child.get("annotations", {}).get("vnd.docker.reference.type") for child in source] == [
            None,
            "attestation-manifest",
        ]


@improves("create-from-docker-list")
def test_a_list_among_the_sources_is_flattened_with_its_platforms(replay: Replay) -> None:
    with replay("create-from-docker-list") as outcome:
        assert outcome.exit == 0
        assert replay.run("push", "REGISTRY/team/app:lst").exit == 0
        assert replay.stored("team/app", "lst") == (
            DOCKER_LIST,
            indented(replay.content("create-from-docker-list", "list"), LIST_INDENT),
        )


@improves("create-from-nonjson-config")
def test_an_odd_config_of_an_artifact_is_named_and_no_obstacle(replay: Replay) -> None:
    with replay("create-from-nonjson-config") as outcome:
        assert outcome.exit == 0
        assert outcome.stderr.startswith(replay.fill("wherry: REGISTRY/team/oci:textconfig: the config is not JSON: "))


@improves("create-missing-image-partial-list")
def test_create_is_all_or_nothing(replay: Replay, tmp_path: Path) -> None:
    with replay("create-missing-image-partial-list") as outcome:
        assert outcome == Outcome(1, "", replay.fill("no such manifest: REGISTRY/team/app:nope\n"))
        drafts = tmp_path / "manifests"
        assert not drafts.exists() or list(drafts.iterdir()) == []


@improves("inspect-artifact-nonjson-config")
def test_inspect_does_not_ask_for_the_config(replay: Replay) -> None:
    with replay("inspect-artifact-nonjson-config") as outcome:
        assert (outcome.exit, outcome.stderr) == (0, "")
        assert json.loads(outcome.stdout) == json.loads(replay.content("inspect-artifact-nonjson-config", "textconfig"))


@improves("stub-missing-config-inspect")
def test_inspect_shows_an_image_whose_config_is_missing(replay: Replay) -> None:
    with replay("stub-missing-config-inspect") as outcome:
        assert (outcome.exit, outcome.stderr) == (0, "")
        assert json.loads(outcome.stdout)["config"]["digest"].startswith("sha256:88bbb063")
        detailed = replay.run("inspect", "--insecure", "-v", "REGISTRY/stub/bad:missingconfig")
        assert json.loads(detailed.stdout)["Descriptor"]["platform"] == {"architecture": "", "os": ""}


@improves("stub-missing-config-create")
def test_create_names_the_image_and_the_config_that_is_missing(replay: Replay) -> None:
    with replay("stub-missing-config-create") as outcome:
        assert (outcome.exit, outcome.stdout) == (1, "")
        assert "REGISTRY/stub/bad:missingconfig: its config sha256:88bbb063" in outcome.stderr.replace(
            replay.fill("REGISTRY"), "REGISTRY"
        )


@improves("inspect-cross-registry-local")
def test_a_draft_is_shown_whatever_registries_its_images_are_in(replay: Replay) -> None:
    with replay("inspect-cross-registry-local") as outcome:
        assert (outcome.exit, outcome.stderr) == (0, "")
        assert [child["digest"] for child in json.loads(outcome.stdout)["manifests"]] == [AMD64]


@improves("inspect-http-registry-without-insecure")
def test_plain_http_is_named_as_the_reason(replay: Replay) -> None:
    with replay("inspect-http-registry-without-insecure") as outcome:
        assert (outcome.exit, outcome.stdout) == (1, "")
        assert "plain HTTP" in outcome.stderr
        assert "--insecure" in outcome.stderr


@improves("inspect-oci-index-attestation", "inspect-oci-index-drops-annotations")
@pytest.mark.parametrize(
    ("name", "tag"), [("inspect-oci-index-attestation", "buildx"), ("inspect-oci-index-drops-annotations", "index")]
)
def test_inspect_prints_an_index_with_its_annotations(replay: Replay, name: str, tag: str) -> None:
    with replay(name) as outcome:
        assert (outcome.exit, outcome.stderr) == (0, "")
        stored = replay.content(name, tag)
        assert "annotations" in outcome.stdout
        assert outcome.stdout == indented(stored, LIST_INDENT).decode() + "\n"


@improves("inspect-oci-index-empty", "inspect-oci-index-nested", "inspect-oci-index-entry-without-platform")
@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("inspect-oci-index-empty", "empty-index"),
        ("inspect-oci-index-nested", "nested"),
        ("inspect-oci-index-entry-without-platform", "noplat-index"),
    ],
)
def test_inspect_prints_any_index_as_it_is(replay: Replay, name: str, tag: str) -> None:
    with replay(name) as outcome:
        assert (outcome.exit, outcome.stderr) == (0, "")
        stored = json.loads(replay.content(name, tag))
        assert json.loads(outcome.stdout) == stored | {"mediaType": OCI_INDEX}


@improves("inspect-tag-and-wrong-digest")
def test_the_digest_decides_and_the_tag_is_a_label(replay: Replay) -> None:
    with replay("inspect-tag-and-wrong-digest") as outcome:
        assert (outcome.exit, outcome.stderr) == (0, "")
        assert json.loads(outcome.stdout) == json.loads(replay.content("inspect-tag-and-wrong-digest", "amd64"))


@improves("push-cross-registry")
def test_push_brings_images_from_another_registry(replay: Replay, another_registry: str) -> None:
    with replay("push-cross-registry") as outcome:
        assert (outcome.exit, outcome.stdout) == (1, ""), "there is no elsewhere.example"
        assert "elsewhere.example" in outcome.stderr
        target = f"{another_registry}/carried/over"
        assert replay.run("create", "--insecure", f"{target}:x", "REGISTRY/team/app:amd64").exit == 0
        pushed = replay.run("push", f"{target}:x")
        assert pushed.exit == 0, pushed
        assert pushed.stdout.startswith(f"Pushed ref {target}@{AMD64} with digest: {AMD64}\n")
        media_type, content = fetch(another_registry, "carried/over", "x")
        assert (media_type, [child["digest"] for child in json.loads(content)["manifests"]]) == (DOCKER_LIST, [AMD64])
        assert fetch(another_registry, "carried/over", AMD64)[1] == replay.content("push-cross-registry", "amd64")


@improves("push-duplicate-digest")
def test_the_same_image_for_the_same_platform_is_listed_once(replay: Replay) -> None:
    with replay("push-duplicate-digest") as outcome:
        assert (outcome.exit, outcome.stderr) == (0, "")
        _, content = replay.stored("team/app", "dup")
        assert [child["digest"] for child in json.loads(content)["manifests"]] == [AMD64]


@improves("push-mixed-docker-first")
def test_any_oci_child_makes_an_oci_index(replay: Replay) -> None:
    with replay("push-mixed-docker-first") as outcome:
        assert (outcome.exit, outcome.stderr) == (0, "")
        media_type, content = replay.stored("team/mix", "m2")
        assert (media_type, json.loads(content)["mediaType"]) == (OCI_INDEX, OCI_INDEX)


@improves("push-mount-refused")
def test_a_refused_mount_becomes_an_upload(replay: Replay) -> None:
    with replay("push-mount-refused") as outcome:
        assert (outcome.exit, outcome.stderr) == (0, "")
        child = json.loads(replay.stored("nm/tgt", "v1")[1])["manifests"][0]["digest"]
        assert replay.stored("nm/tgt", child)[1] == replay.content("push-mount-refused", "amd64")


@improves("stub-content-type-json", "stub-content-type-none")
@pytest.mark.parametrize("name", ["stub-content-type-json", "stub-content-type-none"])
def test_the_body_tells_what_the_content_type_does_not(replay: Replay, name: str) -> None:
    with replay(name) as outcome:
        assert outcome == Outcome(0, CASE["stub-content-type-charset"].outcome.stdout, "")


@improves("stub-invalid-json")
def test_what_is_no_json_is_told_with_the_reference(replay: Replay) -> None:
    with replay("stub-invalid-json") as outcome:
        assert (outcome.exit, outcome.stdout) == (1, "")
        assert outcome.stderr.startswith(replay.fill("wherry: REGISTRY/stub/bad:json: "))


@improves("stub-oci-artifact-manifest-type", "stub-schema1")
@pytest.mark.parametrize(
    ("name", "field", "value"),
    [("stub-oci-artifact-manifest-type", "artifactType", "a/b"), ("stub-schema1", "schemaVersion", 1)],
)
def test_inspect_prints_manifests_of_kinds_that_docker_does_not_know(
    replay: Replay, name: str, field: str, value: object
) -> None:
    with replay(name) as outcome:
        assert (outcome.exit, outcome.stderr) == (0, "")
        assert json.loads(outcome.stdout)[field] == value


@improves("stub-status-401")
def test_missing_credentials_are_told_apart_from_a_missing_manifest(replay: Replay) -> None:
    with replay("stub-status-401") as outcome:
        assert (outcome.exit, outcome.stdout) == (1, "")
        assert "not authorised" in outcome.stderr
        assert "no such manifest" not in outcome.stderr
