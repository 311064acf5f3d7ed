"""GET and HEAD of manifests (end-3): which form of it a client gets, and when it gets none because it has it."""

import json

import pytest

from tests.conformance.wire import (
    ALL_MANIFESTS,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Repository,
    descriptor,
    digest_of,
    empty_image,
    random_bytes,
)

METHODS = ("GET", "HEAD")
FAMILIES = {"oci": (OCI_INDEX, OCI_MANIFEST), "docker": (DOCKER_LIST, DOCKER_MANIFEST)}


class Index:
    """An index tagged `index` of the types of a family, with one image for each platform."""

    def __init__(self, home: Repository, types: tuple[str, str], *platforms: str):
        self.home = home
        self.type, self.image_type = types
        home.push_blob(b"{}")
        self.children = {platform: self._image(platform) for platform in platforms}
        manifests = [
            descriptor(
                body, self.image_type, platform=dict(zip(("os", "architecture"), platform.split("/"), strict=True))
            )
            for platform, body in self.children.items()
        ]
        self.body = json.dumps({"schemaVersion": 2, "mediaType": self.type, "manifests": manifests}).encode()
        home.push_manifest(self.body, "index")

    def _image(self, platform: str) -> bytes:
        body = json.dumps(empty_image(mediaType=self.image_type, annotations={"for": platform})).encode()
        self.home.push_manifest(body)
        return body

    def asked(self, method: str, name: str, *accept: str) -> bytes:
        """Which body is answered: of the index or of a child, checked for all that must fit to it."""
        answer = self.home.send(method, f"manifests/{name}", headers=[("Accept", value) for value in accept])
        assert answer.status == 200, answer
        bodies = {digest_of(body): body for body in (self.body, *self.children.values())}
        body = bodies[answer.header("Docker-Content-Digest") or ""]
        assert answer.header("Content-Type") == json.loads(body)["mediaType"]
        assert answer.header("Content-Length") == str(len(body))
        assert answer.header("ETag") == f'"{digest_of(body)}"'
        assert answer.body == (body if method == "GET" else b"")
        return body


@pytest.fixture(params=FAMILIES)
def types(request) -> tuple[str, str]:
    return FAMILIES[request.param]


@pytest.fixture
def index(repository: Repository, types) -> Index:
    return Index(repository, types, "windows/amd64", "linux/arm64", "linux/amd64")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "accept",
    [
        [],
        ["*/*"],
        ["application/*"],
        [""],
        ["text/html, */*;q=0.1"],
        ["{index}"],
        ["{image}", "{index}"],
        ["{image}, {index};q=0.5"],
        ["{image};q=0.9,*/*;q=0.1"],
        [" {index} ; q=1 , text/plain"],
        ["{INDEX}"],
        ["{image}, application/json, {index}; charset=utf-8"],
    ],
    ids=lambda accept: " + ".join(accept) or "none",
)
def test_an_index_is_given_to_who_takes_it(index: Index, accept, method):
    accept = [value.format(index=index.type, image=index.image_type, INDEX=index.type.upper()) for value in accept]
    assert index.asked(method, "index", *accept) == index.body


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "accept",
    [["{image}"], ["{image}, {index};q=0"], ["text/html", "{image}"], ["*/*, {index};q=0"], ["{image};q=0.1"]],
    ids=" + ".join,
)
def test_a_client_that_takes_images_only_gets_the_one_for_linux_on_amd64(index: Index, accept, method):
    accept = [value.format(index=index.type, image=index.image_type) for value in accept]
    assert index.asked(method, "index", *accept) == index.children["linux/amd64"]


