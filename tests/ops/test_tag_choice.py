import pytest

from wherry.oci.reference import Tag
from wherry.ops.tag_choice import InvalidRange, choose_tags, names_a_subject

TAGS = [
    *map(Tag, ("1.2.3", "v1.4.0", "1.10.0", "2.0.0-rc1", "2.0.0", "1.5", "latest", "1.2.3-alpine", "1.2.4_build.5"))
]


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        ("*", ["1.2.3", "v1.4.0", "1.10.0", "2.0.0", "1.2.4_build.5"]),
        ("^1.2", ["1.2.3", "v1.4.0", "1.10.0", "1.2.4_build.5"]),
        (">=1.4 <2", ["v1.4.0", "1.10.0"]),
        (">=2.0.0-rc0", ["2.0.0-rc1", "2.0.0"]),
        ("1.2.x || 2.x", ["1.2.3", "2.0.0", "1.2.4_build.5"]),
        ("3.x", []),
    ],
)
def test_versions_in_a_range(versions: str, chosen: list[str]) -> None:
    assert choose_tags(TAGS, versions=versions) == chosen


@pytest.mark.parametrize(
    ("globs", "chosen"),
    [
        ([], TAGS),
        (["latest"], ["latest"]),
        (["1.2*"], ["1.2.3", "1.2.3-alpine", "1.2.4_build.5"]),
        (["v*", "LATEST", "latest"], ["v1.4.0", "latest"]),
    ],
)
def test_globs(globs: list[str], chosen: list[str]) -> None:
    assert choose_tags(TAGS, globs=globs) == chosen


def test_glob_and_range_must_both_match() -> None:
    assert choose_tags(TAGS, globs=["v*"], versions=">=1.4 <3") == ["v1.4.0"]


@pytest.mark.parametrize("versions", ["banana", ">=", "1.2.3.4"])
def test_what_is_no_range_is_refused_with_an_example(versions: str) -> None:
    with pytest.raises(InvalidRange) as caught:
        choose_tags(TAGS, versions=versions)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (f"sha256-{'0' * 64}", True),
        (f"sha256-{'a' * 64}.sig", True),
        (f"sha256-{'a' * 64}.sbom", True),
        (f"sha256-{'a' * 63}", False),
        ("sha256", False),
        ("1.0", False),
    ],
)
def test_tags_that_name_a_subject(tag: str, expected: bool) -> None:
    assert names_a_subject(Tag(tag)) is expected
