"""The JSON of requests and answers, and the grammars of what stands in paths: `#/components/schemas`.

The patterns are for programs that read the document, which know ECMA-262 and no Python; a test holds them against the
values that the server reads with. Spec: JSON Schema 2020-12, as OpenAPI 3.1 has it.
"""

from typing import Any

from wherry.oci.digest import ALGORITHMS
from wherry.oci.mediatype import OCI_INDEX
from wherry.oci.reference import LONGEST_NAME

__all__ = ["DIGEST_PATTERN", "NAME_PATTERN", "SCHEMAS", "TAG_PATTERN", "errors_of", "schema"]

Schema = dict[str, Any]

_COMPONENT = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"
_DIGEST = "|".join(f"{algorithm}:[0-9a-f]{{{digits}}}" for algorithm, digits in ALGORITHMS.items())
_LONGEST_DIGEST = max(len(algorithm) + 1 + digits for algorithm, digits in ALGORITHMS.items())
NAME_PATTERN = f"^{_COMPONENT}(/{_COMPONENT})*$"
TAG_PATTERN = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"
DIGEST_PATTERN = f"^({_DIGEST})$"


def schema(name: str) -> Schema:
    """Where one of `SCHEMAS` stands in the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def errors_of(codes: list[str]) -> Schema:
    """An error body whose codes are among these."""
    return {
        **schema("Errors"),
        "properties": {"errors": {"items": {"properties": {"code": {"enum": codes}}}}},
    }


def _an_object(required: Schema, optional: Schema | None = None) -> Schema:
    return {"type": "object", "required": list(required), "properties": required | (optional or {})}


_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_SIZE: Schema = {"type": "integer", "minimum": 0}
_SCHEMA_VERSION: Schema = {"const": 2}

SCHEMAS: dict[str, Schema] = {
    "Name": {
        "type": "string",
        "description": "A repository's name. It may have slashes; in this one parameter they are sent as `%2F` or as they are.",
        "pattern": NAME_PATTERN,
        "maxLength": LONGEST_NAME,
        "examples": ["library/alpine"],
    },
    "Tag": {"type": "string", "pattern": TAG_PATTERN, "examples": ["latest"]},
    "Digest": {
        "type": "string",
        "description": f"`algorithm:encoded`, by {' or '.join(ALGORITHMS)}, in lower-case hex digits.",
        "pattern": DIGEST_PATTERN,
        "maxLength": _LONGEST_DIGEST,
    },
    "Reference": {"description": "What has a colon is a digest.", "anyOf": [schema("Tag"), schema("Digest")]},
    "Descriptor": _an_object(
        {"mediaType": _TEXT, "digest": _TEXT, "size": _SIZE},
        {"artifactType": _TEXT, "annotations": _TEXTS, "platform": {"type": "object"}, "data": _TEXT},
    ),
    "Manifest": {
        "description": "An image manifest, an index, an artifact manifest, or Docker's image manifest or manifest list, as it was pushed.",
        "type": "object",
        "properties": {"schemaVersion": _SCHEMA_VERSION, "mediaType": _TEXT, "annotations": _TEXTS},
    },
    "Referrers": _an_object(
        {
            "schemaVersion": _SCHEMA_VERSION,
            "mediaType": {"const": OCI_INDEX},
            "manifests": {"type": "array", "items": schema("Descriptor")},
        }
    ),
    "Tags": _an_object({"name": schema("Name"), "tags": {"type": "array", "items": schema("Tag")}}),
    "Repositories": _an_object({"repositories": {"type": "array", "items": schema("Name")}}),
    "Errors": _an_object({"errors": {"type": "array", "minItems": 1, "items": schema("Error")}}),
    "Error": _an_object(
        {"code": {"type": "string", "pattern": "^[A-Z_]+$"}, "message": {"type": "string", "minLength": 1}},
        {"detail": {"description": "Facts for programs; `hint` in it is for people: what can be tried next."}},
    ),
    "Root": _an_object({"status": {"const": "alive"}, "api": _TEXT}),
    "Base": {"type": "object", "maxProperties": 0},
    "Health": _an_object({"status": {"const": "alive"}, "worker": _SIZE}),
    "Readiness": _an_object({"status": {"const": "ready"}}),
    "Unready": {"anyOf": [_an_object({"status": {"const": "not ready"}, "reason": _TEXT}), schema("Errors")]},
    "Metrics": _TEXT,
    "Description": _an_object({"openapi": {"const": "3.1.0"}, "info": {"type": "object"}, "paths": {"type": "object"}}),
}
