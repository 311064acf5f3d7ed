"""Conditional requests: what is changed or sent only while the condition holds, and which lines make the condition."""

import asyncio

import pytest

from tests.server.asking import MANIFEST, Answer, ask, digest_of, push_blob, push_image

NEVER = '"sha256:0"'


async def put(registry, *conditions: tuple[str, str]) -> Answer:
    """Push another manifest to `a:main`."""
    other, _ = await push_image(registry, "a", "other", b"other")
    return await ask(registry, "PUT", "/v2/a/manifests/main", other, [("Content-Type", MANIFEST), *conditions])


async def digest_of_main(registry) -> str | None:
    answer = await ask(registry, "HEAD", "/v2/a/manifests/main", headers=[("Accept", MANIFEST)])
    return answer.header("Docker-Content-Digest")


@pytest.fixture
async def digest(registry) -> str:
    """Of the manifest that `a:main` leads to."""
    return (await push_image(registry, "a", "main"))[1]


@pytest.fixture
async def blob(registry) -> str:
    return await push_blob(registry, "b", b"layer")


FALSE = {
    "match": [("If-Match", NEVER)],
    "match-twice": [("If-Match", NEVER), ("If-Match", '"x"')],
    "match-weak": [("If-Match", 'W/"{}"')],
    "match-empty": [("If-Match", "")],
    "match-no-text": [("If-Match", '"\xe9"')],
    "none-match": [("If-None-Match", '"{}"')],
    "none-match-twice": [("If-None-Match", '"x"'), ("If-None-Match", '"{}"')],
    "none-match-weak": [("If-None-Match", 'W/"{}"')],
    "none-match-any": [("If-None-Match", "*")],
    "both": [("If-Match", '"{}"'), ("If-None-Match", '"{}"')],
}
TRUE = {
    "match": [("If-Match", '"{}"')],
    "match-twice": [("If-Match", '"x"'), ("If-Match", '"{}"')],
    "match-any": [("If-Match", "*")],
    "none-match": [("If-None-Match", NEVER)],
    "none-match-twice": [("If-None-Match", '"x"'), ("If-None-Match", '"y"')],
}


def about(conditions, digest: str) -> list[tuple[str, str]]:
    return [(name, value.format(digest)) for name, value in conditions]


@pytest.mark.parametrize("case", FALSE)
async def test_a_push_whose_condition_is_false_does_nothing(registry, digest, case):
    answer = await put(registry, *about(FALSE[case], digest))
    assert (answer.status, answer.codes) == (412, ["PRECONDITION_FAILED"])
    assert await digest_of_main(registry) == digest


@pytest.mark.parametrize("case", TRUE)
async def test_a_push_whose_condition_is_true_moves_the_tag(registry, digest, case):
    answer = await put(registry, *about(TRUE[case], digest))
    assert (answer.status, answer.header("Wherry-Condition")) == (201, "held")
    assert await digest_of_main(registry) != digest


async def test_a_deletion_whose_condition_is_false_does_nothing(registry, digest):
    for case, conditions in FALSE.items():
        for name in ("main", digest):
            path = f"/v2/a/manifests/{name}"
            answer = await ask(registry, "DELETE", path, headers=about(conditions, digest))
            assert (answer.status, answer.codes) == (412, ["PRECONDITION_FAILED"]), case
            assert answer.json["errors"][0]["detail"] | {"hint": ""} == {
                "reference": name,
                "digest": digest,
                "hint": "",
            }
    assert await digest_of_main(registry) == digest


async def test_a_deletion_whose_condition_is_true_is_done(registry):
    for case, conditions in TRUE.items():
        _, digest = await push_image(registry, "a", "main")
        for name in ("main", digest):
            answer = await ask(registry, "DELETE", f"/v2/a/manifests/{name}", headers=about(conditions, digest))
            assert (answer.status, answer.header("Wherry-Condition")) == (202, "held"), case
        assert await digest_of_main(registry) is None


