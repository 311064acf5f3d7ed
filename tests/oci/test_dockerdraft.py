import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.content import an_image
from wherry.oci.descriptor import Descriptor
from wherry.oci.dockerdraft import (
    DraftImage,
    Flattened,
    InvalidDraft,
    assembled,
    bare,
    file_name,
    verbose,
    verbose_list,
)
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from wherry.oci.platform import Platform

IMAGE = an_image(docker=True)
ARM64 = Platform("linux", "arm64", "v8")


def a_draft_image(reference: str = "r.example/a:1", **changes: Any) -> DraftImage:
    return DraftImage(reference, Descriptor(**_fields(IMAGE.descriptor) | changes), IMAGE.manifest)


def _fields(descriptor: Descriptor) -> dict[str, Any]:
    return {name: getattr(descriptor, name) for name in descriptor.__slots__}


def a_file(**changes: Any) -> bytes:
    """A file as docker writes it; None takes a field out."""
    document = json.loads(a_draft_image().encode()) | changes
    return json.dumps({name: value for name, value in document.items() if value is not None}).encode()


@given(
    st.builds(Platform, os=st.text(), architecture=st.text(), variant=st.text(), os_version=st.text()),
    st.none() | st.dictionaries(st.text(), st.text()),
    st.none() | st.builds(Flattened, source=st.text(), position=st.integers(0, 1000)),
)
def test_what_is_encoded_is_parsed_back(
    platform: Platform, annotations: dict[str, str] | None, flattened: Flattened | None
) -> None:
    image = a_draft_image(platform=platform, annotations=annotations)
    image = DraftImage(image.reference, image.descriptor, image.manifest, flattened)
    assert DraftImage.parse(image.encode()) == image


def test_a_file_is_one_line_of_compact_escaped_json() -> None:
    manifest = Manifest(b'{ "config": {"mediaType": "<&>"} }\n', DOCKER_MANIFEST)
    image = DraftImage("r.example/a:1", manifest.descriptor, manifest)
    raw = base64.b64encode(manifest.content).decode()
    assert image.encode().decode() == (
        f'{{"Ref":"r.example/a:1","Descriptor":{{"mediaType":"{DOCKER_MANIFEST}","digest":"{manifest.digest}","size":35,'
        f'"platform":{{"architecture":"","os":""}}}},"Raw":"{raw}",'
        '"SchemaV2Manifest":{"config":{"mediaType":"\\u003c\\u0026\\u003e"}}}'
    )


def test_fields_that_nobody_knows_are_kept_as_they_were_written() -> None:
    content = a_draft_image().encode()[:-1] + b',"New":{"x":1.50}}'
    assert DraftImage.parse(content).encode() == content


def test_annotating_keeps_everything_else() -> None:
    image = DraftImage.parse(a_draft_image().encode()[:-1] + b',"New":1}')
    changed = json.loads(image.on(ARM64).encode())
    assert changed["Descriptor"].pop("platform") == {"architecture": "arm64", "os": "linux", "variant": "v8"}
    before = json.loads(image.encode())
    del before["Descriptor"]["platform"]
    assert changed == before


@pytest.mark.parametrize("indent", [None, 3, 2, "\t"])
def test_files_of_docker_before_23_hold_no_bytes_and_they_are_found_again(indent: int | str | None) -> None:
    separators = (",", ":") if indent is None else None
    document = json.loads(IMAGE.manifest.content)
    manifest = Manifest(json.dumps(document, indent=indent, separators=separators).encode(), DOCKER_MANIFEST)
    file = a_file(Raw=None, Descriptor=manifest.descriptor.to_json(), SchemaV2Manifest=document)
    assert DraftImage.parse(file).manifest == manifest


def test_bytes_that_cannot_be_found_again_are_no_obstacle_to_changing_the_file() -> None:
    file = a_file(Raw=None, Descriptor=Manifest(b"{  }", DOCKER_MANIFEST).descriptor.to_json())
    image = DraftImage.parse(file)
    assert image.manifest is None
    assert json.loads(image.on(ARM64).encode())["SchemaV2Manifest"] == json.loads(IMAGE.manifest.content)


def test_files_of_docker_before_18_09_have_digest_and_platform_instead_of_a_descriptor() -> None:
    platform = {"architecture": "arm64", "os": "linux", "variant": "v8"}
    image = DraftImage.parse(a_file(Raw=None, Descriptor=None, Digest=str(IMAGE.digest), Platform=platform))
    assert image == a_draft_image(platform=ARM64)
    assert json.loads(image.encode())["Descriptor"]["platform"] == platform


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not what docker writes"),
        (b"{not json", "not what docker writes"),
        (b"[]", "not what docker writes"),
        (b"{}", "Ref is missing"),
        (a_file(Ref=7), "Ref is missing"),
        (a_file(Ref="UP PER//"), "bad reference"),
        (a_file(Descriptor=IMAGE.descriptor.to_json() | {"size": 1}), "its size is 1, and its manifest has 525 bytes"),
        (
            a_file(Descriptor=IMAGE.descriptor.to_json() | {"mediaType": OCI_INDEX}),
            f"its mediaType is {OCI_INDEX}, and its manifest is kept as SchemaV2Manifest",
        ),
        (
            a_file(Raw=None, Descriptor=Manifest(b"{  }", OCI_MANIFEST).descriptor.to_json()),
            f"its mediaType is {OCI_MANIFEST}, and its manifest is kept as SchemaV2Manifest",
        ),
        (a_file(Descriptor=None), "Descriptor must be an object"),
        (a_file(Descriptor={"mediaType": DOCKER_MANIFEST}), "Descriptor.digest is missing"),
        (a_file(Raw="%%%"), "not what docker writes"),
        (a_file(Raw=base64.b64encode(b"other").decode()), "its Raw is not what its digest sha256:"),
        (a_file(SchemaV2Manifest=None), "it holds none of SchemaV2Manifest, OCIManifest"),
        (a_file(Raw=None, Descriptor=None, Digest="sha256:" + "0" * 64), "are lost (docker before 18.09 wrote it)"),
        (a_file(Raw=None, Descriptor=None, Digest="md5:1"), "md5"),
    ],
)
def test_a_damaged_file_is_refused_with_its_reason(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidDraft) as refusal:
        DraftImage.parse(content)
    assert reason in refusal.value.reason


