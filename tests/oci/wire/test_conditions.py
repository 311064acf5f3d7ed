import pytest

from wherry.oci.digest import Digest
from wherry.oci.wire.conditions import Condition

HERE, ELSEWHERE = Digest.of(b"here"), Digest.of(b"elsewhere")


@pytest.mark.parametrize(
    ("match", "none_match", "digest", "holds"),
    [
        (f'"{HERE}"', None, HERE, True),
        (f'W/"{HERE}"', None, HERE, True),
        (f'"x", "{HERE}"', None, HERE, True),
        (f'"{HERE}"', None, ELSEWHERE, False),
        (f'"{HERE}"', None, None, False),
        ("*", None, HERE, True),
        ("*", None, None, False),
        (None, "*", None, True),
        (None, "*", HERE, False),
        (None, f'"{HERE}"', ELSEWHERE, True),
        (None, f'"{HERE}"', HERE, False),
        (f'"{HERE}"', f'"{HERE}"', HERE, False),
    ],
)
def test_a_condition_holds(match: str | None, none_match: str | None, digest: Digest | None, holds: bool) -> None:
    condition = Condition.read(match, none_match)
    assert condition is not None
    assert condition.holds(digest) is holds


def test_no_headers_make_no_condition() -> None:
    assert Condition.read(None, None) is None
    assert Condition().holds(None)
    assert Condition().headers() == {}


@pytest.mark.parametrize("digest", [HERE, None])
def test_what_is_written_is_read(digest: Digest | None) -> None:
    condition = Condition.still(digest)
    headers = condition.headers()
    assert Condition.read(headers.get("If-Match"), headers.get("If-None-Match")) == condition
    assert condition.holds(digest)
    assert not condition.holds(ELSEWHERE)
