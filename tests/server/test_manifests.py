"""Manifests: what is taken, what is refused and why, and what a request gets."""

import asyncio
import base64
import json

import pytest

from tests.server.asking import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    EMPTY,
    INDEX,
    MANIFEST,
    Answer,
    an_image,
    an_index,
    ask,
    connect,
    digest_of,
    head,
    parse,
    push_blob,
    push_image,
    put,
)
from wherry.server.policy import Policy, Sparse

ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"


async def get(registry, name: str, reference: str, *accept: str) -> Answer:
    return await ask(
        registry, "GET", f"/v2/{name}/manifests/{reference}", headers=[("Accept", each) for each in accept]
    )


async def push_index(
    registry, name: str, tag: str, *platforms: str, media_type: str = INDEX
) -> tuple[bytes, list[bytes]]:
    children = [(await push_image(registry, name, f"{number}", b"%d" % number))[0] for number in range(len(platforms))]
    index = an_index(*children, media_type=media_type, platforms=platforms)
    assert (await put(registry, name, tag, index)).status == 201
    return index, children


async def test_a_manifest_comes_back_as_it_was_pushed(registry):
    odd = an_image(annotations={"é": "\\"}, unknown={"kept": [1.50]}).replace(b": ", b" :\n")
    await push_blob(registry, "a", b"{}")
    pushed = await put(registry, "a", "v1", odd)
    assert pushed.header("Docker-Content-Digest") == digest_of(odd)
    assert pushed.header("Location") == f"/v2/a/manifests/{digest_of(odd)}"
    for reference in ("v1", digest_of(odd)):
        answer = await get(registry, "a", reference)
        assert (answer.status, answer.body, answer.header("Content-Type")) == (200, odd, MANIFEST)
        assert answer.header("ETag") == f'"{digest_of(odd)}"'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"%x\r\n%s\r\n0\r\n\r\n", 201, id="whole"),
        pytest.param(b"%x;quality=1\r\n%s\r\n0\r\n\r\n", 201, id="with an extension"),
        pytest.param(b"%x\r\n%s\r\n", 400, id="without the last chunk"),
        pytest.param(b"%x\r\n%s", 400, id="cut behind the bytes"),
        pytest.param(b"%x\r\n%s\r\n0\r\n", 400, id="cut within the last chunk"),
        pytest.param(b"%x\r\n%s\r\nzz\r\n", 400, id="no size of a chunk"),
        pytest.param(b"zz%x\r\n%s\r\n", 400, id="no size of the first chunk"),
    ],
)
async def test_body_in_chunks_is_taken_only_with_its_last_chunk(registry, body, status):
    """RFC 9112, 7.1 and 8: a chunked message is incomplete until its zero-sized chunk has come."""
    await push_blob(registry, "a", b"{}")
    manifest = an_image()
    request = head("PUT", "/v2/a/manifests/v1", [("Content-Type", MANIFEST), ("Transfer-Encoding", "chunked")])
    reader, writer = await connect(registry)
    writer.write(request + body % (len(manifest), manifest))
    if status != 201:
        writer.write_eof()
    answer = parse(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10))
    writer.close()
    assert answer.status == status
    assert (await get(registry, "a", "v1")).status == (200 if status == 201 else 404)


async def test_parameters_of_the_content_type_are_passed_over(registry):
    await push_blob(registry, "a", b"{}")
    assert (await put(registry, "a", "v1", an_image(), f"{MANIFEST}; charset=utf-8")).status == 201
    assert (await get(registry, "a", "v1")).header("Content-Type") == MANIFEST


async def test_a_manifest_without_a_content_type_is_refused_with_the_one_to_send(registry):
    await push_blob(registry, "a", b"{}")
    answer = await ask(registry, "PUT", "/v2/a/manifests/v1", an_image())
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])
    assert MANIFEST in answer.json["errors"][0]["detail"]["hint"]


async def test_everything_that_is_missing_is_told(registry):
    await push_blob(registry, "a", b"there")
    answer = await put(registry, "a", "v1", an_image(b"there", b"gone", b"away", b"gone"))
    assert answer.status == 400
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"] * 3
    missing = [error["detail"]["digest"] for error in answer.json["errors"]]
    assert missing == [digest_of(each) for each in (b"{}", b"gone", b"away")]
    assert (await get(registry, "a", "v1")).codes == ["MANIFEST_UNKNOWN"]


