"""Whatever the head of a request has in it, the answer is in good form and never an error of the server's."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.form import well_formed
from tests.server.asking import MANIFEST, ask, digest_of, exchange, head, parse

DIGEST = digest_of(b"layer")
PARTS = [
    "a",
    "b",
    "v1",
    "v2",
    "",
    "..",
    ".",
    "%2e%2e",
    "..%2f",
    "%2f",
    "%5c",
    "\\",
    "%00",
    "%",
    "%zz",
    "%u002e",
    "%c0%ae",
    "A",
]
PARTS += [
    "manifests",
    "blobs",
    "uploads",
    "tags",
    "list",
    "referrers",
    "_catalog",
    "outside",
    "registry.sqlite",
    "lock",
    "~",
]
PARTS += [
    "sha256:",
    DIGEST,
    DIGEST.upper(),
    f"sha512:{'0' * 128}",
    "sha256:..%2f..%2fregistry.sqlite",
    "x" * 300,
    "a" * 5000,
]
PARTS += [
    "é".encode().decode("latin-1"),
    "%e9",
    "%ed%a0%80",
    "%f0%9f%9a%a2",
    ";x=1",
    "a%0d%0aX-Evil:1",
    "%25%32%66",
    "a%20b",
]
NAMES = ["Range", "Content-Range", "Accept", "If-None-Match", "If-Match", "If-Range", "Content-Type", "Expect"]
NAMES += [
    "X-Request-Id",
    "Authorization",
    "X-Forwarded-For",
    "Upgrade",
    "Docker-Content-Digest",
    "Accept-Encoding",
    "User-Agent",
]
VALUES = ["bytes=0-", "bytes=1-0", "0-0", "1-", "*", "", ";", ",", "*/*;q=x", '"', "W/", MANIFEST, "application/json"]
VALUES += [
    "100-continue",
    "websocket",
    "h2c",
    "-1",
    "9" * 400,
    "bytes=" + "0-1," * 500,
    f'"{DIGEST}"',
    "=?utf-8?q?x?=",
    "\t",
    "a,b;c",
]

paths = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=7).map(lambda parts: "/v2/" + "/".join(parts)),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts)),
    st.sampled_from(PARTS).map(lambda part: f"/v2/a/manifests/{part}"),
    st.sampled_from(PARTS).map(lambda part: f"/v2/a/blobs/{part}"),
    st.sampled_from(PARTS).map(lambda part: f"/v2/a/blobs/uploads/{part}"),
    st.sampled_from(PARTS).map(lambda part: f"/v2/{part}/tags/list"),
)
texts = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
queries = st.lists(
    st.tuples(
        st.sampled_from(["n", "last", "digest", "mount", "from", "tag", "artifactType", "digest-algorithm", "ns", ""]),
        st.one_of(
            st.sampled_from([*PARTS, "-1", "0", "1", "1.5", "1e3", "%31", "9" * 20, "9" * 400]),
            texts.map(lambda text: text.replace("#", "")),
        ),
    ),
    max_size=4,
).map(lambda pairs: "?" + "&".join(f"{name}={value}" for name, value in pairs) if pairs else "")
headers = st.lists(st.tuples(st.sampled_from(NAMES), st.one_of(st.sampled_from(VALUES), texts)), max_size=4)
methods = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "BREW"])
bodies = st.one_of(st.none(), st.binary(max_size=100))


def test_whatever_is_asked_the_answer_is_in_good_form(served, amount):
    @amount
    @given(method=methods, path=paths, query=queries, more=headers, body=bodies)
    def answered(method, path, query, more, body):
        length = [] if body is None else [("Content-Length", str(len(body)))]
        written = head(method, path + query, [*more, *length, ("Connection", "close")]) + (body or b"")
        received = served.run(exchange(served.registry, written)).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not refused_by_granian(received):
            well_formed(parse(received), method)

    answered()


def refused_by_granian(received: bytes) -> bool:
    """A head that never came to us: the HTTP server says so without a body."""
    start, _, rest = received.partition(b"\r\n\r\n")
    status = start.split(b" ")[1]
    return status in (b"400", b"414", b"431") and b"docker-distribution-api-version" not in start and not rest


RANGE_UNITS = st.sampled_from(["bytes=", "bytes", "Bytes=", "bytes =", "items=", ""])
NUMBERS = st.one_of(
    st.integers(0, 12).map(str), st.sampled_from(["", "-", "-1", "+1", "1.0", "0x1", " 1", "9" * 19, "9" * 25])
)
ranges = st.builds(
    lambda unit, pairs: unit + ",".join(f"{first}-{last}" for first, last in pairs),
    RANGE_UNITS,
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=3),
)


def test_whatever_range_is_asked_for_the_bytes_are_those_of_the_blob(served, amount):
    content = b"layer"
    whole = f'"{DIGEST}"'

    @amount
    @given(
        asked=ranges,
        condition=st.sampled_from([None, whole, "x", f"W/{whole}"]),
        method=st.sampled_from(["GET", "HEAD"]),
    )
    def answered(asked, condition, method):
        sent = [("Range", asked)] + ([] if condition is None else [("If-Range", condition)])
        answer = served.run(ask(served.registry, method, f"/v2/a/blobs/{DIGEST}", headers=sent))
        well_formed(answer, method)
        ranged = method == "GET" and condition in (None, whole)
        assert answer.status in ((200, 206, 416) if ranged else (200,))
        span = answer.header("content-range")
        if answer.status == 206 and span is None:
            assert (answer.header("content-type") or "").startswith("multipart/byteranges; boundary=")
            assert answer.body.count(b"\r\nContent-Range: bytes ") > 1
        elif answer.status == 206:
            first, last = map(int, span.removeprefix("bytes ").removesuffix("/5").split("-"))
            assert answer.header("content-length") == str(last + 1 - first)
            assert answer.body == content[first : last + 1] != b""
        elif answer.status == 416:
            assert span == "bytes */5"
        else:
            assert answer.header("content-length") == "5"

    answered()


TAGS = sorted(["v1", "0", "1", "A", "_", "a.b", "z-", "zz"])
lasts = st.one_of(st.none(), st.sampled_from([*TAGS, "", "%00", "~", "%ff", "a%26n=1", "z" * 2000, "%f0%9f%9a%a2"]))
sizes = st.one_of(
    st.none(), st.integers(0, 10).map(str), st.sampled_from(["-1", "x", "", "1.0", "9" * 30, "+1", "%201"])
)


def test_from_wherever_a_list_is_read_its_links_lead_to_its_end(served, amount):
    for tag in TAGS:
        served.run(ask(served.registry, "PUT", f"/v2/a/manifests/{tag}", served.manifest, [("Content-Type", MANIFEST)]))

    @amount
    @given(n=sizes, last=lasts, path=st.sampled_from(["/v2/a/tags/list", "/v2/_catalog"]))
    def answered(n, last, path):
        found = []
        query = "&".join(f"{name}={value}" for name, value in (("n", n), ("last", last)) if value is not None)
        link = f"{path}?{query}"
        for _ in range(len(TAGS) + 1):
            answer = served.run(ask(served.registry, "GET", link))
            well_formed(answer, "GET")
            if answer.status == 400:
                assert answer.codes == ["PAGINATION_NUMBER_INVALID"]
                return
            page = answer.json["tags" if "tags" in path else "repositories"]
            assert n is None or len(page) <= int(n)
            found += page
            following = answer.header("link")
            if following is None:
                break
            link = following.removeprefix("<").removesuffix('>; rel="next"')
        assert found == sorted(set(found))
        if last is None and n != "0":
            assert found == (TAGS if "tags" in path else ["a"])

    answered()
