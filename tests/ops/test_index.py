import json

import pytest
from msgspec.structs import replace

from tests.content import an_image, an_index_of
from wherry.oci.errors import ManifestInvalid
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_LIST, OCI_INDEX
from wherry.oci.platform import Platform
from wherry.ops.index import assemble, with_entries

OCI = [an_image().descriptor, an_image(platform="linux/arm64").descriptor]
DOCKER = [an_image(docker=True).descriptor, an_image(docker=True, platform="linux/arm/v7").descriptor]


def test_entries_stand_in_the_given_order() -> None:
    for entries in (OCI, OCI[::-1]):
        assert assemble(entries).view.manifests == tuple(entries)


@pytest.mark.parametrize(
    ("entries", "options", "media_type"),
    [
        (DOCKER, {}, DOCKER_LIST),
        (OCI, {}, OCI_INDEX),
        (DOCKER + OCI, {}, OCI_INDEX),
        ([], {}, OCI_INDEX),
        (DOCKER, {"annotations": {"a": "b"}}, OCI_INDEX),
        (DOCKER, {"subject": OCI[0]}, OCI_INDEX),
        (DOCKER, {"artifact_type": "application/x"}, OCI_INDEX),
        ([replace(DOCKER[0], annotations={"a": "b"})], {}, OCI_INDEX),
        (OCI, {"media_type": DOCKER_LIST}, DOCKER_LIST),
        (DOCKER, {"media_type": OCI_INDEX}, OCI_INDEX),
        ([an_index_of(an_image(docker=True), docker=True).descriptor], {}, OCI_INDEX),
    ],
)
def test_media_type_is_dockers_where_everything_is(entries, options, media_type: str) -> None:
    index = assemble(entries, **options)
    assert index.media_type == media_type
    assert json.loads(index.content)["mediaType"] == media_type


def test_docker_list_that_should_say_more_than_it_can_is_refused() -> None:
    with pytest.raises(ManifestInvalid, match="OCI index"):
        assemble(DOCKER, media_type=DOCKER_LIST, annotations={"a": "b"})


def test_fields_that_nobody_knows_are_kept() -> None:
    platform = Platform("linux", "arm64", extra=(("future", [1]),))
    entry = replace(OCI[0], platform=platform, extra=(("later", {"a": 1}),))
    written = json.loads(assemble([entry]).content)["manifests"][0]
    assert written["later"] == {"a": 1}
    assert written["platform"]["future"] == [1]


def test_indentation_is_the_one_asked_for() -> None:
    assert b"\n" not in assemble(OCI, indent=0).content
    assert b'\n   "schemaVersion"' in assemble(OCI, indent=3).content
    assert json.loads(assemble(OCI, indent=0).content) == json.loads(assemble(OCI, indent=3).content)


def test_annotations_artifact_type_and_subject_are_written() -> None:
    view = assemble(OCI, annotations={"a": "b"}, artifact_type="application/x", subject=DOCKER[0]).view
    assert (view.annotations, view.artifact_type, view.subject) == ({"a": "b"}, "application/x", DOCKER[0])


def test_changed_index_keeps_what_it_says_beside_its_entries() -> None:
    document = {"future": 1, **json.loads(an_index_of(an_image(), annotations={"a": "b"}).manifest.content)}
    index = Manifest(json.dumps(document).encode(), OCI_INDEX)
    changed = json.loads(with_entries(index, OCI).content)
    assert (changed["future"], changed["annotations"]) == (1, {"a": "b"})
    assert [each["digest"] for each in changed["manifests"]] == [str(each.digest) for each in OCI]
    assert list(changed) == list(document)


def test_only_an_index_has_entries_to_change() -> None:
    with pytest.raises(ManifestInvalid, match="no index"):
        with_entries(an_image().manifest, OCI)


def test_sha512_index_has_a_sha512_digest() -> None:
    assert assemble(OCI, algorithm="sha512").digest.algorithm == "sha512"
