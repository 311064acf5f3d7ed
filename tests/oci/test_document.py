from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.oci.document import NotJSON, decode, encode, integer_at, list_at, object_at, text_at, texts_at
from wherry.oci.errors import InvalidDescriptor

documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(documents)
def test_decoding_reads_what_encoding_wrote(document):
    assert decode(encode(document)) == document


def test_encoding_is_compact_and_keeps_the_order_and_the_letters():
    assert encode({"b": 1, "a": "é"}) == '{"b":1,"a":"é"}'.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"{} x",
        b"{'a': 1}",
        b"NaN",
        b'"\xff"',
        b'"\\ud800"',
        b"\xef\xbb\xbf{}",
        b"[1,]",
        b"\x00",
        b"1e999",
        b"[" * 100000,
        b'{"a":' * 100000,
    ],
    ids=range(14),
)
def test_what_is_no_json_is_told_in_words(content):
    with pytest.raises(NotJSON) as caught:
        decode(content)
    assert str(caught.value)


@given(st.binary(max_size=100))
def test_any_bytes_are_json_or_are_refused_as_such(content):
    with suppress(NotJSON):
        assert decode(encode(decode(content))) == decode(content)


DOCUMENT = {"text": "a", "number": 1, "yes": True, "float": 1.5, "object": {"k": "v"}, "list": [1], "null": None}


@pytest.mark.parametrize(
    ("take", "name"),
    [(text_at, "text"), (integer_at, "number"), (object_at, "object"), (list_at, "list"), (texts_at, "object")],
)
def test_a_field_is_given_as_it_is_and_an_absent_or_null_one_as_none(take, name):
    assert take(DOCUMENT, name) == DOCUMENT[name]
    assert take(DOCUMENT, "absent") is None
    assert take(DOCUMENT, "null") is None


@pytest.mark.parametrize(
    ("take", "name", "reason"),
    [
        (text_at, "number", "must be a string, not a number"),
        (text_at, "yes", "must be a string, not a boolean"),
        (text_at, "object", "must be a string, not an object"),
        (text_at, "list", "must be a string, not a list"),
        (integer_at, "text", "must be an integer, not a string"),
        (integer_at, "yes", "must be an integer, not a boolean"),
        (integer_at, "float", "must be an integer, not a number"),
        (object_at, "list", "must be an object, not a list"),
        (list_at, "object", "must be a list, not an object"),
        (texts_at, "text", "must be an object, not a string"),
    ],
)
def test_a_field_of_the_wrong_type_is_refused_with_its_path(take, name, reason):
    with pytest.raises(InvalidDescriptor) as caught:
        take(DOCUMENT, name, "layers[2]")
    assert (caught.value.text, caught.value.reason) == (f"layers[2].{name}", reason)
    with pytest.raises(InvalidDescriptor) as caught:
        take(DOCUMENT, name)
    assert caught.value.text == name


@pytest.mark.parametrize(("value", "what"), [(1, "a number"), (None, "null"), ([], "a list")])
def test_annotations_are_texts(value, what):
    with pytest.raises(InvalidDescriptor) as caught:
        texts_at({"annotations": {"good": "a", "bad": value}}, "annotations", "config")
    assert (caught.value.text, caught.value.reason) == ("config.annotations['bad']", f"must be a string, not {what}")
