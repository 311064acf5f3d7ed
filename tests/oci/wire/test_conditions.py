import pytest

from wherry.oci.digest import Digest
from wherry.oci.wire.conditions import Condition

HERE, ELSEWHERE = Digest.of(b"here"), Digest.of(b"elsewhere")


@pytest.mark.parametrize(
    ("match", "none_match", "digest", "holds"),
    [
        ([f'"{HERE}"'], None, HERE, True),
        ([f'"x", "{HERE}"'], None, HERE, True),
        ([f'"{HERE}"'], None, ELSEWHERE, False),
        ([f'"{HERE}"'], None, None, False),
        (["*"], None, HERE, True),
        (["*"], None, None, False),
        (None, ["*"], None, True),
        (None, ["*"], HERE, False),
        (None, [f'"{HERE}"'], ELSEWHERE, True),
        (None, [f'"{HERE}"'], HERE, False),
        ([f'"{HERE}"'], [f'"{HERE}"'], HERE, False),
    ],
)
def test_a_condition_holds(
    match: list[str] | None, none_match: list[str] | None, digest: Digest | None, holds: bool
) -> None:
    condition = Condition.read(match, none_match)
    assert condition is not None
    assert condition.holds(digest) is holds


def holds(match: list[str] | None, none_match: list[str] | None = None) -> bool:
    condition = Condition.read(match, none_match)
    assert condition is not None
    return condition.holds(HERE)


def test_several_lines_are_one_list() -> None:
    lines = ['"x"', f'"y",, "{HERE}"']
    assert holds(lines)
    assert not holds(None, lines)


def test_a_weak_tag_is_like_no_other_where_content_must_match_and_like_its_own_where_it_must_not() -> None:
    assert not holds([f'W/"{HERE}"'])
    assert holds([f'W/"{ELSEWHERE}", "{HERE}"'])
    assert not holds(None, [f'W/"{HERE}"'])


@pytest.mark.parametrize("tag", [f'"a,{HERE}"', f'"{HERE},a"', '"*"', '"W/"', '"', "", f'w/"{HERE}"', f'"W/{HERE}"'])
def test_what_is_within_the_quotes_is_one_tag(tag: str) -> None:
    assert not holds([tag])
    assert holds(None, [tag])


def test_a_tag_without_quotes_counts() -> None:
    assert holds([f"x , {HERE} , y"])


def test_a_header_without_tags_is_a_condition_that_never_holds() -> None:
    assert not holds([])
    assert holds(None, [])


def test_no_headers_make_no_condition() -> None:
    assert Condition.read(None, None) is None
    assert Condition().holds(None)
    assert Condition().headers() == {}


@pytest.mark.parametrize("digest", [HERE, None])
def test_what_is_written_is_read(digest: Digest | None) -> None:
    condition = Condition.still(digest)
    headers = condition.headers()
    match, none_match = ([headers[name]] if name in headers else None for name in ("If-Match", "If-None-Match"))
    assert Condition.read(match, none_match) == condition
    assert condition.holds(digest)
    assert not condition.holds(ELSEWHERE)
