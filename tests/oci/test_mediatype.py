import pytest

from wherry.oci import mediatype
from wherry.oci.mediatype import ACCEPTED_MANIFESTS, Kind, is_foreign_layer, is_manifest, kind_of, without_parameters

MANIFESTS = {
    "application/vnd.oci.image.manifest.v1+json": Kind.IMAGE,
    "application/vnd.docker.distribution.manifest.v2+json": Kind.IMAGE,
    "application/vnd.oci.image.index.v1+json": Kind.INDEX,
    "application/vnd.docker.distribution.manifest.list.v2+json": Kind.INDEX,
    "application/vnd.oci.artifact.manifest.v1+json": Kind.ARTIFACT,
    "application/vnd.docker.distribution.manifest.v1+json": Kind.SCHEMA1,
    "application/vnd.docker.distribution.manifest.v1+prettyjws": Kind.SCHEMA1,
}


@pytest.mark.parametrize("media_type", MANIFESTS)
def test_every_type_of_manifest_has_its_kind_and_is_asked_for(media_type):
    assert kind_of(media_type) is MANIFESTS[media_type]
    assert is_manifest(media_type)
    assert media_type in ACCEPTED_MANIFESTS


def test_present_types_are_wanted_more_than_those_of_the_past():
    assert ACCEPTED_MANIFESTS[0] == mediatype.OCI_MANIFEST
    assert all(kind_of(media_type) is Kind.SCHEMA1 for media_type in ACCEPTED_MANIFESTS[-2:])
    assert set(ACCEPTED_MANIFESTS) == set(MANIFESTS)


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/json",
        "text/html",
        mediatype.OCI_CONFIG,
        mediatype.OCI_LAYER,
        mediatype.DOCKER_CONFIG,
        mediatype.OCI_EMPTY,
        mediatype.OCTET_STREAM,
        mediatype.OCI_MANIFEST.upper(),
        f"{mediatype.OCI_INDEX};a=b",
    ],
)
def test_everything_else_is_no_manifest(media_type):
    assert kind_of(media_type) is None
    assert not is_manifest(media_type)


@pytest.mark.parametrize(
    ("media_type", "foreign"),
    [
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", True),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar", True),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", True),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", True),
        ("application/vnd.oci.image.layer.v1.tar+gzip", False),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", False),
    ],
)
def test_foreign_layers_are_known_by_their_type(media_type, foreign):
    assert is_foreign_layer(media_type) is foreign


@pytest.mark.parametrize(
    ("header", "media_type"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" application/json ;a=b;c=d", "application/json"),
        ("", ""),
        (";charset=utf-8", ""),
    ],
)
def test_a_header_is_reduced_to_its_media_type(header, media_type):
    assert without_parameters(header) == media_type
