"""Why a manifest is invalid, and what to do now.

The server puts the answer into its error's detail and the client asks before it sends, so that `manifest invalid` is
never all that somebody is told. Checks run from the outside in: is it a manifest at all, is it the one that its
`Content-Type` says, is every field as the specification wants it. The first that fails is the answer: what follows
from it would only hide it.

Spec: image-spec 1.1, manifest.md, image-index.md, descriptor.md; Docker's schema 1 and schema 2 documents.
"""

from collections.abc import Mapping
from typing import Any

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.document import NotJSON, decode, encode, indented
from wherry.oci.errors import DigestInvalid, InvalidDescriptor, ManifestBlobUnknown, ManifestInvalid, PayloadTooLarge
from wherry.oci.manifest import LARGEST_MANIFEST, Manifest, sniff, successors
from wherry.oci.mediatype import (
    ACCEPTED_MANIFESTS,
    Kind,
    kind_of,
    without_parameters,
)
from wherry.oci.mishaps import Diagnosis, mishap_of
from wherry.oci.schema1 import is_intact, is_schema1

__all__ = ["Diagnosis", "as_error", "diagnose", "digest_differs", "missing", "too_large"]

_ACCEPT = ", ".join(each for each in ACCEPTED_MANIFESTS if kind_of(each) is not Kind.SCHEMA1)
_COPY = "`wherry copy SOURCE DESTINATION` does all of this by itself"
_FETCH_AGAIN = (
    f"fetch it again with curl -H 'Accept: {_ACCEPT}' -D headers.txt -o manifest.json, and send manifest.json with "
    f"--data-binary @manifest.json and the Content-Type that headers.txt names; {_COPY}"
)
_SCHEMA2 = 2
_NEWER = frozenset(("config", "layers", "manifests", "subject"))  # fields that schema 1 has not


def diagnose(body: bytes, content_type: str | None) -> Diagnosis | None:
    """What is wrong with a manifest and the `Content-Type` it is sent under; None if, by itself, nothing is.

    Whether the content that it names is there only a repository can tell: see `missing`.
    """
    if len(body) > LARGEST_MANIFEST:
        return _too_large(len(body))
    if mishap := mishap_of(body):
        return mishap
    document = decode(body)
    stated = without_parameters(content_type or "")
    for check in (_error_body, _schema1, _type_missing, _type_differs, _version):
        if found := check(body, document, stated):
            return found
    return _fields(body, document, stated)


def as_error(diagnosis: Diagnosis) -> ManifestInvalid:
    """The error that a registry answers with, or that a client raises instead of sending."""
    detail = {"cause": diagnosis.cause, "problem": diagnosis.problem}
    if diagnosis.where:
        detail["where"] = diagnosis.where
    return ManifestInvalid(f"manifest invalid: {diagnosis.problem}", detail=detail, hint=diagnosis.cure)


def missing(content: Descriptor, place: str) -> ManifestBlobUnknown:
    """The error for something that a manifest names and its repository, `place`, does not have."""
    what = "manifest" if content.is_manifest else "blob"
    first = (
        f"push that manifest to {place} first: the children of an index go before it, and their blobs before them"
        if content.is_manifest
        else f"upload that blob to {place} first, or mount it from a repository that has it"
    )
    return ManifestBlobUnknown(
        f"{what} unknown to {place}: {content.digest}",
        detail={"digest": str(content.digest), "mediaType": content.media_type, "size": content.size},
        hint=f"{first}; {_COPY}",
    )


def too_large(size: int | None) -> PayloadTooLarge:
    """The error for a manifest above the limit; `size` is in bytes, None if it was not read to its end."""
    found = _too_large(size)
    return PayloadTooLarge(found.problem, detail={"cause": found.cause, "limit": LARGEST_MANIFEST}, hint=found.cure)


def digest_differs(body: bytes, expected: Digest) -> DigestInvalid:
    """The error for a manifest pushed by a digest that is not its own, with what probably happened to its bytes."""
    actual = Digest.of(body, expected.algorithm)
    detail = {"expected": str(expected), "actual": str(actual)}
    cause, happened = _what_changed(body, expected)
    detail["cause"] = cause
    return DigestInvalid(
        f"the manifest's digest is {actual}, not {expected}: {happened}",
        detail=detail,
        hint='send the exact bytes that were fetched: curl --data-binary @manifest.json (-d and "$variable" change them)',
    )


