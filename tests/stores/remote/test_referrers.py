import asyncio
import json

import pytest

from tests.content import an_artifact, an_image, put
from tests.stores.remote.stub import Asked, Reply, front, json_reply, refused, stub
from wherry.oci.digest import Digest
from wherry.oci.errors import Unavailable, UnexpectedResponse
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import OCI_INDEX
from wherry.oci.reference import Tag
from wherry.stores.remote.referrers import fallback_tag

IMAGE = an_image()


def _about(artifact_type: str = "application/note"):
    """An artifact whose subject is the image."""
    return an_artifact(artifact_type=artifact_type, subject=IMAGE.manifest.descriptor)


async def _listed(repository, artifact_type: str | None = None) -> list[tuple[Digest, str | None]]:
    found = [each async for each in repository.referrers(IMAGE.digest, artifact_type)]
    return sorted((each.digest, each.artifact_type) for each in found)


async def test_referrers_are_listed_by_registries_with_the_api_and_without(address, opened):
    repository = opened(address)
    artifacts = [_about(kind) for kind in ("application/sbom", "application/signature")]
    await put(IMAGE, repository, "v1")
    assert await _listed(repository) == []
    for artifact in artifacts:
        await put(artifact, repository)
    both = sorted((each.digest, each.manifest.view.artifact_type) for each in artifacts)
    assert await _listed(opened(address)) == both
    assert await _listed(opened(address), "application/sbom") == [(artifacts[0].digest, "application/sbom")]
    assert await _listed(opened(address), "application/none") == []
    await repository.delete(artifacts[0].digest)
    assert await _listed(opened(address)) == [(artifacts[1].digest, "application/signature")]


async def test_fallback_tag_is_kept_only_where_the_registry_does_not_list_by_itself(registry, debian_registry, opened):
    for address, tags in ((registry.address, []), (debian_registry, [fallback_tag(IMAGE.digest)])):
        repository = opened(address)
        await put(IMAGE, repository)
        await put(_about(), repository)
        if tags:
            assert [tag async for tag in repository.tags()] == tags
            index = await repository.manifest(tags[0])
            assert index.media_type == OCI_INDEX
            assert [each.digest for each in index.view.manifests] == [_about().digest]


async def test_fallback_tag_lists_each_referrer_once_whatever_is_pushed_at_once(debian_registry, opened):
    repository = opened(debian_registry)
    artifacts = [_about(f"application/kind{number}") for number in range(4)]
    await put(IMAGE, repository)
    await put(artifacts[0], repository)  # its blobs are those of all
    await asyncio.gather(*(repository.push_manifest(artifact.manifest) for artifact in artifacts))
    assert [digest for digest, _ in await _listed(repository)] == sorted(each.digest for each in artifacts)


def test_fallback_tag_is_cut_as_the_specification_says():
    assert fallback_tag(Digest.of(b"x")) == f"sha256-{Digest.of(b'x').encoded}"
    assert fallback_tag(Digest.of(b"x", "sha512")) == f"sha512-{Digest.of(b'x', 'sha512').encoded[:64]}"


async def test_filter_that_the_registry_did_not_apply_is_applied_here(registry, opened):
    def unfiltered(asked: Asked) -> Reply | None:
        if "/referrers/" in asked.path:
            entries = [_about(kind).descriptor.to_json() | {"artifactType": kind} for kind in "ab"]
            return json_reply(
                {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, Content_Type=OCI_INDEX
            )
        return None

    async with front(registry.address, unfiltered) as server:
        assert [kind for _, kind in await _listed(opened(server.address), "a")] == ["a"]
        assert server.asked[-1].target.endswith("?artifactType=a")


async def test_type_is_escaped_in_the_query(registry, opened):
    async with front(registry.address) as server:
        assert await _listed(opened(server.address), "application/x+json&n=1") == []
    assert server.asked[-1].target.endswith("?artifactType=application%2Fx%2Bjson%26n%3D1")


async def test_registry_without_the_api_is_asked_for_it_once(debian_registry, opened):
    async with front(debian_registry) as server:
        repository = opened(server.address)
        assert await _listed(repository) == await _listed(repository) == []
    assert [asked.path.split("/")[4] for asked in server.asked[1:]] == ["referrers", "manifests", "manifests"]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, {"Content-Type": "text/html"}, b"<html>"),
        Reply(200, {"Content-Type": "text/html"}, b"<html>"),
        refused(405, "UNSUPPORTED"),
    ],
    ids=["no such page", "a page", "405"],
)
async def test_registry_that_does_not_know_the_api_is_asked_for_the_fallback_tag(debian_registry, opened, reply):
    await put(IMAGE, opened(debian_registry))
    await put(_about(), opened(debian_registry))
    async with front(debian_registry, lambda asked: reply if "/referrers/" in asked.path else None) as server:
        assert len(await _listed(opened(server.address))) == 1


