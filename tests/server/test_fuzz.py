"""Whatever is sent, the server answers with an error of the client's, never with one of its own."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.asking import MANIFEST, an_image, an_index, ask, digest_of, exchange, head, parse, push_image
from wherry.server.running import Running, running

Run = Callable[[Coroutine[Any, Any, Any]], Any]

DIGEST = digest_of(b"{}")
PARTS = ["a", "b", "v2", "..", ".", "%2e%2e", "%2f", "%00", "%", "A", "manifests", "blobs", "uploads", "tags", "list"]
PARTS += ["referrers", "_catalog", "v1", "sha256:", DIGEST, DIGEST.upper(), "x" * 300, "é".encode().decode("latin-1")]
NAMES = ["Range", "Content-Range", "Accept", "If-None-Match", "If-Range", "Content-Type", "Expect", "Host"]
VALUES = ["bytes=0-", "bytes=1-0", "0-0", "1-", "*", "", ";", ",", "*/*;q=x", '"', "W/", MANIFEST, "application/json"]

paths = st.lists(st.sampled_from(PARTS), max_size=7).map(lambda parts: "/v2/" + "/".join(parts))
texts = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
queries = st.dictionaries(
    st.sampled_from(["n", "last", "digest", "mount", "from", "tag", "artifactType", "digest-algorithm", "ns"]),
    st.one_of(
        st.sampled_from([*PARTS, "-1", "0", "99999999999999999999"]), texts.map(lambda text: text.replace("#", ""))
    ),
    max_size=3,
).map(lambda pairs: "?" + "&".join(f"{name}={value}" for name, value in pairs.items()) if pairs else "")
headers = st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(st.sampled_from(VALUES), texts)), max_size=3)
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just(DIGEST), st.just(MANIFEST)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["mediaType", "digest", "size", "platform", "annotations", "data", "urls", "os", "x"]),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)
manifests = st.dictionaries(
    st.sampled_from(
        [
            "schemaVersion",
            "mediaType",
            "config",
            "layers",
            "manifests",
            "subject",
            "annotations",
            "artifactType",
            "blobs",
        ]
    ),
    values,
).map(lambda fields: json.dumps(json.loads(an_image()) | fields).encode())

fuzzed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Running, Run]]:
    """One registry for all examples, on a loop in a thread of its own, since Hypothesis runs plain functions."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    manager = running(data=None)
    registry = run(manager.__aenter__())
    run(push_image(registry, "a", "v1", b"layer"))
    yield registry, run
    run(manager.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


methods = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"])
bodies = st.one_of(st.none(), st.binary(max_size=100))


@fuzzed
@given(sent=st.tuples(methods, paths, queries, headers, bodies))
def test_no_request_is_answered_with_500(served, sent):
    registry, run = served
    method, path, query, more, body = sent
    length = [] if body is None else [("Content-Length", str(len(body)))]
    written = head(method, path + query, [*more, *length, ("Connection", "close")]) + (body or b"")
    answer = parse(run(exchange(registry, written)).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"))
    assert answer.status < 500
    if answer.status >= 400 and answer.body:
        assert answer.json["errors"][0]["code"]


@fuzzed
@given(body=manifests, media_type=st.sampled_from([MANIFEST, "application/vnd.oci.image.index.v1+json", "text/plain"]))
def test_no_manifest_is_answered_with_500(served, body, media_type):
    registry, run = served
    answer = run(ask(registry, "PUT", "/v2/a/manifests/fuzz", body, [("Content-Type", media_type)]))
    assert answer.status in (201, 400)
    if answer.status == 201:
        assert run(ask(registry, "GET", "/v2/a/manifests/fuzz")).body == body


@fuzzed
@given(body=st.binary(max_size=200))
def test_no_body_is_taken_for_a_manifest_that_is_none(served, body):
    registry, run = served
    answer = run(ask(registry, "PUT", "/v2/a/manifests/fuzz", body, [("Content-Type", MANIFEST)]))
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])


@fuzzed
@given(
    cut=st.integers(min_value=0, max_value=300),
    base=st.sampled_from([an_image(b"layer"), an_index(an_image(b"layer"))]),
)
def test_no_cut_manifest_is_taken(served, cut, base):
    registry, run = served
    body = base[: min(cut, len(base) - 1)]
    answer = run(ask(registry, "PUT", "/v2/a/manifests/fuzz", body, [("Content-Type", json.loads(base)["mediaType"])]))
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])
