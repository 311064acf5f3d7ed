"""The tables follow the cases that Docker's own reference grammar is known by, and the OCI grammar of names and tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.oci.strategies import components, digests, names, references, refusal, tags
from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidName, InvalidReference, InvalidTag
from wherry.oci.reference import DOCKER_HUB, Reference, Tag, check_name

HEX64 = "1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a"
SHA256 = f"sha256:{HEX64}"
SHA512 = f"sha512:{HEX64 * 2}"

READ = [
    # what is written, registry, repository, tag, digest
    ("alpine", DOCKER_HUB, "library/alpine", "latest", None),
    ("alpine:3.20", DOCKER_HUB, "library/alpine", "3.20", None),
    ("library/alpine", DOCKER_HUB, "library/alpine", "latest", None),
    ("docker/docker", DOCKER_HUB, "docker/docker", "latest", None),
    ("docker.io/docker/docker", DOCKER_HUB, "docker/docker", "latest", None),
    ("docker.io/debian", DOCKER_HUB, "library/debian", "latest", None),
    ("docker.io/library/debian", DOCKER_HUB, "library/debian", "latest", None),
    ("index.docker.io/debian", DOCKER_HUB, "library/debian", "latest", None),
    ("index.docker.io/docker/docker", DOCKER_HUB, "docker/docker", "latest", None),
    ("nonlibrary/ubuntu", DOCKER_HUB, "nonlibrary/ubuntu", "latest", None),
    ("other/library", DOCKER_HUB, "other/library", "latest", None),
    ("a/b/c/d", DOCKER_HUB, "a/b/c/d", "latest", None),
    ("ubuntu-12.04-base", DOCKER_HUB, "library/ubuntu-12.04-base", "latest", None),
    ("test.com", DOCKER_HUB, "library/test.com", "latest", None),
    ("test.com:tag", DOCKER_HUB, "library/test.com", "tag", None),
    ("test.com:5000", DOCKER_HUB, "library/test.com", "5000", None),
    ("foo_bar.com:8080", DOCKER_HUB, "library/foo_bar.com", "8080", None),
    ("foo/foo_bar.com:8080", DOCKER_HUB, "foo/foo_bar.com", "8080", None),
    ("192.168.0.1", DOCKER_HUB, "library/192.168.0.1", "latest", None),
    ("192.168.0.1:80", DOCKER_HUB, "library/192.168.0.1", "80", None),
    ("localhost", DOCKER_HUB, "library/localhost", "latest", None),
    ("docker.io", DOCKER_HUB, "library/docker.io", "latest", None),
    (f"docker.io/{HEX64}", DOCKER_HUB, f"library/{HEX64}", "latest", None),
    (f"{HEX64}:latest", DOCKER_HUB, f"library/{HEX64}", "latest", None),
    (HEX64[:63], DOCKER_HUB, f"library/{HEX64[:63]}", "latest", None),
    (SHA256, DOCKER_HUB, "library/sha256", HEX64, None),
    ("lowercase:Uppercase", DOCKER_HUB, "library/lowercase", "Uppercase", None),
    ("test.com/repo:tag", "test.com", "repo", "tag", None),
    ("test:5000/repo", "test:5000", "repo", "latest", None),
    ("test:5000/repo:tag", "test:5000", "repo", "tag", None),
    ("192.168.0.1:8/debian", "192.168.0.1:8", "debian", "latest", None),
    ("127.0.0.1:5000/library/debian", "127.0.0.1:5000", "library/debian", "latest", None),
    ("localhost/private/moonbase", "localhost", "private/moonbase", "latest", None),
    ("localhost:5000/a", "localhost:5000", "a", "latest", None),
    ("example.com:8000/private/moonbase", "example.com:8000", "private/moonbase", "latest", None),
    ("sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com", "bar/baz/quux", "some-long-tag", None),
    (
        "b.gcr.io/test.example.com/my-app:test.example.com",
        "b.gcr.io",
        "test.example.com/my-app",
        "test.example.com",
        None,
    ),
    ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", None),
    ("docker.fedora.com/foo/bar", "docker.fedora.com", "foo/bar", "latest", None),
    ("Docker/docker", "Docker", "docker", "latest", None),
    ("MyHost:5000/app", "MyHost:5000", "app", "latest", None),
    ("HOST.example/app:V1", "HOST.example", "app", "V1", None),
    ("[::1]:5000/repo", "[::1]:5000", "repo", "latest", None),
    ("[2001:db8::1]/repo", "[2001:db8::1]", "repo", "latest", None),
    ("[2001:db8:1:2:3:4:5:6]/repo:tag", "[2001:db8:1:2:3:4:5:6]", "repo", "tag", None),
    ("[2001:db8::]:5000/repo:1", "[2001:db8::]:5000", "repo", "1", None),
    (f"[2001:db8::1]:5000/repo:tag@{SHA256}", "[2001:db8::1]:5000", "repo", "tag", SHA256),
    (f"alpine@{SHA256}", DOCKER_HUB, "library/alpine", None, SHA256),
    (f"alpine:3.20@{SHA256}", DOCKER_HUB, "library/alpine", "3.20", SHA256),
    (f"test:5000/repo@{SHA256}", "test:5000", "repo", None, SHA256),
    (f"xn--7o8h.com/myimage:xn--7o8h.com@{SHA512}", "xn--7o8h.com", "myimage", "xn--7o8h.com", SHA512),
    (f"registry.example/a:{'x' * 128}", "registry.example", "a", "x" * 128, None),
    (f"registry.example/{'a/' * 127}a", "registry.example", "a/" * 127 + "a", "latest", None),
]


@pytest.mark.parametrize(("text", "registry", "repository", "tag", "digest"), READ)
def test_a_reference_is_read_by_dockers_rules(text, registry, repository, tag, digest):
    read = Reference.parse(text)
    assert read == Reference(registry, repository, tag and Tag(tag), digest and Digest.parse(digest))
    assert Reference.parse(str(read)) == read
    assert Reference.parse(read.familiar) == read


REFUSED = [
    ("", "it is empty"),
    (":justtag", "empty"),
    (f"@{SHA256}", "empty"),
    ("/repo", "empty"),
    ("a/", "empty"),
    ("docker.io/", "empty"),
    ("docker///docker", "empty"),
    ("docker.io/docker///docker", "empty"),
    ("https://github.com/docker/docker", "no scheme"),
    ("http://localhost:5000/a", "no scheme"),
    (" alpine", "no scheme and no spaces"),
    ("alpine\n", "no scheme and no spaces"),
    (HEX64, "64 hex digits are a digest's value"),
    ("Uppercase:tag", "repository name (library/Uppercase) must be lowercase"),
    ("docker/Docker", "repository name (docker/Docker) must be lowercase"),
    ("docker.io/docker/Docker", "repository name (docker/Docker) must be lowercase"),
    ("test:5000/Uppercase/lowercase:tag", "must be lowercase"),
    ("É", "must be lowercase"),
    ("-docker", "components are"),
    ("-docker/docker", "components are"),
    ("foo/bar-", "components are"),
    ("foo-/bar", "components are"),
    ("foo/-bar", "components are"),
    ("a..b", "components are"),
    ("a___b", "components are"),
    ("a/../b", "components are"),
    ("aa/asdf$$^/aa", "components are"),
    ("é", "components are"),
    ("a\0b", "components are"),
    ("[2001:db8::1]", "components are"),
    ("[2001:db8::1]:5000", "components are"),
    (f"registry.example/{'a/' * 128}a", "257 characters where at most 255 are allowed"),
    ("-docker.io/docker/docker", "registry '-docker.io' is not of the form host[:port]"),
    ("host.example:/a", "not of the form host[:port]"),
    ("host.example:port/a", "not of the form host[:port]"),
    ("a..b/c", "not of the form host[:port]"),
    ("host.example:65536/a", "registry 'host.example:65536' is not reachable: the largest port is 65535"),
    pytest.param(f"127.0.0.1:{'9' * 5000}/a", "the largest port is 65535", id="a port of 5,000 digits"),
    ("user:password@host/a", "digest 'host/a'"),
    ("fc00::1:5000/debian", "not of the form host[:port]"),
    ("[fe80::1%eth0]:5000/debian", "not of the form host[:port]"),
    ("[fe80::1%@invalidzone]:5000/debian", "components are"),
    ("[2001:db8:3:4::192.0.2.33]:5000/debian", "not of the form host[:port]"),
    ("alpine:", "tag ''"),
    ("alpine:.a", "tag '.a'"),
    ("alpine:-a", "tag '-a'"),
    ("alpine:a:b", "tag 'a:b'"),
    (f"alpine:{'x' * 129}", "up to 128"),
    ("alpine:a b", "tag 'a b'"),
    ("repo@sha256:ffff", "4 hex digits where sha256 needs 64"),
    (f"repo@sha256:{64 * 'F'}", "upper-case 'F'"),
    ("repo@", "digest ''"),
    ("validname@invaliddigest:ffff", "not supported"),
    (f"repo@{SHA256}@{SHA256}", "digest"),
    (f"repo@{SHA256}:tag", "where sha256 needs"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_reference_is_refused_with_the_reason(text, reason):
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert caught.value.text == text
    assert reason in caught.value.reason
    assert str(caught.value).startswith("bad reference ")


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "name an image, for example alpine:3.20"),
        ("https://ghcr.io/a/b", "perhaps ghcr.io/a/b"),
        (" alpine ", "perhaps alpine"),
        (HEX64, f"perhaps NAME@sha256:{HEX64}"),
        ("team/App", "perhaps team/app"),
        ("team/App$", None),
    ],
)
def test_a_refusal_says_what_was_perhaps_meant(text, hint):
    with pytest.raises(InvalidReference) as caught:
        Reference.parse(text)
    assert caught.value.hint == hint


def test_a_missing_tag_stays_missing_where_a_repository_is_meant():
    assert Reference.parse_repository("alpine") == Reference(DOCKER_HUB, "library/alpine")
    assert Reference.parse_repository("alpine:3").tag == "3"


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("docker.io/library/alpine:3", "alpine:3"),
        (f"alpine@{SHA256}", f"alpine@{SHA256}"),
        ("docker.io/team/app:1", "team/app:1"),
        ("docker.io/library/a/b:1", "library/a/b:1"),
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
        ("docker.io/localhost/app:1", "docker.io/localhost/app:1"),
        ("docker.io/a.b/app:1", "docker.io/a.b/app:1"),
        ("docker.io/library/docker.io:1", "docker.io:1"),
    ],
)
def test_the_familiar_form_is_the_shortest_that_is_read_back(text, familiar):
    assert Reference.parse(text).familiar == familiar


def test_the_familiar_form_of_a_name_that_looks_like_a_digests_value_keeps_its_namespace():
    assert Reference(DOCKER_HUB, f"library/{HEX64}").familiar == f"library/{HEX64}"


@given(references)
def test_parsing_reads_what_printing_wrote(reference):
    assert Reference.parse_repository(str(reference)) == reference
    assert Reference.parse_repository(reference.familiar) == reference
    assert len(reference.familiar) <= len(str(reference))


@given(st.text(max_size=80) | st.from_regex(r"[a-zA-Z0-9./:@_\[\]-]{0,80}", fullmatch=True))
def test_any_text_is_a_reference_or_is_refused_as_one(text):
    refused = refusal(InvalidReference, Reference.parse, text)
    if refused is None:
        assert Reference.parse(str(Reference.parse(text))) == Reference.parse(text)
    else:
        assert refused.text == text
        assert refused.reason


@given(references, tags, digests)
def test_the_same_repository_at_another_place(reference, tag, digest):
    assert reference.at(tag) == Reference(reference.registry, reference.repository, tag)
    assert reference.at(digest) == Reference(reference.registry, reference.repository, digest=digest)
    assert reference.at(tag).context == reference.context
    assert reference.at(tag).name == tag
    assert Reference(reference.registry, reference.repository, tag, digest).name == digest
    assert Reference(reference.registry, reference.repository).name == "latest"


@pytest.mark.parametrize("registry", ["", "a b", "a/b", "http://a", "a:", "a:b", ":5000", "[::1", "a@b"])
def test_a_reference_made_by_hand_is_checked_too(registry):
    with pytest.raises(InvalidReference, match=r"host\[:port\]"):
        Reference(registry, "a")
    with pytest.raises(InvalidName):
        Reference("registry.example", "Upper")


GOOD_NAMES = ["a", "0", "a/b", "a.b", "a_b", "a__b", "a-b", "a----b", "a/b.c/d__e", "library/alpine", "a" * 255]
BAD_NAMES = {
    "": "a component between '/' is empty",
    "/": "a component between '/' is empty",
    "a/": "a component between '/' is empty",
    "/a": "a component between '/' is empty",
    "a//b": "a component between '/' is empty",
    "A": "must be lower-case",
    "a/B": "must be lower-case",
    "a_": "components are lower-case letters and digits",
    "_a": "components are lower-case letters and digits",
    "a___b": "components are lower-case letters and digits",
    "a._b": "components are lower-case letters and digits",
    "a-.b": "components are lower-case letters and digits",
    ".": "components are lower-case letters and digits",
    "..": "components are lower-case letters and digits",
    "a/../b": "components are lower-case letters and digits",
    "a b": "components are lower-case letters and digits",
    "a\n": "components are lower-case letters and digits",
    "a:b": "components are lower-case letters and digits",
    "a%2fb": "components are lower-case letters and digits",
    "a" * 256: "256 characters where at most 255 are allowed",
}


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_a_name_of_the_grammar_is_given_back(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_outside_of_the_grammar_is_refused_with_the_reason(name):
    with pytest.raises(InvalidName) as caught:
        check_name(name)
    assert BAD_NAMES[name] in caught.value.reason


@given(names)
def test_every_name_of_the_grammar_is_taken(name):
    assert check_name(name) == name


@given(components, st.sampled_from("/._-"))
def test_no_name_ends_in_a_separator(component, separator):
    with pytest.raises(InvalidName):
        check_name(component + separator)


@pytest.mark.parametrize(
    "text", ["a", "_", "0", "V1.0_rc-1", "latest", "sha256-" + HEX64, "x" * 128, "__", "a..b", "a--"]
)
def test_a_tag_of_the_grammar_is_a_text(text):
    assert Tag(text) == text
    assert str(Tag(text)) == text
    assert isinstance(Tag(text), str)


@pytest.mark.parametrize(
    "text", ["", ".", "-", ".a", "-a", "a b", "a/b", "a:b", "a@b", "a+b", "é", "a\n", "x" * 129, "\0"]
)
def test_a_tag_outside_of_the_grammar_is_refused(text):
    with pytest.raises(InvalidTag) as caught:
        Tag(text)
    assert "up to 128" in caught.value.reason


@given(st.text(max_size=140))
def test_any_text_is_a_tag_or_is_refused_as_one(text):
    refused = refusal(InvalidTag, Tag, text)
    assert Tag(text) == text if refused is None else refused.text == text
