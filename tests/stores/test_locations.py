from pathlib import Path

import pytest

from tests.content import an_image, put
from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidReference, ManifestUnknown
from wherry.oci.reference import Reference, Tag
from wherry.stores.layout import Layout
from wherry.stores.locations import (
    InArchive,
    InDockerArchive,
    InLayout,
    InRegistry,
    parse_location,
    parse_registry,
    target_for,
)
from wherry.stores.memory import MemoryStore

DIGEST = Digest.of(b"x")


class NoClient:
    """Opens nothing: layouts need no client."""

    def repository(self, reference: Reference) -> MemoryStore:
        raise AssertionError(reference)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("alpine", "docker.io/library/alpine"),
        ("alpine:3.20", "docker.io/library/alpine:3.20"),
        ("localhost:5000/team/app", "localhost:5000/team/app"),
        ("localhost:5000/team/app:1@" + str(DIGEST), "localhost:5000/team/app:1@" + str(DIGEST)),
        ("docker://alpine:3.20", "docker.io/library/alpine:3.20"),
        ("docker://registry.example/app", "registry.example/app"),
        ("docker.io/library/dir:1.0", "docker.io/library/dir:1.0"),
        ("oci/app:1", "docker.io/oci/app:1"),
    ],
)
def test_place_in_a_registry_is_a_reference(text: str, full: str) -> None:
    location = parse_location(text)
    assert isinstance(location, InRegistry)
    assert str(location) == full


@pytest.mark.parametrize(
    ("text", "path", "tag", "digest"),
    [
        ("oci:images", "images", None, None),
        ("oci:images:1.0", "images", "1.0", None),
        ("oci:./a/b:1.0", "a/b", "1.0", None),
        ("oci:/srv/images:v1_x-2", "/srv/images", "v1_x-2", None),
        ("oci:a:b", "a", "b", None),
        ("oci:a:b/", "a:b", None, None),
        ("oci:a:b/c", "a:b/c", None, None),
        ("oci:a:b/c:1", "a:b/c", "1", None),
        ("oci:a:b:1", "a:b", "1", None),
        ("oci:user@host", "user@host", None, None),
        ("oci:user@host/x:1", "user@host/x", "1", None),
        (f"oci:images@{DIGEST}", "images", None, DIGEST),
        (f"oci:images:1.0@{DIGEST}", "images", "1.0", DIGEST),
    ],
)
def test_place_in_a_layout_is_a_path_and_a_name(text: str, path: str, tag: str | None, digest: Digest | None) -> None:
    location = parse_location(text)
    assert location == InLayout(Path(path), Tag(tag) if tag else None, digest)
    assert parse_location(str(location)) == location


@pytest.mark.parametrize(
    ("text", "path", "tag", "digest"),
    [
        ("oci-archive:x.tar", "x.tar", None, None),
        ("oci-archive:x.tar:1.0", "x.tar", "1.0", None),
        ("oci-archive:./a/b:1.0", "a/b", "1.0", None),
        ("oci-archive:a:b.tar:1", "a:b.tar", "1", None),
        ("oci-archive:a:b.tar:", "a:b.tar", None, None),
        ("oci-archive:a:b/x.tar", "a:b/x.tar", None, None),
        (f"oci-archive:x.tar:1@{DIGEST}", "x.tar", "1", DIGEST),
        (f"oci-archive:x.tar@{DIGEST}", "x.tar", None, DIGEST),
    ],
)
def test_place_in_an_archive_is_a_path_and_a_name(text: str, path: str, tag: str | None, digest: Digest | None) -> None:
    location = parse_location(text)
    assert location == InArchive(Path(path), Tag(tag) if tag else None, digest)
    assert parse_location(str(location)) == location
    assert str(location.open(NoClient())).startswith(f"oci-archive:{path}")


@pytest.mark.parametrize(
    ("text", "path", "name", "tag", "digest"),
    [
        ("docker-archive:x.tar", "x.tar", None, None, None),
        ("docker-archive:./a/x.tar:alpine", "a/x.tar", "docker.io/library/alpine", None, None),
        ("docker-archive:x.tar:alpine:3.20", "x.tar", "docker.io/library/alpine", "3.20", None),
        ("docker-archive:x.tar:localhost:5000/team/app:1", "x.tar", "localhost:5000/team/app", "1", None),
        (f"docker-archive:x.tar@{DIGEST}", "x.tar", None, None, DIGEST),
        (f"docker-archive:x.tar:alpine:3@{DIGEST}", "x.tar", "docker.io/library/alpine", "3", DIGEST),
    ],
)
def test_place_in_a_docker_archive_is_a_path_and_a_whole_name(
    text: str, path: str, name: str | None, tag: str | None, digest: Digest | None
) -> None:
    location = parse_location(text)
    repository = Reference.parse_repository(name) if name else None
    assert location == InDockerArchive(Path(path), repository, Tag(tag) if tag else None, digest)
    assert parse_location(str(location)) == location
    assert str(location.open(NoClient())).startswith(f"docker-archive:{path}")


