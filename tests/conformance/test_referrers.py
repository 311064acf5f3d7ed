"""GET …/referrers/<digest> (end-12a, 12b), and the header that tells that a subject was seen."""

import json

import pytest

from tests.conformance.wire import (
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Answer,
    Repository,
    descriptor,
    digest_of,
    empty_image,
    random_bytes,
)

KIND = "application/vnd.example.wherry.thing.v1"


@pytest.fixture
def home(repository: Repository) -> Repository:
    repository.push_blob(b"{}")
    return repository


@pytest.fixture
def subject(home: Repository) -> dict:
    body = json.dumps(empty_image(annotations={"the": "subject"})).encode()
    home.push_manifest(body)
    return descriptor(body, OCI_MANIFEST)


def push(home: Repository, document: dict) -> dict:
    """Push, check that the subject was seen, and give the descriptor without what the listing adds."""
    body = json.dumps(document).encode()
    answer = home.put_manifest(digest_of(body), body, document["mediaType"])
    assert answer.status == 201, answer
    assert answer.header("OCI-Subject") == document["subject"]["digest"]
    return descriptor(body, document["mediaType"])


def listed(home: Repository, digest: str, *query: tuple[str, str]) -> list[dict]:
    answer = home.send("GET", f"referrers/{digest}", query=query)
    check(answer)
    return answer.json()["manifests"]


def check(answer: Answer) -> None:
    assert answer.status == 200, answer
    assert answer.header("Content-Type") == OCI_INDEX
    document = answer.json()
    assert document["schemaVersion"] == 2
    assert document["mediaType"] == OCI_INDEX


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_digest_that_nobody_points_at_has_an_empty_list(home: Repository, algorithm):
    assert listed(home, digest_of(random_bytes(10), algorithm)) == []


def test_a_repository_that_is_not_there_has_an_empty_list_too(repository: Repository):
    assert listed(repository, digest_of(random_bytes(10))) == []


@pytest.mark.parametrize("digest", ["sha256:abc", "md5:" + 32 * "0", "a-tag", "sha256:" + 64 * "A"])
def test_a_malformed_digest_is_400(home: Repository, digest):
    answer = home.send("GET", f"referrers/{digest}")
    assert answer.status == 400, answer
    assert answer.codes == ["DIGEST_INVALID"]


def test_the_type_of_a_referrer_is_its_own(home: Repository, subject):
    pushed = push(home, empty_image(artifactType=KIND, subject=subject))
    assert listed(home, subject["digest"]) == [pushed | {"artifactType": KIND}]


@pytest.mark.parametrize("without", [{}, {"artifactType": ""}, {"artifactType": None}], ids=["absent", "empty", "null"])
def test_the_type_of_an_image_without_one_is_its_configs(home: Repository, subject, without):
    pushed = push(home, empty_image(subject=subject, **without))
    assert listed(home, subject["digest"]) == [pushed | {"artifactType": OCI_EMPTY}]


