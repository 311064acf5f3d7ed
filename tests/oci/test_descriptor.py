import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oci.strategies import digests, platforms
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidDescriptor
from wherry.oci.mediatype import DOCKER_FOREIGN_LAYER, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, OCI_NONDISTRIBUTABLE
from wherry.oci.platform import Platform

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
MINIMAL = {"mediaType": OCI_LAYER, "digest": EMPTY, "size": 0}

descriptors = st.builds(
    Descriptor,
    media_type=st.sampled_from([OCI_MANIFEST, OCI_INDEX, OCI_LAYER, "application/vnd.example"]),
    digest=digests,
    size=st.integers(0, 2**63 - 1),
    platform=st.none() | platforms,
    annotations=st.none() | st.dictionaries(st.text(), st.text(), max_size=3),
    artifact_type=st.none() | st.text(min_size=1),
    urls=st.lists(st.text(), max_size=2).map(tuple),
    data=st.none() | st.binary(max_size=20),
    extra=st.dictionaries(st.sampled_from(["x", "y"]), st.integers()).map(lambda fields: tuple(fields.items())),
)


@given(descriptors)
def test_a_document_is_read_as_it_was_written(descriptor):
    assert Descriptor.from_json(descriptor.to_json(), "config") == descriptor


@given(descriptors)
def test_equal_descriptors_have_equal_hashes(descriptor):
    again = Descriptor.from_json(descriptor.to_json(), "config")
    assert hash(again) == hash(descriptor)
    assert len({again, descriptor}) == 1


def test_content_at_hand_is_described():
    assert Descriptor.of(b"", OCI_LAYER) == Descriptor.from_json(MINIMAL, "layers[0]")
    assert Descriptor.of(b"", OCI_LAYER, algorithm="sha512").digest == Digest.of(b"", "sha512")


def test_every_field_is_read():
    document = {
        "mediaType": OCI_MANIFEST,
        "digest": EMPTY,
        "size": 7,
        "urls": ["https://a.example/b"],
        "annotations": {"k": "v"},
        "data": "e30=",
        "artifactType": "application/vnd.example",
        "platform": {"architecture": "arm64", "os": "linux"},
        "com.example.unknown": {"deep": [None]},
    }
    read = Descriptor.from_json(document, "manifests[0]")
    assert read.urls == ("https://a.example/b",)
    assert read.annotations == {"k": "v"}
    assert read.data == b"{}"
    assert read.artifact_type == "application/vnd.example"
    assert read.platform == Platform("linux", "arm64")
    assert read.extra == (("com.example.unknown", {"deep": [None]}),)
    assert read.to_json() == document
    assert list(read.to_json()) == list(document)


def test_null_is_as_good_as_absent():
    nulls = dict.fromkeys(("urls", "annotations", "data", "artifactType", "platform"))
    assert Descriptor.from_json(MINIMAL | nulls, "") == Descriptor.from_json(MINIMAL, "")


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"mediaType": None}, "layers[2].mediaType", "is missing"),
        ({"mediaType": ""}, "layers[2].mediaType", "is missing"),
        ({"mediaType": 1}, "layers[2].mediaType", "must be a string, not a number"),
        ({"digest": None}, "layers[2].digest", "is missing"),
        ({"digest": ""}, "layers[2].digest", "is missing"),
        ({"digest": ["sha256"]}, "layers[2].digest", "must be a string, not a list"),
        ({"digest": "sha256:abc"}, "layers[2].digest", "bad digest 'sha256:abc': 3 hex digits where sha256 needs 64"),
        ({"digest": "md5:abc"}, "layers[2].digest", "bad digest 'md5:abc': algorithm 'md5' is not supported"),
        ({"size": None}, "layers[2].size", "is missing"),
        ({"size": "7"}, "layers[2].size", "must be an integer, not a string"),
        ({"size": 7.0}, "layers[2].size", "must be an integer, not a number"),
        ({"size": True}, "layers[2].size", "must be an integer, not a boolean"),
        ({"size": -1}, "layers[2].size", "-1 is not a size in bytes"),
        ({"size": 2**63}, "layers[2].size", "9223372036854775808 is not a size in bytes"),
        ({"urls": "https://a"}, "layers[2].urls", "must be a list, not a string"),
        ({"urls": [1]}, "layers[2].urls", "must be a list of strings"),
        ({"annotations": []}, "layers[2].annotations", "must be an object, not a list"),
        ({"annotations": {"a": 1}}, "layers[2].annotations['a']", "must be a string, not a number"),
        ({"data": "é"}, "layers[2].data", "is not base64"),
        ({"data": "e30"}, "layers[2].data", "is not base64"),
        ({"data": 1}, "layers[2].data", "must be a string, not a number"),
        ({"artifactType": {}}, "layers[2].artifactType", "must be a string, not an object"),
        ({"platform": "linux/amd64"}, "layers[2].platform", "must be an object, not a string"),
        ({"platform": {"os": 1}}, "layers[2].platform", "'os' must be a string"),
    ],
)
def test_a_wrong_field_is_refused_with_its_path(change, path, reason):
    with pytest.raises(InvalidDescriptor) as caught:
        Descriptor.from_json(MINIMAL | change, "layers[2]")
    assert caught.value.text == path
    assert reason in caught.value.reason


@pytest.mark.parametrize("document", [None, "x", 1, [], True])
def test_what_is_no_object_is_no_descriptor(document):
    with pytest.raises(InvalidDescriptor, match="must be an object"):
        Descriptor.from_json(document, "config")


@pytest.mark.parametrize(
    ("media_type", "urls", "is_manifest", "is_foreign"),
    [
        (OCI_MANIFEST, (), True, False),
        (OCI_INDEX, (), True, False),
        (OCI_LAYER, (), False, False),
        (OCI_LAYER, ("https://a",), False, False),
        (DOCKER_FOREIGN_LAYER, ("https://a",), False, True),
        (DOCKER_FOREIGN_LAYER, (), False, False),
        (f"{OCI_NONDISTRIBUTABLE}+zstd", ("https://a",), False, True),
    ],
)
def test_the_role_of_content_is_known_by_its_descriptor(media_type, urls, is_manifest, is_foreign):
    descriptor = Descriptor(media_type, Digest.parse(EMPTY), 0, urls=urls)
    assert (descriptor.is_manifest, descriptor.is_foreign) == (is_manifest, is_foreign)


def test_data_is_written_as_base64():
    content = bytes(range(256))
    document = Descriptor(OCI_LAYER, Digest.of(content), 256, data=content).to_json()
    assert base64.b64decode(document["data"]) == content