def _what_changed(body: bytes, expected: Digest) -> tuple[str, str]:
    if expected.matches(body + b"\n"):
        return "last-newline-stripped", "the newline at its end is gone, as the shell's $(…) does"
    if body.endswith(b"\n") and expected.matches(body.removesuffix(b"\n")):
        return "newline-added", "a newline was added at its end, as echo and editors do"
    if b"\r\n" in body and expected.matches(body.replace(b"\r\n", b"\n")):
        return "line-ends-changed", "its line ends were changed to CR LF"
    if _lost_its_newlines(body):
        return "newlines-stripped", "its newlines are gone, as curl -d @file does"
    if _was_formatted_anew(body, expected):
        return "formatted-anew", "it is the same JSON with other spaces and line ends, as jq and editors write it"
    return "other-bytes", "these are not the bytes of that manifest"


def _was_formatted_anew(body: bytes, expected: Digest) -> bool:
    """Whether one of the usual forms of the same document is the one that was meant."""
    try:
        compact = encode(decode(body))
    except NotJSON:
        return False
    as_go_writes = compact
    for character in (b"<", b">", b"&"):
        as_go_writes = as_go_writes.replace(character, rb"\u00%02x" % ord(character))
    forms = (form for text in (compact, as_go_writes) for form in (text, indented(text, 2), indented(text, 3)))
    return any(expected.matches(form + end) for form in forms for end in (b"", b"\n"))


def _too_large(size: int | None) -> Diagnosis:
    length = f"{size} bytes" if size is not None else f"more than {LARGEST_MANIFEST} bytes"
    return Diagnosis(
        "too-large",
        f"the manifest has {length}; this registry takes {LARGEST_MANIFEST} at most",
        "a layer or a whole archive is pushed as a blob, and only the manifest that names it as a manifest",
    )


def _error_body(_: bytes, document: Mapping[str, Any], __: str) -> Diagnosis | None:
    errors = document.get("errors")
    if not isinstance(errors, list) or "schemaVersion" in document:
        return None
    code = next((str(each["code"]) for each in errors if isinstance(each, dict) and "code" in each), "an error")
    return Diagnosis(
        "error-body",
        f"the body is a registry's error ({code}), not a manifest: the GET that should have fetched it failed",
        "look at the status of that GET (curl --fail stops there), mend it, and fetch the manifest again",
    )


def _schema1(body: bytes, document: Mapping[str, Any], stated: str) -> Diagnosis | None:
    if not is_schema1(document) or ("fsLayers" not in document and not _NEWER.isdisjoint(document)):
        return None
    why = "registries give schema 1 to a GET without an Accept header"
    if not is_intact(body, document):
        stripped = _lost_its_newlines(body)
        how = (
            "its newlines are gone, as curl -d @file does (invalid format length)"
            if stripped
            else "its bytes were changed"
        )
        return Diagnosis(
            "schema1-newlines-stripped" if stripped else "schema1-changed",
            f"the body is a signed schema 1 manifest whose signature no longer fits: {how}; and {why}",
            _FETCH_AGAIN,
        )
    if kind_of(stated) is not Kind.SCHEMA1:
        return Diagnosis(
            "schema1-under-another-type",
            f"the body is a signed schema 1 manifest, but the Content-Type is {stated or 'absent'}: {why}",
            _FETCH_AGAIN,
        )
    return Diagnosis(
        "schema1",
        f"signed schema 1 manifests are not stored here, they are obsolete since 2017; {why}",
        _FETCH_AGAIN,
    )


def _type_missing(body: bytes, _: Mapping[str, Any], stated: str) -> Diagnosis | None:
    if kind_of(stated):
        return None
    found = sniff(body)
    types = "absent" if not stated else f"{stated}, which is not the type of a manifest"
    if found is None:
        return Diagnosis(
            "unknown-type", f"the Content-Type is {types}, and the body is no manifest that is known", _FETCH_AGAIN
        )
    return Diagnosis("content-type", f"the Content-Type is {types}", f"send it with curl -H 'Content-Type: {found}'")