@pytest.mark.parametrize(
    ("origin", "target", "found"),
    [
        ("alpine:3", "docker-archive:x.tar", "docker-archive:x.tar:alpine"),
        ("docker-archive:y.tar:app:1", "docker-archive:x.tar", "docker-archive:x.tar:app"),
        ("alpine:3", "docker-archive:x.tar:app:2", "docker-archive:x.tar:app:2"),
        ("oci:y:1", "docker-archive:x.tar", "docker-archive:x.tar"),
        ("alpine:3", "oci-archive:x.tar", "oci-archive:x.tar"),
    ],
)
def test_image_keeps_its_name_in_a_docker_archive(origin: str, target: str, found: str) -> None:
    assert target_for(parse_location(origin), parse_location(target)) == parse_location(found)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("oci:", "no folder is named"),
        ("oci::1.0", "no folder is named"),
        ("oci-archive:-", "neither read from standard input nor written"),
        ("docker-archive:-:app:1", "neither read from standard input nor written"),
        ("oci:images:", "nothing stands behind the last colon"),
        ("oci:images:.hidden", "tag '.hidden'"),
        ("oci:images:a b", "tag 'a b'"),
        ("oci://images:1", "takes a path, not a URL"),
        ("oci:~/images:1", "does not expand ~"),
        ("oci:ima\0ges", "NUL"),
        ("oci:images@sha256:abc", "digest 'sha256:abc'"),
        ("docker://", "it is empty"),
        ("docker-daemon:alpine:3", "does not read or write docker-daemon"),
        ("oci-archive:", "no file is named"),
        ("oci-archive::1", "no file is named"),
        ("oci-archive:x.tar:.1", "tag '.1'"),
        ("oci-archive:~/x.tar", "does not expand ~"),
        ("oci-archive://x.tar", "takes a path, not a URL"),
        ("docker-archive:", "no file is named"),
        ("docker-archive::app:1", "no file is named"),
        ("docker-archive:x.tar:", "name '': it is empty"),
        ("docker-archive:x.tar:App:1", "must be lowercase"),
        ("docker-archive:x.tar:app:.1", "tag '.1'"),
        ("docker-archive:~/x.tar", "does not expand ~"),
        ("containers-storage:alpine", "does not read or write containers-storage"),
        ("ocidir://images:1", "does not read or write ocidir"),
        ("dir:/tmp/x", "does not read or write dir"),
        ("dir:1.0", "does not read or write dir"),
        ("./images", "a path, where a reference is expected"),
        ("/srv/images:1", "a path, where a reference is expected"),
        ("https://registry.example/app", "no scheme"),
        ("Upper/Case", "lowercase"),
    ],
)
def test_what_names_no_place_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidReference, match=reason):
        parse_location(text)


def test_path_typed_for_a_layout_is_told_its_prefix() -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_location("./images:1")
    assert caught.value.hint == "for an OCI layout: oci:./images:1"


async def test_digest_is_asked_for_before_the_tag() -> None:
    for text in (f"app:1@{DIGEST}", f"oci:app:1@{DIGEST}"):
        assert await parse_location(text).name(MemoryStore()) == DIGEST


async def test_reference_without_a_tag_means_latest() -> None:
    assert await parse_location("app").name(MemoryStore()) == "latest"


async def test_layout_without_a_tag_means_its_only_manifest(tmp_path: Path) -> None:
    location = parse_location(f"oci:{tmp_path / 'x'}")
    layout = location.open(NoClient())
    assert isinstance(layout, Layout)
    await put(an_image(), layout, "1.0")
    assert await location.name(layout) == "1.0"


async def test_layout_with_one_nameless_manifest_means_its_digest(tmp_path: Path) -> None:
    location = parse_location(f"oci:{tmp_path}")
    layout = location.open(NoClient())
    await put(an_image(), layout)
    assert await location.name(layout) == an_image().digest


async def test_layout_without_a_tag_and_with_several_means_latest(tmp_path: Path) -> None:
    location = parse_location(f"oci:{tmp_path}")
    layout = location.open(NoClient())
    await put(an_image("old"), layout, "1.0")
    await put(an_image("new"), layout, "latest")
    assert await location.name(layout) == "latest"


async def test_layout_without_a_tag_and_with_several_asks_which(tmp_path: Path) -> None:
    location = parse_location(f"oci:{tmp_path}")
    layout = location.open(NoClient())
    await put(an_image("old"), layout, "1.0")
    await put(an_image("new"), layout, "1.1")
    with pytest.raises(ManifestUnknown, match="has 2 manifests") as caught:
        await location.name(layout)
    assert caught.value.hint == f"name one of its tags, for example oci:{tmp_path}:1.0"


@pytest.mark.parametrize("text", ["oci:{0}/missing", "oci:{0}"])
async def test_layout_without_a_tag_and_without_content_says_so(tmp_path: Path, text: str) -> None:
    location = parse_location(text.format(tmp_path))
    with pytest.raises(ManifestUnknown, match=r"no such folder|nothing is in it"):
        await location.name(location.open(NoClient()))


def test_place_at_another_name_prints_as_it_is_written() -> None:
    assert str(parse_location("app:1").at(Tag("2"), DIGEST)) == f"docker.io/library/app:2@{DIGEST}"
    assert str(parse_location("oci:app:1").at(None, DIGEST)) == f"oci:app@{DIGEST}"
    assert str(parse_location("oci:app:1").whole) == "oci:app"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("localhost", "localhost"),
        ("localhost:5000", "localhost:5000"),
        ("localhost:5000/", "localhost:5000"),
        ("registry:5000", "registry:5000"),
        ("registry.example", "registry.example"),
        ("docker.io", "docker.io"),
        ("docker.io/", "docker.io"),
        ("registry/", "registry"),
        ("[::1]:5000", "[::1]:5000"),
        ("docker://registry.example", "registry.example"),
        ("alpine", None),
        ("alpine:edge", None),
        ("library/alpine", None),
        ("localhost:5000/team/app", None),
        ("oci:images", None),
        ("oci:images.d", None),
        ("oci:images/", None),
        ("oci-archive:images.tar", None),
        ("docker-archive:images.tar", None),
        ("oci:", None),
        ("", None),
    ],
)
def test_host_alone_names_a_registry(text: str, host: str | None) -> None:
    assert parse_registry(text) == host


@pytest.mark.parametrize("text", ["under_score.example", "-x.example", "a b/", "host:5000:1/"])
def test_host_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference, match="host"):
        parse_registry(text)