async def test_of_deletions_and_pushes_that_expect_the_same_only_one_is_done(registry, digest):
    other, _ = await push_image(registry, "a", "other", b"other")
    expected = ("If-Match", f'"{digest}"')
    answers = await asyncio.gather(
        ask(registry, "PUT", "/v2/a/manifests/main", other, [("Content-Type", MANIFEST), expected]),
        *(ask(registry, "DELETE", "/v2/a/manifests/main", headers=[expected]) for _ in range(3)),
    )
    assert len([answer for answer in answers if answer.status in (201, 202)]) == 1
    assert {answer.status for answer in answers} <= {201, 202, 404, 412}


async def test_what_is_not_there_is_unknown_whatever_the_condition(registry, digest, blob):
    elsewhere = digest_of(b"elsewhere")
    for path in ("/v2/a/manifests/no", f"/v2/a/manifests/{elsewhere}", f"/v2/b/blobs/{elsewhere}"):
        for method in ("GET", "DELETE"):
            answer = await ask(registry, method, path, headers=[("If-Match", NEVER)])
            assert answer.status == 404


async def test_a_blob_is_deleted_only_while_the_condition_holds(registry, blob):
    for case, conditions in FALSE.items():
        answer = await ask(registry, "DELETE", f"/v2/b/blobs/{blob}", headers=about(conditions, blob))
        assert (answer.status, answer.codes) == (412, ["PRECONDITION_FAILED"]), case
    answer = await ask(registry, "DELETE", f"/v2/b/blobs/{blob}", headers=about(TRUE["match-twice"], blob))
    assert (answer.status, answer.header("Wherry-Condition")) == (202, "held")


async def test_a_change_on_a_condition_that_cannot_be_read_is_refused(registry, digest, blob):
    unreadable = ("If-None-Match", '"\xe9"')
    refused = [
        await put(registry, unreadable),
        await ask(registry, "DELETE", "/v2/a/manifests/main", headers=[unreadable]),
        await ask(registry, "DELETE", f"/v2/b/blobs/{blob}", headers=[unreadable]),
    ]
    for answer in refused:
        assert answer.status == 400
        assert "If-None-Match" in answer.json["errors"][0]["message"]
    assert await digest_of_main(registry) == digest


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_is_read_is_sent_only_while_the_condition_holds(registry, digest, blob, method):
    for path, etag in (("/v2/a/manifests/main", digest), (f"/v2/b/blobs/{blob}", blob)):
        for case, conditions in FALSE.items():
            headers = [("Accept", MANIFEST), *about(conditions, etag)]
            status = 412 if case.startswith("match") else 304
            assert (await ask(registry, method, path, headers=headers)).status == status, case
        for case, conditions in TRUE.items():
            headers = [("Accept", MANIFEST), *about(conditions, etag)]
            assert (await ask(registry, method, path, headers=headers)).status == 200, case


async def test_a_condition_that_cannot_be_read_is_no_reason_not_to_send(registry, digest):
    headers = [("Accept", MANIFEST), ("If-None-Match", '"\xe9"')]
    assert (await ask(registry, "GET", "/v2/a/manifests/main", headers=headers)).status == 200


async def test_a_range_is_for_that_content_only_and_for_get_only(registry, blob):
    async def read(method: str, *headers: tuple[str, str]) -> tuple[int, str | None]:
        answer = await ask(registry, method, f"/v2/b/blobs/{blob}", headers=headers)
        return answer.status, answer.header("Content-Length")

    assert await read("GET", ("Range", "bytes=1-2")) == (206, "2")
    assert await read("GET", ("Range", "bytes=1-2"), ("If-Range", '"\xe9"')) == (200, "5")
    for asked in ("bytes=1-2", "bytes=99-"):
        assert await read("HEAD", ("Range", asked)) == (200, "5")
