"""Everything that can go wrong, as one tree: a class for each thing that a caller can act on.

    WherryError                      never raised itself
    ├── InvalidValue                 a text that is not what its grammar asks (also a ValueError)
    │   ├── InvalidDigest            └── UnsupportedAlgorithm
    │   ├── InvalidReference         ├── InvalidName, └── InvalidTag
    │   ├── InvalidPlatform
    │   └── InvalidDescriptor
    ├── ContentMismatch              a store sent bytes that are not what their descriptor says
    │   ├── DigestMismatch
    │   └── SizeMismatch
    ├── RegistryError                a refusal in the words of the distribution specification
    │   ├── NotFound                 ├── NameUnknown, ManifestUnknown, BlobUnknown, └── BlobUploadUnknown
    │   ├── Unauthorized, Denied, TooManyRequests, Unsupported, Unavailable
    │   ├── ManifestInvalid, ManifestBlobUnknown, PayloadTooLarge
    │   ├── BlobUploadInvalid, DigestInvalid, SizeInvalid, RangeInvalid, NameInvalid, TagInvalid, PageSizeInvalid
    │   ├── PreconditionFailed       what is there is not what the request expects (`If-Match`)
    │   └── UnexpectedResponse       an answer that no registry should give
    ├── Unreachable                  no answer at all
    │   ├── ConnectionFailed, TimedOut, TLSFailed
    │   └── PlainHTTP                TLS was spoken to a registry that speaks plain HTTP
    ├── CredentialsError             the user's docker configuration or credential helper does not work
    ├── RouteError                   a file that says how a registry is reached does not work, or blocks it
    └── StoreError                   a local store is damaged, locked or not a store

`code` and `status` of a class are the specification's error code and the HTTP status it travels with: this is the one
table that joins code, class and status (distribution-spec 1.1, "Error Codes"). The server answers with them and the
client finds the class by them (`wherry.oci.wire.errors`). A store that is not a registry raises the same classes for
the same reasons, with no `request`.
"""

from typing import Any, ClassVar

from msgspec import Struct

__all__ = [
    "BlobUnknown",
    "BlobUploadInvalid",
    "BlobUploadUnknown",
    "ConnectionFailed",
    "ContentMismatch",
    "CredentialsError",
    "Denied",
    "DigestInvalid",
    "DigestMismatch",
    "Exchange",
    "InvalidDescriptor",
    "InvalidDigest",
    "InvalidName",
    "InvalidPlatform",
    "InvalidReference",
    "InvalidTag",
    "InvalidValue",
    "ManifestBlobUnknown",
    "ManifestInvalid",
    "ManifestUnknown",
    "NameInvalid",
    "NameUnknown",
    "NotFound",
    "PageSizeInvalid",
    "PayloadTooLarge",
    "PlainHTTP",
    "PreconditionFailed",
    "RangeInvalid",
    "RegistryError",
    "RouteError",
    "SizeInvalid",
    "SizeMismatch",
    "StoreError",
    "TLSFailed",
    "TagInvalid",
    "TimedOut",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedResponse",
    "Unreachable",
    "Unsupported",
    "UnsupportedAlgorithm",
    "WherryError",
]


