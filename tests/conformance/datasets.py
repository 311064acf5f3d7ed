"""The content that registries must carry: one small true example of each shape that images and artifacts have.

Everything is made from fixed bytes, so that two runs push the same content. A set is pushed in the order of its
`manifests`, children and subjects first, and taken away in the reverse.
"""

import base64
import gzip
import io
import json
import random
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.wire import OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST, OCTET_STREAM, digest_of

LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = f"{LAYER}+gzip"
NONDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar"
EXAMPLE = "application/vnd.example.wherry.thing.v1"
EXAMPLE_TWO = "application/vnd.example.wherry.thing.v2"

AMD64 = {"architecture": "amd64", "os": "linux"}
ARM64 = {"architecture": "arm64", "os": "linux"}

Json = dict[str, Any]


@dataclass
class DataSet:
    """Blobs by digest, manifests in the order of pushing, tags, and what the referrers of each subject must be."""

    name: str
    algorithm: str = "sha256"
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    referrers: dict[str, list[Json]] = field(default_factory=dict)
    tags_by_parameter: bool = False
    with_data: bool = False
    sparse: bool = False

    def __post_init__(self) -> None:
        self._random = random.Random(self.name)  # the same bytes in every run

    def __str__(self) -> str:
        return self.name

    def describe(self, content: bytes, media_type: str) -> Json:
        described = {"mediaType": media_type, "digest": digest_of(content, self.algorithm), "size": len(content)}
        if self.with_data:
            described["data"] = base64.b64encode(content).decode()
        return described

    def blob(self, content: bytes | None = None, media_type: str = OCTET_STREAM) -> Json:
        content = self._random.randbytes(2048) if content is None else content
        described = self.describe(content, media_type)
        self.blobs[described["digest"]] = content
        return described

    def layer(self, number: int, *, compressed: bool = True) -> tuple[Json, str]:
        """A layer with one file in it, and the digest of its tar."""
        tar = _tar(f"file-{number}.txt", self._random.randbytes(40).hex().encode())
        content = gzip.compress(tar, mtime=0) if compressed else tar
        return self.blob(content, LAYER_GZIP if compressed else LAYER), digest_of(tar, self.algorithm)

    def config(self, platform: Json, diff_ids: list[str], **fields: Any) -> Json:
        document = {**platform, "config": {}, "rootfs": {"type": "layers", "diff_ids": diff_ids}, **fields}
        return self.blob(json.dumps(document).encode(), OCI_CONFIG)

    def manifest(self, document: Json, tag: str | None = None) -> Json:
        """Add a manifest and give its descriptor."""
        content = json.dumps(document).encode()
        described = self.describe(content, document["mediaType"])
        self.manifests[described["digest"]] = content
        if tag is not None:
            self.tags[tag] = described["digest"]
        if "subject" in document:
            kind = document.get("artifactType") or document.get("config", {}).get("mediaType")
            entry = {name: described[name] for name in ("mediaType", "digest", "size")}
            optional = {"artifactType": kind, "annotations": document.get("annotations")}
            entry |= {name: value for name, value in optional.items() if value}
            self.referrers.setdefault(document["subject"]["digest"], []).append(entry)
        return described

    def image(
        self,
        tag: str | None = None,
        *,
        platform: Json = AMD64,
        layers: int = 2,
        compressed: bool = True,
        custom: Json | None = None,
        **fields: Any,
    ) -> Json:
        custom = custom or {}
        stack = [self.layer(number, compressed=compressed) for number in range(layers)]
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.config(platform, [diff_id for _, diff_id in stack], **custom),
            "layers": [layer for layer, _ in stack],
        }
        return self.manifest(document | fields | custom, tag)

    def artifact(
        self, tag: str | None = None, *, kind: str = EXAMPLE, layer: Json | None = None, **fields: Any
    ) -> Json:
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": kind,
            "config": self.blob(b"{}", OCI_EMPTY),
            "layers": [layer or self.blob(media_type=kind)],
        }
        return self.manifest(document | fields, tag)

    def index(self, children: list[Json], tag: str | None = None, **fields: Any) -> Json:
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
        return self.manifest(document | fields, tag)

    def platforms(self, **options: Any) -> list[Json]:
        """Two images of one name, as children of an index."""
        return [self.image(platform=platform, **options) | {"platform": platform} for platform in (AMD64, ARM64)]


