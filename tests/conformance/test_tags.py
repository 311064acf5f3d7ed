"""GET …/tags/list (end-8a, 8b)."""

import pytest

from tests.conformance.wire import Repository, empty_image

TAGS = ["v1", "v10", "v2", "latest", "Latest", "_under", "1.0", "0", "a-b", "a.b", "a_b", "ab", "Z", "z"]
ORDER = sorted(TAGS)  # by bytes, as the specification allows and wherry does


@pytest.fixture
def tagged(repository: Repository) -> Repository:
    repository.push_blob(b"{}")
    for tag in TAGS:
        repository.push_manifest(empty_image(), tag)
    return repository


def listed(repository: Repository, *query: tuple[str, str]) -> list[str]:
    answer = repository.send("GET", "tags/list", query=query)
    assert answer.status == 200, answer
    assert answer.json()["name"] == repository.name
    return answer.json()["tags"]


def test_all_tags_are_listed_in_the_order_of_their_bytes(tagged: Repository):
    answer = tagged.send("GET", "tags/list")
    assert answer.status == 200
    assert (answer.header("Content-Type") or "").startswith("application/json")
    assert answer.json() == {"name": tagged.name, "tags": ORDER}
    assert answer.next_page is None


@pytest.mark.parametrize("count", [1, 2, 3, 5, len(TAGS) - 1, len(TAGS), len(TAGS) + 1, 10_000])
def test_pages_hold_n_tags_and_lead_to_the_end(tagged: Repository, count):
    pages = list(tagged.registry.pages(tagged.at(f"tags/list?n={count}"), "tags"))
    assert [tag for page in pages for tag in page] == ORDER
    assert all(len(page) == count for page in pages[:-1])
    assert len(pages[-1]) <= count
    assert len(pages) == max(1, -(-len(TAGS) // count))


def test_a_page_of_nothing_is_empty_and_leads_nowhere(tagged: Repository):
    answer = tagged.send("GET", "tags/list", query=[("n", "0")])
    assert answer.json()["tags"] == []
    assert answer.header("Link") is None


@pytest.mark.parametrize("last", ORDER)
def test_a_listing_goes_on_after_the_last_tag(tagged: Repository, last):
    rest = ORDER[ORDER.index(last) + 1 :]
    assert listed(tagged, ("last", last)) == rest
    assert listed(tagged, ("last", last), ("n", "2")) == rest[:2]
    assert listed(tagged, ("n", "2"), ("last", last)) == rest[:2]


@pytest.mark.parametrize("last", ["!", "v", "v3", "zz", "Latest0", "%", "a b", "é", "x" * 1000])
def test_the_last_tag_need_not_exist(tagged: Repository, last):
    assert listed(tagged, ("last", last)) == [tag for tag in ORDER if tag > last]


@pytest.mark.parametrize("count", ["-1", "a", "", "1.5", "0x1", "1e3", "9" * 40, "²"])
def test_a_count_that_is_none_is_refused(tagged: Repository, count):
    answer = tagged.send("GET", "tags/list", query=[("n", count)])
    if count.isascii() and count.isdigit():
        assert answer.status in (200, 400), answer  # a number, if too large a one: either is right
    else:
        assert answer.status == 400, answer
        assert answer.codes == ["PAGINATION_NUMBER_INVALID"]


def test_a_repository_without_tags_has_an_empty_list(repository: Repository):
    repository.push_image()
    assert listed(repository) == []


def test_a_repository_that_is_not_there_is_404(repository: Repository):
    answer = repository.send("GET", "tags/list")
    assert answer.status == 404
    assert answer.codes == ["NAME_UNKNOWN"]


def test_a_listing_shows_moved_and_deleted_tags_at_once(tagged: Repository):
    tagged.push_manifest(empty_image(annotations={"another": "one"}), "v1")
    assert listed(tagged) == ORDER
    assert tagged.send("DELETE", "manifests/v1").status == 202
    assert listed(tagged) == [tag for tag in ORDER if tag != "v1"]