class WherryError(Exception):
    """The base of all; catch it to catch everything that wherry raises on purpose.

    `hint` is what a human can try next, or None rather than a guess. `is_final` is set where it was tried again, in vain.
    """

    code: ClassVar[str] = "UNKNOWN"
    status: int = 500
    hint: str | None
    is_final: bool = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """As an exception has it, its class would be called with the message alone, which most of these refuse."""
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(kind: type[WherryError], arguments: tuple[Any, ...], state: dict[str, Any]) -> WherryError:
    """An error that came from another process."""
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class InvalidValue(WherryError, ValueError):
    """`text` is not a well-formed `kind`; `reason` says why, without repeating either."""

    kind: ClassVar[str] = "value"
    status = 400

    def __init__(self, text: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(f"bad {self.kind} {_shown(text)}: {reason}", hint=hint)
        self.text = text
        self.reason = reason


class InvalidDigest(InvalidValue):
    kind = "digest"
    code = "DIGEST_INVALID"


class UnsupportedAlgorithm(InvalidDigest):
    """A well-formed digest whose algorithm is neither sha256 nor sha512."""


class InvalidReference(InvalidValue):
    kind = "reference"
    code = "NAME_INVALID"


class InvalidName(InvalidReference):
    kind = "repository name"


class InvalidTag(InvalidReference):
    kind = "tag"
    code = "TAG_INVALID"


class InvalidPlatform(InvalidValue):
    kind = "platform"


class InvalidDescriptor(InvalidValue):
    """A field of a manifest is wrong; `text` is its path in the document, for example `layers[2].size`."""

    kind = "field"
    code = "MANIFEST_INVALID"

    def __init__(self, text: str, reason: str, *, hint: str | None = None) -> None:
        super().__init__(text, reason, hint=hint)
        self.message = f"{text} {reason}"


class ContentMismatch(WherryError):
    """Bytes were read that are not what was asked for. They must not be used."""

    status = 400


class DigestMismatch(ContentMismatch):
    code = "DIGEST_INVALID"


class SizeMismatch(ContentMismatch):
    code = "SIZE_INVALID"


class Exchange(Struct, frozen=True):
    """The request that was answered, for messages: the URL has no secrets in it (no query but `n`, `last`, `digest`)."""

    method: str
    url: str

    def __str__(self) -> str:
        return f"{self.method} {self.url}"


class RegistryError(WherryError):
    """A refusal.

    `message` is one sentence for people. `detail` is what the registry said beside its code (any JSON value), and
    `words` is the registry's own message. `request` and `status` are what was asked and the HTTP status of the answer.
    """

    status = 400

    def __init__(
        self,
        message: str,
        *,
        detail: object = None,
        hint: str | None = None,
        words: str | None = None,
        request: Exchange | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.detail = detail
        self.words = words
        self.request = request
        if status is not None:
            self.status = status

    def __str__(self) -> str:
        if self.request is None:
            return self.message
        code = "" if self.code == "UNKNOWN" else f" {self.code}"
        return f"{self.message} ({self.request} -> {self.status}{code})"


class NotFound(RegistryError):
    """Something that was named is not there.

    `is_doubtful` where a HEAD was answered by what bears no sign of a registry: some servers know no HEAD, and say 404.
    """

    status = 404
    is_doubtful: bool = False


class NameUnknown(NotFound):
    code = "NAME_UNKNOWN"


class ManifestUnknown(NotFound):
    code = "MANIFEST_UNKNOWN"


class BlobUnknown(NotFound):
    code = "BLOB_UNKNOWN"


class BlobUploadUnknown(NotFound):
    code = "BLOB_UPLOAD_UNKNOWN"


class Unauthorized(RegistryError):
    code = "UNAUTHORIZED"
    status = 401


class Denied(RegistryError):
    code = "DENIED"
    status = 403


class Unsupported(RegistryError):
    code = "UNSUPPORTED"
    status = 405


class TooManyRequests(RegistryError):
    """`retry_after` is how many seconds the registry asks to wait, or None if it does not say."""

    code = "TOOMANYREQUESTS"
    status = 429
    retry_after: float | None = None


class Unavailable(RegistryError):
    """The registry has trouble of its own (5xx). `retry_after` as for `TooManyRequests`."""

    code = "UNAVAILABLE"
    status = 503
    retry_after: float | None = None


class ManifestInvalid(RegistryError):
    code = "MANIFEST_INVALID"


class ManifestBlobUnknown(RegistryError):
    """A manifest names a blob or a child that its repository does not have; `detail` is its digest."""

    code = "MANIFEST_BLOB_UNKNOWN"


class PayloadTooLarge(RegistryError):
    code = "SIZE_INVALID"
    status = 413


class BlobUploadInvalid(RegistryError):
    code = "BLOB_UPLOAD_INVALID"


class DigestInvalid(RegistryError):
    code = "DIGEST_INVALID"


class SizeInvalid(RegistryError):
    code = "SIZE_INVALID"


class RangeInvalid(RegistryError):
    code = "RANGE_INVALID"
    status = 416


class NameInvalid(RegistryError):
    code = "NAME_INVALID"


class TagInvalid(RegistryError):
    code = "TAG_INVALID"


class PageSizeInvalid(RegistryError):
    code = "PAGINATION_NUMBER_INVALID"


class PreconditionFailed(RegistryError):
    """What is there is not what the request's `If-Match` or `If-None-Match` expects. The code is ours: the specification has none."""

    code = "PRECONDITION_FAILED"
    status = 412


class UnexpectedResponse(RegistryError):
    """An answer that the specification does not know: HTML from a proxy, a 200 without a digest, an odd status."""

    status = 502


class Unreachable(WherryError):
    """No HTTP answer came. `registry` is `host[:port]` as the user wrote it."""

    status = 502

    def __init__(self, message: str, *, registry: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.registry = registry


class ConnectionFailed(Unreachable):
    """The name does not resolve, the port is closed, or the connection broke."""


class TimedOut(Unreachable):
    """The registry was silent for too long."""


class TLSFailed(Unreachable):
    """The TLS handshake failed: a certificate that is not trusted, or no TLS on that port."""


class PlainHTTP(TLSFailed):
    """The registry answers plain HTTP where HTTPS was spoken to it."""


class CredentialsError(WherryError):
    """Docker's `config.json` or a credential helper cannot be used."""


class RouteError(WherryError):
    """A file that says how a registry is reached (certificates, mirrors, proxies) cannot be used, or blocks it."""


class StoreError(WherryError):
    """A local store cannot be used: it is damaged, locked by someone else, or not a store."""


_LONGEST_SHOWN = 120


def _shown(text: str) -> str:
    """Quote what the user wrote, cut when it is so long that it would hide the reason."""
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…")
