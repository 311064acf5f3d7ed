"""GET /v2/ (end-1)."""

import http.client
from urllib.parse import urlsplit

from tests.conformance.wire import SILENCE, Registry, Repository


def test_ping_answers_200_with_an_empty_object_and_the_version_that_old_clients_look_for(registry_under_test: Registry):
    answer = registry_under_test.send("GET", "/v2/")
    assert answer.status == 200
    assert answer.json() == {}
    assert (answer.header("Content-Type") or "").startswith("application/json")
    assert answer.header("Docker-Distribution-Api-Version") == "registry/2.0"


def test_the_version_is_told_by_every_answer_below_v2(repository: Repository):
    for answer in (repository.send("GET", "tags/list"), repository.start_upload(), repository.get_manifest("absent")):
        assert answer.header("Docker-Distribution-Api-Version") == "registry/2.0", answer


def test_ping_may_come_as_a_head_and_without_its_slash(registry_under_test: Registry):
    answer = registry_under_test.send("HEAD", "/v2/")
    assert (answer.status, answer.body) == (200, b"")
    assert registry_under_test.send("GET", "/v2").status in (200, 301, 308)


def test_one_connection_carries_requests_of_all_kinds_one_after_another(repository: Repository):
    parts = urlsplit(repository.registry.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=SILENCE)
    steps = (
        ("GET", "/v2/", None, 200),
        ("HEAD", repository.at("manifests/absent"), None, 404),
        ("PUT", repository.at("manifests/broken"), b"x" * 100_000, 400),
        ("POST", repository.at("blobs/uploads/"), b"", 202),
        ("PUT", repository.at("blobs/uploads/absent?digest=sha256:" + 64 * "0"), b"x" * 100_000, 404),
        ("GET", repository.at("tags/absent"), None, 404),
        ("GET", "/v2/", None, 200),
    )
    try:
        for method, path, body, status in steps:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            response.read()
            assert response.status == status, (method, path)
    finally:
        connection.close()
