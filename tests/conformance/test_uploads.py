"""Upload sessions (end-4a, 5, 6, 13, 14): where they stand, what they refuse, how they end."""

import socket
from urllib.parse import urlsplit

import pytest

from tests.conformance.pushes import BINARY
from tests.conformance.wire import SILENCE, Answer, Repository, digest_of, random_bytes, with_query

CHUNK = 1024


def patch(repository: Repository, location: str, content: bytes, start: int | None = None) -> Answer:
    place = [] if start is None else [("Content-Range", f"{start}-{start + len(content) - 1}")]
    return repository.registry.send("PATCH", location, body=content, headers=[BINARY, *place])


def finish(
    repository: Repository, location: str, digest: str, content: bytes = b"", start: int | None = None
) -> Answer:
    place = [] if start is None else [("Content-Range", f"{start}-{start + len(content) - 1}")]
    url = with_query(location, ("digest", digest))
    return repository.registry.send("PUT", url, body=content, headers=[BINARY, *place])


def status(repository: Repository, location: str) -> Answer:
    answer = repository.registry.send("GET", location)
    assert answer.status == 204, answer
    assert answer.location
    return answer


def test_a_new_upload_tells_where_it_is_and_that_it_is_empty(repository: Repository):
    started = repository.start_upload()
    assert urlsplit(started.location).path.startswith(f"/v2/{repository.name}/blobs/uploads/")
    assert started.header("Docker-Upload-UUID")
    assert started.header("Range") == "0-0"
    assert started.body == b""
    smallest = started.header("OCI-Chunk-Min-Length")
    assert smallest is None or int(smallest) > 0


def test_every_upload_is_a_session_of_its_own(repository: Repository):
    first, second = repository.start_upload(), repository.start_upload()
    assert first.location != second.location
    one, two = random_bytes(CHUNK), random_bytes(CHUNK)
    first, second = patch(repository, first.location, one, 0), patch(repository, second.location, two, 0)
    assert finish(repository, second.location, digest_of(two)).status == 201
    assert finish(repository, first.location, digest_of(one)).status == 201


def test_an_upload_can_be_asked_how_far_it_is(repository: Repository):
    location = repository.start_upload().location
    assert status(repository, location).header("Range") == "0-0"
    patched = patch(repository, location, random_bytes(CHUNK), 0)
    assert patched.header("Range") == f"0-{CHUNK - 1}"
    assert patched.header("Docker-Upload-UUID")
    told = status(repository, patched.location)
    assert told.header("Range") == f"0-{CHUNK - 1}"
    assert told.header("Docker-Upload-UUID")


def test_parameters_of_the_last_request_do_no_harm_to_the_question(repository: Repository):
    """A client whose PUT was refused may ask at the URL of that PUT, digest and all."""
    location = patch(repository, repository.start_upload().location, random_bytes(CHUNK), 0).location
    asked = with_query(location, ("digest", digest_of(random_bytes(16))))
    assert status(repository, asked).header("Range") == f"0-{CHUNK - 1}"


def test_patches_without_a_range_are_appended(repository: Repository):
    pieces = [random_bytes(CHUNK) for _ in range(3)]
    location = repository.start_upload().location
    for piece in pieces:
        location = patch(repository, location, piece).location
    body = b"".join(pieces)
    assert finish(repository, location, digest_of(body)).status == 201
    assert repository.get_blob(digest_of(body)).body == body


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain; charset=utf-8"])
def test_a_chunk_may_come_under_any_type(repository: Repository, content_type):
    """`curl --data-binary` sends the first of them unless told otherwise."""
    location = repository.start_upload().location
    patched = repository.registry.send("PATCH", location, body=b"typed", headers=[("Content-Type", content_type)])
    assert patched.status == 202, patched
    assert finish(repository, patched.location, digest_of(b"typed")).status == 201


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("last_in_put", [False, True], ids=["patched", "put"])
def test_a_chunk_out_of_order_is_416_and_the_upload_goes_on_from_what_it_says(
    repository: Repository, last_in_put, algorithm
):
    body = random_bytes(3 * CHUNK - 5)
    digest = digest_of(body, algorithm)
    location = repository.start_upload().location
    for start in range(0, len(body), CHUNK):
        # Skip ahead, or once there is nothing ahead go back to the beginning.
        wrong = start + CHUNK if start + CHUNK < len(body) else 0
        piece = body[wrong : wrong + CHUNK]
        if last_in_put and wrong + len(piece) == len(body):
            refused = finish(repository, location, digest, piece, wrong)
        else:
            refused = patch(repository, location, piece, wrong)
        assert refused.status == 416, refused
        if refused.header("Location"):
            location = refused.location
        told = status(repository, location)
        assert told.header("Range") == f"0-{max(0, start - 1)}"
        location = told.location
        piece = body[start : start + CHUNK]
        if last_in_put and start + len(piece) == len(body):
            finished = finish(repository, location, digest, piece, start)
            break
        accepted = patch(repository, location, piece, start)
        assert accepted.status == 202, accepted
        location = accepted.location
    else:
        finished = finish(repository, location, digest)
    assert finished.status == 201, finished
    assert repository.registry.send("GET", finished.location).body == body
    assert repository.get_blob(digest).body == body


