"""Each cause of an invalid manifest, with the bytes that a person would really send."""

import base64
import gzip
import json
import re
import tarfile
from pathlib import Path

import pytest

from wherry.oci.descriptor import Descriptor
from wherry.oci.diagnosis import as_error, diagnose, digest_differs, missing, too_large
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestInvalid
from wherry.oci.manifest import LARGEST_MANIFEST, Manifest
from wherry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST, DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST

SCHEMA1 = (Path(__file__).parent.parent / "data" / "schema1" / "registry-1.prettyjws.json").read_bytes()
ARCHIVE = tarfile.TarInfo("manifest.json").tobuf() + bytes(512)
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def image(media_type: str = DOCKER_MANIFEST, **changes: object) -> dict:
    document = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": 1470, "digest": A},
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 2479, "digest": B}],
    } | changes
    return {name: value for name, value in document.items() if value is not ...}


def index(media_type: str = OCI_INDEX, **changes: object) -> dict:
    child = {"mediaType": OCI_MANIFEST, "size": 525, "digest": A, "platform": {"architecture": "amd64", "os": "linux"}}
    document = {"schemaVersion": 2, "mediaType": media_type, "manifests": [child]} | changes
    return {name: value for name, value in document.items() if value is not ...}


def pretty(document: object) -> bytes:
    return json.dumps(document, indent=3).encode()


def as_curl_d_sends(file: bytes) -> bytes:
    """`curl -d @file` takes carriage returns and newlines away (and only those)."""
    return file.replace(b"\r", b"").replace(b"\n", b"")


@pytest.mark.parametrize(
    ("document", "media_type"),
    [
        (image(), DOCKER_MANIFEST),
        (image(OCI_MANIFEST), OCI_MANIFEST),
        (image(OCI_MANIFEST, mediaType=...), OCI_MANIFEST),
        (image(OCI_MANIFEST, layers=[]), OCI_MANIFEST),
        (image(OCI_MANIFEST, layers=None), OCI_MANIFEST),
        (index(), OCI_INDEX),
        (index(manifests=[]), OCI_INDEX),
        (index(DOCKER_LIST), DOCKER_LIST),
        (index(somethingNew={"x": 1}), OCI_INDEX),
        (index(), f"{OCI_INDEX}; charset=utf-8"),
        (index(), OCI_INDEX.upper()),
    ],
)
def test_a_manifest_without_fault_has_no_diagnosis(document, media_type):
    assert diagnose(pretty(document), media_type) is None


