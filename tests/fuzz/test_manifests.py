"""Whatever is pushed as a manifest is refused with a reason, or kept byte for byte; lists that tell of it stay readable."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.form import well_formed
from tests.server.asking import DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST, an_image, an_index, ask, digest_of

DIGEST = digest_of(b"layer")
SUBJECT = digest_of(b"nobody has pushed this")
HOLE = "a hole"
"""Stands in a document where bytes are put that no encoder writes."""

NUMBERS = [
    b"1e400",
    b"-1e400",
    b"-0",
    b"0.0",
    b"1e2",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"0x1",
    b"01",
    b"+1",
    b"1.",
    b".5",
]
NUMBERS += [
    b"9" * 30,
    b"-1",
    b"9223372036854775808",
    b"18446744073709551616",
    b"9" * 5000,
    b"2.0",
    b"2e0",
    b"5.0",
    b"1E400",
]
TEXTS = [
    rb'"\ud800"',
    rb'"\udc00\ud800"',
    rb'"\u0000"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\xc0\x80"',
    b'"\x00"',
    b'"\n"',
    b'"\x7f"',
]
TEXTS += [
    b'"' + b"x" * 5000 + b'"',
    rb'"\x"',
    rb'"\u12"',
    b"'a'",
    b'"',
    '"\u202e"'.encode(),
    b'"%s"' % DIGEST.upper().encode(),
]
OTHERS = [
    b"[" * 5000,
    b"[" * 900 + b"]" * 900,
    b'{"a":' * 5000,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b"null",
    b"true",
    b"",
    b",",
    b"}",
]
OTHERS += [
    b"{}",
    b"[]",
    b"[null]",
    b"[{}]",
    b"[[]]",
    b"/*x*/1",
    b'{"digest":1}',
    b'[{"digest":"sha256:"}]',
    b'{"a":1,"a":2}',
    b"1]}",
    b"\xef\xbb\xbf",
]
TOKENS_OF = [*NUMBERS, *TEXTS, *OTHERS]
TOKENS = st.sampled_from(TOKENS_OF)

AN_IMAGE = json.loads(
    an_image(b"layer", subject={"mediaType": MANIFEST, "digest": SUBJECT, "size": 5}, annotations={"a": "b"})
)
AN_INDEX = json.loads(an_index(an_image(b"layer"), platforms=["linux/amd64"], annotations={"a": "b"}))
PLACES = [(document, place) for document in (AN_IMAGE, AN_INDEX) for place in (*document, None)]
INSIDE = [
    *((AN_IMAGE, (name, field)) for name in ("config", "subject") for field in ("mediaType", "digest", "size")),
    *(
        (AN_IMAGE, ("layers", 0, field))
        for field in ("mediaType", "digest", "size", "annotations", "urls", "data", "platform")
    ),
    *((AN_INDEX, ("manifests", 0, field)) for field in ("mediaType", "digest", "size", "platform", "artifactType")),
    *(
        (AN_INDEX, ("manifests", 0, "platform", field))
        for field in ("os", "architecture", "variant", "os.version", "os.features")
    ),
    (AN_IMAGE, ("annotations", "a")),
    (AN_IMAGE, ("annotations",)),
    (AN_INDEX, ("annotations", "org.opencontainers.image.ref.name")),
    (AN_IMAGE, ("artifactType",)),
    (AN_IMAGE, ("unknown",)),
]


def with_hole(document: dict, place: tuple) -> bytes:
    """The document with a hole at a place, which need not be there."""
    copied = json.loads(json.dumps(document))
    inner = copied
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = HOLE
    return json.dumps(copied).encode()


def twice(document: bytes, name: bytes, value: bytes) -> bytes:
    """The document with a field that it has already."""
    return b'{"%s": %s, ' % (name, value) + document[1:]


broken = st.builds(
    lambda at, token: with_hole(*at).replace(json.dumps(HOLE).encode(), token), st.sampled_from(INSIDE), TOKENS
)
doubled = st.builds(
    lambda at, token: twice(json.dumps(at[0]).encode(), (at[1] or "x").encode(), token), st.sampled_from(PLACES), TOKENS
)
spoilt = st.builds(
    lambda document, at, what: (
        (text := json.dumps(document).encode())[: at % len(text)] + what + text[at % len(text) :]
    ),
    st.sampled_from([AN_IMAGE, AN_INDEX]),
    st.integers(0, 2000),
    st.one_of(st.binary(min_size=1, max_size=3), TOKENS),
)
simple = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just(DIGEST), st.just(MANIFEST)
)
NESTED = ["mediaType", "digest", "size", "platform", "annotations", "data", "urls", "os", "x"]


def nested(inner: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(inner, st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NESTED), inner, max_size=5))


values = nested(nested(nested(simple)))
FIELDS = [
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
changed = st.dictionaries(st.sampled_from(FIELDS), values).map(
    lambda fields: json.dumps(json.loads(an_image()) | fields).encode()
)
cut = st.builds(
    lambda at, document: json.dumps(document).encode()[:at], st.integers(0, 200), st.sampled_from([AN_IMAGE, AN_INDEX])
)
TYPES = [MANIFEST, INDEX, DOCKER_LIST, DOCKER_MANIFEST, "application/vnd.oci.artifact.manifest.v1+json", "text/plain"]
TYPES += ["application/json", "", f"{MANIFEST}; charset=utf-8", MANIFEST.upper(), "x" * 500]
types = st.one_of(st.none(), st.sampled_from(TYPES))
bodies = st.one_of(broken, doubled, spoilt, changed, cut, st.binary(max_size=200))


def test_whatever_is_pushed_is_refused_or_kept_as_it_is(served, amount):
    registry, run = served.registry, served.run

    @amount
    @given(body=bodies, media_type=types)
    def answered(body, media_type):
        if media_type is None:
            media_type = INDEX if b'"manifests"' in body else MANIFEST
        answer = run(ask(registry, "PUT", "/v2/a/manifests/fuzz", body, [("Content-Type", media_type)]))
        well_formed(answer, "PUT")
        assert answer.status in (201, 400)
        if answer.status == 201:
            assert answer.header("docker-content-digest") == digest_of(body)
            kept = run(ask(registry, "GET", "/v2/a/manifests/fuzz"))
            assert (kept.status, kept.body) == (200, body)
            subject = answer.header("oci-subject")
            if subject is not None:
                told = run(ask(registry, "GET", f"/v2/a/referrers/{subject}"))
                assert digest_of(body) in [each["digest"] for each in told.json["manifests"]]
            assert run(ask(registry, "DELETE", f"/v2/a/manifests/{digest_of(body)}")).status == 202

    answered()


def test_whatever_conditions_a_push_has_it_is_held_to_them_or_refused(served, amount):
    registry, run = served.registry, served.run
    manifest = an_image(b"layer")
    tags = st.sampled_from(["*", f'"{digest_of(manifest)}"', f'"{SUBJECT}"', "", ",", '"', "W/", "x", "*, *", '"*"'])
    both = st.tuples(st.one_of(st.none(), tags), st.one_of(st.none(), tags))

    @amount
    @given(conditions=both, tag=st.sampled_from(["there", "-", "x" * 129, "a%2fb", "..", ""]), more=st.integers(0, 70))
    def answered(conditions, tag, more):
        names = ("If-Match", "If-None-Match")
        sent = [(name, value) for name, value in zip(names, conditions, strict=True) if value is not None]
        query = "?" + "&".join(f"tag=t{number}" for number in range(more)) if more else ""
        path = f"/v2/b/manifests/{tag}{query}"
        answer = run(ask(registry, "PUT", path, manifest, [("Content-Type", MANIFEST), *sent]))
        well_formed(answer, "PUT")
        assert answer.status in (400, 404, 405, 412, 414)  # its blobs are not there
        assert run(ask(registry, "GET", "/v2/b/tags/list")).status == 404

    answered()
