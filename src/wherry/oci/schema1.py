"""Docker's signed schema 1 manifests: read, never made.

A signature covers the document as it was before it was signed: its first `formatLength` bytes, closed again by
`formatTail`. Both stand in the signature's protected header. So one byte more or less in the white space, such as the
newlines that `curl -d @file` takes away, breaks it: "invalid format length" is how registries say that.

Source: Docker's "Image Manifest Version 2, Schema 1", "Signed Manifests" (libtrust's JSON signatures).
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from wherry.oci.document import NotJSON, decode

__all__ = ["is_intact", "is_schema1", "signed_payload"]


def is_schema1(document: Mapping[str, Any]) -> bool:
    """Whether a decoded document is a schema 1 manifest, signed or not."""
    return document.get("schemaVersion") == 1


def is_intact(content: bytes, document: Mapping[str, Any]) -> bool:
    """Whether the bytes still have the form that they were signed in; a document without signatures always has.

    The signatures themselves are not verified: their keys travel with them, so they prove nothing about the author.
    """
    signatures = document.get("signatures")
    if not isinstance(signatures, list):
        return True
    return all(_covers(content, signature) for signature in signatures)


def signed_payload(content: bytes, document: Mapping[str, Any]) -> bytes | None:
    """What was signed: of that registries compute the digest of a signed manifest. None if it cannot be told."""
    signatures = document.get("signatures")
    if not isinstance(signatures, list) or not signatures or not _covers(content, signatures[0]):
        return None
    protected = _protected_header(signatures[0])
    return content[: protected["formatLength"]] + _base64url(protected["formatTail"])


def _covers(content: bytes, signature: object) -> bool:
    protected = _protected_header(signature)
    length, tail = protected.get("formatLength"), protected.get("formatTail")
    if not isinstance(length, int) or not isinstance(tail, str) or not 0 < length <= len(content):
        return False
    try:
        payload = content[:length] + _base64url(tail)
        return isinstance(decode(payload), dict)
    except (NotJSON, binascii.Error):
        return False


def _protected_header(signature: object) -> Mapping[str, Any]:
    protected = signature.get("protected") if isinstance(signature, dict) else None
    if not isinstance(protected, str):
        return {}
    try:
        header = decode(_base64url(protected))
    except (NotJSON, binascii.Error):
        return {}
    return header if isinstance(header, dict) else {}


def _base64url(text: str) -> bytes:
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_")
