"""Every shape of content, all the way: pushed, listed, looked at, pulled, referred to, taken away."""

import pytest

from tests.conformance import carrying, datasets
from tests.conformance.carrying import check_manifest
from tests.conformance.datasets import SETS, DataSet
from tests.conformance.wire import OCI_MANIFEST, Registry, Repository


@pytest.fixture(params=SETS, ids=lambda make: make.__name__)
def content(request) -> DataSet:
    return request.param()


@pytest.fixture
def home(content: DataSet, registry_under_test: Registry, names, request) -> Repository:
    """An empty repository, on a registry that takes content of this shape."""
    if content.sparse:
        return Repository(request.getfixturevalue("sparse_registry"), names.fresh())
    return Repository(registry_under_test, names.fresh())


@pytest.fixture
def pushed(content: DataSet, home: Repository) -> DataSet:
    carrying.push(content, home)
    return content


def test_it_can_be_pushed(pushed: DataSet, home: Repository):
    assert home.tags() == sorted(pushed.tags)


def test_its_tags_are_listed_after_the_last_one_that_is_known(pushed: DataSet, home: Repository):
    carrying.list_after(pushed, home)


def test_it_can_be_looked_at(pushed: DataSet, home: Repository):
    carrying.look_at(pushed, home)


def test_it_comes_back_byte_for_byte(pushed: DataSet, home: Repository):
    carrying.pull(pushed, home)


WITH_SUBJECTS = (datasets.artifacts_with_subject, datasets.index_with_subject, datasets.missing_subject)


@pytest.mark.parametrize("content", WITH_SUBJECTS, indirect=True, ids=lambda make: make.__name__)
def test_what_points_at_a_subject_is_found(pushed: DataSet, home: Repository):
    carrying.list_referrers(pushed, home)


@pytest.mark.parametrize("content", WITH_SUBJECTS, indirect=True, ids=lambda make: make.__name__)
def test_what_points_at_a_subject_is_found_by_its_type(pushed: DataSet, home: Repository):
    carrying.filter_referrers(pushed, home)


def test_it_is_gone_as_soon_as_it_is_deleted(pushed: DataSet, home: Repository):
    carrying.delete(pushed, home)


def test_it_can_be_pushed_again_after_it_was_deleted(pushed: DataSet, home: Repository):
    for digest in reversed(pushed.manifests):
        assert home.send("DELETE", f"manifests/{digest}").status == 202
    for digest in pushed.blobs:
        assert home.send("DELETE", f"blobs/{digest}").status == 202
    carrying.push(pushed, home)


@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "without length"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_that_is_not_what_its_digest_says_is_refused(repository: Repository, algorithm, chunked):
    made = DataSet("bad-digest-image", algorithm=algorithm)
    made.image()
    carrying.push_blobs(made, repository)
    ((digest, body),) = made.manifests.items()
    refused = repository.put_manifest(digest, body + b"  ", OCI_MANIFEST, chunked=chunked)
    assert refused.status == 400, refused
    assert refused.codes == ["DIGEST_INVALID"]
    assert repository.get_manifest(digest).status == 404
    for blob in made.blobs:
        assert repository.send("DELETE", f"blobs/{blob}").status == 202
        assert repository.head_blob(blob).status == 404


def test_sets_share_a_repository_without_harm(registry_under_test: Registry, names):
    home = Repository(registry_under_test, names.fresh())
    together = [datasets.image(), datasets.index(), datasets.artifacts_with_subject(), datasets.tag_parameters()]
    for each in together:
        carrying.push(each, home)
    for each in together:
        for digest, body in each.manifests.items():
            check_manifest(home.get_manifest(digest, carrying.ACCEPT), body, each)
