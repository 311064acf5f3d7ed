import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.oci import errors
from wherry.oci.errors import (
    BlobUnknown,
    InvalidDescriptor,
    InvalidDigest,
    InvalidTag,
    ManifestInvalid,
    ManifestUnknown,
    RegistryError,
    StoreError,
    WherryError,
)
from wherry.oci.wire.errors import WireError, class_for, read_errors, write_errors

# distribution-spec 1.1, "Error Codes", and the statuses that registries give them.
SPECIFIED = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 400,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "SIZE_INVALID": 400,
    "UNAUTHORIZED": 401,
    "DENIED": 403,
    "UNSUPPORTED": 405,
    "TOOMANYREQUESTS": 429,
}
IN_USE = {"RANGE_INVALID": 416, "TAG_INVALID": 400, "PAGINATION_NUMBER_INVALID": 400, "UNAVAILABLE": 503}


@pytest.mark.parametrize(("code", "status"), (SPECIFIED | IN_USE).items())
def test_every_code_has_its_class_and_its_status(code, status):
    found = class_for(code, status)
    assert issubclass(found, RegistryError)
    assert (found.code, found.status) == (code, status)


@pytest.mark.parametrize("code", SPECIFIED)
def test_the_code_counts_more_than_the_status(code):
    assert class_for(code, 500).code == code


@pytest.mark.parametrize(
    ("code", "status", "found"),
    [
        ("SIZE_INVALID", 413, errors.PayloadTooLarge),
        ("MANIFEST_UNVERIFIED", 400, errors.ManifestInvalid),
        ("UNKNOWN", 404, errors.NotFound),
        (None, 401, errors.Unauthorized),
        (None, 403, errors.Denied),
        (None, 404, errors.NotFound),
        (None, 405, errors.Unsupported),
        (None, 413, errors.PayloadTooLarge),
        (None, 416, errors.RangeInvalid),
        (None, 429, errors.TooManyRequests),
        ("", 500, errors.Unavailable),
        ("SOMETHING_NEW", 503, errors.Unavailable),
        ("SOMETHING_NEW", 400, RegistryError),
        (None, 418, RegistryError),
    ],
)
def test_an_unknown_code_leaves_it_to_the_status(code, status, found):
    assert class_for(code, status) is found


def written(*failures: WherryError) -> list[dict]:
    return json.loads(write_errors(failures))["errors"]


def test_a_refusal_is_written_with_what_it_knows():
    assert written(BlobUnknown("not here", detail={"digest": "sha256:…"})) == [
        {"code": "BLOB_UNKNOWN", "message": "not here", "detail": {"digest": "sha256:…"}}
    ]
    assert written(ManifestUnknown("not here")) == [{"code": "MANIFEST_UNKNOWN", "message": "not here"}]


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        (None, {"hint": "h"}),
        ({"a": 1}, {"a": 1, "hint": "h"}),
        ("text", {"cause": "text", "hint": "h"}),
        ([1], {"cause": [1], "hint": "h"}),
    ],
)
def test_what_to_do_next_stands_beside_the_detail(detail, told):
    assert written(ManifestInvalid("no", detail=detail, hint="h"))[0]["detail"] == told


def test_values_that_are_refused_are_written_too():
    codes = [
        entry["code"] for entry in written(InvalidDigest("x", "y"), InvalidTag("x", "y"), InvalidDescriptor("x", "y"))
    ]
    assert codes == ["DIGEST_INVALID", "TAG_INVALID", "MANIFEST_INVALID"]
    assert written(StoreError("broken")) == [{"code": "UNKNOWN", "message": "broken"}]


@given(
    st.lists(
        st.builds(
            lambda kind, message, detail: kind(message, detail=detail),
            st.sampled_from([BlobUnknown, ManifestInvalid, ManifestUnknown]),
            st.text(),
            st.none() | st.text() | st.dictionaries(st.text(), st.integers(-(2**53), 2**53), max_size=2),
        ),
        max_size=3,
    )
)
def test_reading_finds_what_was_written(failures):
    assert read_errors(write_errors(failures)) == tuple(
        WireError(failure.code, failure.message, failure.detail) for failure in failures
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"errors": null}',
        b'{"errors": {}}',
        b'{"errors": []}',
        b'{"errors": ["text"]}',
        b'{"details": "incorrect username or password"}',
    ],
)
def test_a_body_that_is_no_error_has_none(body):
    assert read_errors(body) == ()


@pytest.mark.parametrize(
    ("entry", "read"),
    [
        ({}, WireError("UNKNOWN")),
        ({"code": None, "message": None}, WireError("UNKNOWN")),
        ({"code": 7, "message": 7}, WireError("UNKNOWN")),
        ({"code": "DENIED", "message": "no", "detail": [1]}, WireError("DENIED", "no", [1])),
    ],
)
def test_an_entry_that_says_little_is_read_too(entry, read):
    assert read_errors(json.dumps({"errors": [1, entry]}).encode()) == (read,)


@given(st.binary(max_size=80))
def test_any_body_is_read_without_harm(body):
    assert isinstance(read_errors(body), tuple)
