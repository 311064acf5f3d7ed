"""Eleven small images like those of Docker Hub's hello-world: true layers and configs, in Docker's schema 2 types.

Four of them do not say all about themselves, as happens to people: that is what `manifest annotate` is for.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_CONFIG, DOCKER_FOREIGN_LAYER, DOCKER_LAYER, DOCKER_MANIFEST
from wherry.oci.platform import Platform

CREATED = "2026-11-21T00:00:00Z"
MICROSOFT = "https://mcr.microsoft.com/v2/windows/nanoserver/blobs"


@dataclass(frozen=True, slots=True)
class Image:
    """An image, and what has to be said about it by hand: options of `annotate`, and why they are needed."""

    tag: str
    manifest: Manifest
    blobs: tuple[tuple[Descriptor, bytes], ...]
    annotate: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class ForeignLayer:
    """A layer that only its publisher hands out: those of two Windows versions, whose diff IDs are made up here."""

    digest: str
    size: int
    diff_id: str


NANOSERVER_2022 = ForeignLayer(
    "sha256:7691725ee3658d154f940d82fd8c3ff07c0dc589a0c9a93df47ed0ede92a76ab",
    117333150,
    "sha256:" + "20" * 32,
)
NANOSERVER_2019 = ForeignLayer(
    "sha256:b5c97e1d373f591225559869af7f4f01399c201f89d21f903b1d23c830aa0a3f",
    103046552,
    "sha256:" + "17" * 32,
)


def images() -> Iterator[Image]:
    """All eleven, in the order of Docker Hub's list."""
    linux = "linux"
    yield _image("linux-amd64", Platform(linux, "amd64"))
    yield _image(
        "linux-arm-v5",
        Platform(linux, "arm"),
        annotate=("--variant", "v5"),
        why="its config says arm, and not which",
    )
    yield _image("linux-arm-v7", Platform(linux, "arm", "v7"))
    yield _image(
        "linux-arm64-v8",
        Platform(linux, "arm64"),
        annotate=("--variant", "v8"),
        why="arm64 has one variant only, but some clients want to read it",
    )
    yield _image("linux-386", Platform(linux, "386"))
    yield _image("linux-mips64le", Platform(linux, "mips64le"))
    yield _image("linux-ppc64le", Platform(linux, "ppc64le"))
    yield _image(
        "linux-riscv64",
        Platform(linux, "amd64"),
        annotate=("--arch", "riscv64"),
        why="cross-built on amd64, and the builder wrote its own architecture into the config",
    )
    yield _image("linux-s390x", Platform(linux, "s390x"))
    yield _image("windows-ltsc2022", Platform("windows", "amd64", os_version="10.0.20348.473"), NANOSERVER_2022)
    yield _image(
        "windows-1809",
        Platform("windows", "amd64"),
        NANOSERVER_2019,
        annotate=("--os-version", "10.0.17763.2458"),
        why="without os.version nobody could tell the two Windows images apart",
    )


def _image(
    tag: str,
    platform: Platform,
    foreign: ForeignLayer | None = None,
    *,
    annotate: tuple[str, ...] = (),
    why: str = "",
) -> Image:
    unpacked = _tar({"hello.txt": f"Hello from Wherry!\nThis is the image for {tag}.\n".encode()})
    packed = gzip.compress(unpacked, mtime=0)
    layer = Descriptor.of(packed, DOCKER_LAYER)
    diff_ids = [*([foreign.diff_id] if foreign else []), str(Digest.of(unpacked))]
    config_content = _config(platform, diff_ids)
    config = Descriptor.of(config_content, DOCKER_CONFIG)
    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": config.to_json(),
        "layers": [*([_foreign_descriptor(foreign).to_json()] if foreign else []), layer.to_json()],
    }
    manifest = Manifest(json.dumps(document, indent=3).encode(), DOCKER_MANIFEST)
    return Image(tag, manifest, ((config, config_content), (layer, packed)), annotate, why)


def _foreign_descriptor(foreign: ForeignLayer) -> Descriptor:
    digest = Digest.parse(foreign.digest)
    return Descriptor(DOCKER_FOREIGN_LAYER, digest, foreign.size, urls=(f"{MICROSOFT}/{digest}",))


def _config(platform: Platform, diff_ids: list[str]) -> bytes:
    document = {
        **platform.to_json(),
        "created": CREATED,
        "config": {"Labels": {"org.opencontainers.image.title": "hello-world"}},
        "history": [{"created": CREATED, "created_by": "wherry demo"} for _ in diff_ids],
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _tar(files: dict[str, bytes]) -> bytes:
    room = io.BytesIO()
    with tarfile.open(fileobj=room, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return room.getvalue()