@pytest.mark.parametrize("without", [{}, {"artifactType": ""}], ids=["absent", "empty"])
def test_an_index_without_a_type_has_none(home: Repository, subject, without):
    pushed = push(home, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": subject} | without)
    assert listed(home, subject["digest"]) == [pushed]


def test_annotations_are_shown(home: Repository, subject):
    notes = {"org.example.note": "hello", "é": "ü", "empty": ""}
    pushed = push(home, empty_image(artifactType=KIND, subject=subject, annotations=notes))
    assert listed(home, subject["digest"]) == [pushed | {"artifactType": KIND, "annotations": notes}]


def test_a_referrer_under_a_tag_is_found_too(home: Repository, subject):
    home.push_manifest(empty_image(artifactType=KIND, subject=subject), "tagged")
    assert len(listed(home, subject["digest"])) == 1


def test_a_referrer_that_was_pushed_twice_is_found_once(home: Repository, subject):
    document = empty_image(artifactType=KIND, subject=subject)
    push(home, document)
    push(home, document)
    home.push_manifest(document, "tagged")
    assert len(listed(home, subject["digest"])) == 1


def test_a_filter_keeps_one_type_and_says_so(home: Repository, subject):
    pushed = push(home, empty_image(artifactType=KIND, subject=subject))
    push(home, empty_image(artifactType=f"{KIND}2", subject=subject))
    answer = home.send("GET", f"referrers/{subject['digest']}", query=[("artifactType", KIND)])
    check(answer)
    assert answer.json()["manifests"] == [pushed | {"artifactType": KIND}]
    assert answer.values("OCI-Filters-Applied") == ["artifactType"]


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("application/vnd.test+json", "application%2Fvnd.test%2Bjson"),
        ("application/vnd.test+json", "application/vnd.test+json"),
        ("application/vnd.test+json; v=1", "application%2Fvnd.test%2Bjson%3B+v%3D1"),
        ("application/vnd.test+json; v=1", "application/vnd.test+json;%20v=1"),
        ("application/vnd.test&more", "application/vnd.test%26more"),
        ("no type at all", "no%20type%20at%20all"),
    ],
)
def test_a_filter_may_have_any_character(home: Repository, subject, kind, written):
    pushed = push(home, empty_image(artifactType=kind, subject=subject))
    answer = home.send("GET", f"referrers/{subject['digest']}?artifactType={written}")
    check(answer)
    assert answer.json()["manifests"] == [pushed | {"artifactType": kind}]


def test_a_filter_that_nothing_passes_gives_an_empty_list_and_says_so(home: Repository, subject):
    push(home, empty_image(artifactType=KIND, subject=subject))
    answer = home.send("GET", f"referrers/{subject['digest']}", query=[("artifactType", "application/none+json")])
    check(answer)
    assert answer.json()["manifests"] == []
    assert answer.values("OCI-Filters-Applied") == ["artifactType"]


def test_a_subject_may_be_missing_and_come_later(home: Repository):
    body = json.dumps(empty_image(annotations={"comes": "later"})).encode()
    pushed = push(home, empty_image(artifactType=KIND, subject=descriptor(body, OCI_MANIFEST)))
    assert listed(home, digest_of(body)) == [pushed | {"artifactType": KIND}]
    home.push_manifest(body)
    assert listed(home, digest_of(body)) == [pushed | {"artifactType": KIND}]


def test_a_subject_of_sha512_is_found_by_it(home: Repository):
    body = b"nobody pushed this"
    missing = descriptor(body, OCI_MANIFEST) | {"digest": digest_of(body, "sha512")}
    pushed = push(home, empty_image(artifactType=KIND, subject=missing))
    assert listed(home, missing["digest"]) == [pushed | {"artifactType": KIND}]
    assert listed(home, digest_of(body)) == []


def test_a_referrer_is_gone_when_it_is_deleted(home: Repository, subject):
    first = push(home, empty_image(artifactType=KIND, subject=subject))
    second = push(home, empty_image(artifactType=f"{KIND}2", subject=subject))
    assert home.send("DELETE", f"manifests/{first['digest']}").status == 202
    assert [entry["digest"] for entry in listed(home, subject["digest"])] == [second["digest"]]


def test_referrers_are_those_of_the_repository(home: Repository, subject, other_repository: Repository):
    push(home, empty_image(artifactType=KIND, subject=subject))
    other_repository.push_image()
    assert listed(other_repository, subject["digest"]) == []


def test_all_of_many_referrers_are_found_page_by_page(home: Repository, subject):
    pushed = {
        push(home, empty_image(artifactType=KIND, subject=subject, annotations={"n": f"{number}"}))["digest"]
        for number in range(60)
    }
    for query in ("", f"?artifactType={KIND}"):
        pages = list(home.registry.pages(home.at(f"referrers/{subject['digest']}{query}"), "manifests"))
        found = [entry["digest"] for page in pages for entry in page]
        assert len(found) == len(set(found))
        assert set(found) == pushed