async def test_fallback_tag_that_is_a_broken_index_is_an_error(debian_registry, opened):
    broken = Reply(200, {"Content-Type": OCI_INDEX}, b'{"schemaVersion": 2, "manifests": [1]}')
    await put(IMAGE, opened(debian_registry))
    async with front(debian_registry, lambda asked: broken if "manifests/sha256-" in asked.path else None) as server:
        with pytest.raises(UnexpectedResponse, match="the referrers' index is invalid"):
            await _listed(opened(server.address))
        with pytest.raises(UnexpectedResponse, match="the referrers' index is invalid"):
            await put(_about(), opened(server.address))


async def test_fallback_tag_that_is_no_index_lists_nothing(debian_registry, opened):
    """Some registries resolve `sha256-<hex>` as the digest: the subject itself comes back."""
    repository = opened(debian_registry)
    await put(IMAGE, repository, fallback_tag(IMAGE.digest))
    assert await _listed(repository) == []


async def test_registry_in_trouble_is_not_taken_for_one_without_the_api(opened):
    async with stub(lambda asked: json_reply({}) if asked.path == "/v2/" else Reply(503)) as server:
        with pytest.raises(Unavailable):
            await _listed(opened(server.address))


@pytest.mark.parametrize("manifests", [None, [1], [{"digest": "x"}]])
async def test_answer_that_is_no_index_is_an_error(opened, manifests):
    async with stub(lambda _: json_reply({"manifests": manifests})) as server:
        with pytest.raises(UnexpectedResponse, match="is no index"):
            await _listed(opened(server.address))


async def test_list_of_none_as_go_writes_it_is_empty(opened):
    async with stub(lambda _: json_reply({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": None})) as server:
        assert await _listed(opened(server.address)) == []


async def test_pages_of_referrers_keep_their_filter(opened):
    entry = _about("a").descriptor.to_json() | {"artifactType": "a"}

    def paged(asked: Asked) -> Reply:
        if asked.path == "/v2/":
            return json_reply({})
        more = {} if "page=2" in asked.target else {"Link": f"<{asked.path}?artifactType=a&page=2>; rel=next"}
        return json_reply({"manifests": [entry]}, OCI_Filters_Applied="artifactType", **more)

    async with stub(paged) as server:
        assert len(await _listed(opened(server.address), "a")) == 2
    assert [asked.target.partition("?")[2] for asked in server.asked[1:]] == ["artifactType=a", "artifactType=a&page=2"]


async def test_fields_of_the_fallback_index_that_we_do_not_know_are_kept(debian_registry, opened):
    repository = opened(debian_registry)
    await put(IMAGE, repository)
    other = _about("application/other")
    await put(other, repository)
    tag = fallback_tag(IMAGE.digest)
    document = json.loads((await repository.manifest(tag)).content)
    document["manifests"][0]["x-of-somebody"] = "kept"
    document["annotations"] = {"x": "y"}
    await repository.push_manifest(Manifest(json.dumps(document).encode(), OCI_INDEX), tag)
    await put(_about(), repository)
    after = json.loads((await repository.manifest(Tag(tag))).content)
    assert after["manifests"][0]["x-of-somebody"] == "kept"
    assert after["annotations"] == {"x": "y"}
    assert len(after["manifests"]) == 2
