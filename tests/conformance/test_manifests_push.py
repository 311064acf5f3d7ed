"""PUT of manifests (end-7a): what is taken, what is refused, and that a refusal leaves nothing behind."""

import json

import pytest

from tests.conformance.wire import (
    ALL_MANIFESTS,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Repository,
    descriptor,
    digest_of,
    empty_image,
    random_bytes,
)

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
NONDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
MEBIBYTE = 1024 * 1024


@pytest.fixture
def home(repository: Repository) -> Repository:
    """A repository that has the blob `{}` and nothing else."""
    repository.push_blob(b"{}")
    return repository


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def refused(home: Repository, body: bytes, media_type: str, name: str = "refused") -> list[str]:
    """The codes of a refusal with 400, which has left no trace."""
    answer = home.put_manifest(name, body, media_type)
    assert answer.status == 400, answer
    assert home.head_manifest(name).status in (400, 404)
    assert home.head_manifest(digest_of(body)).status == 404
    assert "refused" not in home.send("GET", "tags/list").body.decode()
    return answer.codes


@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "without length"])
@pytest.mark.parametrize("by_tag", [True, False], ids=["by tag", "by digest"])
def test_a_manifest_is_at_its_location_and_under_its_digest(home: Repository, by_tag, chunked):
    body = encoded(empty_image())
    digest = digest_of(body)
    pushed = home.put_manifest("a-tag" if by_tag else digest, body, OCI_MANIFEST, chunked=chunked)
    assert pushed.status == 201, pushed
    assert pushed.header("Docker-Content-Digest") == digest
    at_location = home.registry.send("GET", pushed.location, headers=ALL_MANIFESTS)
    for answer in (at_location, home.get_manifest(digest)):
        assert (answer.status, answer.body) == (200, body)
        assert answer.header("Content-Type") == OCI_MANIFEST
    assert home.head_manifest("a-tag").status == (200 if by_tag else 404)


@pytest.mark.parametrize("indent", [None, 0, 3])
def test_the_bytes_of_a_manifest_are_kept(home: Repository, indent):
    document = dict(reversed(empty_image(unknown={"é": [1.50, 1e3]}).items()))
    body = json.dumps(document, indent=indent, ensure_ascii=indent == 0).encode() + b"\n\n"
    assert home.put_manifest("kept", body, OCI_MANIFEST).status == 201
    assert home.get_manifest("kept").body == body


def test_parameters_of_the_type_are_ignored(home: Repository):
    assert home.put_manifest("typed", encoded(empty_image()), f"{OCI_MANIFEST}; charset=utf-8").status == 201
    assert home.get_manifest("typed").header("Content-Type") == OCI_MANIFEST


def test_a_manifest_may_leave_its_type_to_the_header(home: Repository):
    document = empty_image()
    del document["mediaType"]
    assert home.put_manifest("typed", encoded(document), OCI_MANIFEST).status == 201
    assert home.get_manifest("typed").header("Content-Type") == OCI_MANIFEST


def test_a_tag_moves_to_what_was_pushed_last(home: Repository):
    first = home.push_manifest(empty_image(annotations={"n": "1"}), "moving")
    second = home.push_manifest(empty_image(annotations={"n": "2"}), "moving")
    assert home.get_manifest("moving").header("Docker-Content-Digest") == second
    assert home.get_manifest(first).status == 200


def test_the_same_manifest_may_be_pushed_again(home: Repository):
    assert home.push_manifest(empty_image(), "again") == home.push_manifest(empty_image(), "again")


def test_one_manifest_has_a_digest_of_each_algorithm(home: Repository):
    body = encoded(empty_image())
    digests = [digest_of(body), digest_of(body, "sha512")]
    for digest in digests:
        assert home.put_manifest(digest, body, OCI_MANIFEST).header("Docker-Content-Digest") == digest
    for digest in digests:
        assert home.get_manifest(digest).header("Docker-Content-Digest") == digest


def test_manifests_of_docker_are_kept_under_dockers_types(home: Repository):
    layer = random_bytes(100)
    home.push_blob(layer)
    image = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": descriptor(b"{}", DOCKER_CONFIG),
        "layers": [descriptor(layer, DOCKER_LAYER)],
    }
    child = descriptor(encoded(image), DOCKER_MANIFEST, platform={"architecture": "amd64", "os": "linux"})
    home.push_manifest(image)
    home.push_manifest({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [child]}, "list")
    answer = home.get_manifest("list")
    assert answer.header("Content-Type") == DOCKER_LIST
    assert home.get_manifest(answer.json()["manifests"][0]["digest"]).header("Content-Type") == DOCKER_MANIFEST


