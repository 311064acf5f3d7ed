import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.dockerjson import (
    LIST_INDENT,
    TAB,
    compact,
    described,
    escaped,
    indented,
    index_type,
    list_content,
    shown,
)
from wherry.oci.document import NotJSON
from wherry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from wherry.oci.platform import Platform

ONE, OTHER = Digest.of(b"one"), Digest.of(b"other")
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def listing(*children: dict[str, object], **more: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children, **more}).encode()


@given(values)
def test_layout_is_that_of_any_indenting_encoder(value: object) -> None:
    assert indented(json.dumps(value).encode(), TAB) == json.dumps(value, indent="\t").encode()
    assert indented(json.dumps(value, indent=7).encode(), LIST_INDENT) == json.dumps(value, indent=3).encode()


@given(values)
def test_compact_has_the_same_tokens_and_no_space_between_them(value: object) -> None:
    plain = json.dumps(value, separators=(",", ":")).encode()
    assert compact(json.dumps(value, indent=2).encode()) == escaped(plain)
    assert json.loads(compact(plain)) == value


@pytest.mark.parametrize(
    ("content", "laid_out"),
    [
        (b'{"a":1.50e+3}', b'{\n\t"a": 1.50e+3\n}'),
        (rb'["\u003c\/\"{"]', b'[\n\t"\\u003c\\/\\"{"\n]'),
        (b'{"b":{},"a":[]}\n\n', b'{\n\t"b": {},\n\t"a": []\n}\n\n'),
        (b'  {"a":"x"}', b'{\n\t"a": "x"\n}'),
        ('{"ü":"\u2028"}'.encode(), '{\n\t"ü": "\u2028"\n}'.encode()),
    ],
)
def test_tokens_stay_as_they_were_written(content: bytes, laid_out: bytes) -> None:
    assert indented(content, TAB) == laid_out


@pytest.mark.parametrize("content", [b"", b"{", b'{"a":}', b"[" * 100_000, b"<html>", b'"\xff"'])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(NotJSON):
        indented(content, TAB)
    with pytest.raises(NotJSON):
        compact(content)


def test_escaping_is_go_encoders() -> None:
    assert escaped('"<&> \u2028\u2029 ü"'.encode()) == '"\\u003c\\u0026\\u003e \\u2028\\u2029 ü"'.encode()


def test_a_list_has_dockers_order_of_fields_and_three_spaces() -> None:
    child = Descriptor(DOCKER_MANIFEST, ONE, 7, platform=Platform("linux", "arm", "v7", "1.2", ("a", "b")))
    assert list_content(DOCKER_LIST, [child]).decode() == (
        '{\n   "schemaVersion": 2,\n'
        f'   "mediaType": "{DOCKER_LIST}",\n'
        '   "manifests": [\n      {\n'
        f'         "mediaType": "{DOCKER_MANIFEST}",\n         "size": 7,\n         "digest": "{ONE}",\n'
        '         "platform": {\n            "architecture": "arm",\n            "os": "linux",\n'
        '            "os.version": "1.2",\n            "os.features": [\n               "a",\n               "b"\n'
        '            ],\n            "variant": "v7"\n         }\n      }\n   ]\n}'
    )


def test_a_descriptor_in_a_draft_has_the_order_of_gos_type_and_always_a_platform() -> None:
    descriptor = Descriptor(
        OCI_MANIFEST, ONE, 7, annotations={"k": "v"}, artifact_type="a/b", urls=("u",), extra=(("new", 1),)
    )
    assert list(described(descriptor)) == [
        "mediaType",
        "digest",
        "size",
        "urls",
        "annotations",
        "platform",
        "artifactType",
        "new",
    ]
    assert described(descriptor)["platform"] == {"architecture": "", "os": ""}


def test_an_index_is_shown_in_dockers_layout_where_that_loses_nothing() -> None:
    platform = {"os": "linux", "architecture": "amd64"}
    entry = {"digest": str(ONE), "mediaType": OCI_MANIFEST, "size": 7, "platform": platform}
    child = Descriptor(OCI_MANIFEST, ONE, 7, platform=Platform("linux", "amd64"))
    assert shown(listing(entry), OCI_INDEX, [child]) == list_content(OCI_INDEX, [child])


@pytest.mark.parametrize(
    ("entry", "more"),
    [
        ({}, {"annotations": {"k": "v"}}),
        ({}, {"artifactType": "a/b"}),
        ({}, {"unknown": {}}),
        ({"annotations": {"k": "v"}}, {}),
        ({"urls": ["u"]}, {}),
        ({"platform": {"os": "linux", "architecture": "amd64", "features": ["sse4"]}}, {}),
        ({"platform": {"os": "linux", "architecture": "amd64", "new": 1}}, {}),
    ],
)
def test_an_index_is_shown_as_it_is_stored_where_dockers_layout_would_lose_something(
    entry: dict[str, object], more: dict[str, object]
) -> None:
    whole = {"digest": str(ONE), "mediaType": OCI_MANIFEST, "size": 7, **entry}
    content = listing(whole, **more)
    children = [Descriptor.from_json(whole, "manifests[0]")]
    assert shown(content, OCI_INDEX, children) == indented(content, LIST_INDENT)


def test_any_oci_child_or_annotation_makes_an_oci_index() -> None:
    docker, oci = Descriptor(DOCKER_MANIFEST, ONE, 1), Descriptor(OCI_MANIFEST, OTHER, 1)
    assert index_type([]) == index_type([docker, docker]) == DOCKER_LIST
    assert index_type([docker, oci]) == index_type([oci]) == OCI_INDEX
    assert index_type([Descriptor(DOCKER_MANIFEST, ONE, 1, annotations={"k": "v"})]) == OCI_INDEX