class TestTheStory:
    """A GET without Accept, and a PUT as schema 2."""

    def test_single_quotes_send_the_name_of_the_variable(self):
        found = diagnose(b'"$manifests"', DOCKER_MANIFEST)
        assert found.cause == "unexpanded-variable"
        assert '"$manifests"' in found.problem
        assert "single quotes" in found.problem
        assert "--data-binary @" in found.cure

    @pytest.mark.parametrize("text", [b"$manifests", b"${MANIFEST}", b"'$m'", b"$(cat manifest.json)"])
    def test_other_spellings_of_an_unexpanded_variable(self, text):
        assert diagnose(text, DOCKER_MANIFEST).cause == "unexpanded-variable"

    @pytest.mark.parametrize("body", [SCHEMA1, SCHEMA1.rstrip(b"\n")])
    def test_schema1_under_schema2(self, body):
        found = diagnose(body, DOCKER_MANIFEST)
        assert found.cause == "schema1-under-another-type"
        assert DOCKER_MANIFEST in found.problem
        assert "without an Accept header" in found.problem

    def test_the_cure_for_schema1_lists_every_type_to_accept_but_schema1(self):
        cure = diagnose(SCHEMA1, DOCKER_MANIFEST).cure
        accept = re.search(r"-H 'Accept: ([^']*)'", cure)[1].split(", ")
        assert {DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX} <= set(accept)
        assert DOCKER_SCHEMA1_SIGNED not in accept
        assert "--data-binary @manifest.json" in cure
        assert "wherry copy" in cure

    @pytest.mark.parametrize("content_type", [DOCKER_SCHEMA1_SIGNED, DOCKER_MANIFEST])
    def test_schema1_whose_newlines_curl_stripped(self, content_type):
        found = diagnose(as_curl_d_sends(SCHEMA1), content_type)
        assert found.cause == "schema1-newlines-stripped"
        assert "invalid format length" in found.problem
        assert "--data-binary" in found.cure

    def test_schema1_whose_bytes_were_formatted_anew(self):
        changed = json.dumps(json.loads(SCHEMA1), indent=1).encode()
        assert diagnose(changed, DOCKER_SCHEMA1_SIGNED).cause == "schema1-changed"

    def test_intact_schema1_under_its_own_type_is_refused_for_what_it_is(self):
        found = diagnose(SCHEMA1, DOCKER_SCHEMA1_SIGNED)
        assert found.cause == "schema1"
        assert "obsolete" in found.problem

    @pytest.mark.parametrize(
        "signature",
        [None, {}, {"protected": 3}, {"protected": "!!"}, {"protected": "e30"}, {"protected": "W10"}],
    )
    def test_schema1_with_a_damaged_signature_counts_as_changed(self, signature):
        document = json.loads(SCHEMA1) | {"signatures": [signature]}
        assert diagnose(pretty(document), DOCKER_SCHEMA1_SIGNED).cause == "schema1-changed"


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "empty-body"),
        (b" \n", "empty-body"),
        (b"@manifest.json", "file-name"),
        (b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>", "html"),
        (b"<?xml version='1.0'?><Error/>", "html"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: x\r\n\r\n" + pretty(image()), "http-headers"),
        (b"\x1f\x8b\x08\x00abc", "compressed"),
        ("\ufeff".encode("utf-16-le") + "{}".encode("utf-16-le"), "byte-order-mark"),
        (b"\xef\xbb\xbf" + pretty(image()), "byte-order-mark"),
        (b"%7B%22schemaVersion%22%3A2%7D", "url-encoded"),
        (b"'" + pretty(image()) + b"'", "quoted-json"),
        (json.dumps(json.dumps(image())).encode(), "quoted-json"),
        (b'"hello"', "quoted-json"),
        (pretty(image())[:-40], "truncated-json"),
        (b'{"schemaVersion": 2', "truncated-json"),
        (pretty(image()) + b"}", "not-json"),
        (b"schemaVersion: 2", "not-json"),
        (b'{"a": "\\ud800"}', "unreadable-json"),
        (b'{"a": "\\ud8', "truncated-json"),
        (b"{schemaVersion:2,mediaType:x}", "quotes-changed"),
        (b'{\\"schemaVersion\\": 2}', "quotes-changed"),
        (b"{'schemaVersion': 2}", "quotes-changed"),
        (b"[" * 100_000, "not-json"),
        (b'{"a": "\xff"}', "not-json"),
        pytest.param(ARCHIVE, "archive", id="tar"),
        pytest.param(gzip.compress(ARCHIVE, mtime=0), "archive", id="tar.gz"),
        (b"\x28\xb5\x2f\xfd\x04\x58", "compressed"),
        (b"--------------------------abc\r\nContent-Disposition: form-data; name=f\r\n\r\n{}", "form"),
        (b"manifest=" + pretty(image()), "form"),
        (b"manifest=%7B%0A", "form"),
        (base64.b64encode(pretty(image())), "base64"),
        (b"\x1b[1;39m{\n", "terminal-colours"),
        (pretty(image()).decode().encode("utf-16-le"), "utf-16"),
        (b"* Connected\n> GET /v2/\n< HTTP/1.1 200 OK\n<\n{}", "http-headers"),
        (b"%MANIFEST%", "unexpanded-variable"),
        (b"$env:MANIFEST", "unexpanded-variable"),
        (b"`cat manifest.json`", "unexpanded-variable"),
        (b"${{ steps.build.outputs.manifest }}", "unexpanded-variable"),
        (b"{{ manifest }}", "unexpanded-variable"),
        (b"@my manifest.json", "file-name"),
        (b"./out/manifest.json", "file-name"),
        (b"404 page not found", "not-json"),
        (b"[]", "not-an-object"),
        (b"17", "not-an-object"),
        (b"null", "not-an-object"),
        (b"true", "not-an-object"),
        (pretty([{"Ref": "a", "Descriptor": {}, "SchemaV2Manifest": image()}]), "inspect-output"),
        (pretty({"Ref": "a", "Descriptor": {}, "OCIManifest": image()}), "inspect-output"),
        (b'[{"Id": "sha256:aa", "RepoTags": [], "RootFS": {}}]', "inspect-output"),
        (b'{"Name": "a", "Digest": "sha256:aa", "RepoTags": []}', "inspect-output"),
        (b'{"name": "a", "manifest": {}, "image": {}}', "inspect-output"),
        (b'[{"Config": "a.json", "RepoTags": ["a:1"], "Layers": ["a/layer.tar"]}]', "docker-archive"),
        (b'{"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers"}}', "image-config"),
        (b'{"imageLayoutVersion": "1.0.0"}', "layout-marker"),
        (b'{"mediaType": "a/b", "digest": "sha256:aa", "size": 2}', "descriptor"),
        (b'{"name": "a", "tags": ["1"]}', "tag-list"),
        (b'{"repositories": ["a"]}', "catalogue"),
        (b'{"token": "secret", "expires_in": 300}', "token"),
        (b'{"spdxVersion": "SPDX-2.3"}', "attestation"),
        (b'{"containerimage.digest": "sha256:aa"}', "build-metadata"),
        (b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', "error-body"),
        (b'{"detail": "not found"}', "error-body"),
    ],
)
def test_what_people_send_instead_of_a_manifest(body, cause):
    found = diagnose(body, DOCKER_MANIFEST)
    assert found.cause == cause
    assert found.problem
    assert found.cure


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("1e400", "a number is out of range"),
        ("-1e400", "a number is out of range"),
        ("9" * 100_000, "a number is out of range"),
        ('"\\ud800"', "a lone surrogate escape"),
        ('"\\udc00 and more behind it"', "a lone surrogate escape"),
        ('"\\ud800 and more behind it"', "a lone surrogate escape"),
        ('"\\ud800\\ud800"', "a lone surrogate escape"),
    ],
    ids=["large", "small", "long", "high", "low", "high-first", "twice"],
)
def test_json_that_not_everybody_can_read_is_told_as_such(value, says):
    body = pretty(image()).replace(b"{", b'{"unknown": ' + value.encode() + b",", 1)
    found = diagnose(body, DOCKER_MANIFEST)
    assert (found.cause, says in found.problem, "not JSON" in found.problem) == ("unreadable-json", True, False)
    with pytest.raises(ManifestInvalid, match=says):
        Manifest(body, DOCKER_MANIFEST).view  # noqa: B018  # a property that raises