def test_an_index_may_mix_types_of_docker_and_of_oci(home: Repository):
    body = encoded(empty_image(mediaType=DOCKER_MANIFEST))
    home.push_manifest(body)
    home.push_manifest({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(body, DOCKER_MANIFEST)]})


@pytest.mark.parametrize("media_type", [DOCKER_FOREIGN, NONDISTRIBUTABLE])
def test_a_layer_that_is_somewhere_else_may_be_missing(home: Repository, media_type):
    layer = descriptor(b"somewhere else", media_type, urls=["https://store.example.com/layer"])
    home.push_manifest(empty_image(layers=[layer]), "foreign")


def test_a_manifest_as_large_as_every_registry_must_take_is_taken(home: Repository):
    document = empty_image(annotations={"padding": ""})
    document["annotations"]["padding"] = "A" * (4 * MEBIBYTE - len(encoded(document)))
    body = encoded(document)
    assert len(body) == 4 * MEBIBYTE
    assert home.put_manifest("large", body, OCI_MANIFEST).status == 201
    assert home.get_manifest("large").body == body


@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "without length"])
def test_a_manifest_that_is_too_large_is_413(home: Repository, chunked):
    body = encoded(empty_image(annotations={"padding": "A" * (16 * MEBIBYTE)}))
    answer = home.put_manifest("too-large", body, OCI_MANIFEST, chunked=chunked)
    assert answer.status == 413, answer
    assert answer.codes
    assert home.head_manifest("too-large").status == 404


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_manifest_that_does_not_match_its_digest_is_refused(home: Repository, algorithm):
    body = encoded(empty_image())
    assert refused(home, body, OCI_MANIFEST, digest_of(body + b" ", algorithm)) == ["DIGEST_INVALID"]


@pytest.mark.parametrize(
    "name", ["sha256:baddigeststring", "sha256:", "md5:" + 32 * "0", "sha256:" + 64 * "A", "sha256:" + 63 * "0"]
)
def test_a_malformed_digest_is_refused(home: Repository, name):
    for chunked in (False, True):
        answer = home.put_manifest(name, encoded(empty_image()), OCI_MANIFEST, chunked=chunked)
        assert answer.status == 400, answer
        assert answer.codes == ["DIGEST_INVALID"]
    assert home.get_manifest(name).status in (400, 404)


@pytest.mark.parametrize("name", [".dot", "-dash", "x" * 129, "a%20b", "a+b", "%c3%a9", "%00"])
def test_a_malformed_tag_is_refused(home: Repository, name):
    answer = home.put_manifest(name, encoded(empty_image()), OCI_MANIFEST)
    assert answer.status == 400, answer
    assert answer.codes == ["TAG_INVALID"]


@pytest.mark.parametrize("name", ["x" * 128, "_", "V1.0_rc-1", "0", "sha256-" + 64 * "a", "latest"])
def test_a_wellformed_tag_is_taken(home: Repository, name):
    home.push_manifest(empty_image(), name)
    assert home.get_manifest(name).status == 200


def test_every_blob_that_is_missing_is_named(home: Repository):
    layers = [descriptor(random_bytes(10), "application/vnd.oci.image.layer.v1.tar") for _ in range(3)]
    answer = home.put_manifest("refused", encoded(empty_image(layers=layers)), OCI_MANIFEST)
    assert answer.status == 400, answer
    assert answer.codes == ["MANIFEST_BLOB_UNKNOWN"] * 3
    told = [json.dumps(error["detail"]) for error in answer.json()["errors"]]
    assert all(layer["digest"] in detail for layer, detail in zip(layers, told, strict=True))
    assert home.head_manifest("refused").status == 404


def test_a_missing_config_is_named(home: Repository):
    document = empty_image(config=descriptor(b"absent", OCI_EMPTY))
    assert refused(home, encoded(document), OCI_MANIFEST) == ["MANIFEST_BLOB_UNKNOWN"]


def test_every_child_that_is_missing_is_named(home: Repository):
    there = encoded(empty_image())
    home.push_manifest(there)
    children = [descriptor(body, OCI_MANIFEST) for body in (there, b"absent", b"absent too")]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
    assert refused(home, encoded(document), OCI_INDEX) == ["MANIFEST_BLOB_UNKNOWN"] * 2


def test_a_blob_is_no_child(home: Repository):
    """A child is looked for among the manifests: a blob of the same digest does not stand in for it."""
    child = encoded(empty_image())
    home.push_blob(child)
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(child, OCI_MANIFEST)]}
    assert refused(home, encoded(document), OCI_INDEX) == ["MANIFEST_BLOB_UNKNOWN"]


