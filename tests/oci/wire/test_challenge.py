import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.oci.wire.challenge import Challenge, read_challenges

HUB = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"'


@pytest.mark.parametrize(
    ("headers", "challenges"),
    [
        (
            [HUB],
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:library/alpine:pull",
                    },
                )
            ],
        ),
        (['Basic realm="a"'], [Challenge("basic", {"realm": "a"})]),
        (["BASIC REALM=a"], [Challenge("basic", {"realm": "a"})]),
        (["Basic"], [Challenge("basic")]),
        (['Basic realm=""'], [Challenge("basic", {"realm": ""})]),
        (
            ['Bearer realm="a, b=c",scope="x:y:pull,push"'],
            [Challenge("bearer", {"realm": "a, b=c", "scope": "x:y:pull,push"})],
        ),
        (['Basic realm="say \\"hello\\" \\\\ bye"'], [Challenge("basic", {"realm": 'say "hello" \\ bye'})]),
        (['Basic realm = "a" , charset = "UTF-8"'], [Challenge("basic", {"realm": "a", "charset": "UTF-8"})]),
        (
            ['Basic realm="a", Bearer realm="b"'],
            [Challenge("basic", {"realm": "a"}), Challenge("bearer", {"realm": "b"})],
        ),
        (
            ['Basic realm="a"', 'Bearer realm="b"'],
            [Challenge("basic", {"realm": "a"}), Challenge("bearer", {"realm": "b"})],
        ),
        (
            ["Negotiate, NTLM, Basic realm=a"],
            [Challenge("negotiate"), Challenge("ntlm"), Challenge("basic", {"realm": "a"})],
        ),
        (
            ['Basic realm="a",, Bearer realm="b"'],
            [Challenge("basic", {"realm": "a"}), Challenge("bearer", {"realm": "b"})],
        ),
        ([", Basic realm=a"], [Challenge("basic", {"realm": "a"})]),
        (['Bearer realm="a",error="invalid_token"'], [Challenge("bearer", {"realm": "a", "error": "invalid_token"})]),
        (['Bearer realm="a" scope="b"'], [Challenge("bearer", {"realm": "a", "scope": "b"})]),
        (['Basic realm="unfinished'], [Challenge("basic")]),
        (["realm=a"], []),
        ([""], []),
        ([], []),
        (['"quoted"'], []),
    ],
)
def test_challenges_are_read_as_servers_write_them(headers, challenges):
    assert list(read_challenges(headers)) == challenges


tokens = st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", fullmatch=True)
values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_categories=["Cc"]), max_size=30)
challenges = st.builds(
    Challenge, tokens.map(str.lower), st.dictionaries(tokens.map(str.lower), values, min_size=1, max_size=4)
)


def written(challenge: Challenge) -> str:
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in challenge.parameters.items()}
    return f"{challenge.scheme} " + ", ".join(f'{name}="{value}"' for name, value in quoted.items())


@given(st.lists(challenges, max_size=3))
def test_reading_finds_what_was_written(made):
    assert list(read_challenges([", ".join(map(written, made))])) == made
    assert list(read_challenges(map(written, made))) == made


@given(st.text(max_size=60) | st.text('Basic realm=",\\', max_size=60))
def test_any_header_is_read_without_harm(header):
    for challenge in read_challenges([header]):
        assert challenge.scheme == challenge.scheme.lower()


@pytest.mark.parametrize(
    "header", [" " * 20_000, "," * 20_000, "a" * 20_000 + "=", 'a b="' + "\\" * 20_001, "a " * 10_000]
)
def test_a_long_header_is_read_in_no_time(header):
    assert len(read_challenges([header])) < 10_001
