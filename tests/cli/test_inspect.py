import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.content import Content, a_foreign_layer, a_layer, an_artifact, an_image, an_index_of, put
from wherry.oci.descriptor import Descriptor
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.stores.layout import Layout

INDEX = an_index_of(an_image(), an_image(platform="linux/arm64/v8"), annotations={"made": "by\x1b[31m hand\nhere"})
SCHEMA1 = Path(__file__).parents[1] / "data" / "schema1" / "registry-1.prettyjws.json"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def attested(image: Content) -> Content:
    """An index as BuildKit makes it: an image, and the attestations to it."""
    attestation = an_artifact(b"provenance")
    entry = replace(
        attestation.manifest.descriptor,
        platform=Platform("unknown", "unknown"),
        annotations={
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": str(image.digest),
        },
    )
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [each.to_json() for each in (image.descriptor, entry)],
    }
    return Content(Manifest(json.dumps(document).encode(), OCI_INDEX), children=(image, attestation))


async def test_index_is_shown_with_its_platforms_and_complete_digests(registry, wherry, pushed) -> None:
    reference = await pushed(INDEX, "team/app:1")
    done = await wherry("inspect", reference)
    assert done.lines[:3] == [
        f"Reference:   {reference}",
        f"Digest:      {INDEX.digest}",
        f"Media type:  {OCI_INDEX} (index)",
    ]
    rows = [line.split() for line in done.lines]
    assert ["linux/amd64", str(INDEX.children[0].digest)] in rows
    assert ["linux/arm64/v8", str(INDEX.children[1].digest)] in rows


async def test_text_that_others_wrote_cannot_steer_the_terminal(registry, wherry, pushed) -> None:
    done = await wherry("inspect", await pushed(INDEX, "team/app:1"))
    assert "  made: by\\x1b[31m hand\\nhere" in done.lines


async def test_attestations_stand_under_what_they_attest_to(registry, wherry, pushed) -> None:
    index = attested(an_image())
    reference = await pushed(index, "team/app:1")
    lines = (await wherry("inspect", reference)).lines
    image = next(number for number, line in enumerate(lines) if line.startswith("linux/amd64"))
    assert lines[image + 1].split() == ["attestation", str(index.children[1].digest)]
    manifests = json.loads((await wherry("inspect", "--json", reference)).out)["manifests"]
    assert [each["digest"] for each in manifests] == [str(an_image().digest)]
    assert [each["digest"] for each in manifests[0]["attestations"]] == [str(index.children[1].digest)]


async def test_attestation_to_something_else_stands_for_itself(layout: Layout, wherry) -> None:
    index = attested(an_image())
    document = json.loads(index.manifest.content)
    document["manifests"] = document["manifests"][1:]
    alone = Content(Manifest(json.dumps(document).encode(), OCI_INDEX), children=index.children[1:])
    await put(alone, layout, "1")
    done = await wherry("inspect", f"{layout}:1")
    assert ["unknown/unknown", str(index.children[1].digest)] in [line.split() for line in done.lines]


async def test_image_is_shown_with_config_and_layers(registry, wherry, pushed) -> None:
    image = an_image(layers=(a_layer({"a": b"a" * 10_000}), a_foreign_layer("x")), labels={"team": "blue"})
    reference = await pushed(image, "team/app:1")
    config = image.blobs[0].descriptor
    lines = (await wherry("inspect", reference)).lines
    assert "Platform:    linux/amd64" in lines
    assert "Created:     2026-01-02T03:04:05Z" in lines
    assert any(line.startswith(f"Config:      {config.digest}") for line in lines)
    assert any(str(image.blobs[1].descriptor.digest) in line for line in lines)
    assert any("from https://foreign.example/" in line for line in lines)
    assert lines[-2:] == ["Labels:", "  team: blue"]


async def test_image_as_json(registry, wherry, pushed) -> None:
    image = an_image(labels={"team": "blue"}, annotations={"a": "b"})
    reference = await pushed(image, "team/app:1")
    assert json.loads((await wherry("inspect", "--json", reference)).out) == {
        "reference": reference,
        "mediaType": OCI_MANIFEST,
        "digest": str(image.digest),
        "size": len(image.manifest.content),
        "kind": "image",
        "layers": [image.blobs[1].descriptor.to_json()],
        "config": image.blobs[0].descriptor.to_json(),
        "annotations": {"a": "b"},
        "platform": {"architecture": "amd64", "os": "linux"},
        "created": "2026-01-02T03:04:05Z",
        "labels": {"team": "blue"},
    }


