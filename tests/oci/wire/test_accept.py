import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.oci.mediatype import ACCEPTED_MANIFESTS, DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from wherry.oci.wire.accept import Accept


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ([], True),
        ([""], True),
        ([" , ,"], True),
        (["*/*"], True),
        (["application/*"], True),
        ([OCI_INDEX], True),
        ([OCI_INDEX.upper()], True),
        ([f"{OCI_INDEX}; charset=utf-8"], True),
        ([f"{OCI_INDEX};q=0.001"], True),
        (["text/html", OCI_INDEX], True),
        (["text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"], True),
        ([f"{OCI_INDEX};q=0, {OCI_INDEX}"], True),
        (["*/*;q=0", OCI_INDEX], True),
        (["application/*;q=0", "*/*", OCI_INDEX], True),
        (["text/html"], False),
        ([OCI_MANIFEST], False),
        (["text/*"], False),
        ([f"{OCI_INDEX};q=0"], False),
        ([f"{OCI_INDEX};q=0.000", "*/*"], False),
        (["*/*", f"{OCI_INDEX} ; q=0"], False),
        (["*/*;q=0"], False),
        (["*/*", "application/*;q=0"], False),
        (["text/html;q=1"], False),
    ],
)
def test_the_most_specific_range_decides(headers, taken):
    assert Accept.parse(headers).takes(OCI_INDEX) is taken


@pytest.mark.parametrize("part", [";;;", "*", "/", "a/", "/b", "a/b/c", "a b/c", '"a/b"', "é/é", ";q=0"])
def test_a_malformed_part_is_passed_over(part):
    assert Accept.parse([part]) == Accept(())
    assert Accept.parse([f"{part}, {OCI_INDEX}"]) == Accept(((OCI_INDEX, 1.0),))


@pytest.mark.parametrize("quality", ["x", "", "-1", "nan", "inf", "1e3", "2", "0,5", "٣"])
def test_a_malformed_quality_is_passed_over(quality):
    accept = Accept.parse([f"{OCI_INDEX};q={quality}"])
    assert accept.ranges[0] == (OCI_INDEX, 1.0 if quality != "0,5" else 0.0)


@pytest.mark.parametrize(("quality", "value"), [("0", 0), ("0.", 0), ("0.5", 0.5), (".5", 0.5), ("1", 1), ("1.000", 1)])
def test_a_quality_is_a_number_from_none_to_one(quality, value):
    assert Accept.parse([f"{OCI_INDEX}; Q = {quality}"]).ranges == ((OCI_INDEX, value),)


@pytest.mark.parametrize(
    ("header", "named"),
    [(DOCKER_LIST, True), ("*/*", False), ("application/*", False), (f"{DOCKER_LIST};q=0", False), ("", False)],
)
def test_a_type_is_named_only_by_itself(header, named):
    assert Accept.parse([header]).names(DOCKER_LIST) is named


@given(st.lists(st.sampled_from(ACCEPTED_MANIFESTS), min_size=1, unique=True), st.randoms())
def test_one_header_or_many_and_any_order_are_the_same(types, random):
    shuffled = list(types)
    random.shuffle(shuffled)
    for headers in (types, [", ".join(shuffled)], [f"{each} ;q=0.5" for each in shuffled]):
        accept = Accept.parse(headers)
        assert [each for each in ACCEPTED_MANIFESTS if accept.takes(each)] == [
            each for each in ACCEPTED_MANIFESTS if each in types
        ]


@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_header_is_read_without_harm(headers):
    assert Accept.parse(headers).takes(OCI_INDEX) in (True, False)
