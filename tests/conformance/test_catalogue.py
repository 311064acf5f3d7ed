"""GET /v2/_catalog: Docker's list of repositories, outside of the specification, and wanted by everybody."""

import pytest

from tests.conformance.wire import Names, Registry, Repository


@pytest.fixture
def some(registry_under_test: Registry, names: Names) -> list[str]:
    """Repositories with content; others may be there too."""
    repositories = [Repository(registry_under_test, names.fresh()) for _ in range(5)]
    for repository in repositories:
        repository.push_image("one")
    return sorted(repository.name for repository in repositories)


def catalogue(registry: Registry, query: str = "") -> list[str]:
    return [name for page in registry.pages(f"/v2/_catalog{query}", "repositories") for name in page]


def test_every_repository_is_listed_in_order(registry_under_test: Registry, some):
    found = catalogue(registry_under_test)
    assert found == sorted(set(found))
    assert set(some) <= set(found)


@pytest.mark.parametrize("count", [1, 2, 3, 10_000])
def test_pages_hold_n_names_and_lead_to_the_end(registry_under_test: Registry, some, count):
    everything = catalogue(registry_under_test)
    after = everything[everything.index(some[0]) - 1] if everything[0] != some[0] else ""
    pages = list(registry_under_test.pages(f"/v2/_catalog?n={count}&last={after}", "repositories"))
    assert [name for page in pages for name in page] == [name for name in everything if name > after]
    assert all(len(page) == count for page in pages[:-1])


def test_a_listing_goes_on_after_the_last_name(registry_under_test: Registry, some):
    found = catalogue(registry_under_test, f"?last={some[1]}")
    assert set(some[2:]) <= set(found)
    assert not set(some[:2]) & set(found)


def test_a_page_of_nothing_is_empty_and_leads_nowhere(registry_under_test: Registry, some):
    answer = registry_under_test.send("GET", "/v2/_catalog?n=0")
    assert answer.status == 200
    assert answer.json() == {"repositories": []}
    assert answer.header("Link") is None


@pytest.mark.parametrize("count", ["-1", "a", ""])
def test_a_count_that_is_none_is_refused(registry_under_test: Registry, count):
    answer = registry_under_test.send("GET", f"/v2/_catalog?n={count}")
    assert answer.status == 400, answer
    assert answer.codes == ["PAGINATION_NUMBER_INVALID"]
