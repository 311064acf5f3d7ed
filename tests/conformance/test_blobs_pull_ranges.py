"""GET and HEAD of blobs (end-2): whole, in part, and not at all when the client has it already."""

from email import message_from_bytes

import pytest

from tests.conformance.wire import Repository, digest_of, random_bytes

SIZE = 2048
SATISFIABLE = {
    "bytes=500-1499": (500, 1500),
    "bytes=500-": (500, SIZE),
    "bytes=-500": (SIZE - 500, SIZE),
    "bytes=2000-5000": (2000, SIZE),
    "bytes=0-0": (0, 1),
    "bytes=0-": (0, SIZE),
    "bytes=-5000": (0, SIZE),
    "bytes=2047-2047": (2047, SIZE),
}
UNSATISFIABLE = ("bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0")
MALFORMED = ("bytes=a-b", "bytes", "bytes=-", "bytes=0-1,5-6x", "0-5")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("asked", SATISFIABLE)
def test_a_range_gives_these_bytes_and_no_others(repository: Repository, asked, algorithm):
    body = random_bytes(SIZE)
    digest = repository.push_blob(body, algorithm)
    start, stop = SATISFIABLE[asked]
    part = repository.get_blob(digest, ("Range", asked))
    assert part.status == 206, part
    assert part.body == body[start:stop]
    assert part.header("Content-Length") == str(stop - start)
    assert part.header("Content-Range") in (f"bytes {start}-{stop - 1}/{SIZE}", f"bytes {start}-{stop - 1}/*")
    assert part.header("Docker-Content-Digest") == digest


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("asked", UNSATISFIABLE)
def test_a_range_without_a_byte_of_the_blob_is_416(repository: Repository, asked, algorithm):
    digest = repository.push_blob(random_bytes(SIZE), algorithm)
    refused = repository.get_blob(digest, ("Range", asked))
    assert refused.status == 416, refused
    assert refused.header("Content-Range") == f"bytes */{SIZE}"


def test_every_range_of_an_empty_blob_is_416(repository: Repository):
    digest = repository.push_blob(b"")
    assert repository.get_blob(digest, ("Range", "bytes=0-0")).status == 416
    assert repository.get_blob(digest).status == 200


@pytest.mark.parametrize("asked", MALFORMED)
def test_a_malformed_range_is_ignored_or_refused(repository: Repository, asked):
    body = random_bytes(SIZE)
    answer = repository.get_blob(repository.push_blob(body), ("Range", asked))
    assert answer.status in (200, 400, 416), answer
    assert answer.status != 200 or answer.body == body


def test_a_range_in_another_unit_is_ignored(repository: Repository):
    body = random_bytes(SIZE)
    whole = repository.get_blob(repository.push_blob(body), ("Range", "items=0-5"))
    assert (whole.status, whole.body) == (200, body)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("0-9,20-29", [(0, 10), (20, 30)]),
        ("20-29, 0-9", [(20, 30), (0, 10)]),
        ("0-9,-5", [(0, 10), (SIZE - 5, SIZE)]),
    ],
)
@pytest.mark.parametrize("blanks", [0, 200_000], ids=["small", "large"])
def test_several_ranges_are_the_parts_of_one_answer(repository: Repository, asked, expected, blanks):
    body = random_bytes(SIZE - 100) + bytes(blanks) + random_bytes(100)
    expected = [(start + blanks * (start > SIZE - 100), stop + blanks * (stop == SIZE)) for start, stop in expected]
    answer = repository.get_blob(repository.push_blob(body), ("Range", f"bytes={asked}"))
    assert answer.status == 206, answer
    assert answer.header("Content-Range") is None
    message = message_from_bytes(f"Content-Type: {answer.header('Content-Type')}\r\n\r\n".encode() + answer.body)
    assert message.get_content_type() == "multipart/byteranges"
    parts = [(part["Content-Range"], part.get_payload(decode=True)) for part in message.get_payload()]
    assert parts == [(f"bytes {start}-{stop - 1}/{len(body)}", body[start:stop]) for start, stop in expected]


def test_of_several_ranges_the_only_one_that_exists_is_given_as_one(repository: Repository):
    body = random_bytes(SIZE)
    answer = repository.get_blob(repository.push_blob(body), ("Range", "bytes=0-9,99999-"))
    assert (answer.status, answer.body) == (206, body[:10])
    assert answer.header("Content-Range") == f"bytes 0-9/{SIZE}"


@pytest.mark.parametrize("asked", ["0-,0-", "0-9,x", "0-9,"])
def test_several_ranges_that_are_more_than_there_is_or_malformed_give_the_whole_blob(repository: Repository, asked):
    body = random_bytes(SIZE)
    answer = repository.get_blob(repository.push_blob(body), ("Range", f"bytes={asked}"))
    assert (answer.status, answer.body) == (200, body)


def test_a_range_of_another_version_is_not_given(repository: Repository):
    body = random_bytes(SIZE)
    digest = repository.push_blob(body)
    etag = repository.head_blob(digest).header("ETag")
    assert etag
    same = repository.get_blob(digest, ("Range", "bytes=0-9"), ("If-Range", etag))
    assert (same.status, same.body) == (206, body[:10])
    other = repository.get_blob(digest, ("Range", "bytes=0-9"), ("If-Range", '"another"'))
    assert (other.status, other.body) == (200, body)


def test_a_blob_says_that_ranges_work_and_that_it_never_changes(repository: Repository):
    digest = repository.push_blob(random_bytes(SIZE))
    for answer in (repository.get_blob(digest), repository.head_blob(digest)):
        assert answer.header("Accept-Ranges") == "bytes"
        assert answer.header("ETag") == f'"{digest}"'
        assert "max-age=" in (answer.header("Cache-Control") or "")


@pytest.mark.parametrize("asked", ['"{}"', 'W/"{}"', '"another", "{}"', "*"])
def test_a_blob_that_the_client_has_is_304(repository: Repository, asked):
    digest = repository.push_blob(random_bytes(SIZE))
    unchanged = repository.get_blob(digest, ("If-None-Match", asked.format(digest)))
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert unchanged.header("ETag") == f'"{digest}"'


def test_a_blob_that_the_client_does_not_have_is_sent(repository: Repository):
    body = random_bytes(SIZE)
    sent = repository.get_blob(repository.push_blob(body), ("If-None-Match", '"another"'))
    assert (sent.status, sent.body) == (200, body)


def test_a_blob_is_never_compressed_on_the_way(repository: Repository):
    body = b"compressible " * 5000
    digest = repository.push_blob(body)
    answer = repository.get_blob(digest, ("Accept-Encoding", "gzip, br, zstd"))
    assert answer.body == body
    assert answer.header("Content-Encoding") is None
    assert answer.header("Content-Length") == str(len(body))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_that_was_not_pushed_is_404(repository: Repository, algorithm):
    repository.push_blob(b"so that the repository is there")
    digest = digest_of(random_bytes(16), algorithm)
    missing = repository.get_blob(digest)
    assert missing.status == 404
    assert missing.codes == ["BLOB_UNKNOWN"]
    looked_for = repository.head_blob(digest)
    assert (looked_for.status, looked_for.body) == (404, b"")


def test_a_blob_of_a_repository_that_is_not_there_is_404(repository: Repository):
    missing = repository.get_blob(digest_of(b""))
    assert missing.status == 404
    assert missing.codes in (["NAME_UNKNOWN"], ["BLOB_UNKNOWN"])
