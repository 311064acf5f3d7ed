import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.oci.wire.link import next_link, write_next_link

NEXT = "/v2/a/tags/list?last=b&n=2"


@pytest.mark.parametrize(
    ("headers", "target"),
    [
        ([f'<{NEXT}>; rel="next"'], NEXT),
        ([f"<{NEXT}>; rel=next"], NEXT),
        ([f'<{NEXT}>;rel="next"'], NEXT),
        ([f'  <{NEXT}>  ;  REL  =  "NEXT"  '], NEXT),
        ([f'<{NEXT}>; rel="prev next"'], NEXT),
        ([f'<{NEXT}>; title="a; b, <c>"; rel="next"'], NEXT),
        ([f'<{NEXT}>; crossorigin; rel="next"'], NEXT),
        ([f'</first>; rel="first", <{NEXT}>; rel="next", </last>; rel="last"'], NEXT),
        (['</first>; rel="first"', f'<{NEXT}>; rel="next"'], NEXT),
        (['<https://registry.example/v2/a>; rel="next"'], "https://registry.example/v2/a"),
        (['<?n=1,2;3>; rel="next"'], "?n=1,2;3"),
        (['<>; rel="next"'], ""),
        ([], None),
        ([""], None),
        ([f"<{NEXT}>"], None),
        ([f'<{NEXT}>; rel="previous"'], None),
        ([f'<{NEXT}>; rel="nextish"'], None),
        ([f'{NEXT}; rel="next"'], None),
        ([f'<{NEXT}; rel="next"'], None),
    ],
)
def test_the_next_page_is_found_however_it_is_written(headers, target):
    assert next_link(headers) == target


@given(st.from_regex(r"[!#-;=?-~]{1,80}", fullmatch=True))
def test_reading_finds_what_was_written(target):
    assert next_link([write_next_link(target)]) == target
    assert next_link(['</first>; rel="first"', f'</a>; rel="prev", {write_next_link(target)}']) == target


@given(st.lists(st.text(max_size=60) | st.text('<>;,=" relnxt', max_size=60), max_size=2))
def test_any_header_is_read_without_harm(headers):
    found = next_link(headers)
    assert found is None or any(found in header for header in headers)


@pytest.mark.parametrize(
    "header", [" " * 50_000, "<" * 50_000, "<a>" + " " * 50_000, "<a>" + ";a" * 25_000, "<a>;a=" + " " * 50_000]
)
def test_a_long_header_is_read_in_no_time(header):
    assert next_link([header]) is None