def test_half_of_a_pair_in_front_of_its_other_half_is_a_text():
    assert diagnose(pretty(image(annotations={"k": "\U0001f6a2"})), DOCKER_MANIFEST) is None


@pytest.mark.parametrize("version", ["2.0", "2e0", "20e-1", '"2"', "[2]"])
def test_a_version_that_is_no_integer_is_refused(version):
    body = json.dumps(image() | {"schemaVersion": "VERSION"}).replace('"VERSION"', version).encode()
    assert diagnose(body, DOCKER_MANIFEST).cause == "schema-version"


@pytest.mark.parametrize(
    ("document", "content_type", "cause", "says"),
    [
        (index(DOCKER_LIST), DOCKER_MANIFEST, "index-under-image-type", f"Content-Type: {DOCKER_LIST}"),
        (index(), OCI_MANIFEST, "index-under-image-type", f"Content-Type: {OCI_INDEX}"),
        (image(), DOCKER_LIST, "image-under-index-type", f"Content-Type: {DOCKER_MANIFEST}"),
        (image(OCI_MANIFEST), OCI_INDEX, "image-under-index-type", f"Content-Type: {OCI_MANIFEST}"),
        (image() | index(), OCI_INDEX, "index-and-image", "make it one of them"),
        (image(), OCI_MANIFEST, "media-type-differs", f"Content-Type: {DOCKER_MANIFEST}"),
        (image(OCI_MANIFEST), DOCKER_MANIFEST, "media-type-differs", f"Content-Type: {OCI_MANIFEST}"),
        (image(mediaType="text/plain"), OCI_MANIFEST, "media-type-differs", "Accept"),
        (image(mediaType=...), DOCKER_MANIFEST, "media-type-missing", '"mediaType"'),
        (image(), None, "content-type", f"Content-Type: {DOCKER_MANIFEST}"),
        (image(), "", "content-type", f"Content-Type: {DOCKER_MANIFEST}"),
        (index(), "application/json", "content-type", f"Content-Type: {OCI_INDEX}"),
        (image(), "application/x-www-form-urlencoded", "content-type", f"Content-Type: {DOCKER_MANIFEST}"),
        ({"schemaVersion": 2}, "application/json", "unknown-type", "Accept"),
        (image(schemaVersion=...), DOCKER_MANIFEST, "schema-version", '"schemaVersion": 2'),
        (image(schemaVersion=3), DOCKER_MANIFEST, "schema-version", '"schemaVersion": 2'),
        (image(schemaVersion="2"), DOCKER_MANIFEST, "schema-version", '"schemaVersion": 2'),
    ],
)
def test_the_content_type_and_the_body_must_say_the_same(document, content_type, cause, says):
    found = diagnose(pretty(document), content_type)
    assert found.cause == cause
    assert says in found.cure


