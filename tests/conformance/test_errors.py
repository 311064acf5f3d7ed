"""Refusals: the right status, a body with the right code, and never an error of the server's own."""

import json

import pytest

from tests.conformance.wire import OCI_MANIFEST, Registry, Repository, digest_of, empty_image

DIGEST = digest_of(b"{}")
BODY = json.dumps(empty_image()).encode()

BAD_NAMES = {
    "upper case": "Upper/case",
    "a leading dash": "-a",
    "a trailing dash": "a-",
    "a leading dot": ".a/b",
    "dots": "a..b",
    "three underscores": "a___b",
    "a space": "a%20b",
    "up": "a/%2e%2e/b",
    "an encoded slash and up": "..%2f..%2fetc",
    "NUL": "a%00b",
    "not ASCII": "%c3%a9t%c3%a9",
    "not UTF-8": "a%ffb",
    "a colon": "a:b",
    "an at sign": "a@b",
    "too long": "a/" + "b" * 300,
    "a backslash": "a%5cb",
    "a newline": "a%0ab",
}
ENDPOINTS = {
    "list tags": ("GET", "tags/list", None),
    "get a manifest": ("GET", "manifests/latest", None),
    "put a manifest": ("PUT", "manifests/latest", BODY),
    "delete a manifest": ("DELETE", "manifests/latest", None),
    "get a blob": ("GET", f"blobs/{DIGEST}", None),
    "delete a blob": ("DELETE", f"blobs/{DIGEST}", None),
    "start an upload": ("POST", "blobs/uploads/", b""),
    "push in one request": ("POST", f"blobs/uploads/?digest={DIGEST}", b"{}"),
    "patch an upload": ("PATCH", "blobs/uploads/session", b"x"),
    "list referrers": ("GET", f"referrers/{DIGEST}", None),
}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_malformed_name_is_refused_by_every_endpoint(registry_under_test: Registry, name, endpoint):
    method, path, body = ENDPOINTS[endpoint]
    headers = [("Content-Type", OCI_MANIFEST)] if method == "PUT" else []
    answer = registry_under_test.send(method, f"/v2/{BAD_NAMES[name]}/{path}", body=body, headers=headers)
    assert answer.status in (400, 404), answer
    assert answer.codes == ["NAME_INVALID"]


GOOD_NAMES = ["a", "a/b", "a-b", "a--b", "a_b", "a__b", "a.b", "0", "a/b/c/d/e/f", "library/tags/list", "blobs/uploads"]


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_wellformed_name_is_taken(registry_under_test: Registry, names, name):
    home = Repository(registry_under_test, f"{names.fresh()}/{name}")
    digest = home.push_image("latest")
    assert home.get_manifest("latest").header("Docker-Content-Digest") == digest
    assert home.tags() == ["latest"]


def test_a_name_as_long_as_allowed_is_taken(registry_under_test: Registry, names):
    prefix = names.fresh()
    home = Repository(registry_under_test, f"{prefix}/{'x' * (255 - len(prefix) - 1)}")
    assert len(home.name) == 255
    home.push_image("latest")
    assert home.tags() == ["latest"]


@pytest.mark.parametrize(
    "path",
    [
        "/v2/a",
        "/v2/a/b",
        "/v2/a/tags",
        "/v2/a/tags/lists",
        "/v2/a/tags/list/more",
        "/v2/a/manifests/",
        "/v2/a/manifests/b/c",
        "/v2/a/blobs/",
        f"/v2/a/blobs/{DIGEST}/more",
        "/v2/_unknown",
        "/v2//tags/list",
        "/v2/a//b/tags/list",
        "/v2/manifests/latest",
    ],
)
def test_a_path_that_leads_nowhere_is_404_with_a_body(registry_under_test: Registry, path):
    answer = registry_under_test.send("GET", path)
    assert answer.status in (400, 404), answer
    assert answer.codes


@pytest.mark.parametrize("path", ["/", "/v1/_ping", "/v3/", "/favicon.ico", "/%2e%2e/%2e%2e/etc/passwd", "/v2../"])
def test_what_is_outside_of_v2_is_no_error_of_the_server(registry_under_test: Registry, path):
    answer = registry_under_test.send("GET", path)
    assert answer.status < 500, answer
    assert b"root:" not in answer.body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/"),
        ("DELETE", "/v2/"),
        ("PUT", "/v2/a/tags/list"),
        ("DELETE", "/v2/a/tags/list"),
        ("POST", "/v2/a/manifests/latest"),
        ("PATCH", "/v2/a/manifests/latest"),
        ("PUT", f"/v2/a/blobs/{DIGEST}"),
        ("POST", f"/v2/a/blobs/{DIGEST}"),
        ("GET", "/v2/a/blobs/uploads/"),
        ("PUT", f"/v2/a/referrers/{DIGEST}"),
        ("DELETE", "/v2/_catalog"),
        ("BREW", "/v2/a/manifests/latest"),
    ],
)
def test_a_method_that_an_endpoint_does_not_know_is_405_and_it_says_which_it_does(
    registry_under_test: Registry, method, path
):
    answer = registry_under_test.send(method, path, body=b"" if method != "GET" else None)
    assert answer.status == 405, answer
    assert answer.codes == ["UNSUPPORTED"]
    assert answer.values("Allow")
    assert method not in answer.values("Allow")


def test_an_error_has_a_code_a_message_and_its_length(repository: Repository):
    answer = repository.get_manifest("latest")
    (error,) = answer.json()["errors"]
    assert set(error) <= {"code", "message", "detail"}
    assert error["message"]
    assert answer.header("Content-Length") == str(len(answer.body))


def test_an_error_of_a_head_has_no_body(repository: Repository):
    for path in ("manifests/latest", f"blobs/{DIGEST}"):
        answer = repository.send("HEAD", path)
        assert (answer.status, answer.body) == (404, b"")


ODD = [
    [("Range", "bytes=" + "9" * 5000)],
    [("Range", "\xff")],
    [("If-None-Match", "\xff\xfe")],
    [("If-None-Match", '"')],
    [("Accept", "\xff/\xfe")],
    [("Content-Range", "\xb2-\xb3")],
    [("Content-Range", "0-0"), ("Content-Range", "5-5")],
    [("Content-Type", "\xff")],
    [("Content-Type", "")],
    [("X-Long", "x" * 6000)],
    [("Authorization", "Basic !!!")],
    [("Authorization", "Bearer \xff")],
    [("Expect", "100-continue")],
    [("Host", "another.example:1")],
]


@pytest.mark.parametrize("headers", ODD, ids=lambda headers: headers[0][0] + headers[0][1][:12])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_odd_headers_are_never_an_error_of_the_server(repository: Repository, endpoint, headers):
    repository.push_image("latest")
    method, path, body = ENDPOINTS[endpoint]
    answer = repository.send(method, path, body=body, headers=headers)
    assert answer.status < 500, answer


QUERIES = [
    "?n=%00",
    "?last=%00",
    "?last=%ff",
    "?%ff=%ff",
    "?digest",
    "?tag=%00",
    "?" + "a=b&" * 200,
    "?artifactType=%ff%00",
]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_odd_queries_are_never_an_error_of_the_server(repository: Repository, endpoint, query):
    repository.push_image("latest")
    method, path, body = ENDPOINTS[endpoint]
    headers = [("Content-Type", OCI_MANIFEST)] if method == "PUT" else []
    answer = repository.send(method, path.partition("?")[0] + query, body=body, headers=headers)
    assert answer.status < 500, answer