def _tar(name: str, content: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def image() -> DataSet:
    made = DataSet("image")
    made.image("image")
    return made


def image_uncompressed() -> DataSet:
    made = DataSet("image-uncompressed")
    made.image("image-uncompressed", compressed=False)
    return made


def large_manifest() -> DataSet:
    """Just below the 4 MiB that every registry must take."""
    made = DataSet("large-manifest")
    made.image("large-manifest", annotations={f"large-annotation-{number}": "A" * 10_000 for number in range(390)})
    return made


def index() -> DataSet:
    made = DataSet("index")
    made.index(made.platforms(), "index")
    return made


def nested_index() -> DataSet:
    made = DataSet("nested-index")
    made.index([made.index(made.platforms()) for _ in range(2)], "index-of-indexes")
    return made


def empty_index() -> DataSet:
    made = DataSet("empty-index")
    made.index([], "empty-index")
    return made


def artifact() -> DataSet:
    made = DataSet("artifact")
    made.artifact("artifact")
    return made


def artifact_index() -> DataSet:
    made = DataSet("artifact-index")
    children = [made.artifact() | {"platform": platform} for platform in (AMD64, ARM64)]
    made.index(children, "artifact-index", artifactType=EXAMPLE)
    return made


def artifact_without_layers() -> DataSet:
    made = DataSet("artifact-without-layers")
    made.artifact("artifact-without-layers", layer=made.blob(b"{}", OCI_EMPTY))
    return made


def artifacts_with_subject() -> DataSet:
    """An image, and what points at it: another image (its type is its config's), and artifacts of two types."""
    made = DataSet("artifacts-with-subject")
    subject = made.image("image")
    notes = {"org.example.note": "hello", "org.example.other": "wherry"}
    made.image(subject=subject)
    made.artifact("tagged-artifact-1", subject=subject, annotations=notes)
    made.artifact("tagged-artifact-2", kind=EXAMPLE_TWO, subject=subject, annotations=notes)
    return made


def index_with_subject() -> DataSet:
    made = DataSet("index-with-subject")
    subject = made.index(made.platforms(), "index")
    children = [made.artifact(subject=subject) | {"platform": platform} for platform in (AMD64, ARM64)]
    made.index(children, "tagged-artifact", artifactType=EXAMPLE, subject=subject, annotations={"org.example.a": "b"})
    made.index([], subject=subject)
    return made


def missing_subject() -> DataSet:
    made = DataSet("missing-subject")
    subject = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"nobody pushed this"), "size": 123}
    made.artifact("tagged-artifact", subject=subject, annotations={"org.example.a": "b"})
    return made


def data_field() -> DataSet:
    made = DataSet("data-field", with_data=True)
    made.image("data-field")
    return made


def nondistributable() -> DataSet:
    """Layers that are somewhere else, and that nobody pushes."""
    made = DataSet("nondistributable")
    here, diff_id = made.layer(1)
    elsewhere = [
        made.describe(f"layer {number}".encode(), media_type) | {"urls": [f"https://store.example.com/{number}"]}
        for number, media_type in enumerate([f"{NONDISTRIBUTABLE}+gzip", NONDISTRIBUTABLE])
    ]
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": made.config(AMD64, [*(layer["digest"] for layer in elsewhere), diff_id]),
        "layers": [*elsewhere, here],
    }
    made.manifest(document, "nondistributable")
    return made


def custom_fields() -> DataSet:
    """Fields that no specification knows, in configs, manifests and the index."""
    made = DataSet("custom-fields")
    custom = {"org.example.extra": {"deep": [1, 2.50, None, True, "é"]}, "zz": "last"}
    made.index(made.platforms(custom=custom), "custom-fields", **custom)
    return made


def no_layers() -> DataSet:
    made = DataSet("no-layers")
    made.image("no-layers", layers=0)
    return made


def sparse() -> DataSet:
    """An image with a layer that is missing, and an index with a child that is."""
    made = DataSet("sparse", sparse=True)
    made.image("sparse-image")
    made.blobs.pop(next(digest for digest, content in made.blobs.items() if content.startswith(b"\x1f\x8b")))
    absent = made.describe(b"this image was never pushed", OCI_MANIFEST)
    made.index([made.image() | {"platform": AMD64}, absent | {"platform": ARM64}], "sparse-index")
    return made


def image_sha512() -> DataSet:
    made = DataSet("sha512", algorithm="sha512")
    made.index(made.platforms())
    return made


def tag_parameters() -> DataSet:
    return _tagged_by_parameter("tag-param-sha256", "sha256")


def tag_parameters_sha512() -> DataSet:
    return _tagged_by_parameter("tag-param-sha512", "sha512")


def _tagged_by_parameter(name: str, algorithm: str) -> DataSet:
    made = DataSet(name, algorithm=algorithm, tags_by_parameter=True)
    made.index(made.platforms(), name)
    made.tags |= {f"{name}-{number}": digest for number, digest in enumerate(made.manifests)}
    return made


SETS: tuple[Callable[[], DataSet], ...] = (
    image,
    image_uncompressed,
    large_manifest,
    index,
    nested_index,
    empty_index,
    artifact,
    artifact_index,
    artifact_without_layers,
    artifacts_with_subject,
    index_with_subject,
    missing_subject,
    data_field,
    nondistributable,
    custom_fields,
    no_layers,
    sparse,
    image_sha512,
    tag_parameters,
    tag_parameters_sha512,
)
