"""Bodies in whatever framing, and uploads in whatever order: what was acknowledged is there, and nothing else is."""

import asyncio
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.form import well_formed
from tests.server.asking import MANIFEST, ask, begin, digest_of, exchange, head

HEX = st.sampled_from(
    [
        b"0",
        b"1",
        b"5",
        b"a",
        b"A",
        b"00005",
        b"ffffffffffffffff",
        b"10000000000000000",
        b"-1",
        b"+5",
        b"0x5",
        b"",
        b" 5",
        b"5 ",
    ]
)
EXTENSIONS = st.sampled_from([b"", b";", b";a=b", b';a="b', b";" + b"x" * 9000, b"\x00"])
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r", b"", b"\r\n\r\n"])
chunks = st.builds(lambda *parts: b"".join(parts), HEX, EXTENSIONS, ENDS, st.binary(max_size=12), ENDS)
good_chunks = st.binary(min_size=1, max_size=12).map(lambda content: b"%x\r\n%s\r\n" % (len(content), content))
last_chunks = st.sampled_from(
    [b"0\r\n\r\n", b"0\r\n", b"", b"0\r\nX: y\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n", b"0;x\r\n\r\n"]
)
framings = st.lists(
    st.sampled_from(
        [
            ("Transfer-Encoding", "chunked"),
            ("Transfer-Encoding", "gzip, chunked"),
            ("Transfer-Encoding", "chunked, identity"),
            ("Transfer-Encoding", "xchunked"),
            ("Content-Length", "5"),
            ("Content-Length", "0"),
            ("Content-Length", "+5"),
            ("Content-Length", "5, 5"),
            ("Content-Length", "18446744073709551616"),
            ("Content-Length", "5000000000000"),
            ("Expect", "100-continue"),
            ("Trailer", "X"),
            ("Content-Range", "0-4"),
        ]
    ),
    max_size=3,
)
STATUS = re.compile(rb"^HTTP/1\.[01] (\d{3}) ", re.MULTILINE)


requests = st.tuples(
    st.sampled_from(["PATCH", "PUT", "POST", "GET", "DELETE"]),
    st.sampled_from(["upload", "/v2/a/manifests/x", "/v2/a/blobs/uploads/", "/v2/"]),
    framings,
    st.lists(st.one_of(good_chunks, good_chunks, chunks, st.just(b"12345")), max_size=4),
    last_chunks,
)


async def send(registry, asked) -> None:
    """Send one of them on a connection that the server must end by itself, and soon, whatever it misses of the body."""
    method, place, framing, body, last = asked
    location = await begin(registry, "a") if place == "upload" else place
    query = f"?digest={digest_of(b'12345')}" if method in ("PUT", "POST") and "uploads" in location else ""
    more = [("Content-Type", MANIFEST), *framing, ("Connection", "close")]
    written = head(method, location + query, more) + b"".join(body) + last
    answers = STATUS.findall(await exchange(registry, written))
    assert answers, written
    assert all(status < b"500" for status in answers), (written, answers)
    if place == "upload":
        assert (await ask(registry, "GET", location)).status in (204, 404)
        await ask(registry, "DELETE", location)


def test_whatever_framing_a_body_has_the_server_neither_fails_nor_hangs(served, amount):
    async def send_all(some) -> None:
        async with asyncio.TaskGroup() as tasks:
            for each in some:
                tasks.create_task(send(served.registry, each))

    @settings(amount, max_examples=amount.max_examples // 20)
    @given(some=st.lists(requests, min_size=10, max_size=30))
    def answered(some):
        served.run(send_all(some))

    answered()


contents = st.one_of(st.binary(max_size=20), st.sampled_from([b"", bytes(70_000)]))
ranges = st.one_of(
    st.none(),
    st.just("true"),
    st.sampled_from(
        [
            "0-0",
            "0-4",
            "5-9",
            "1-0",
            "-5",
            "bytes 0-4/5",
            "x",
            "",
            "0-" + "9" * 19,
            "9" * 25 + "-" + "9" * 25,
            "0-4,5-9",
        ]
    ),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("PATCH"), contents, ranges, st.booleans()),
        st.tuples(st.just("PATCH"), contents, st.just("true"), st.booleans()),
        st.tuples(st.sampled_from(["GET", "HEAD", "OPTIONS"]), st.none(), st.none(), st.just(False)),
        st.tuples(st.just("POST"), contents, ranges, st.booleans()),
        st.tuples(st.sampled_from(["wrong", "nothing", "sha1", "twice"]), contents, ranges, st.booleans()),
    ),
    max_size=6,
)
QUERIES = {
    "wrong": f"?digest={digest_of(b'never sent')}",
    "nothing": "",
    "sha1": "?digest=sha1:" + "0" * 40,
    "twice": "?digest=&digest=x",
}


def content_range(where, offset, content):
    """The header as it is drawn; or the true one."""
    if where == "true":
        where = f"{offset}-{offset + len(content) - 1}" if content else None
    return [] if where is None else [("Content-Range", where)]


def test_whatever_is_done_with_an_upload_what_was_acknowledged_is_there(served, amount):
    registry, run = served.registry, served.run

    @amount
    @given(steps=steps, algorithm=st.sampled_from(["sha256", "sha512"]))
    def answered(steps, algorithm):
        location = run(begin(registry, "a"))
        taken = b""
        for step, content, where, is_chunked in steps:
            headers = content_range(where, len(taken), content)
            pieces = [content[:3], content[3:]] if is_chunked else None
            method = "PUT" if step in QUERIES else step
            path = location + QUERIES.get(step, "")
            answer = run(ask(registry, method, path, None if is_chunked else content, headers, chunks=pieces))
            well_formed(answer, method)
            if answer.status == 202:
                taken += content
            elif step == "wrong" and answer.codes == ["DIGEST_INVALID"]:
                assert run(ask(registry, "GET", location)).status == 404, "the bytes are not those that were meant"
                return
            state = run(ask(registry, "GET", location))
            assert (state.status, state.header("range")) == (204, f"0-{max(0, len(taken) - 1)}"), (step, answer)
        digest = digest_of(taken, algorithm)
        assert run(ask(registry, "PUT", f"{location}?digest={digest}", b"")).status == 201
        assert run(ask(registry, "GET", f"/v2/a/blobs/{digest}")).body == taken

    answered()
