import pytest

from tests.content import a_blob, an_image, an_index_of, put
from tests.stores.remote.stub import Asked, Reply, front, json_reply, refused, stub
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import (
    DigestMismatch,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    RegistryError,
    UnexpectedResponse,
    Unsupported,
)
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import ACCEPTED_MANIFESTS, DOCKER_MANIFEST, OCI_MANIFEST
from wherry.oci.reference import Tag
from wherry.stores.remote.manifests import LARGEST_READ

V1 = Tag("v1")
IMAGE = an_image()


def _answering(content: bytes = IMAGE.manifest.content, **headers: str):
    """A registry that has one manifest under every name, sent with exactly these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda asked: json_reply({}) if asked.path == "/v2/" else Reply(200, named, content)


async def test_every_request_for_a_manifest_lists_all_media_types(registry, opened):
    await put(IMAGE, opened(registry.address), "v1")
    async with front(registry.address) as server:
        repository = opened(server.address)
        await repository.resolve(V1)
        await repository.manifest(V1)
        await repository.manifest(IMAGE.digest)
        await repository.exists(IMAGE.descriptor)
    asked = [each for each in server.asked if "/manifests/" in each.path]
    assert [each.method for each in asked] == ["HEAD", "GET", "GET", "HEAD"]
    assert {each.headers["accept"] for each in asked} == {", ".join(ACCEPTED_MANIFESTS)}


async def test_resolve_is_one_head(address, opened):
    await put(IMAGE, opened(address), "v1")
    async with front(address) as server:
        assert await opened(server.address).resolve(V1) == IMAGE.manifest.descriptor
    assert server.lines() == ["HEAD /v2/team/app/manifests/v1"]


@pytest.mark.parametrize("status", [400, 403, 405, 500, 501])
async def test_resolve_asks_with_get_where_head_is_refused(registry, opened, status):
    await put(IMAGE, opened(registry.address), "v1")
    async with front(registry.address, lambda asked: Reply(status) if asked.method == "HEAD" else None) as server:
        assert await opened(server.address).resolve(V1) == IMAGE.manifest.descriptor
    assert server.lines() == ["HEAD /v2/team/app/manifests/v1", "GET /v2/team/app/manifests/v1"]


async def test_resolve_does_not_believe_a_404_that_no_registry_sent(registry, opened):
    await put(IMAGE, opened(registry.address), "v1")
    async with front(registry.address, lambda asked: Reply(404) if asked.method == "HEAD" else None) as server:
        assert await opened(server.address).resolve(V1) == IMAGE.manifest.descriptor
        assert await opened(server.address).exists(IMAGE.manifest.descriptor)
        with pytest.raises(ManifestUnknown, match="no such tag"):
            await opened(server.address).resolve(Tag("none"))


async def test_resolve_believes_a_registrys_404(registry, opened):
    async with front(registry.address) as server:
        with pytest.raises(ManifestUnknown):
            await opened(server.address).resolve(V1)
    assert server.lines() == ["HEAD /v2/team/app/manifests/v1"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": OCI_MANIFEST},
        {"Content_Type": OCI_MANIFEST, "Docker_Content_Digest": "nonsense"},
        {"Docker_Content_Digest": str(IMAGE.digest)},
        {"Content_Type": "application/octet-stream", "Docker_Content_Digest": str(IMAGE.digest)},
    ],
)
async def test_resolve_asks_with_get_where_the_head_does_not_say_enough(opened, headers):
    async with stub(_answering(**headers)) as server:
        assert await opened(server.address).resolve(V1) == IMAGE.manifest.descriptor
    assert [asked.method for asked in server.asked] == ["GET", "HEAD", "GET"]


async def test_a_swap_is_a_registrys_word_or_nobodys(address, request, opened):
    repository, other = opened(address), an_image("other")
    await put(IMAGE, repository)
    await put(other, repository, "v1")
    is_ours = "ours" in request.node.callspec.id
    assert await repository.swap(IMAGE.manifest, V1, None) is (False if is_ours else None)
    assert await repository.swap(IMAGE.manifest, V1, other.digest) is (True if is_ours else None)
    assert (await repository.resolve(V1)).digest == IMAGE.digest


async def test_resolve_of_a_missing_tag_raises_manifest_unknown(address, opened):
    await put(IMAGE, opened(address))
    with pytest.raises(ManifestUnknown, match="team/app:v1: no such tag") as caught:
        await opened(address).resolve(V1)
    assert caught.value.hint == f"`wherry ls {address}/team/app` lists the tags there"


async def test_resolve_of_a_missing_digest_raises_manifest_unknown(address, opened):
    with pytest.raises(ManifestUnknown, match=f"team/app@{IMAGE.digest}: no such manifest"):
        await opened(address).resolve(IMAGE.digest)


async def test_manifest_that_is_not_of_its_digest_is_refused(opened):
    async with stub(_answering(Content_Type=OCI_MANIFEST)) as server:
        other = Digest.of(b"other")
        with pytest.raises(DigestMismatch, match=f"bytes of digest {IMAGE.digest} for {other}"):
            await opened(server.address).manifest(other)


async def test_manifest_that_is_not_of_the_promised_digest_is_refused(opened):
    headers = {"Content_Type": OCI_MANIFEST, "Docker_Content_Digest": str(Digest.of(b"other"))}
    async with stub(_answering(**headers)) as server:
        with pytest.raises(DigestMismatch):
            await opened(server.address).manifest(V1)


async def test_head_that_names_another_digest_than_the_one_asked_for_is_refused(opened):
    headers = {"Content_Type": OCI_MANIFEST, "Docker_Content_Digest": str(IMAGE.digest)}
    async with stub(_answering(**headers)) as server:
        with pytest.raises((UnexpectedResponse, DigestMismatch)):
            await opened(server.address).resolve(Digest.of(b"other"))


async def test_media_type_is_taken_without_parameters_and_from_the_body_where_the_header_says_nothing(opened):
    for content_type in (f"{OCI_MANIFEST}; charset=utf-8", "application/json", ""):
        async with stub(_answering(Content_Type=content_type)) as server:
            assert (await opened(server.address).manifest(V1)).media_type == OCI_MANIFEST


async def test_answer_that_is_no_manifest_is_refused(opened):
    async with stub(_answering(b'{"hello": "world"}', Content_Type="application/json")) as server:
        with pytest.raises(ManifestInvalid, match="team/app:v1: not a manifest"):
            await opened(server.address).manifest(V1)


@pytest.mark.parametrize("length", [{"Content_Length": str(LARGEST_READ + 1)}, {}])
async def test_manifest_without_end_is_not_read_to_its_end(opened, length):
    def endless(asked: Asked) -> Reply:
        headers = {"Content-Type": OCI_MANIFEST} | {name.replace("_", "-"): value for name, value in length.items()}
        return json_reply({}) if asked.path == "/v2/" else Reply(200, headers, b" " * 1_000_000, endless=True)

    async with stub(endless) as server:
        with pytest.raises(UnexpectedResponse, match=f"longer than {LARGEST_READ} bytes"):
            await opened(server.address).manifest(V1)


async def test_manifest_is_pushed_once_for_each_tag(address, opened):
    await put(IMAGE, opened(address))
    async with front(address) as server:
        repository = opened(server.address)
        await repository.push_manifest(IMAGE.manifest, V1, Tag("v2"))
        await repository.push_manifest(IMAGE.manifest)
        assert await repository.resolve(Tag("v2")) == IMAGE.manifest.descriptor
    assert [asked.line for asked in server.asked if asked.method == "PUT"] == [
        "PUT /v2/team/app/manifests/v1",
        "PUT /v2/team/app/manifests/v2",
        f"PUT /v2/team/app/manifests/{IMAGE.digest}",
    ]
    assert {asked.headers["content-type"] for asked in server.asked if asked.method == "PUT"} == {OCI_MANIFEST}


async def test_manifest_that_is_invalid_by_itself_is_not_sent(registry, opened):
    async with front(registry.address) as server:
        with pytest.raises(ManifestInvalid) as caught:
            await opened(server.address).push_manifest(Manifest(IMAGE.manifest.content, DOCKER_MANIFEST), V1)
    assert caught.value.hint
    assert server.asked == []


async def test_manifest_with_a_missing_blob_is_refused_by_the_registry(address, opened):
    with pytest.raises(ManifestBlobUnknown) as caught:
        await opened(address).push_manifest(IMAGE.manifest, V1)
    assert caught.value.status == 400
    assert str(IMAGE.blobs[0].descriptor.digest) in f"{caught.value}{caught.value.detail}"


async def test_registry_that_refuses_a_valid_manifest_keeps_its_words(opened):
    def refusing(asked: Asked) -> Reply:
        if asked.method == "PUT":
            return refused(400, "MANIFEST_INVALID", "manifest invalid", "only docker types are welcome")
        return json_reply({})

    async with stub(refusing) as server:
        with pytest.raises(ManifestInvalid, match="manifest invalid: only docker types are welcome") as caught:
            await opened(server.address).push_manifest(IMAGE.manifest, V1)
    assert caught.value.detail == "only docker types are welcome"
    assert f"by itself the manifest is valid: perhaps this registry does not take {OCI_MANIFEST};" in caught.value.hint


@pytest.mark.parametrize("status", [405, 406, 415])
async def test_registry_that_takes_no_oci_types_gets_no_other_bytes(opened, status):
    def refusing(asked: Asked) -> Reply:
        return Reply(status) if asked.method == "PUT" else json_reply({})

    async with stub(refusing) as server:
        with pytest.raises(RegistryError) as caught:
            await opened(server.address).push_manifest(IMAGE.manifest, V1)
        assert "so none is tried" in (caught.value.hint or "")
        assert len([asked for asked in server.asked if asked.method == "PUT"]) == 1


async def test_registry_that_stores_something_else_is_found_out(opened):
    stored = Reply(201, {"Docker-Content-Digest": str(Digest.of(b"other"))})
    async with stub(lambda asked: stored if asked.method == "PUT" else json_reply({})) as server:
        with pytest.raises(DigestMismatch, match="the registry stored"):
            await opened(server.address).push_manifest(IMAGE.manifest, V1)


async def test_sha512_manifest_is_pushed_by_its_digest_with_its_tags(registry, opened):
    image = an_image()
    await put(image, opened(registry.address))
    manifest = Manifest(image.manifest.content, OCI_MANIFEST, algorithm="sha512")
    async with front(registry.address) as server:
        repository = opened(server.address)
        await repository.push_manifest(manifest, V1, Tag("v2"))
        for tag in (V1, Tag("v2")):
            assert (await repository.resolve(tag)).digest == manifest.digest
        assert (await repository.manifest(manifest.digest)).digest == manifest.digest
    puts = [asked.line for asked in server.asked if asked.method == "PUT"]
    assert puts == [f"PUT /v2/team/app/manifests/{manifest.digest}?tag=v1&tag=v2"]


async def test_registry_that_cannot_tag_a_sha512_manifest_is_found_out(opened):
    manifest = Manifest(IMAGE.manifest.content, OCI_MANIFEST, algorithm="sha512")
    stored = Reply(201, {"Docker-Content-Digest": str(manifest.digest), "OCI-Tag": "v2"})
    async with stub(lambda asked: stored if asked.method == "PUT" else json_reply({})) as server:
        with pytest.raises(Unsupported, match="cannot put a tag on a sha512 digest"):
            await opened(server.address).push_manifest(manifest, V1, Tag("v2"))


async def test_tag_on_a_manifest_of_a_moment_ago_is_one_put(registry, opened):
    async with front(registry.address) as server:
        repository = opened(server.address)
        await put(IMAGE, repository)
        server.asked.clear()
        await repository.tag(IMAGE.manifest.descriptor, V1)
    assert server.lines() == ["PUT /v2/team/app/manifests/v1"]


async def test_tag_on_another_manifest_reads_it_first(address, opened):
    index = an_index_of(IMAGE)
    await put(index, opened(address))
    async with front(address) as server:
        repository = opened(server.address)
        await repository.tag(index.manifest.descriptor, V1)
        assert await repository.manifest(V1) == index.manifest
    assert server.lines()[:2] == [f"GET /v2/team/app/manifests/{index.digest}", "PUT /v2/team/app/manifests/v1"]


async def test_tag_on_a_manifest_that_is_not_there_raises_manifest_unknown(address, opened):
    with pytest.raises(ManifestUnknown):
        await opened(address).tag(IMAGE.manifest.descriptor, V1)


async def test_few_manifests_are_remembered(registry, opened, monkeypatch):
    monkeypatch.setattr("wherry.stores.remote.manifests._REMEMBERED", len(IMAGE.manifest.content) + 10)
    async with front(registry.address) as server:
        repository = opened(server.address)
        await put(IMAGE, repository)
        await put(an_index_of(IMAGE), repository)
        server.asked.clear()
        await repository.tag(IMAGE.manifest.descriptor, V1)
    assert server.lines()[0] == f"GET /v2/team/app/manifests/{IMAGE.digest}"


async def test_delete_of_a_tag_leaves_its_manifest(registry, opened):
    repository = opened(registry.address)
    await put(IMAGE, repository, "v1", "v2")
    await repository.delete(V1)
    assert [tag async for tag in repository.tags()] == ["v2"]
    assert await repository.exists(IMAGE.descriptor)


async def test_registry_that_cannot_delete_a_tag_is_not_asked_to_delete_the_digest(debian_registry, opened):
    await put(IMAGE, opened(debian_registry), "v1")
    async with front(debian_registry) as server:
        with pytest.raises(Unsupported, match="does not delete a tag alone") as caught:
            await opened(server.address).delete(V1)
    assert "every other tag" in (caught.value.hint or "")
    assert server.lines() == ["DELETE /v2/team/app/manifests/v1"]
    assert await opened(debian_registry).exists(IMAGE.descriptor)


@pytest.mark.parametrize(("status", "switched_off"), [(400, False), (405, True)])
async def test_registry_that_deletes_nothing_at_all_is_told_from_one_that_deletes_no_tag(opened, status, switched_off):
    async with stub(lambda _: refused(status, "UNSUPPORTED", "The operation is unsupported.")) as server:
        with pytest.raises(Unsupported) as caught:
            await opened(server.address).delete(V1)
    assert ("deleting may be switched off" in (caught.value.hint or "")) == switched_off


async def test_delete_by_digest_takes_the_tags_along(address, opened):
    repository = opened(address)
    await put(IMAGE, repository, "v1")
    await repository.delete(IMAGE.digest)
    for name in (IMAGE.digest, V1):
        with pytest.raises(ManifestUnknown):
            await repository.resolve(name)
    with pytest.raises(ManifestUnknown):
        await repository.delete(IMAGE.digest)


async def test_exists_tells_what_is_there(address, opened):
    repository = opened(address)
    assert not await repository.exists(IMAGE.descriptor)
    await put(IMAGE, repository)
    assert await repository.exists(IMAGE.descriptor)
    assert await repository.exists(IMAGE.blobs[0].descriptor)
    assert not await repository.exists(a_blob(b"another").descriptor)
    assert not await repository.exists(Descriptor.of(b"another", OCI_MANIFEST))
