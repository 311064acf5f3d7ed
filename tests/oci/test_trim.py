import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.oci.document import NotJSON
from wherry.oci.trim import without_items

PRETTY = b"""{
   "schemaVersion": 2,
   "manifests": [
      {
         "digest": "a", "note": "\\u003c"
      },
      {
         "digest": "b"
      },
      {
         "digest": "c", "n": 1.50
      }
   ],
   "odd" : [1,2]
}
"""


def test_nothing_gone_is_the_same_bytes() -> None:
    assert without_items(PRETTY, "manifests", ()) == PRETTY


def test_what_is_left_is_written_as_it_was() -> None:
    assert (
        without_items(PRETTY, "manifests", {0, 2})
        == b"""{
   "schemaVersion": 2,
   "manifests": [
      {
         "digest": "b"
      }
   ],
   "odd" : [1,2]
}
"""
    )


def test_middle_gone() -> None:
    assert without_items(PRETTY, "manifests", {1}) == PRETTY.replace(
        b"""      {
         "digest": "b"
      },
""",
        b"",
    )


def test_everything_gone_is_an_empty_list() -> None:
    assert without_items(b'{"a": [ 1 , 2 ], "b": "]"}', "a", {0, 1}) == b'{"a": [], "b": "]"}'


def test_of_two_fields_with_one_name_the_last_counts() -> None:
    assert without_items(b'{"a":[1],"a":[2,3]}', "a", {0}) == b'{"a":[1],"a":[3]}'


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"a":1}', b'{"a":[1,}', b"\xff", b"[" * 100_000, b'{"a":[1'])
def test_what_has_no_such_list_is_refused(content: bytes) -> None:
    with pytest.raises(NotJSON):
        without_items(content, "a", {0})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    before=st.dictionaries(st.text(), VALUES, max_size=3),
    items=st.lists(VALUES, max_size=6),
    gone=st.sets(st.integers(0, 5)),
    indent=st.sampled_from([None, 0, 3]),
)
def test_it_says_what_decoding_and_leaving_out_says(before, items, gone, indent) -> None:
    document = {**before, "list": items, "behind": 1}
    left = without_items(json.dumps(document, indent=indent).encode(), "list", gone)
    expected = [item for position, item in enumerate(items) if position not in gone]
    assert json.loads(left) == {**document, "list": expected}