def test_without_an_image_for_linux_on_amd64_it_gets_the_first_one_that_runs_somewhere(repository: Repository, types):
    index = Index(repository, types, "unknown/unknown", "linux/s390x", "linux/arm64")
    assert index.asked("GET", "index", index.image_type) == index.children["linux/s390x"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("accept", ["text/html", "application/json", "{index};q=0", "*/*;q=0"])
def test_a_client_that_takes_neither_gets_what_is_there(index: Index, accept, method):
    assert index.asked(method, "index", accept.format(index=index.type)) == index.body


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("accept", ["text/html", "{image}", "{index};q=0", "*/*;q=0"])
def test_a_digest_is_answered_with_what_it_names_whatever_the_client_takes(index: Index, accept, method):
    accept = accept.format(index=index.type, image=index.image_type)
    assert index.asked(method, digest_of(index.body), accept) == index.body


def test_an_empty_index_is_given_as_it_is(repository: Repository, types):
    index = Index(repository, types)
    assert index.asked("GET", "index", index.image_type) == index.body


@pytest.mark.parametrize("accept", ["text/html", DOCKER_MANIFEST, OCI_INDEX, "*/*;q=0"])
def test_an_image_is_given_as_it_is(repository: Repository, accept):
    digest = repository.push_image("image")
    answer = repository.get_manifest("image", [("Accept", accept)])
    assert (answer.status, answer.header("Docker-Content-Digest")) == (200, digest)
    assert answer.header("Content-Type") == OCI_MANIFEST


@pytest.mark.parametrize("accept", [";;;", "a/b;q=x", ",,,", "*", "/", "a/b;q=", "a" * 5000])
def test_a_malformed_accept_is_no_error(repository: Repository, accept):
    repository.push_image("image")
    assert repository.get_manifest("image", [("Accept", accept)]).status == 200


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("asked", ['"{}"', 'W/"{}"', '"another", "{}"', "*"])
@pytest.mark.parametrize("by_tag", [True, False], ids=["by tag", "by digest"])
def test_a_manifest_that_the_client_has_is_304(repository: Repository, method, asked, by_tag):
    digest = repository.push_image("image")
    headers = [("If-None-Match", asked.format(digest)), ("Accept", OCI_MANIFEST)]
    answer = repository.send(method, f"manifests/{'image' if by_tag else digest}", headers=headers)
    assert (answer.status, answer.body) == (304, b""), answer
    assert answer.header("ETag") == f'"{digest}"'


def test_a_tag_that_has_moved_is_sent(repository: Repository):
    old = repository.push_image("moving", annotations={"n": "1"})
    new = repository.push_image("moving", annotations={"n": "2"})
    answer = repository.get_manifest("moving", [*ALL_MANIFESTS, ("If-None-Match", f'"{old}"')])
    assert (answer.status, answer.header("Docker-Content-Digest")) == (200, new)


@pytest.mark.parametrize("method", METHODS)
def test_a_cache_is_told_that_the_answer_to_a_tag_depends_on_accept(repository: Repository, method):
    """One that is not told gives the index to whom it gave the image before, or the reverse."""
    digest = repository.push_image("image")
    for headers in (ALL_MANIFESTS, [*ALL_MANIFESTS, ("If-None-Match", f'"{digest}"')]):
        by_tag = repository.send(method, "manifests/image", headers=headers)
        assert (by_tag.header("Vary") or "").lower() == "accept", by_tag
    assert repository.send(method, f"manifests/{digest}", headers=ALL_MANIFESTS).header("Vary") is None


def test_a_manifest_is_never_compressed_on_the_way(repository: Repository):
    repository.push_image("image", annotations={"padding": "A" * 10_000})
    answer = repository.get_manifest("image", [*ALL_MANIFESTS, ("Accept-Encoding", "gzip, br, zstd")])
    assert answer.header("Content-Encoding") is None
    assert digest_of(answer.body) == answer.header("Docker-Content-Digest")


@pytest.mark.parametrize("path", ["tags/list", "manifests/image", "referrers/{digest}", "blobs/{blob}"])
def test_the_length_of_an_answer_is_told_to_a_client_that_takes_gzip(repository: Repository, path):
    """Go's client asks for gzip by itself, and hides the length of what was compressed."""
    digest = repository.push_image("image", annotations={"padding": "A" * 10_000})
    asked = path.format(digest=digest, blob=digest_of(b"{}"))
    lengths = set()
    for method in METHODS:
        answer = repository.send(method, asked, headers=[("Accept", OCI_MANIFEST), ("Accept-Encoding", "gzip")])
        assert answer.status == 200, answer
        assert answer.header("Content-Encoding") is None
        lengths.add(answer.header("Content-Length"))
    assert lengths == {str(len(repository.send("GET", asked).body))}


def test_a_parameter_that_only_some_client_knows_changes_nothing(repository: Repository):
    """containerd tells a mirror with `ns` whose content it wants."""
    digest = repository.push_image("image")
    for path in ("manifests/image", f"manifests/{digest}", f"blobs/{digest_of(b'{}')}", "tags/list"):
        plain, asked = (
            repository.send("GET", path, query=query, headers=ALL_MANIFESTS) for query in ([], [("ns", "docker.io")])
        )
        assert (asked.status, asked.body) == (200, plain.body)


@pytest.mark.parametrize("method", METHODS)
def test_a_manifest_that_is_not_there_is_404(repository: Repository, method):
    repository.push_image()
    for name in ("missing", digest_of(random_bytes(16)), digest_of(b"", "sha512")):
        answer = repository.send(method, f"manifests/{name}")
        assert answer.status == 404, answer
        if method == "GET":
            assert answer.codes == ["MANIFEST_UNKNOWN"]
        else:
            assert answer.body == b""


def test_a_manifest_of_a_repository_that_is_not_there_is_404(repository: Repository):
    answer = repository.get_manifest("latest")
    assert answer.status == 404
    assert answer.codes in (["NAME_UNKNOWN"], ["MANIFEST_UNKNOWN"])


def test_a_manifest_is_only_in_its_repository(repository: Repository, other_repository: Repository):
    digest = repository.push_image("image")
    other_repository.push_image("other", annotations={"another": "one"})
    assert other_repository.get_manifest(digest).status == 404
    assert other_repository.get_manifest("image").status == 404
