import pytest
from pyreqwest.http import Url

from wherry.stores.remote.reach import Policy, Way, api_host, is_loopback, resolved, same_host


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:5000", "LOCALHOST", "127.0.0.1", "127.0.0.1:5000", "127.8.9.10", "[::1]", "[::1]:5000"],
)
def test_names_of_this_machine_are_loopback(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.example", "notlocalhost", "128.0.0.1", "127.0.0.1.example", "10.0.0.1", "[::2]", "docker.io"]
)
def test_other_names_are_not_loopback(host: str):
    assert not is_loopback(host)


def test_docker_hub_has_its_api_elsewhere():
    assert api_host("docker.io") == "registry-1.docker.io"
    assert api_host("registry.example:5000") == "registry.example:5000"


@pytest.mark.parametrize(
    ("policy", "host", "ways"),
    [
        (Policy(), "registry.example", [("https://registry.example", True)]),
        (Policy(), "docker.io", [("https://registry-1.docker.io", True)]),
        (
            Policy(insecure=True),
            "registry.example",
            [("https://registry.example", False), ("http://registry.example", True)],
        ),
        (Policy(insecure={"other:1"}), "registry.example", [("https://registry.example", True)]),
        (Policy(insecure={"other:1"}), "other:1", [("https://other:1", False), ("http://other:1", True)]),
        (Policy(), "localhost:5000", [("http://localhost:5000", True), ("https://localhost:5000", False)]),
        (Policy(loopback="tls"), "localhost:5000", [("https://localhost:5000", False)]),
        (
            Policy(insecure=True, loopback="tls"),
            "localhost:5000",
            [("http://localhost:5000", True), ("https://localhost:5000", False)],
        ),
    ],
)
def test_ways_are_those_that_the_policy_allows_in_order(policy: Policy, host: str, ways: list[tuple[str, bool]]):
    assert policy.ways(host) == tuple(Way(origin, verify=verify) for origin, verify in ways)


@pytest.mark.parametrize(
    ("base", "location", "expected"),
    [
        (
            "https://r.example/v2/a/blobs/uploads/",
            "/v2/a/blobs/uploads/1?s=x",
            "https://r.example/v2/a/blobs/uploads/1?s=x",
        ),
        ("https://r.example/v2/a/blobs/uploads/", "1", "https://r.example/v2/a/blobs/uploads/1"),
        ("https://r.example/v2/", "https://s.example/x?y=z", "https://s.example/x?y=z"),
        ("https://r.example/v2/", "http://r.example/x", "https://r.example/x"),
        ("https://r.example:5000/v2/", "http://r.example/x", "https://r.example:5000/x"),
        ("http://r.example:5000/v2/", "http://r.example/x", "http://r.example:5000/x"),
        ("http://r.example/v2/", "https://r.example/x", "https://r.example/x"),
        ("https://r.example/v2/", "http://s.example/x", "http://s.example/x"),
    ],
)
def test_location_leads_where_the_request_came_through(base: str, location: str, expected: str):
    assert str(resolved(base, location)) == expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://r.example/a", "https://r.example/b", True),
        ("https://r.example/a", "https://r.example:443/b", True),
        ("http://r.example/a", "https://r.example/b", True),
        ("https://r.example/a", "http://r.example/b", False),
        ("https://r.example/a", "https://r.example:444/b", False),
        ("https://r.example/a", "https://cdn.r.example/b", False),
    ],
)
def test_credentials_stay_with_their_host(one: str, other: str, *, same: bool):
    assert same_host(Url(one), Url(other)) is same