def layer(**changes: object) -> dict:
    whole = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 1, "digest": B} | changes
    return {name: value for name, value in whole.items() if value is not ...}


@pytest.mark.parametrize(
    ("changes", "cause", "where", "says"),
    [
        ({"config": ...}, "missing-config", "config", "config is missing"),
        ({"layers": ...}, "missing-layers", "layers", "layers is missing"),
        ({"config": None}, "bad-field", "config", "is missing"),
        ({"config": []}, "bad-field", "config", "must be an object"),
        ({"layers": {}}, "bad-field", "layers", "must be a list"),
        ({"layers": ["x"]}, "bad-field", "layers[0]", "must be an object"),
        (
            {"layers": [layer(), layer(digest="sha256:abc")]},
            "bad-digest",
            "layers[1].digest",
            "3 hex digits where sha256 needs 64",
        ),
        ({"layers": [layer(digest="sha256:" + "A" * 64)]}, "bad-digest", "layers[0].digest", "upper-case"),
        ({"layers": [layer(digest="SHA256:" + "a" * 64)]}, "bad-digest", "layers[0].digest", "lower-case"),
        ({"layers": [layer(digest="md5:" + "a" * 32)]}, "bad-digest", "layers[0].digest", "'md5' is not supported"),
        ({"layers": [layer(digest="a" * 64)]}, "bad-digest", "layers[0].digest", "no ':'"),
        ({"layers": [layer(digest=...)]}, "bad-digest", "layers[0].digest", "is missing"),
        ({"layers": [layer(size=-1)]}, "bad-size", "layers[0].size", "-1 is not a size"),
        ({"layers": [layer(size=...)]}, "bad-size", "layers[0].size", "is missing"),
        ({"layers": [layer(size="1")]}, "bad-size", "layers[0].size", "must be an integer"),
        ({"layers": [layer(size=2**63)]}, "bad-size", "layers[0].size", "is not a size"),
        ({"layers": [layer(mediaType=...)]}, "bad-field", "layers[0].mediaType", "is missing"),
        ({"layers": [layer(urls="x")]}, "bad-field", "layers[0].urls", "must be a list"),
        ({"annotations": {"a": 1}}, "bad-field", "annotations['a']", "must be a string"),
        (
            {"subject": {"mediaType": OCI_MANIFEST, "size": 3, "digest": "x"}},
            "bad-digest",
            "subject.digest",
            "bad digest",
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_place(changes, cause, where, says):
    found = diagnose(pretty(image(**changes)), DOCKER_MANIFEST)
    assert (found.cause, found.where) == (cause, where)
    assert says in found.problem


def test_an_index_without_manifests_lacks_them():
    assert diagnose(pretty(index(manifests=...)), OCI_INDEX).cause == "missing-manifests"


def test_a_bad_platform_is_named_with_its_place():
    child = {"mediaType": OCI_MANIFEST, "size": 525, "digest": A, "platform": {"architecture": 64, "os": "linux"}}
    found = diagnose(pretty(index(manifests=[child])), OCI_INDEX)
    assert found.where == "manifests[0].platform"


def test_embedded_data_must_be_the_described_content():
    config = {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": A, "data": "e30="}
    assert diagnose(pretty(image(OCI_MANIFEST, config=config)), OCI_MANIFEST).cause == "data-differs"
    right = config | {"digest": str(Digest.of(b"{}"))}
    assert diagnose(pretty(image(OCI_MANIFEST, config=right)), OCI_MANIFEST) is None
    assert diagnose(pretty(image(OCI_MANIFEST, config=right | {"data": "?"})), OCI_MANIFEST).where == "config.data"


def test_a_manifest_above_the_limit_is_too_large():
    body = b" " * (LARGEST_MANIFEST + 1)
    assert diagnose(body, OCI_MANIFEST).cause == "too-large"
    assert str(LARGEST_MANIFEST) in str(too_large(None))
    assert (too_large(5_000_000).status, too_large(5_000_000).code) == (413, "SIZE_INVALID")


def test_the_error_carries_cause_problem_place_and_cure():
    error = as_error(diagnose(pretty(image(layers=[layer(size=-1)])), DOCKER_MANIFEST))
    assert error.code == "MANIFEST_INVALID"
    assert error.detail == {
        "cause": "bad-size",
        "problem": "layers[0].size -1 is not a size in bytes",
        "where": "layers[0].size",
    }
    assert "layers[0].size" in str(error)
    assert error.hint


def test_something_missing_says_what_to_push_first():
    blob = missing(Descriptor.of(b"x", "application/octet-stream"), "team/app")
    assert "upload that blob to team/app first" in blob.hint
    child = missing(Descriptor.of(b"{}", OCI_MANIFEST), "team/app")
    assert "children of an index go before it" in child.hint
    assert child.detail["digest"] == str(Digest.of(b"{}"))


def test_text_that_is_no_json_is_shown():
    assert (
        '"curl: (6) Could not resolve host: a.test"'
        in diagnose(b"curl: (6) Could not resolve host: a.test", OCI_INDEX).problem
    )
    assert diagnose(b"{} 200", OCI_INDEX).problem.endswith("trailing characters (byte 4), at '200'")
    assert "at 'NaN}'" in diagnose(b'{"size": NaN}', OCI_INDEX).problem
    assert "not UTF-8" in diagnose(b'{"a": "\xff"}', OCI_INDEX).problem


def test_a_token_is_not_shown():
    found = diagnose(b'{"token": "secret", "expires_in": 300}', OCI_INDEX)
    assert "secret" not in f"{found.problem}{found.cure}"


@pytest.mark.parametrize("field", ["config", "layers", "manifests"])
def test_a_wrong_version_does_not_make_a_manifest_a_signed_one(field):
    found = diagnose(
        json.dumps({"schemaVersion": 1, field: []}).encode(), OCI_INDEX if field == "manifests" else OCI_MANIFEST
    )
    assert (found.cause, '"schemaVersion": 2' in found.cure) == ("schema-version", True)


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (json.dumps(image()).encode(), "formatted-anew"),
        (json.dumps(image(), indent=2).encode(), "formatted-anew"),
        (pretty(image()), "last-newline-stripped"),
        (pretty(image()) + b"\n\n", "newline-added"),
        ((pretty(image()) + b"\n").replace(b"\n", b"\r\n"), "line-ends-changed"),
        (as_curl_d_sends(pretty(image()) + b"\n"), "newlines-stripped"),
        (pretty(image(mediaType=...)), "other-bytes"),
    ],
)
def test_a_push_by_a_digest_that_differs_says_what_changed_the_bytes(sent, cause):
    error = digest_differs(sent, Digest.of(pretty(image()) + b"\n"))
    assert error.detail["cause"] == cause
    assert error.code == "DIGEST_INVALID"
    assert str(Digest.of(sent)) in str(error)
