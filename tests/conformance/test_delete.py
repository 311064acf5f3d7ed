"""DELETE of tags, manifests and blobs (end-9, end-10): gone at once, and nothing else with them."""

import json

import pytest

from tests.conformance.wire import OCI_INDEX, OCI_MANIFEST, Repository, descriptor, digest_of, empty_image, random_bytes


def test_a_tag_is_gone_and_its_manifest_stays(repository: Repository):
    digest = repository.push_image("one")
    repository.push_image("two")
    assert repository.send("DELETE", "manifests/one").status == 202
    for answer in (repository.get_manifest("one"), repository.head_manifest("one")):
        assert answer.status == 404
    assert repository.get_manifest("two").header("Docker-Content-Digest") == digest
    assert repository.get_manifest(digest).status == 200
    assert repository.tags() == ["two"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_is_gone_with_every_tag_on_it(repository: Repository, algorithm):
    repository.push_blob(b"{}")
    body = json.dumps(empty_image()).encode()
    digest = digest_of(body, algorithm)
    assert repository.put_manifest(digest, body, OCI_MANIFEST, query=[("tag", "one"), ("tag", "two")]).status == 201
    repository.push_image("other", annotations={"another": "one"})
    assert repository.send("DELETE", f"manifests/{digest}").status == 202
    for name in (digest, "one", "two"):
        assert repository.get_manifest(name).status == 404
    assert repository.tags() == ["other"]


def test_a_manifest_of_one_algorithm_stays_when_the_other_is_deleted(repository: Repository):
    repository.push_blob(b"{}")
    body = json.dumps(empty_image()).encode()
    gone, stays = digest_of(body), digest_of(body, "sha512")
    for digest in (gone, stays):
        assert repository.put_manifest(digest, body, OCI_MANIFEST).status == 201
    assert repository.send("DELETE", f"manifests/{gone}").status == 202
    assert repository.get_manifest(gone).status == 404
    assert repository.get_manifest(stays).body == body


def test_children_stay_when_their_index_is_deleted(repository: Repository):
    repository.push_blob(b"{}")
    child = json.dumps(empty_image()).encode()
    repository.push_manifest(child)
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(child, OCI_MANIFEST)]}
    digest = repository.push_manifest(index, "index")
    assert repository.send("DELETE", f"manifests/{digest}").status == 202
    assert repository.get_manifest(digest_of(child)).status == 200


@pytest.mark.parametrize("name", ["absent", digest_of(b"absent"), digest_of(b"absent", "sha512")])
def test_a_manifest_that_is_not_there_is_404(repository: Repository, name):
    repository.push_image("one")
    answer = repository.send("DELETE", f"manifests/{name}")
    assert answer.status == 404, answer
    assert answer.codes == ["MANIFEST_UNKNOWN"]


def test_a_manifest_is_deleted_once(repository: Repository):
    digest = repository.push_image("one")
    assert repository.send("DELETE", f"manifests/{digest}").status == 202
    assert repository.send("DELETE", f"manifests/{digest}").status == 404


def test_a_manifest_stays_in_other_repositories(repository: Repository, other_repository: Repository):
    digest = repository.push_image("one")
    assert other_repository.push_image("one") == digest
    assert repository.send("DELETE", f"manifests/{digest}").status == 202
    assert other_repository.get_manifest("one").status == 200


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_is_gone_and_can_be_pushed_again(repository: Repository, algorithm):
    body = random_bytes(600)
    digest = repository.push_blob(body, algorithm)
    assert repository.send("DELETE", f"blobs/{digest}").status == 202
    for answer in (repository.get_blob(digest), repository.head_blob(digest)):
        assert answer.status == 404
    assert repository.push_blob(body, algorithm) == digest
    assert repository.get_blob(digest).body == body


def test_a_blob_stays_in_other_repositories(repository: Repository, other_repository: Repository):
    body = random_bytes(600)
    digest = repository.push_blob(body)
    other_repository.push_blob(body)
    assert repository.send("DELETE", f"blobs/{digest}").status == 202
    assert other_repository.get_blob(digest).body == body


def test_a_blob_that_is_not_there_is_404(repository: Repository):
    digest = repository.push_blob(random_bytes(600))
    assert repository.send("DELETE", f"blobs/{digest}").status == 202
    answer = repository.send("DELETE", f"blobs/{digest}")
    assert answer.status == 404
    assert answer.codes == ["BLOB_UNKNOWN"]


@pytest.mark.parametrize("target", ["manifests/sha256:abc", "blobs/sha256:abc", "blobs/md5:" + 32 * "0"])
def test_a_malformed_digest_is_refused(repository: Repository, target):
    repository.push_image()
    answer = repository.send("DELETE", target)
    assert answer.status == 400, answer
    assert answer.codes == ["DIGEST_INVALID"]


@pytest.mark.parametrize("target", ["manifests/absent", f"manifests/{digest_of(b'')}", f"blobs/{digest_of(b'')}"])
def test_nothing_is_deleted_from_a_repository_that_is_not_there(repository: Repository, target):
    answer = repository.send("DELETE", target)
    assert answer.status == 404
    assert set(answer.codes) <= {"NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN"}