@pytest.mark.parametrize(
    "content", [INDEX, an_image(), an_index_of(), an_artifact()], ids=["index", "image", "empty", "artifact"]
)
async def test_raw_prints_the_exact_bytes(registry, wherry, pushed, content: Content) -> None:
    done = await wherry("inspect", "--raw", await pushed(content, "team/app:1"))
    assert done.out == content.manifest.content


async def test_raw_and_json_exclude_each_other(wherry) -> None:
    assert (await wherry("inspect", "--raw", "--json", "alpine")).code == 2


async def test_empty_index_is_shown(registry, wherry, pushed) -> None:
    done = await wherry("inspect", await pushed(an_index_of(), "team/app:1"))
    assert "no manifests: the index is empty" in done.lines
    assert done.code == 0


async def test_index_in_an_index_says_that_it_is_one(registry, wherry, pushed) -> None:
    done = await wherry("inspect", await pushed(an_index_of(INDEX), "team/app:1"))
    assert ["-", str(INDEX.digest), "index"] in [line.split() for line in done.lines]


async def test_artifact_is_shown_with_its_type_and_subject(registry, wherry, pushed) -> None:
    image = an_image()
    await pushed(image, "team/app:1")
    artifact = an_artifact(subject=image.manifest.descriptor)
    reference = await pushed(artifact, "team/app:note")
    done = await wherry("inspect", reference)
    assert "Artifact type:  application/vnd.example.text" in done.lines
    assert f"Subject:        {image.digest}" in done.lines
    document = json.loads((await wherry("inspect", "--json", reference)).out)
    assert document["artifactType"] == "application/vnd.example.text"
    assert document["subject"]["digest"] == str(image.digest)


async def test_signed_schema1_is_shown(layout: Layout, wherry) -> None:
    await layout.push_manifest(Manifest(SCHEMA1.read_bytes(), DOCKER_SCHEMA1_SIGNED), Tag("old"))
    done = await wherry("inspect", f"{layout}:old")
    assert done.code == 0
    assert "LAYER" in done.lines
    assert json.loads((await wherry("inspect", "--json", f"{layout}:old")).out)["kind"] == "schema1"


async def test_missing_config_is_said_and_no_failure(layout: Layout, wherry) -> None:
    image = an_image()
    await put(image, layout, "1")
    digest = image.blobs[0].descriptor.digest
    (layout.path / "blobs" / digest.algorithm / digest.encoded).unlink()
    done = await wherry("inspect", f"{layout}:1")
    assert done.code == 0
    assert any(line.startswith("Problem:") and str(digest) in line for line in done.lines)
    assert str(digest) in json.loads((await wherry("inspect", "--json", f"{layout}:1")).out)["problem"]


@pytest.mark.parametrize("config", [b"", b"not JSON", b"[]", b'{"os": 7}', b'{"rootfs": {"diff_ids": ["x"]}}'])
async def test_odd_config_is_said_and_no_failure(layout: Layout, wherry, config: bytes) -> None:
    described = Descriptor.of(config, an_image().blobs[0].descriptor.media_type)
    document = json.loads(an_image().manifest.content) | {"config": described.to_json(), "layers": []}

    async def content():
        yield config

    await layout.push(described, content())
    await layout.push_manifest(Manifest(json.dumps(document).encode(), OCI_MANIFEST), Tag("odd"))
    done = await wherry("inspect", f"{layout}:odd")
    assert done.code == 0
    assert any(line.startswith("Problem:") for line in done.lines)
    assert any("no layers" in line for line in done.lines)


async def test_layout_without_a_tag_shows_its_only_image_under_its_name(layout: Layout, wherry) -> None:
    await put(INDEX, layout, "1.4")
    done = await wherry("inspect", str(layout))
    assert done.lines[0].split() == ["Reference:", f"{layout}:1.4"]


async def test_missing_manifest_is_one_line(registry, wherry) -> None:
    done = await wherry("inspect", f"{registry.address}/team/none:1")
    assert (done.code, done.out) == (1, b"")
    assert done.err.startswith(f"wherry: {registry.address}/team/none:1: ")


async def test_one_layer_is_no_layers(wherry, pushed) -> None:
    done = await wherry("inspect", await pushed(an_image(), "team/app:1"))
    assert any(line.startswith("Size:") and line.endswith(" in 1 layer") for line in done.lines)