def test_order_is_by_file_name_and_children_of_an_index_stand_in_its_place() -> None:
    def child(source: str, position: int, digit: str) -> DraftImage:
        image = a_draft_image(f"{source}@sha256:{digit * 64}")
        return DraftImage(image.reference, image.descriptor, image.manifest, Flattened(source, position))

    first, second, third = child("h/a:2", 0, "f"), child("h/a:2", 1, "e"), child("h/a:2", 2, "1")
    images = [second, a_draft_image("h/a:3"), third, a_draft_image("h/a:1"), first, a_draft_image("h/a:10")]
    assert [image.reference for image in sorted(images, key=lambda image: image.order)] == [
        "h/a:1",
        "h/a:10",
        first.reference,
        second.reference,
        third.reference,
        "h/a:3",
    ]


def test_file_names_are_dockers() -> None:
    assert file_name("127.0.0.1:5000/team/app:1.0@sha256:00") == "127.0.0.1-5000_team_app-1.0@sha256-00"


def test_the_list_of_a_draft_has_each_image_once_a_platform() -> None:
    same = [a_draft_image("h/a:1"), a_draft_image("h/b:1")]
    other = a_draft_image("h/c:1", platform=ARM64)
    listed = assembled([*same, other])
    assert listed.media_type == DOCKER_LIST
    assert [child.platform for child in listed.view.manifests] == [IMAGE.platform, ARM64]


def test_the_list_of_a_draft_leaves_out_platforms_that_are_not_known() -> None:
    listed = assembled([a_draft_image(platform=Platform())])
    assert "platform" not in listed.document["manifests"][0]


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_said_of_an_image_once_is_said_of_its_entry_however_often_it_is_there(order: int) -> None:
    alone = a_draft_image("h/a:1", annotations={"k": "alone", "a": "1"})
    child = a_draft_image(
        "h/a:idx@sha256:0", annotations={"k": "index", "b": "2"}, artifact_type="x/y", extra=(("n", 1),)
    )
    child = DraftImage(child.reference, child.descriptor, child.manifest, Flattened("h/a:idx", 0))
    plain = a_draft_image("h/b:1")
    [entry] = assembled([alone, child, plain][::order]).view.manifests
    assert entry.annotations == {"k": "alone", "a": "1", "b": "2"}
    assert (entry.artifact_type, entry.extra, entry.platform) == ("x/y", (("n", 1),), IMAGE.platform)


def test_annotations_make_the_list_an_oci_index() -> None:
    listed = assembled([a_draft_image(annotations={"k": "<v>"})])
    assert (listed.media_type, listed.view.manifests[0].annotations) == (OCI_INDEX, {"k": "<v>"})


def test_verbose_prints_what_docker_prints_and_nothing_of_ours() -> None:
    image = a_draft_image(annotations={"k": "v", "a": "<"}, extra=(("new", 1),))
    image = DraftImage(image.reference, image.descriptor, image.manifest, Flattened("h/a:1", 0), (("New", b"1"),))
    printed = json.loads(verbose(image))
    assert list(printed) == ["Ref", "Descriptor", "Raw", "SchemaV2Manifest"]
    assert list(printed["Descriptor"]) == ["mediaType", "digest", "size", "annotations", "platform"]
    assert list(printed["Descriptor"]["annotations"].items()) == [("a", "<"), ("k", "v")]
    assert json.loads(verbose_list([image, image])) == [printed, printed]
    assert verbose_list([]) == b"[]"


def test_verbose_leaves_empty_annotations_out_as_docker_does() -> None:
    assert verbose(a_draft_image(annotations={})) == verbose(a_draft_image())


def test_verbose_of_an_image_in_a_registry_has_no_annotations() -> None:
    image = a_draft_image(annotations={"k": "v"}, urls=("https://a.example",), artifact_type="a/b")
    assert verbose(bare(image)) == verbose(a_draft_image())


def test_verbose_prints_the_manifest_whose_bytes_are_lost() -> None:
    file = a_file(Raw=None, Descriptor=Manifest(b"{  }", DOCKER_MANIFEST).descriptor.to_json())[:-1] + b',"New":1}'
    printed = json.loads(verbose(DraftImage.parse(file)))
    assert list(printed) == ["Ref", "Descriptor", "SchemaV2Manifest"]
    assert printed["SchemaV2Manifest"] == json.loads(IMAGE.manifest.content)
