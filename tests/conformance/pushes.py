"""Every way to push a blob that the specification knows, and how clients mix them (distribution-spec, "Pushing blobs").

Each takes content and the digest to push it as (which a test may choose to be wrong), asserts the steps on the way, and
returns the last answer, which is the one that says whether the registry has the blob.
"""

from collections.abc import Callable

from tests.conformance.wire import OCTET_STREAM, Answer, Repository, with_query

Push = Callable[[Repository, bytes, str], Answer]

BINARY = ("Content-Type", OCTET_STREAM)
SMALLEST_CHUNK = 1024


def post_only(repository: Repository, content: bytes, digest: str) -> Answer:
    return repository.send("POST", "blobs/uploads/", query=[("digest", digest)], body=content, headers=[BINARY])


def post_only_of_unknown_length(repository: Repository, content: bytes, digest: str) -> Answer:
    return repository.send(
        "POST", "blobs/uploads/", query=[("digest", digest)], body=content, headers=[BINARY], chunked=True
    )


def post_then_put(repository: Repository, content: bytes, digest: str) -> Answer:
    location = repository.start_upload().location
    return repository.registry.send("PUT", with_query(location, ("digest", digest)), body=content, headers=[BINARY])


def post_then_put_of_unknown_length(repository: Repository, content: bytes, digest: str) -> Answer:
    location = repository.start_upload().location
    url = with_query(location, ("digest", digest))
    return repository.registry.send("PUT", url, body=content, headers=[BINARY], chunked=True)


def one_chunk(repository: Repository, content: bytes, digest: str) -> Answer:
    return in_chunks(repository, content, digest, size=max(1, len(content)))


def three_chunks(repository: Repository, content: bytes, digest: str) -> Answer:
    return in_chunks(repository, content, digest, size=len(content) // 3 + 1)


def three_chunks_the_last_in_the_put(repository: Repository, content: bytes, digest: str) -> Answer:
    return in_chunks(repository, content, digest, size=len(content) // 3 + 1, last_in_put=True)


def streamed(repository: Repository, content: bytes, digest: str) -> Answer:
    """As docker does it: one PATCH that says neither its length nor its place."""
    started = repository.start_upload()
    patched = repository.registry.send("PATCH", started.location, body=content, headers=[BINARY], chunked=True)
    assert patched.status == 202, patched
    return repository.registry.send("PUT", with_query(patched.location, ("digest", digest)), body=b"", headers=[BINARY])


def streamed_without_type(repository: Repository, content: bytes, digest: str) -> Answer:
    """The same with no `Content-Type` at all, and a PUT without `Content-Length`."""
    started = repository.start_upload()
    patched = repository.registry.send("PATCH", started.location, body=content, chunked=True)
    assert patched.status == 202, patched
    return repository.registry.send("PUT", with_query(patched.location, ("digest", digest)))


def in_chunks(repository: Repository, content: bytes, digest: str, *, size: int, last_in_put: bool = False) -> Answer:
    started = repository.start_upload()
    size = max(size, SMALLEST_CHUNK, int(started.header("OCI-Chunk-Min-Length") or 0))
    location = started.location
    for start in range(0, len(content), size):
        piece = content[start : start + size]
        stop = start + len(piece)
        place = ("Content-Range", f"{start}-{stop - 1}")
        if last_in_put and stop == len(content):
            url = with_query(location, ("digest", digest))
            return repository.registry.send("PUT", url, body=piece, headers=[BINARY, place])
        patched = repository.registry.send("PATCH", location, body=piece, headers=[BINARY, place])
        assert patched.status == 202, patched
        assert patched.header("Range") == f"0-{stop - 1}", patched
        location = patched.location
    return repository.registry.send("PUT", with_query(location, ("digest", digest)), body=b"", headers=[BINARY])


def is_two_steps(way: Push) -> bool:
    """Whether every registry must know it: a blob in one POST is optional."""
    return way not in (post_only, post_only_of_unknown_length)


WAYS: tuple[Push, ...] = (
    post_only,
    post_only_of_unknown_length,
    post_then_put,
    post_then_put_of_unknown_length,
    one_chunk,
    three_chunks,
    three_chunks_the_last_in_the_put,
    streamed,
    streamed_without_type,
)
