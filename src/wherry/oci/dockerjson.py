"""JSON as docker writes it, to the byte: Go's `json.Indent` and HTML escaping, and the layout of its manifest lists.

Digests of pushed lists and scripts that compare output depend on every space here. Tokens (numbers, escapes in strings)
are kept verbatim; only what stands between them changes.
"""

import re
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.document import decode, encode
from wherry.oci.mediatype import DOCKER_LIST, OCI_INDEX
from wherry.oci.platform import Platform

__all__ = [
    "LIST_INDENT",
    "TAB",
    "compact",
    "described",
    "escaped",
    "indented",
    "index_type",
    "list_content",
    "list_document",
    "listed",
    "shown",
]

TAB = b"\t"
LIST_INDENT = b"   "

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_ESCAPES = (
    (b"<", rb"\u003c"),
    (b">", rb"\u003e"),
    (b"&", rb"\u0026"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
)


def indented(content: bytes, indent: bytes) -> bytes:
    """Lay a document out anew, as Go's `json.Indent` does: white space after the document stays, before it goes.

    Raises:
        NotJSON: it is not a JSON document.
    """
    decode(content)  # a document that means well: the walk below need not look for mistakes
    pieces: list[bytes] = []
    depth = 0
    opened = False
    for match in _TOKEN.finditer(content):
        token = match[0]
        if token in (b"}", b"]"):
            if not opened:
                depth -= 1
                pieces.append(b"\n" + indent * depth)
            opened = False
            pieces.append(token)
            continue
        if opened:
            opened = False
            depth += 1
            pieces.append(b"\n" + indent * depth)
        pieces.append(token)
        if token in (b"{", b"["):
            opened = True
        elif token == b",":
            pieces.append(b"\n" + indent * depth)
        elif token == b":":
            pieces.append(b" ")
    return b"".join(pieces) + content[len(content.rstrip(b" \t\r\n")) :]


def compact(content: bytes) -> bytes:
    """A document without white space between its tokens, and escaped: what Go's encoder makes of a raw message.

    Raises:
        NotJSON: it is not a JSON document.
    """
    decode(content)
    return escaped(b"".join(match[0] for match in _TOKEN.finditer(content)))


def escaped(content: bytes) -> bytes:
    """Escape what Go's encoder escapes for HTML; in JSON these characters stand in strings only."""
    for plain, escape in _ESCAPES:
        content = content.replace(plain, escape)
    return content


def list_document(media_type: str, children: Iterable[Descriptor]) -> dict[str, Any]:
    """A manifest list or index in docker's order of fields."""
    return {"schemaVersion": 2, "mediaType": media_type, "manifests": [listed(child) for child in children]}


def list_content(media_type: str, children: Iterable[Descriptor]) -> bytes:
    """The bytes that `docker manifest push` sends for these children: indented by three spaces, no newline at the end."""
    return indented(escaped(encode(list_document(media_type, children))), LIST_INDENT)


def listed(child: Descriptor) -> dict[str, Any]:
    """A child in a list: the size before the digest, and what docker never writes (annotations and such) after them."""
    document = {"mediaType": child.media_type, "size": child.size, "digest": str(child.digest)}
    return document | _without(child.to_json(), *document)


def described(descriptor: Descriptor) -> dict[str, Any]:
    """A descriptor in docker's drafts: the field order of the specification's Go types, the platform always there."""
    document = descriptor.to_json()
    platform = (descriptor.platform or Platform()).to_json()
    artifact_type = {"artifactType": descriptor.artifact_type} if descriptor.artifact_type is not None else {}
    known = _without(document, "platform", "artifactType", *dict(descriptor.extra))
    return known | {"platform": platform} | artifact_type | dict(descriptor.extra)


def shown(content: bytes, media_type: str, children: Iterable[Descriptor]) -> bytes:
    """An index as `inspect` prints it: in docker's layout where that loses nothing, else as it is stored.

    Docker rebuilds the index from the few fields that it knows; so does this, and compares.
    """
    rebuilt = list_document(media_type, (_known(child) for child in children))
    document = decode(content)
    if {"mediaType": media_type} | document == rebuilt:
        return indented(escaped(encode(rebuilt)), LIST_INDENT)
    return indented(content.strip(), LIST_INDENT)


def index_type(children: Iterable[Descriptor]) -> str:
    """The media type of a list of these: any OCI child, and anything that only an OCI index can say, makes it an index."""
    for child in children:
        if not child.media_type.startswith("application/vnd.docker.") or child.annotations or child.artifact_type:
            return OCI_INDEX
    return DOCKER_LIST


def _known(child: Descriptor) -> Descriptor:
    """What docker knows of a child."""
    platform = child.platform and replace(child.platform, features=(), extra=())
    return Descriptor(child.media_type, child.digest, child.size, platform=platform)


def _without(document: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}
