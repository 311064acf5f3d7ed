"""Error bodies: `{"errors": [{"code", "message", "detail"}]}`, written by the server and read by the client.

Spec: distribution-spec 1.1, "Error Codes". The codes and their statuses stand in `wherry.oci.errors`.
"""

from collections.abc import Iterable

from msgspec import Struct

from wherry.oci import errors
from wherry.oci.document import NotJSON, decode, encode
from wherry.oci.errors import RegistryError, WherryError

__all__ = ["WireError", "class_for", "read_errors", "write_errors"]

_CLASSES: tuple[type[RegistryError], ...] = (
    errors.NameUnknown,
    errors.ManifestUnknown,
    errors.BlobUnknown,
    errors.BlobUploadUnknown,
    errors.BlobUploadInvalid,
    errors.Unauthorized,
    errors.Denied,
    errors.Unsupported,
    errors.TooManyRequests,
    errors.Unavailable,
    errors.ManifestInvalid,
    errors.ManifestBlobUnknown,
    errors.DigestInvalid,
    errors.SizeInvalid,
    errors.RangeInvalid,
    errors.NameInvalid,
    errors.TagInvalid,
    errors.PageSizeInvalid,
    errors.PreconditionFailed,
)
_BY_CODE = {each.code: each for each in _CLASSES} | {"MANIFEST_UNVERIFIED": errors.ManifestInvalid}
_BY_STATUS: dict[int, type[RegistryError]] = {
    401: errors.Unauthorized,
    403: errors.Denied,
    404: errors.NotFound,
    405: errors.Unsupported,
    412: errors.PreconditionFailed,
    413: errors.PayloadTooLarge,
    416: errors.RangeInvalid,
    429: errors.TooManyRequests,
}
_SERVER_TROUBLE = 500


class WireError(Struct, frozen=True):
    """One error of a body; `detail` is any JSON value."""

    code: str
    message: str = ""
    detail: object = None


def write_errors(failures: Iterable[WherryError]) -> bytes:
    """The body that tells a client what is wrong, one entry a failure, with what to do next where we know it."""
    return encode({"errors": [_entry(failure) for failure in failures]})


def _entry(failure: WherryError) -> dict[str, object]:
    entry: dict[str, object] = {"code": failure.code, "message": failure.message}
    detail = getattr(failure, "detail", None)
    if failure.hint is not None:
        told = detail if isinstance(detail, dict) else {} if detail is None else {"cause": detail}
        detail = {**told, "hint": failure.hint}
    if detail is not None:
        entry["detail"] = detail
    return entry


def read_errors(body: bytes) -> tuple[WireError, ...]:
    """The errors of a body, in its order; none if it is not an error body."""
    try:
        document = decode(body)
    except NotJSON:
        return ()
    entries = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return ()
    return tuple(
        WireError(_text(entry.get("code")) or "UNKNOWN", _text(entry.get("message")), entry.get("detail"))
        for entry in entries
        if isinstance(entry, dict)
    )


def class_for(code: str | None, status: int) -> type[RegistryError]:
    """The class that a caller can act on: by the error code if it is a known one, else by the HTTP status."""
    by_code = _BY_CODE.get(code or "")
    if by_code is errors.SizeInvalid and status == errors.PayloadTooLarge.status:
        return errors.PayloadTooLarge
    if by_code is not None:
        return by_code
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return errors.Unavailable if status >= _SERVER_TROUBLE else RegistryError


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