def test_a_refused_chunk_is_answered_with_where_the_upload_stands(repository: Repository):
    location = patch(repository, repository.start_upload().location, random_bytes(CHUNK), 0).location
    refused = patch(repository, location, random_bytes(CHUNK), 5 * CHUNK)
    assert refused.status == 416
    assert refused.header("Range") == f"0-{CHUNK - 1}"
    assert refused.location


def test_a_chunk_sent_twice_is_stored_once(repository: Repository):
    piece = random_bytes(CHUNK)
    location = patch(repository, repository.start_upload().location, piece, 0).location
    assert patch(repository, location, piece, 0).status == 416
    assert finish(repository, location, digest_of(piece)).status == 201


@pytest.mark.parametrize("place", ["a-b", "0", "-5", "5-0", "0-", "", "0-99999999999999999999999999", "bytes"])
def test_a_malformed_content_range_is_refused(repository: Repository, place):
    location = repository.start_upload().location
    refused = repository.registry.send("PATCH", location, body=b"abc", headers=[BINARY, ("Content-Range", place)])
    assert refused.status in (400, 416), refused
    assert status(repository, location).header("Range") == "0-0"


def test_a_chunk_that_is_shorter_than_its_range_says_is_refused(repository: Repository):
    location = repository.start_upload().location
    refused = repository.registry.send(
        "PATCH", location, body=random_bytes(10), headers=[BINARY, ("Content-Range", "0-99")]
    )
    assert refused.status in (400, 416), refused
    assert repository.head_blob(digest_of(b"")).status == 404


def test_a_last_chunk_in_the_wrong_place_is_416_and_can_be_sent_again(repository: Repository):
    body = random_bytes(2 * CHUNK)
    location = patch(repository, repository.start_upload().location, body[:CHUNK], 0).location
    assert finish(repository, location, digest_of(body), body[CHUNK:], 0).status == 416
    assert finish(repository, location, digest_of(body), body[CHUNK:], CHUNK).status == 201


def test_a_finished_upload_is_gone(repository: Repository):
    location = patch(repository, repository.start_upload().location, b"done", 0).location
    assert finish(repository, location, digest_of(b"done")).status == 201
    gone = repository.registry.send("GET", location)
    assert gone.status == 404
    assert gone.codes == ["BLOB_UPLOAD_UNKNOWN"]


def test_a_cancelled_upload_is_gone(repository: Repository):
    location = patch(repository, repository.start_upload().location, b"never mind", 0).location
    cancelled = repository.registry.send("DELETE", location, body=b"")
    assert (cancelled.status, cancelled.body) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        gone = repository.registry.send(method, location, body=b"")
        assert gone.status == 404, gone
        assert gone.codes == ["BLOB_UPLOAD_UNKNOWN"]
    assert finish(repository, location, digest_of(b"never mind")).status == 404
    assert repository.head_blob(digest_of(b"never mind")).status == 404


@pytest.mark.parametrize("body", [None, b""], ids=["without length", "with length"])
def test_an_upload_that_was_just_started_can_be_cancelled(repository: Repository, body):
    location = repository.start_upload().location
    assert repository.registry.send("DELETE", location, body=body).status == 204
    assert repository.registry.send("GET", location).status == 404


def test_an_upload_that_a_declined_mount_has_started_can_be_cancelled(repository: Repository):
    query = [("mount", digest_of(random_bytes(16))), ("from", repository.name)]
    location = repository.start_upload(query=query).location
    assert repository.registry.send("DELETE", location).status == 204
    assert repository.registry.send("GET", location).status == 404


def test_an_upload_is_started_with_a_slash_at_the_end_and_without_and_with_no_length(repository: Repository):
    for path in ("blobs/uploads/", "blobs/uploads"):
        for body in (b"", None):
            assert repository.send("POST", path, body=body).status == 202


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "session", ["absent", "00000000-0000-0000-0000-000000000000", "%2e%2e", "a%2fb", "x" * 300, "%00", "%ff"]
)
def test_an_upload_that_nobody_started_is_404(repository: Repository, method, session):
    repository.push_blob(b"so that the repository is there")
    target = f"blobs/uploads/{session}?digest={digest_of(b'x')}"
    missing = repository.send(method, target, body=b"x" if method != "GET" else None)
    assert missing.status in (400, 404), missing
    assert missing.codes


def test_an_upload_belongs_to_its_repository(repository: Repository, other_repository: Repository):
    location = repository.start_upload().location
    other_repository.push_blob(b"so that the repository is there")
    elsewhere = location.replace(f"/v2/{repository.name}/", f"/v2/{other_repository.name}/")
    for method in ("GET", "PATCH", "DELETE"):
        assert repository.registry.send(method, elsewhere, body=b"").status == 404
    assert finish(repository, elsewhere, digest_of(b"x"), b"x").status == 404
    status(repository, location)


def test_a_body_that_breaks_off_is_not_stored(repository: Repository):
    body = random_bytes(64 * CHUNK)
    location = repository.start_upload().location
    parts = urlsplit(with_query(location, ("digest", digest_of(body[: len(body) // 2]))))
    if parts.scheme != "http":
        pytest.skip("a registry behind TLS: the request is cut on a plain socket, which it does not have")
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=SILENCE) as connection:
        request = (
            f"PUT {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(request.encode() + body[: len(body) // 2])
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):  # the registry hangs up when it has understood
            pass
    assert repository.head_blob(digest_of(body[: len(body) // 2])).status == 404
    # Half of the content came, and the session is either gone or says how far it is.
    assert repository.registry.send("GET", location).status in (204, 404)
