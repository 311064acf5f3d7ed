"""What a registry takes while things that a manifest names are missing: nothing, children only, or anything."""

import json

import pytest

from tests.conformance.conftest import ELSEWHERE, served
from tests.conformance.wire import OCI_INDEX, OCI_MANIFEST, Registry, Repository, descriptor, digest_of, empty_image

CHILD = descriptor(b"this image was never pushed", OCI_MANIFEST)
INDEX = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [CHILD]}
LAYER = descriptor(b"this layer was never pushed", "application/vnd.oci.image.layer.v1.tar")


def answers(home: Repository) -> tuple[int, int]:
    """The statuses of an index with a child that is missing, and of an image with a layer that is."""
    home.push_blob(b"{}")
    bodies = [json.dumps(document).encode() for document in (INDEX, empty_image(layers=[LAYER]))]
    index, image = (home.put_manifest(digest_of(body), body, json.loads(body)["mediaType"]) for body in bodies)
    return index.status, image.status


def test_nothing_may_be_missing_by_default(repository: Repository):
    assert answers(repository) == (400, 400)


def test_children_may_be_missing_where_that_is_allowed(tmp_path, names):
    if ELSEWHERE:
        pytest.skip("a registry elsewhere has one setting, and this test needs another")
    with served(tmp_path, sparse="INDEX") as url:
        assert answers(Repository(Registry(url), names.fresh())) == (201, 400)


def test_anything_may_be_missing_where_that_is_allowed(sparse_repository: Repository):
    assert answers(sparse_repository) == (201, 201)


def test_what_is_missing_answers_404_until_it_comes(sparse_repository: Repository):
    sparse_repository.push_blob(b"{}")
    child = json.dumps(empty_image(annotations={"comes": "later"})).encode()
    sparse_repository.push_manifest(INDEX | {"manifests": [descriptor(child, OCI_MANIFEST)]}, "index")
    assert sparse_repository.get_manifest(digest_of(child)).status == 404
    sparse_repository.push_manifest(child)
    assert sparse_repository.get_manifest(digest_of(child)).body == child


def test_a_client_that_takes_images_only_gets_the_index_while_its_child_is_missing(sparse_repository: Repository):
    platform = {"platform": {"architecture": "amd64", "os": "linux"}}
    digest = sparse_repository.push_manifest(INDEX | {"manifests": [CHILD | platform]}, "index")
    answer = sparse_repository.get_manifest("index", [("Accept", OCI_MANIFEST)])
    assert (answer.status, answer.header("Docker-Content-Digest")) == (200, digest)