def test_a_blob_of_another_repository_is_missing(home: Repository, other_repository: Repository):
    blob = random_bytes(100)
    other_repository.push_blob(blob)
    document = empty_image(layers=[descriptor(blob, "application/vnd.oci.image.layer.v1.tar")])
    assert refused(home, encoded(document), OCI_MANIFEST) == ["MANIFEST_BLOB_UNKNOWN"]


INDEX = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
WRONG = {
    "empty": (b"", OCI_MANIFEST),
    "no JSON": (b"{", OCI_MANIFEST),
    "not UTF-8": (b'{"a": "\xff"}', OCI_MANIFEST),
    "a string": (b'"manifest"', OCI_MANIFEST),
    "a list": (b"[]", OCI_MANIFEST),
    "null": (b"null", OCI_MANIFEST),
    "HTML": (b"<html><body>502 Bad Gateway</body></html>", OCI_MANIFEST),
    "nested without end": (b"[" * 100_000, OCI_MANIFEST),
    "nested too deeply": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, OCI_MANIFEST),
    "an empty object": (b"{}", OCI_MANIFEST),
    "an unknown type": (encoded(empty_image(mediaType="text/plain")), "text/plain"),
    "JSON and no more": (encoded(empty_image()), "application/json"),
    "another type inside": (encoded(empty_image(mediaType=DOCKER_MANIFEST)), OCI_MANIFEST),
    "an index as an image": (encoded(INDEX | {"mediaType": OCI_MANIFEST}), OCI_MANIFEST),
    "an image as an index": (encoded(empty_image(mediaType=OCI_INDEX)), OCI_INDEX),
    "both an image and an index": (encoded(empty_image(manifests=[])), OCI_MANIFEST),
    "both an index and an image": (encoded(INDEX | {"layers": []}), OCI_INDEX),
    "no config": (encoded({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": []}), OCI_MANIFEST),
    "another schema version": (encoded(empty_image(schemaVersion=3)), OCI_MANIFEST),
    "layers that are no list": (encoded(empty_image(layers={})), OCI_MANIFEST),
    "a layer that is no object": (encoded(empty_image(layers=["x"])), OCI_MANIFEST),
    "a descriptor without size": (
        encoded(empty_image(layers=[{"mediaType": "a/b", "digest": digest_of(b"{}")}])),
        OCI_MANIFEST,
    ),
    "a negative size": (encoded(empty_image(layers=[descriptor(b"{}", "a/b") | {"size": -1}])), OCI_MANIFEST),
    "a size beyond all integers": (
        encoded(empty_image(layers=[descriptor(b"{}", "a/b") | {"size": 10**30}])),
        OCI_MANIFEST,
    ),
    "a malformed digest": (
        encoded(empty_image(layers=[descriptor(b"{}", "a/b") | {"digest": "sha256:abc"}])),
        OCI_MANIFEST,
    ),
    "an unknown algorithm": (
        encoded(empty_image(layers=[descriptor(b"{}", "a/b") | {"digest": "md5:" + 32 * "0"}])),
        OCI_MANIFEST,
    ),
    "a subject that is no descriptor": (encoded(empty_image(subject="sha256:abc")), OCI_MANIFEST),
    "annotations that are no texts": (encoded(empty_image(annotations={"a": 1})), OCI_MANIFEST),
    "data that are other content": (
        encoded(empty_image(config=descriptor(b"{}", OCI_EMPTY) | {"data": "e30K"})),
        OCI_MANIFEST,
    ),
    "a foreign layer that is nowhere": (
        encoded(empty_image(layers=[descriptor(b"x", NONDISTRIBUTABLE)])),
        OCI_MANIFEST,
    ),
    "unsigned schema 1": (
        encoded({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": []}),
        "application/vnd.docker.distribution.manifest.v1+json",
    ),
    "signed schema 1": (
        encoded({"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": [], "signatures": []}),
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_manifest_is_refused(home: Repository, wrong):
    body, media_type = WRONG[wrong]
    expected = "MANIFEST_BLOB_UNKNOWN" if wrong == "a foreign layer that is nowhere" else "MANIFEST_INVALID"
    assert refused(home, body, media_type) == [expected]


def test_a_manifest_without_a_type_at_all_is_no_error_of_the_server(home: Repository):
    answer = home.send("PUT", "manifests/untyped", body=encoded(empty_image()))
    assert answer.status in (201, 400), answer


def test_a_refusal_says_more_than_its_code(home: Repository):
    (error,) = home.put_manifest("refused", b'"$manifests"', DOCKER_MANIFEST).json()["errors"]
    assert error["code"] == "MANIFEST_INVALID"
    assert error["message"]
    assert error["detail"]
