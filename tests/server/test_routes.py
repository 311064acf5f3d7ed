"""Paths: which endpoint they name, and what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidDigest, InvalidName, InvalidTag, NotFound, WherryError
from wherry.oci.reference import Tag
from wherry.server.routes import Endpoint, Route, find_route

DIGEST = Digest.of(b"")


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", Route(Endpoint.ROOT)),
        ("/v2/", Route(Endpoint.BASE)),
        ("/v2", Route(Endpoint.BASE)),
        ("/v2/_catalog", Route(Endpoint.CATALOGUE)),
        ("/v2/a/tags/list", Route(Endpoint.TAGS, "a")),
        ("/v2/a/b/c/tags/list", Route(Endpoint.TAGS, "a/b/c")),
        ("/v2/a/manifests/v1", Route(Endpoint.MANIFEST, "a", reference=Tag("v1"))),
        (f"/v2/a/manifests/{DIGEST}", Route(Endpoint.MANIFEST, "a", reference=DIGEST)),
        (f"/v2/a/blobs/{DIGEST}", Route(Endpoint.BLOB, "a", digest=DIGEST)),
        ("/v2/a/blobs/uploads/", Route(Endpoint.UPLOADS, "a")),
        ("/v2/a/blobs/uploads", Route(Endpoint.UPLOADS, "a")),
        ("/v2/a/blobs/uploads/1-2", Route(Endpoint.UPLOAD, "a", upload="1-2")),
        (f"/v2/a/referrers/{DIGEST}", Route(Endpoint.REFERRERS, "a", digest=DIGEST)),
        ("/v2/manifests/manifests/manifests", Route(Endpoint.MANIFEST, "manifests", reference=Tag("manifests"))),
        ("/v2/a/blobs/uploads/tags/list", Route(Endpoint.TAGS, "a/blobs/uploads")),
        ("/v2/a/tags/list/manifests/b", Route(Endpoint.MANIFEST, "a/tags/list", reference=Tag("b"))),
        ("/v2/a/blobs/b/blobs/uploads/", Route(Endpoint.UPLOADS, "a/blobs/b")),
    ],
)
def test_a_path_names_an_endpoint(path, route):
    assert find_route(path) == route


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("/v1/", NotFound),
        ("/v2/a", NotFound),
        ("/v2//_catalog", NotFound),
        ("/v2/a/manifests/", NotFound),
        ("/v2/a/manifests", NotFound),
        ("/v2/a/blobs/", NotFound),
        ("/v2/a/tags/list/", NotFound),
        ("/v2/manifests/x", NotFound),
        ("/v2/A/manifests/x", InvalidName),
        ("/v2/a//b/manifests/x", InvalidName),
        ("/v2//manifests/x", InvalidName),
        ("/v2/../manifests/x", InvalidName),
        ("/v2/a/../b/manifests/x", InvalidName),
        ("/v2/a/./b/manifests/x", InvalidName),
        ("/v2/a\0b/manifests/x", InvalidName),
        ("/v2/a\nb/manifests/x", InvalidName),
        ("/v2/ä/manifests/x", InvalidName),
        ("/v2/a\ufffd/manifests/x", InvalidName),
        (f"/v2/{'a' * 256}/tags/list", InvalidName),
        (f"/v2/{'a/' * 5000}b/tags/list", InvalidName),
        ("/v2/a/manifests/.x", InvalidTag),
        ("/v2/a/manifests/x\0", InvalidTag),
        ("/v2/a/manifests/x\n", InvalidTag),
        (f"/v2/a/manifests/{'x' * 129}", InvalidTag),
        ("/v2/a/manifests/sha256:abc", InvalidDigest),
        ("/v2/a/blobs/sha256:" + "A" * 64, InvalidDigest),
        ("/v2/a/blobs/md5:" + "a" * 32, InvalidDigest),
        ("/v2/a/blobs/..", InvalidDigest),
        ("/v2/a/referrers/latest", InvalidDigest),
    ],
)
def test_what_is_wrong_with_a_path_is_said(path, failure):
    with pytest.raises(failure):
        find_route(path)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/v2/_catalog/", "perhaps /v2/_catalog"),
        ("//v2/", "perhaps /v2/"),
        ("//v2/a/tags/list", "perhaps /v2/a/tags/list"),
        ("/v2/a/tags/list/", "perhaps /v2/a/tags/list"),
        ("/v2/a/tags", "perhaps /v2/a/tags/list"),
        ("/v2/team/app", "perhaps /v2/team/app/tags/list"),
        ("/v2/a/manifests/", "perhaps /v2/a/manifests/<tag or digest>"),
        ("/v2/a/manifests/x/y", "the API is below /v2/"),
        ("/v2/a/../b", "the API is below /v2/"),
        ("/favicon.ico", "the API is below /v2/"),
        ("*", "the API is below /v2/"),
    ],
)
def test_a_path_that_is_nearly_an_endpoint_is_told_which(path, hint):
    with pytest.raises(NotFound) as failure:
        find_route(path)
    assert failure.value.hint == hint


@given(
    st.lists(st.sampled_from(["v2", "a", "..", "", "manifests", "blobs", "uploads", "tags", "list", "\0", str(DIGEST)]))
)
def test_every_path_is_a_route_or_a_refusal(parts):
    path = "/" + "/".join(parts)
    try:
        route = find_route(path)
    except WherryError as refused:
        route = None
        failure = refused
    if route is None:
        assert failure.status in (400, 404)
    else:
        assert ".." not in route.name
        assert "\0" not in route.name
