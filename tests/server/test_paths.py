"""Path tricks and malformed requests, over a socket: one clear error, never a 500, never another folder."""

import pytest

from tests.server.asking import ask, digest_of, exchange, head, parse, push_blob


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v2/a/../b/manifests/x", 400, "NAME_INVALID"),
        ("/v2/%2e%2e/%2e%2e/etc/manifests/x", 400, "NAME_INVALID"),
        ("/v2/..%2f..%2fetc/manifests/x", 400, "NAME_INVALID"),
        ("/v2/a%00b/manifests/x", 400, "NAME_INVALID"),
        ("/v2/a%0d%0aX-Evil:%201/manifests/x", 400, "NAME_INVALID"),
        ("/v2/%ff%fe/manifests/x", 400, "NAME_INVALID"),
        ("/v2/%zz/manifests/x", 400, "NAME_INVALID"),
        ("/v2/Team/App/manifests/x", 400, "NAME_INVALID"),
        ("/v2/a//b/manifests/x", 400, "NAME_INVALID"),
        ("/v2/a/manifests/-x", 400, "TAG_INVALID"),
        ("/v2/a/manifests/x%00", 400, "TAG_INVALID"),
        ("/v2/a/manifests/..%2f..%2fx", 404, "UNKNOWN"),
        ("/v2/a/blobs/sha256:..%2f..%2f..%2fetc%2fpasswd", 404, "UNKNOWN"),
        ("/v2/a/blobs/sha256:xyz", 400, "DIGEST_INVALID"),
        ("/v2/a/blobs/uploads/..%2f..%2fregistry.sqlite", 404, "UNKNOWN"),
        ("/v2/a/blobs/uploads/..", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/a/blobs/uploads/%00", 404, "BLOB_UPLOAD_UNKNOWN"),
        ("/v2/nowhere", 404, "UNKNOWN"),
        ("//v2//", 404, "UNKNOWN"),
        ("*", 404, "UNKNOWN"),
    ],
)
async def test_a_bad_path_gets_its_error(registry, path, status, code):
    answer = await ask(registry, "GET", path)
    assert (answer.status, answer.codes) == (status, [code])
    assert answer.header("Content-Type") == "application/json"
    assert str(registry.data) not in answer.body.decode()


async def test_a_slash_that_is_escaped_is_a_slash(registry):
    digest = await push_blob(registry, "team/app", b"x")
    assert (await ask(registry, "GET", f"/v2/team%2fapp/blobs/{digest.replace(':', '%3A')}")).body == b"x"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_probes_that_were_made_for_dockers_registry_find_this_one_alive(registry, method):
    answer = await ask(registry, method, "/")
    assert answer.status == 200
    assert answer.body == (b'{"status":"alive","api":"/v2/"}' if method == "GET" else b"")


async def test_an_absolute_target_is_taken(registry):
    assert (await ask(registry, "GET", f"{registry.url}/v2/")).status == 200


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_a_method_that_is_not_for_an_endpoint_is_refused_with_those_that_are(registry, method):
    answer = await ask(registry, method, "/v2/a/tags/list", b"")
    assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
    assert answer.header("Allow") == "GET, HEAD"


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", "/v2/a/blobs/uploads/layer.tar", "curl -T adds the file's name"),
        ("PUT", "/v2/a/blobs/uploads/", "begins with POST"),
        ("PUT", f"/v2/a/blobs/{digest_of(b'')}", "with POST …/blobs/uploads/"),
        ("POST", "/v2/a/manifests/x", "with PUT"),
    ],
)
async def test_a_method_that_people_try_is_refused_with_what_they_meant(registry, method, path, said):
    answer = await ask(registry, method, path, b"x")
    assert (answer.status, answer.codes) == (405, ["UNSUPPORTED"])
    assert said in answer.json["errors"][0]["detail"]["hint"]


async def test_a_tls_hello_on_the_plain_port_is_answered_in_plain_http(registry):
    hello = bytes.fromhex("16030100c8010000c40303") + bytes(189)
    assert (await exchange(registry, hello)).startswith(b"HTTP/1.1 400")