async def test_what_is_missing_is_counted_when_it_is_too_much_to_read(registry):
    answer = await put(registry, "a", "v1", an_image(*(str(each).encode() for each in range(5000))))
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"] * 101
    assert answer.json["errors"][-1]["message"] == "and 4901 more"
    assert len(answer.body) < 50_000


async def test_what_another_repository_holds_is_missing(registry):
    await push_image(registry, "a", "v1", b"layer")
    assert (await put(registry, "b", "v1", an_image(b"layer"))).codes == ["MANIFEST_BLOB_UNKNOWN"] * 2
    assert (await put(registry, "b", "v1", an_index(an_image(b"layer")))).codes == ["MANIFEST_BLOB_UNKNOWN"]
    assert (await ask(registry, "GET", "/v2/_catalog")).json == {"repositories": ["a"]}


async def test_a_size_that_is_not_the_blobs_is_refused(registry):
    await push_blob(registry, "a", b"{}")
    manifest = an_image().replace(b'"size": 2', b'"size": 3')
    answer = await put(registry, "a", "v1", manifest)
    assert (answer.status, answer.codes) == (400, ["SIZE_INVALID"])
    detail = answer.json["errors"][0]["detail"]
    assert "into its descriptor" in detail.pop("hint")
    assert detail == {"digest": digest_of(b"{}"), "described": 3, "stored": 2}


async def test_a_size_that_is_not_the_childs_is_refused(registry):
    image, _ = await push_image(registry, "a", "v1")
    index = an_index(image).replace(b'"size": %d' % len(image), b'"size": 1')
    assert (await put(registry, "a", "v2", index)).codes == ["SIZE_INVALID"]


async def test_a_foreign_layer_may_be_missing_if_it_has_urls(registry):
    await push_blob(registry, "a", b"{}")
    foreign = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": digest_of(b"elsewhere"),
        "size": 9,
    }
    assert (await put(registry, "a", "v1", an_image(layers=[foreign]))).codes == ["MANIFEST_BLOB_UNKNOWN"]
    with_urls = foreign | {"urls": ["https://example.com/layer"]}
    assert (await put(registry, "a", "v1", an_image(layers=[with_urls]))).status == 201


async def test_an_index_may_list_blobs_as_build_caches_do(registry):
    image, _ = await push_image(registry, "a", "v1", b"layer")
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest_of(b"layer"), "size": 5}
    cache = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [layer]}).encode()
    assert (await put(registry, "a", "cache", cache)).status == 201
    assert (await ask(registry, "DELETE", f"/v2/a/manifests/{digest_of(image)}")).status == 202
    assert (await ask(registry, "DELETE", f"/v2/a/blobs/{digest_of(b'layer')}")).codes == ["DENIED"]
    assert (await put(registry, "b", "cache", cache)).codes == ["MANIFEST_BLOB_UNKNOWN"]


@pytest.mark.parametrize(
    ("sparse", "children", "blobs"), [(Sparse.NONE, 400, 400), (Sparse.INDEX, 201, 400), (Sparse.ALL, 201, 201)]
)
async def test_what_may_be_missing_is_for_the_operator_to_say(registry_factory, sparse, children, blobs):
    registry = await registry_factory(sparse=sparse)
    assert (await put(registry, "a", "v1", an_index(an_image()))).status == children
    assert (await put(registry, "a", "v2", an_image(b"layer"))).status == blobs


