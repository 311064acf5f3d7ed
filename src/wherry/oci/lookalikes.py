"""JSON documents that people take for manifests, told by their fields: what other commands and endpoints print.

A manifest says so itself: a document with any of a manifest's own fields is none of these, whatever else it has.
"""

from collections.abc import Mapping
from typing import Any

__all__ = ["lookalike_of"]

_OWN = ("schemaVersion", "manifests", "layers", "fsLayers", "blobs")
_COPY = "`wherry copy SOURCE DESTINATION` moves an image, whole"
_RAW = f"`wherry manifest inspect --raw IMAGE` and `skopeo inspect --raw` print a manifest's exact bytes; {_COPY}"
_FETCH = "a manifest is what GET https://REGISTRY/v2/NAME/manifests/TAG gives, with an Accept header for its type"
_AS_A_BLOB = "push it as a blob, and as the manifest one that names it"

_OBJECTS: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    (("rootfs", "architecture"), "image-config", "an image's config, not its manifest", f"{_AS_A_BLOB}; {_COPY}"),
    (("Ref", "Descriptor"), "inspect-output", "what `docker manifest inspect --verbose` prints, not a manifest", _RAW),
    (("Digest", "RepoTags"), "inspect-output", "what `skopeo inspect` prints, not a manifest", _RAW),
    (("Id", "RootFS"), "inspect-output", "what `docker image inspect` prints, not a manifest", _RAW),
    (
        ("imageLayoutVersion",),
        "layout-marker",
        "the file that marks an OCI layout, not a manifest",
        "`wherry copy oci:FOLDER DESTINATION` pushes what is in a layout",
    ),
    (
        ("manifest", "image"),
        "inspect-output",
        "what `docker buildx imagetools inspect --format` prints, not a manifest",
        f"`docker buildx imagetools inspect --raw` prints the exact bytes; {_COPY}",
    ),
    (
        ("containerimage.digest",),
        "build-metadata",
        "what `docker buildx build --metadata-file` writes, not a manifest",
        f"the manifest is where the build has pushed it; {_COPY}",
    ),
    (("mediaType", "digest", "size"), "descriptor", "a descriptor, which names a manifest and is none", _RAW),
    (("name", "tags"), "tag-list", "a list of tags, not a manifest", _FETCH),
    (("repositories",), "catalogue", "a list of repositories, not a manifest", _FETCH),
    (("token",), "token", "a token, not a manifest", f"send it along, as Authorization: Bearer; {_FETCH}"),
    (("access_token",), "token", "a token, not a manifest", f"send it along, as Authorization: Bearer; {_FETCH}"),
    (("spdxVersion",), "attestation", "an SBOM (SPDX), not a manifest", _AS_A_BLOB),
    (("bomFormat",), "attestation", "an SBOM (CycloneDX), not a manifest", _AS_A_BLOB),
    (("_type", "predicateType"), "attestation", "an attestation (in-toto), not a manifest", _AS_A_BLOB),
)
_LISTS: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    (("Descriptor",), "inspect-output", "what `docker manifest inspect --verbose` prints, not a manifest", _RAW),
    (("Id", "RootFS"), "inspect-output", "what `docker image inspect` prints, not a manifest", _RAW),
    (
        ("Config", "Layers"),
        "docker-archive",
        "the list of images in an archive of `docker save`, which is called manifest.json and is no manifest",
        "`wherry copy docker-archive:FILE DESTINATION` pushes what is in the archive",
    ),
)
_MESSAGES = ("error", "message", "detail")
_LOOK_AT_GET = "look at the status of that GET (curl --fail stops there), mend it, and fetch the manifest again"


def lookalike_of(document: Any) -> tuple[str, str, str] | None:
    """Cause, problem and cure, if a decoded document is one of these."""
    if isinstance(document, list):
        return next((found for each in document[:1] if (found := _among(_LISTS, each))), None)
    return _among(_OBJECTS, document) or _error_in_words(document)


def _among(table: tuple[tuple[tuple[str, ...], str, str, str], ...], document: Any) -> tuple[str, str, str] | None:
    if not isinstance(document, dict) or any(field in document for field in _OWN):
        return None
    return next(
        (
            (cause, f"the body is {what}", cure)
            for fields, cause, what, cure in table
            if all(field in document for field in fields)
        ),
        None,
    )


def _error_in_words(document: Any) -> tuple[str, str, str] | None:
    """Hosts in front of registries, and Docker Hub's other API, have error bodies of their own."""
    if not isinstance(document, Mapping) or any(field in document for field in (*_OWN, "mediaType")):
        return None
    found = next((document[field] for field in _MESSAGES if isinstance(document.get(field), str)), None)
    if found is None:
        return None
    problem = f'the body is an error ("{found[:80]}"), not a manifest: the GET that should have fetched it failed'
    return "error-body", problem, _LOOK_AT_GET