async def test_a_target_that_is_too_long_is_refused(registry):
    assert parse(await exchange(registry, head("GET", "/v2/" + 70_000 * "a"))).status == 414


async def test_too_many_headers_are_refused(registry):
    assert parse(await exchange(registry, head("GET", "/v2/", 200 * [("X", "1")]))).status == 431


async def test_a_header_that_is_no_text_is_passed_over(registry):
    request = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nAccept: \xff\xfe\r\nConnection: close\r\n\r\n"
    assert parse(await exchange(registry, request)).status == 200


async def test_head_has_the_length_and_no_body(registry):
    answer = await ask(registry, "HEAD", "/v2/nothing/manifests/here")
    assert (answer.status, answer.body) == (404, b"")
    assert int(answer.header("Content-Length") or 0) > 0


async def test_every_answer_says_which_api_it_is(registry):
    for path in ("/v2/", "/v2/a/tags/list", "/elsewhere"):
        answer = await ask(registry, "GET", path)
        assert answer.header("Docker-Distribution-Api-Version") == "registry/2.0"


async def test_a_refused_body_does_not_cost_the_connection(registry):
    refused = head("PUT", "/v2/a/manifests/x", [("Content-Length", "500000")]) + bytes(500_000)
    answers = await exchange(registry, refused + head("GET", "/v2/", [("Connection", "close")]))
    assert answers.count(b"HTTP/1.1 400") == 1
    assert answers.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" not in answers.partition(b"HTTP/1.1 200")[0]


IN_CHUNKS = [("Transfer-Encoding", "chunked")]


@pytest.mark.parametrize("status", [201, 400])
async def test_a_body_in_chunks_that_was_read_does_not_cost_the_connection(registry, status):
    target = f"/v2/a/blobs/uploads/?digest={digest_of(b'abc' if status == 201 else b'else')}"
    pushed = head("POST", target, IN_CHUNKS) + b"3\r\nabc\r\n0\r\n\r\n"
    answers = await exchange(registry, pushed + head("GET", "/v2/", [("Connection", "close")]))
    first, found, _ = answers.partition(b"HTTP/1.1 200")
    assert first.startswith(b"HTTP/1.1 %d" % status)
    assert found
    assert b"connection: close" not in first


async def test_a_body_in_chunks_that_breaks_the_framing_ends_the_connection(registry):
    target = f"/v2/a/blobs/uploads/?digest={digest_of(b'abc')}"
    broken = head("POST", target, IN_CHUNKS) + b"3\r\nabc\r\nXX\r\n\r\n"
    answer = await exchange(registry, broken + head("GET", "/v2/"))
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in answer
    assert b"HTTP/1.1 200" not in answer


async def test_a_body_in_chunks_that_nobody_wants_ends_the_connection_and_says_so(registry):
    answer = await exchange(registry, head("PUT", "/v2/a/manifests/.x", IN_CHUNKS) + b"3\r\nabc\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in answer


async def test_a_large_body_that_nobody_wants_ends_the_connection_and_says_so(registry):
    answer = await exchange(registry, head("PUT", "/v2/a/manifests/x", [("Content-Length", "5000000000")]) + b"x")
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer


@pytest.mark.parametrize(
    ("request_line", "hosts", "status"),
    [
        ("GET /v2/ HTTP/1.1", [], 400),
        ("PUT /v2/a/manifests/t HTTP/1.1", [], 400),
        ("GET /v2/ HTTP/1.1", ["a", "b"], 400),
        ("GET /v2/ HTTP/1.1", [""], 200),
        ("GET http://registry.test/v2/ HTTP/1.1", ["registry.test"], 200),
        ("GET /v2/ HTTP/1.0", [], 200),
    ],
)
async def test_http_1_1_wants_one_host_header(registry, request_line, hosts, status):
    lines = [request_line, *(f"Host: {host}" for host in hosts), "Connection: close", "", ""]
    answer = parse(await exchange(registry, "\r\n".join(lines).encode()))
    assert answer.status == status
    if status == 400:
        assert (answer.codes, answer.header("Connection")) == (["UNKNOWN"], "close")
        assert "Host" in answer.json["errors"][0]["message"]
