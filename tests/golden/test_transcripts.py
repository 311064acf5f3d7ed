"""`wherry manifest` does what docker's client did, case by case; and docker's client finds our registry like others."""

from pathlib import Path

import pytest

from tests.golden.cases import CASES, Case, differences
from tests.golden.replay import Run, replayed

ELSEWHERE = "hub-hello-world-inspect"  # recorded by an older client, whose print differs in nothing that we promise


def test_there_are_transcripts_of_every_kind() -> None:
    tiers = [case.tier for case in CASES]
    assert {tier: tiers.count(tier) for tier in set(tiers)} == {
        "identical": 46,
        "compatible": 1,
        "usage": 15,
        "improve": 29,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_wherry_does_as_docker_did(case: Case, wherry: Run, our_registry: str, tmp_path: Path) -> None:
    with replayed(case, wherry, our_registry, tmp_path) as (outcome, surroundings):
        assert differences(case, outcome, surroundings) == []


@pytest.mark.peer("docker-registry")
@pytest.mark.parametrize("case", [case for case in CASES if case.manifests], ids=lambda case: case.name)
def test_wherry_does_as_docker_did_with_another_registry(
    case: Case, wherry: Run, debians_registry: str, tmp_path: Path
) -> None:
    with replayed(case, wherry, debians_registry, tmp_path) as (outcome, surroundings):
        assert differences(case, outcome, surroundings) == []


@pytest.mark.peer("docker")
@pytest.mark.parametrize("case", [case for case in CASES if case.name != ELSEWHERE], ids=lambda case: case.name)
def test_docker_does_with_our_registry_as_with_its_own(
    case: Case, docker: Run, our_registry: str, tmp_path: Path
) -> None:
    with replayed(case, docker, our_registry, tmp_path) as (outcome, surroundings):
        assert differences(case, outcome, surroundings, strict=True) == []