async def test_a_manifest_of_the_largest_size_is_taken_and_one_byte_more_is_not(registry):
    await push_blob(registry, "a", b"{}")
    room = 4 * 1024 * 1024 - len(an_image(annotations={"x": ""}))
    largest = an_image(annotations={"x": room * "x"})
    assert (await put(registry, "a", "v1", largest)).status == 201
    assert (await get(registry, "a", "v1")).body == largest
    larger = an_image(annotations={"x": (room + 1) * "x"})
    for refused in (
        await put(registry, "a", "v2", larger),
        await ask(registry, "PUT", "/v2/a/manifests/v2", headers=[("Content-Type", MANIFEST)], chunks=[larger]),
    ):
        assert (refused.status, refused.codes) == (413, ["SIZE_INVALID"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"$manifests"',
        b"<html></html>",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schemaVersion":2}',
        an_image(config=b"{}").replace(b'"size": 2', b'"size": -1'),
        an_image(config=b"{}").replace(b'"size": 2', b'"size": "2"'),
        an_image(config=b"{}").replace(b'"size": 2', b'"size": 99999999999999999999'),
        an_image().replace(b"sha256:", b"sha257:"),
        an_image(layers=7),
        an_image(layers=[None]),
        an_image(annotations={"x": 1}),
        an_image(subject=[]),
        an_image(schemaVersion=3),
        an_image(schemaVersion=True),
        an_image(mediaType=5),
        an_image(mediaType=INDEX),
        an_index(an_image()),
        an_image(artifactType={}),
    ],
    ids=lambda body: digest_of(body)[7:15],
)
async def test_what_is_no_manifest_is_refused_with_a_reason(registry, body):
    await push_blob(registry, "a", b"{}")
    answer = await put(registry, "a", "v1", body, MANIFEST)
    assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])
    assert len(answer.json["errors"][0]["message"]) > 10


async def test_a_diagnosis_says_the_cause_and_what_to_do(registry):
    detail = (await put(registry, "a", "v1", b'"$manifests"', DOCKER_MANIFEST)).json["errors"][0]["detail"]
    assert detail["cause"]
    assert detail["problem"]
    assert detail["hint"]


async def test_schema_1_is_refused(registry):
    body = (
        b'{"schemaVersion":1,"name":"a","tag":"v1","architecture":"amd64","fsLayers":[],"history":[],"signatures":[]}'
    )
    for media_type in ("application/vnd.docker.distribution.manifest.v1+prettyjws", DOCKER_MANIFEST):
        answer = await put(registry, "a", "v1", body, media_type)
        assert (answer.status, answer.codes) == (400, ["MANIFEST_INVALID"])
        assert "schema 1" in answer.body.decode().lower()


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "x", "application/x-www-form-urlencoded"])
async def test_a_type_that_is_no_manifests_is_refused(registry, media_type):
    await push_blob(registry, "a", b"{}")
    assert (await put(registry, "a", "v1", an_image(), media_type)).codes == ["MANIFEST_INVALID"]


async def test_data_must_be_the_content_that_is_described(registry):
    await push_blob(registry, "a", b"{}")
    described = {"mediaType": EMPTY, "digest": digest_of(b"{}"), "size": 2}
    right = described | {"data": base64.b64encode(b"{}").decode()}
    wrong = described | {"data": base64.b64encode(b"[]").decode()}
    assert (await put(registry, "a", "v1", an_image(layers=[wrong]))).codes == ["MANIFEST_INVALID"]
    assert (await put(registry, "a", "v1", an_image(layers=[right]))).status == 201


async def test_a_digest_that_is_another_is_refused(registry):
    await push_blob(registry, "a", b"{}")
    for wrong in (digest_of(b"x"), digest_of(b"x", "sha512")):
        answer = await put(registry, "a", wrong, an_image())
        assert (answer.status, answer.codes) == (400, ["DIGEST_INVALID"])


async def test_sha512_stays_sha512(registry):
    await push_blob(registry, "a", b"{}")
    digest = digest_of(an_image(), "sha512")
    pushed = await put(registry, "a", f"{digest}?tag=v1", an_image())
    assert (pushed.status, pushed.header("Docker-Content-Digest")) == (201, digest)
    assert (await get(registry, "a", "v1")).header("Docker-Content-Digest") == digest
    assert (await get(registry, "a", digest_of(an_image()))).status == 404


async def test_a_tag_that_is_invalid_leaves_nothing_half_done(registry):
    await push_blob(registry, "a", b"{}")
    answer = await put(registry, "a", f"{digest_of(an_image())}?tag=good&tag=-bad", an_image())
    assert (answer.status, answer.codes) == (400, ["TAG_INVALID"])
    assert (await ask(registry, "GET", "/v2/a/tags/list")).json["tags"] == []


async def test_an_artifact_manifest_is_taken(registry):
    await push_blob(registry, "a", b"blob")
    blob = {"mediaType": "text/plain", "digest": digest_of(b"blob"), "size": 4}
    artifact = json.dumps({"mediaType": ARTIFACT, "artifactType": "test/x", "blobs": [blob]}).encode()
    assert (await put(registry, "a", "v1", artifact)).status == 201
    assert (await put(registry, "b", "v1", artifact)).codes == ["MANIFEST_BLOB_UNKNOWN"]
    assert (await get(registry, "a", "v1")).header("Content-Type") == ARTIFACT


