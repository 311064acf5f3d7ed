"""What whoever runs the registry sees of it: health, readiness, metrics, the access log."""

import asyncio
import json
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.asking import ask, begin, digest_of, push_blob, push_image
from wherry.server.access_log import shown_path
from wherry.server.listening import Patience
from wherry.server.routes import Endpoint
from wherry.server.running import Running, running
from wherry.server.traffic import Number, Traffic, shared_numbers


async def samples(server: Running) -> dict[tuple[str, ...], float]:
    text = (await ask(server, "GET", "/metrics")).body.decode()
    return {
        (sample.name, *(value for label, value in sample.labels.items() if label != "le")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_a_healthy_registry_is_alive_and_ready(registry):
    alive = await ask(registry, "GET", "/healthz")
    ready = await ask(registry, "GET", "/readyz")
    assert (alive.status, alive.json["status"]) == (200, "alive")
    assert (ready.status, ready.json) == (200, {"status": "ready"})
    assert (await ask(registry, "HEAD", "/readyz")).body == b""
    assert (await ask(registry, "POST", "/readyz", b"")).status == 405


@pytest.mark.parametrize("missing", ["", "blobs", "uploads", "registry.sqlite"])
async def test_a_registry_whose_storage_is_gone_is_alive_and_not_ready(tmp_path, missing, caplog):
    async with running(data=tmp_path / "registry") as registry:
        place = registry.data / missing
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
        ready = await ask(registry, "GET", "/readyz")
        assert (ready.status, ready.json["status"]) == (503, "not ready")
        assert str(place) in ready.json["reason"]
        assert (await ask(registry, "GET", "/healthz")).status == 200
    told = [each for each in caplog.records if str(place) in each.message and "tried again" not in each.message]
    assert [each.levelname for each in told] == ["ERROR"]


async def test_pushes_to_a_folder_that_is_gone_are_503_and_logged_once(registry, caplog):
    await push_image(registry, "a", "t")
    shutil.rmtree(registry.data)
    for content in (b"small", bytes(100_000)):
        answer = await ask(registry, "POST", f"/v2/a/blobs/uploads/?digest={digest_of(content)}", content)
        assert (answer.status, answer.codes, answer.header("Retry-After")) == (503, ["UNAVAILABLE"], "5")
    assert len([each for each in caplog.records if each.levelname == "ERROR"]) == 1
    assert caplog.records[0].exc_info is None


async def test_a_registry_that_is_about_to_stop_says_so_at_once_and_answers_on():
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(running(data=None, ending=Patience(10, delay=60)))
        await push_image(registry, "a", "t")
        ending = asyncio.create_task(stack.aclose())
        async with asyncio.timeout(10):
            while (await ask(registry, "GET", "/readyz")).status == 200:
                pass
        assert (await ask(registry, "GET", "/v2/a/manifests/t")).status == 200
        assert (await samples(registry))["wherry_ready",] == 0
        registry.hurry.set()
        async with asyncio.timeout(10):
            await ending


async def test_metrics_count_requests_bytes_and_durations(registry):
    await push_blob(registry, "a", b"0123456789")
    for _ in range(3):
        assert (await ask(registry, "GET", f"/v2/a/blobs/{digest_of(b'0123456789')}")).status == 200
    await ask(registry, "GET", "/nowhere")
    await begin(registry, "a")
    found = await samples(registry)
    blob = ("/v2/<name>/blobs/<digest>", "GET", "2xx")
    assert found["wherry_http_requests_total", *blob] == 3
    assert found["wherry_http_sent_bytes_total", *blob] == 30
    assert found["wherry_http_request_duration_seconds_count", *blob] == 3
    assert found["wherry_http_request_duration_seconds_bucket", *blob] == 3, "the last bucket has all"
    assert found["wherry_http_received_bytes_total", "/v2/<name>/blobs/uploads/", "POST", "2xx"] == 10
    assert found["wherry_http_requests_total", "unknown", "GET", "4xx"] == 1
    assert found["wherry_uploads_open",] == 1
    assert found["wherry_ready",] == 1
    assert found["wherry_gc_blobs_total",] == 0


async def test_methods_that_a_client_makes_up_are_one_series(registry):
    for method in ("BREW", "FETCH"):
        assert (await ask(registry, method, "/v2/")).status == 405
    assert (await samples(registry))["wherry_http_requests_total", "/v2/", "other", "4xx"] == 2


def test_workers_add_up_and_a_new_one_goes_on_where_a_crashed_one_was():
    memory = shared_numbers(2)
    first, second = Traffic(memory, 0), Traffic(memory, 1)
    for each in (first, second):
        each.note(Endpoint.BLOB, "GET", 200, received=0, sent=5, seconds=0.002)
        each.add(Number.UPLOADING)
        each.add(Number.BYTES, 7)
    again = Traffic(memory, 1)
    again.note(Endpoint.BLOB, "GET", 206, received=0, sent=5, seconds=1000)
    (series,) = first.series()
    assert (series.sent, sum(series.counts), series.counts[-1]) == (15, 3, 1)
    assert (first.total(Number.UPLOADING), first.total(Number.BYTES)) == (1, 14)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_the_access_log_has_a_line_for_each_request(tmp_path):
    log = tmp_path / "access.log"
    async with running(data=None, access_log=str(log)) as registry:
        headers = [("User-Agent", "test/1"), ("X-Request-Id", "mine-1")]
        answer = await ask(registry, "GET", "/v2/a/tags/list?n=5", headers=headers)
        assert answer.header("X-Request-Id") == "mine-1"
        await push_blob(registry, "a", b"12345")
    first, second = [line for line in lines(log) if line["path"] != "/v2/"]
    assert {**first, "time": 0, "seconds": 0, "sent": 0} == {
        "time": 0,
        "request_id": "mine-1",
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/v2/a/tags/list?n=5",
        "status": 404,
        "received": 0,
        "sent": 0,
        "seconds": 0,
        "user_agent": "test/1",
    }
    assert (second["status"], second["received"], second["method"]) == (201, 5, "POST")


async def test_the_access_log_has_no_secrets(tmp_path):
    log = tmp_path / "access.log"
    async with running(data=None, access_log=str(log)) as registry:
        location = await begin(registry, "a")
        sent = [("Authorization", "Basic c2VjcmV0"), ("Cookie", "secret"), ("X-Request-Id", "not sensible")]
        await ask(registry, "GET", f"{location}?_state=secret&token=secret", headers=sent)
    text = log.read_text()
    assert "c2VjcmV0" not in text
    assert "secret" not in text
    assert "not sensible" not in text
    assert location.rpartition("/")[2] not in text
    assert location.rpartition("/")[2][:8] in text


@pytest.mark.parametrize(
    ("path", "query", "shown"),
    [
        ("/v2/a/tags/list", "last=a%26b&n=1", "/v2/a/tags/list?last=a%26b&n=1"),
        ("/v2/a/blobs/x", "X-Amz-Signature=abc", "/v2/a/blobs/x?X-Amz-Signature=…"),
        ("/v2/a/blobs/uploads/01234567-89ab", "", "/v2/a/blobs/uploads/01234567…"),
        ("/v2/a/blobs/uploads/01234567-89ab/", "", "/v2/a/blobs/uploads/01234567…/"),
        ("/v2/a/blobs/uploads/01234567-89ab//x/y", "", "/v2/a/blobs/uploads/01234567…//x/y"),
        ("/v2/a/blobs/uploads//01234567-89ab", "", "/v2/a/blobs/uploads//01234567…"),
        ("/v2/a/blobs/uploads/", "", "/v2/a/blobs/uploads/"),
        ("/" + "x" * 5000, "", "/" + "x" * 999),
    ],
)
def test_paths_are_shown_without_what_others_could_use(path, query, shown):
    assert shown_path(path, query) == shown


async def test_a_line_that_cannot_be_written_is_counted(registry_factory):
    registry = await registry_factory(access_log="/dev/full")
    assert (await ask(registry, "GET", "/v2/")).status == 200
    assert (await samples(registry))["wherry_access_log_lost_lines_total",] >= 1
