"""What each endpoint takes and gives, method by method: the one table that the document is made of.

HEAD is not in it: it is GET without the body. Neither is what any request may be answered with, whatever it asks for.
"""

from msgspec.structs import replace

from wherry.oci import errors
from wherry.oci.errors import WherryError
from wherry.oci.mediatype import ACCEPTED_MANIFESTS, OCI_INDEX, OCTET_STREAM, Kind, kind_of
from wherry.oci.wire.conditions import HONOURED
from wherry.server.openapi.values import Body, Operation, Refusal, Reply
from wherry.server.routes import Endpoint

__all__ = ["OPERATIONS"]

_JSON = "application/json"
_MANIFESTS = tuple(each for each in ACCEPTED_MANIFESTS if kind_of(each) is not Kind.SCHEMA1)
_A_MANIFEST = Body("Manifest", _MANIFESTS)
_BYTES = Body(None, (OCTET_STREAM,))
_PARTS = Body(None, (OCTET_STREAM, "multipart/byteranges"))

_NAMED = (errors.NotFound, errors.InvalidName)
_REFERENCED = (*_NAMED, errors.InvalidTag, errors.InvalidDigest)
_DIGESTED = (*_NAMED, errors.InvalidDigest)
_NEEDED = Refusal(errors.Denied, status=405, headers=("Allow",))
_SLOW = Refusal(errors.BlobUploadInvalid, status=408)
_BODIED = (errors.SizeInvalid, errors.PayloadTooLarge, _SLOW)
_RECEIVED = (*_BODIED, Refusal(errors.TooManyRequests, headers=("Retry-After",)))
_PAGED = ("Link",)
_OUT_OF_ORDER = Refusal(errors.RangeInvalid, optional=("Location", "Range", "Docker-Upload-UUID"))
_CHANGE = ("change-if-match", "change-if-none-match")
_UPLOAD = ("Location", "Range", "Docker-Upload-UUID")
_CREATED = Reply("It is kept.", headers=("Location", "Docker-Content-Digest"))
_GONE = Reply("It is gone.", optional=(HONOURED,))
_UNCHANGED = Reply("The client has it already.", headers=("ETag", "Docker-Content-Digest"))
_DOWNLOAD = ("Docker-Content-Digest", "ETag", "Cache-Control", "Accept-Ranges")


def _plain(*refusals: type[WherryError] | Refusal) -> tuple[Refusal, ...]:
    return tuple(each if isinstance(each, Refusal) else Refusal(each) for each in refusals)