async def test_pushing_again_moves_the_tag_and_keeps_what_it_was_on(registry):
    _, first = await push_image(registry, "a", "v1", b"1")
    _, second = await push_image(registry, "a", "v1", b"2")
    assert (await get(registry, "a", "v1")).header("Docker-Content-Digest") == second
    assert (await get(registry, "a", first)).status == 200


async def test_a_deleted_tag_takes_nothing_with_it(registry):
    image, digest = await push_image(registry, "a", "v1")
    await put(registry, "a", "v2", image)
    assert (await ask(registry, "DELETE", "/v2/a/manifests/v1")).status == 202
    assert (await ask(registry, "DELETE", "/v2/a/manifests/v1")).codes == ["MANIFEST_UNKNOWN"]
    assert (await get(registry, "a", "v2")).status == 200
    assert (await get(registry, "a", digest)).status == 200


async def test_a_deleted_manifest_takes_its_tags_with_it(registry):
    image, digest = await push_image(registry, "a", "v1")
    await put(registry, "a", "v2", image)
    assert (await ask(registry, "DELETE", f"/v2/a/manifests/{digest}")).status == 202
    assert (await ask(registry, "DELETE", f"/v2/a/manifests/{digest}")).codes == ["MANIFEST_UNKNOWN"]
    assert (await ask(registry, "GET", "/v2/a/tags/list")).json == {"name": "a", "tags": []}


async def test_a_child_is_not_deleted_before_its_index(registry):
    index, children = await push_index(registry, "a", "all", "linux/amd64")
    refused = await ask(registry, "DELETE", f"/v2/a/manifests/{digest_of(children[0])}")
    assert (refused.status, refused.codes, refused.header("Allow")) == (405, ["DENIED"], "GET, PUT, HEAD")
    assert refused.json["errors"][0]["detail"]["needed_by"] == [digest_of(index)]
    for digest in (digest_of(index), digest_of(children[0])):
        assert (await ask(registry, "DELETE", f"/v2/a/manifests/{digest}")).status == 202


@pytest.mark.parametrize("media_type", [INDEX, DOCKER_LIST])
async def test_a_client_that_takes_no_index_gets_the_usual_child(registry, media_type):
    index, children = await push_index(
        registry, "a", "all", "unknown/unknown", "windows/amd64", "linux/amd64", media_type=media_type
    )
    assert (await get(registry, "a", "all", MANIFEST)).body == children[2]
    assert (await get(registry, "a", "all", "text/html", f"{MANIFEST};q=0.1")).body == children[2]
    for taken in (media_type, "*/*", "application/*", f"{MANIFEST}, {media_type}"):
        assert (await get(registry, "a", "all", taken)).body == index
    assert (await get(registry, "a", "all")).body == index
    assert (await get(registry, "a", "all", DOCKER_MANIFEST)).body == index
    assert (await get(registry, "a", digest_of(index), MANIFEST)).body == index


async def test_without_the_usual_child_the_first_that_runs_is_given(registry):
    _, children = await push_index(registry, "a", "all", "unknown/unknown", "linux/s390x", "linux/arm64")
    assert (await get(registry, "a", "all", MANIFEST)).body == children[1]


async def test_a_child_that_is_missing_is_not_given(registry_factory):
    registry = await registry_factory(sparse=Sparse.ALL)
    index = an_index(an_image(), platforms=["linux/amd64"])
    await put(registry, "a", "all", index)
    assert (await get(registry, "a", "all", MANIFEST)).body == index


async def test_referrers_are_listed_in_pages_that_fit(registry):
    image, digest = await push_image(registry, "a", "v1")
    subject = {"mediaType": MANIFEST, "digest": digest, "size": len(image)}
    expected = []
    for number in range(5):
        note = {"number": str(number), "long": 1_500_000 * "x"}
        referrer = an_image(subject=subject, artifactType=f"test/{number % 2}", annotations=note)
        pushed = await put(registry, "a", digest_of(referrer), referrer)
        assert pushed.header("OCI-Subject") == digest
        expected.append(digest_of(referrer))
    path: str | None = f"/v2/a/referrers/{digest}"
    found = []
    while path:
        answer = await ask(registry, "GET", path)
        assert len(answer.body) < 4 * 1024 * 1024
        found += [entry["digest"] for entry in answer.json["manifests"]]
        link = answer.header("Link")
        path = None if link is None else link.partition("<")[2].partition(">")[0]
    assert found == expected
    filtered = await ask(registry, "GET", f"/v2/a/referrers/{digest}?artifactType=test/1&n=1")
    assert [entry["digest"] for entry in filtered.json["manifests"]] == [expected[1]]
    assert filtered.header("OCI-Filters-Applied") == "artifactType"
    assert "artifactType=test%2F1" in (filtered.header("Link") or "")