def _type_differs(body: bytes, document: Mapping[str, Any], stated: str) -> Diagnosis | None:
    is_index, is_image = "manifests" in document, "layers" in document or "config" in document
    found = sniff(body)
    if kind_of(stated) is Kind.IMAGE and is_index and not is_image:
        return Diagnosis(
            "index-under-image-type",
            f"the body is an index (a manifest list), but the Content-Type says image manifest ({stated})",
            f"send it with curl -H 'Content-Type: {found}', after its children; {_COPY}",
        )
    if kind_of(stated) is Kind.INDEX and is_image and not is_index:
        return Diagnosis(
            "image-under-index-type",
            f"the body is an image manifest, but the Content-Type says index ({stated})",
            f"send it with curl -H 'Content-Type: {found}'",
        )
    if is_index and is_image:
        return Diagnosis(
            "index-and-image",
            "the body has both `manifests` and `layers` or `config`: it could be read as two different things",
            "an index has `manifests`, an image manifest has `config` and `layers`; make it one of them",
        )
    inside = document.get("mediaType")
    if inside is not None and inside != stated:
        cure = (
            f"send it with curl -H 'Content-Type: {inside}'"
            if isinstance(inside, str) and kind_of(inside)
            else _FETCH_AGAIN
        )
        return Diagnosis(
            "media-type-differs",
            f"the body's mediaType is {inside}, but the Content-Type is {stated}",
            cure,
            "mediaType",
        )
    if inside is None and stated.startswith("application/vnd.docker."):
        return Diagnosis(
            "media-type-missing",
            f"the body has no mediaType, which {stated} requires",
            f"send it with curl -H 'Content-Type: {found}', if that is what it is"
            if found != stated
            else f'add "mediaType": "{stated}"',
            "mediaType",
        )
    return None


def _version(_: bytes, document: Mapping[str, Any], stated: str) -> Diagnosis | None:
    version = document.get("schemaVersion")
    if version == _SCHEMA2 and isinstance(version, int):  # Go's clients decode it into an integer: 2.0 is none
        return None
    if version is None and kind_of(stated) is Kind.ARTIFACT:
        return None  # the only kind that has none
    problem = "schemaVersion is missing" if version is None else f"schemaVersion is {encode(version).decode()}"
    return Diagnosis(
        "schema-version", f"{problem} where it must be 2", 'write "schemaVersion": 2, a number', "schemaVersion"
    )


_REQUIRED: dict[Kind, tuple[str, ...]] = {Kind.IMAGE: ("config", "layers"), Kind.INDEX: ("manifests",)}


def _fields(body: bytes, document: Mapping[str, Any], stated: str) -> Diagnosis | None:
    manifest = Manifest(body, stated)
    for name in _REQUIRED.get(manifest.kind, ()):
        if name not in document:
            return Diagnosis(
                f"missing-{name}", f"{name} is missing, which an {manifest.kind.value} must have", _FIX, name
            )
    try:
        described = successors(manifest)
    except ManifestInvalid as error:
        where = error.__cause__.text if isinstance(error.__cause__, InvalidDescriptor) else None
        return Diagnosis(_cause_at(where), str(error.detail or error.message), _FIX, where)
    return _embedded_data(described)


_FIX = "mend the program that made this manifest: the image specification (manifest.md, descriptor.md) says what the field must be"


def _cause_at(where: str | None) -> str:
    field = (where or "").rpartition(".")[2]
    return {"digest": "bad-digest", "blobSum": "bad-digest", "size": "bad-size"}.get(field, "bad-field")


def _embedded_data(described: tuple[Descriptor, ...]) -> Diagnosis | None:
    for each in described:
        if each.data is not None and (len(each.data) != each.size or not each.digest.matches(each.data)):
            actual = f"{len(each.data)} bytes with the digest {Digest.of(each.data, each.digest.algorithm)}"
            return Diagnosis(
                "data-differs",
                f"the data embedded for {each.digest} ({each.size} bytes) is something else: {actual}",
                f"{_FIX}; a descriptor may do without `data`",
            )
    return None


def _lost_its_newlines(body: bytes) -> bool:
    """Indented JSON has newlines before its indentation; `curl -d @file` leaves the indentation alone."""
    return b"\n" not in body and (b"{   " in body or b"[   " in body or b",   " in body)