OPERATIONS: dict[tuple[Endpoint, str], Operation] = {
    (Endpoint.ROOT, "GET"): Operation(
        "Root", "Is anybody there? As Docker's registry answers it.", {200: Reply("Yes.", Body("Root", (_JSON,)))}
    ),
    (Endpoint.BASE, "GET"): Operation(
        "Base", "Is this a registry, and may I talk to it?", {200: Reply("It is, and you may.", Body("Base", (_JSON,)))}
    ),
    (Endpoint.CATALOGUE, "GET"): Operation(
        "Catalogue",
        "The repositories, in byte order. Docker's; the OCI specification has none.",
        {200: Reply("A page of names.", Body("Repositories", (_JSON,)), optional=_PAGED)},
        ("n", "last"),
        refusals=_plain(errors.PageSizeInvalid),
    ),
    (Endpoint.MANIFEST, "GET"): Operation(
        "Manifest",
        "A manifest, byte for byte as it was pushed. By tag, a client whose `Accept` has no index gets the image for"
        " linux/amd64 out of one, if it takes that; by digest nothing is negotiated.",
        {
            200: Reply("The manifest.", _A_MANIFEST, headers=("Docker-Content-Digest", "ETag"), optional=("Vary",)),
            304: replace(_UNCHANGED, optional=("Vary",)),
        },
        ("name", "reference", "if-match", "if-none-match"),
        refusals=_plain(*_REFERENCED, errors.ManifestUnknown, errors.PreconditionFailed),
    ),
    (Endpoint.MANIFEST, "PUT"): Operation(
        "Manifest",
        "Push a manifest, and point tags at it. What it names must be there; each missing thing is an error of its own.",
        {
            201: Reply(
                "It is kept.",
                headers=("Location", "Docker-Content-Digest"),
                optional=("OCI-Subject", "OCI-Tag", HONOURED),
            )
        },
        ("name", "reference", "tag", *_CHANGE),
        _A_MANIFEST,
        _plain(
            *_REFERENCED,
            *_BODIED,
            errors.ManifestInvalid,
            errors.ManifestBlobUnknown,
            errors.DigestInvalid,
            errors.PreconditionFailed,
            Refusal(errors.PayloadTooLarge, status=414),
        ),
    ),
    (Endpoint.MANIFEST, "DELETE"): Operation(
        "Manifest",
        "Remove a tag; or, by digest, a manifest with all its tags, unless an index needs it.",
        {202: _GONE},
        ("name", "reference", *_CHANGE),
        refusals=_plain(*_REFERENCED, errors.ManifestUnknown, _NEEDED, errors.PreconditionFailed),
    ),
    (Endpoint.BLOB, "GET"): Operation(
        "Blob",
        "A blob, or ranges of it.",
        {
            200: Reply("All of it.", _BYTES, headers=_DOWNLOAD),
            206: Reply(
                "The range; or several, each with its `Content-Range`.",
                _PARTS,
                headers=_DOWNLOAD,
                optional=("Content-Range",),
            ),
            304: _UNCHANGED,
        },
        ("name", "digest", "range", "if-range", "if-match", "if-none-match"),
        refusals=_plain(
            *_DIGESTED,
            errors.BlobUnknown,
            errors.PreconditionFailed,
            Refusal(errors.RangeInvalid, headers=("Content-Range",)),
        ),
    ),
    (Endpoint.BLOB, "DELETE"): Operation(
        "Blob",
        "Take a blob away from a repository, unless a manifest there needs it.",
        {202: _GONE},
        ("name", "digest", *_CHANGE),
        refusals=_plain(*_DIGESTED, errors.BlobUnknown, _NEEDED, errors.PreconditionFailed),
    ),
    (Endpoint.UPLOADS, "POST"): Operation(
        "Upload",
        "Begin an upload; or take over a blob from another repository (`mount`); or take a whole one (`digest`, with a body)."
        " The slash at the end may be left out.",
        {201: _CREATED, 202: Reply("An upload is open.", headers=_UPLOAD)},
        ("name", "mount", "from", "whole", "digest-algorithm"),
        _BYTES,
        _plain(*_NAMED, errors.DigestInvalid, *_RECEIVED),
        needs_body=False,
    ),
    (Endpoint.UPLOAD, "GET"): Operation(
        "Upload",
        "How far an upload is.",
        {204: Reply("So far.", headers=_UPLOAD)},
        ("name", "upload"),
        refusals=_plain(*_NAMED, errors.BlobUploadUnknown),
    ),
    (Endpoint.UPLOAD, "PATCH"): Operation(
        "Upload",
        "More bytes, at the end of what is there.",
        {202: Reply("They are kept.", headers=_UPLOAD)},
        ("name", "upload", "content-range"),
        _BYTES,
        _plain(*_NAMED, *_RECEIVED, errors.BlobUploadUnknown, _OUT_OF_ORDER),
        needs_body=False,
    ),
    (Endpoint.UPLOAD, "PUT"): Operation(
        "Upload",
        "The last bytes, if any, and the digest of all of them.",
        {201: _CREATED},
        ("name", "upload", "final", "content-range"),
        _BYTES,
        _plain(*_NAMED, *_RECEIVED, errors.DigestInvalid, errors.BlobUploadUnknown, _OUT_OF_ORDER),
        needs_body=False,
    ),
    (Endpoint.UPLOAD, "DELETE"): Operation(
        "Upload",
        "Throw an upload away.",
        {204: Reply("It is gone.")},
        ("name", "upload"),
        refusals=_plain(*_NAMED, errors.BlobUploadUnknown),
    ),
    (Endpoint.TAGS, "GET"): Operation(
        "Tags",
        "The tags of a repository, in byte order.",
        {200: Reply("A page of tags.", Body("Tags", (_JSON,)), optional=_PAGED)},
        ("name", "n", "last"),
        refusals=_plain(*_NAMED, errors.NameUnknown, errors.PageSizeInvalid),
    ),
    (Endpoint.REFERRERS, "GET"): Operation(
        "Referrers",
        "The manifests whose subject this is, whether there is such a manifest or not.",
        {
            200: Reply(
                "An index of them, perhaps an empty one.",
                Body("Referrers", (OCI_INDEX,)),
                optional=("OCI-Filters-Applied", *_PAGED),
            )
        },
        ("name", "digest", "n", "position", "artifactType"),
        refusals=_plain(*_DIGESTED, errors.PageSizeInvalid),
    ),
    (Endpoint.HEALTH, "GET"): Operation(
        "Health", "Is the process alive?", {200: Reply("It is.", Body("Health", (_JSON,)))}
    ),
    (Endpoint.READY, "GET"): Operation(
        "Readiness",
        "Can the registry serve?",
        {
            200: Reply("It can.", Body("Readiness", (_JSON,))),
            503: Reply("It cannot, and `reason` says why.", Body("Unready", (_JSON,)), optional=("Retry-After",)),
        },
    ),
    (Endpoint.METRICS, "GET"): Operation(
        "Metrics",
        "What the registry has done, for Prometheus.",
        {200: Reply("Prometheus' text format 0.0.4.", Body("Metrics", ("text/plain",)))},
    ),
    (Endpoint.DESCRIPTION, "GET"): Operation(
        "Description", "This document.", {200: Reply("It.", Body("Description", (_JSON,)))}
    ),
}