@pytest.mark.parametrize("query", ["n=-1", "n=x", "n=1.5", "n=", "n=%00", "n=%D9%A1"])
async def test_a_page_size_that_is_no_number_is_refused(registry, query):
    await push_image(registry, "a", "v1")
    for path in ("/v2/a/tags/list", "/v2/_catalog", f"/v2/a/referrers/{digest_of(b'')}"):
        answer = await ask(registry, "GET", f"{path}?{query}")
        assert (answer.status, answer.codes) == (400, ["PAGINATION_NUMBER_INVALID"])


async def test_pages_end_with_the_largest_the_operator_allows(registry_factory):
    registry = await registry_factory(policy=Policy(largest_page=2))
    for tag in ("b", "A", "c", "a"):
        await push_image(registry, "a", tag)
    first = await ask(registry, "GET", "/v2/a/tags/list?n=1000000000000000000000")
    assert first.json["tags"] == ["A", "a"]
    assert first.header("Link") == '</v2/a/tags/list?n=2&last=a>; rel="next"'
    second = await ask(registry, "GET", "/v2/a/tags/list?n=2&last=a")
    assert (second.json["tags"], second.header("Link")) == (["b", "c"], None)
    none = await ask(registry, "GET", "/v2/a/tags/list?n=0")
    assert (none.json["tags"], none.header("Link")) == ([], None)


async def test_a_position_that_no_page_gave_is_refused(registry):
    for last in ("x", "-1", "9" * 30):
        answer = await ask(registry, "GET", f"/v2/a/referrers/{digest_of(b'')}?last={last}")
        assert (answer.status, answer.codes) == (400, ["PAGINATION_NUMBER_INVALID"])


async def test_head_and_conditions_hold_for_manifests(registry):
    image, digest = await push_image(registry, "a", "v1")
    answer = await ask(registry, "HEAD", "/v2/a/manifests/v1")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, b"", str(len(image)))
    unchanged = await ask(registry, "GET", "/v2/a/manifests/v1", headers=[("If-None-Match", f'"{digest}"')])
    assert (unchanged.status, unchanged.body) == (304, b"")


async def test_a_push_with_a_condition_moves_the_tag_only_while_it_holds(registry):
    _, digest = await push_image(registry, "a", "v1")
    other, other_digest = await push_image(registry, "a", "v2", b"other")

    async def push(*conditions: tuple[str, str]) -> Answer:
        return await ask(registry, "PUT", "/v2/a/manifests/v1", other, [("Content-Type", MANIFEST), *conditions])

    refused = [
        await push(("If-None-Match", "*")),
        await push(("If-Match", f'"{other_digest}"')),
        await push(("If-Match", "nonsense")),
    ]
    for answer in refused:
        assert (answer.status, answer.codes) == (412, ["PRECONDITION_FAILED"])
        assert answer.json["errors"][0]["detail"]["digest"] == digest
    assert digest_of((await get(registry, "a", "v1", MANIFEST)).body) == digest
    taken = await push(("If-Match", f'"{digest}"'))
    assert (taken.status, taken.header("Wherry-Condition")) == (201, "held")
    assert digest_of((await get(registry, "a", "v1", MANIFEST)).body) == other_digest


async def test_a_push_on_condition_that_nothing_is_there_makes_the_tag(registry):
    image, digest = await push_image(registry, "a", "v1")
    headers = [("Content-Type", MANIFEST), ("If-None-Match", "*")]
    assert (await ask(registry, "PUT", "/v2/a/manifests/new", image, headers)).status == 201
    by_digest = await ask(registry, "PUT", f"/v2/a/manifests/{digest}", image, headers)
    assert (by_digest.status, by_digest.codes) == (412, ["PRECONDITION_FAILED"])
