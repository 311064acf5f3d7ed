"""The workloads of zot's benchmark `zb`, under their own names: what they send, in which order, and what counts as one request.

A push is a blob, a config and a manifest in a repository that is new; a pull asks for each of an image's parts by HEAD, then
by GET. One *request* is all of that. zb's blobs are 4 KiB of random bytes and zeros for the rest, and all pushes of a run
send the same one, which measures how a registry treats what it has: so every workload is done a second time with random
blobs of which no two are the same.

What is other than in zb: the clock starts when what is to be pulled or listed is there; an empty PATCH that zb sends in the
middle of a chunked push is left out; a repository is thrown away with its registry, and not deleted at the end.
"""

import json
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from bench.content import MANIFEST_TYPE, config, digest_of
from bench.copying import empty
from bench.driving import Driven, Line, Piece, Step, drive
from bench.registries import Kind, kinds, ours_relaxed
from bench.report import Cell, Row
from bench.rounds import collected

MiB = 1024 * 1024
SMALL, MEDIUM, LARGE = MiB, 10 * MiB, 100 * MiB
PAGE = 4096
CHUNK = MiB
"""Bytes of a chunk on the wire. Go's HTTP client makes them of 32 KiB, which would cost the generator three times the calls."""
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Workload:
    """`sizes` and `shares` say how often a blob has which size, `pulls` how many of the requests pull. `weight`: requests by the hundred."""

    name: str
    weight: float
    sizes: tuple[int, ...] = (SMALL,)
    shares: tuple[float, ...] = (1,)
    pulls: float = 0
    chunked: bool = False
    catalogue: bool = False


MIXED = (SMALL, MEDIUM, LARGE)
WORKLOADS = (
    Workload("Get Catalog", 10, catalogue=True),
    Workload("Push Monolith 1MB", 1, (SMALL,)),
    Workload("Push Monolith 10MB", 0.4, (MEDIUM,)),
    Workload("Push Monolith 100MB", 0.08, (LARGE,)),
    Workload("Push Chunk Streamed 1MB", 1, (SMALL,), chunked=True),
    Workload("Push Chunk Streamed 10MB", 0.4, (MEDIUM,), chunked=True),
    Workload("Push Chunk Streamed 100MB", 0.08, (LARGE,), chunked=True),
    Workload("Pull 1MB", 4, (SMALL,), pulls=1),
    Workload("Pull 10MB", 1, (MEDIUM,), pulls=1),
    Workload("Pull 100MB", 0.2, (LARGE,), pulls=1),
    Workload("Pull Mixed 20% 1MB, 70% 10MB, 10% 100MB", 0.8, MIXED, (0.2, 0.7, 0.1), pulls=1),
    Workload("Push Monolith Mixed 20% 1MB, 70% 10MB, 10% 100MB", 0.4, MIXED, (0.2, 0.7, 0.1)),
    Workload("Push Chunk Mixed 33% 1MB, 33% 10MB, 33% 100MB", 0.2, MIXED, (1, 1, 1), chunked=True),
    Workload("Pull 75% and Push 25% Mixed 1MB", 2, (SMALL,), pulls=0.75),
    Workload("Pull 75% and Push 25% Mixed 10MB", 0.8, (MEDIUM,), pulls=0.75),
    Workload("Pull 75% and Push 25% Mixed 100MB", 0.16, (LARGE,), pulls=0.75),
)


def measure(folder: Path, *, rounds: int, requests: int, workers: int) -> list[Row]:
    """Every workload, with zb's blobs and with unique ones; each against a registry that is empty before."""
    full, *peers = kinds()
    subjects = [full, ours_relaxed(), *peers]
    rows = []
    for unique in (False, True):
        for workload in WORKLOADS:
            if workload.catalogue and unique:
                continue  # no blob is asked for
            print(f"bench: zb: {workload.name}{', unique blobs' if unique else ''}", file=sys.stderr)
            rows.append(
                _row(workload, subjects, folder, rounds=rounds, requests=requests, workers=workers, unique=unique)
            )
    return rows


def _row(
    workload: Workload, subjects: list[Kind], folder: Path, *, rounds: int, requests: int, workers: int, unique: bool
) -> Row:
    each = max(2, round(requests * workload.weight / workers))
    supply: Supply = Unique(workload.sizes) if unique else Same(workload.sizes)

    def once(kind: Kind) -> Driven:
        with empty(kind, folder / "registry") as address:
            os.sync()  # so that nobody pays for what another has left to be written
            return drive(address, partial(_prepare, workload, supply, each), workers=workers)

    driven = collected(subjects, once, rounds)
    cells = {label: Cell(tuple(one.rate for one in all_of), all_of[-1].note) for label, all_of in driven.items()}
    content = "" if workload.catalogue else f" ({'unique' if unique else 'the same'} blobs)"
    return Row(f"{workload.name}{content}, {workers} workers × {each}", "requests/s", True, cells, subjects[0].label)


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes with a digest that was taken before; `stamp` is to be written over their beginning."""

    content: memoryview
    stamp: bytes
    digest: str

    def ready(self) -> memoryview:
        """The bytes, for as long as no other blob of the supply is made ready."""
        self.content[: len(self.stamp)] = self.stamp
        return self.content


class Supply(Protocol):
    """Blobs of a size."""

    def blob(self, size: int) -> Blob:
        """The next one."""


class Same:
    """Of each size always the same: one random page, and zeros."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._blobs = {}
        for size in sizes:
            content = memoryview(bytearray(size))
            content[:PAGE] = os.urandom(PAGE)
            self._blobs[size] = Blob(content, b"", digest_of(content))

    def blob(self, size: int) -> Blob:
        return self._blobs[size]


class Unique:
    """Random bytes; what makes a blob unique is its beginning, the rest is the same for all of a size, and not compressible."""

    STAMP = 32

    def __init__(self, sizes: Sequence[int]) -> None:
        self._contents = {size: memoryview(bytearray(os.urandom(size))) for size in sizes}

    def blob(self, size: int) -> Blob:
        content, stamp = self._contents[size], os.urandom(self.STAMP)
        hasher = sha256(stamp)
        hasher.update(content[self.STAMP :])
        return Blob(content, stamp, f"sha256:{hasher.hexdigest()}")


@dataclass(frozen=True, slots=True)
class Image:
    """Everything that a push sends, made before; `repository` is nobody else's."""

    repository: str
    blob: Blob
    config: bytes
    config_digest: str
    manifest: bytes


def _prepare(workload: Workload, supply: Supply, count: int, line: Line, number: int) -> list[Step]:
    choice = random.Random(f"{workload.name} {number}")  # the same for every registry and every round
    if workload.catalogue:
        for _ in range(count // 10):
            _push(_image(Same((PAGE,)), PAGE), line)
        return [_list_repositories] * count
    there = {}
    if workload.pulls:
        for size in workload.sizes:
            image = there[size] = _image(supply, size)
            _push(image, line)
    push = _push_in_chunks if workload.chunked else _push
    steps: list[Step] = []
    for _ in range(count):
        (size,) = choice.choices(workload.sizes, workload.shares)
        if choice.random() < workload.pulls:
            steps.append(partial(_pull, there[size]))
        else:
            steps.append(partial(push, _image(supply, size)))
    return steps


def _image(supply: Supply, size: int) -> Image:
    blob, configuration = supply.blob(size), config([])
    layers = [{"mediaType": LAYER_TYPE, "digest": blob.digest, "size": size}]
    document = {
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest_of(configuration),
            "size": len(configuration),
        },
        "layers": layers,
    }
    return Image(
        f"zb/{os.urandom(16).hex()}", blob, configuration, digest_of(configuration), json.dumps(document).encode()
    )


def _list_repositories(line: Line) -> None:
    line.ask("GET", "/v2/_catalog", 200)


_BYTES = "Content-Type: application/octet-stream\r\n"
_ACCEPT = f"Accept: {MANIFEST_TYPE}\r\n"


def _push(image: Image, line: Line) -> None:
    content = image.blob.ready()
    for digest, body in ((image.blob.digest, content), (image.config_digest, image.config)):
        put_blob(line, image.repository, digest, body)
    _put_manifest(line, image)


def _push_in_chunks(image: Image, line: Line) -> None:
    content = image.blob.ready()
    location = _patch(line, image.repository, _in_chunks(content), None)
    line.ask("PUT", _with_digest(location, image.blob.digest), 201, headers=_BYTES, length=0)
    location = _patch(line, image.repository, (image.config,), len(image.config))
    line.ask("PUT", _with_digest(location, image.config_digest), 201, headers=_BYTES, length=0)
    _put_manifest(line, image)


def put_blob(line: Line, repository: str, digest: str, *content: Piece) -> None:
    """POST, then the whole blob in one PUT."""
    opened = line.ask("POST", f"/v2/{repository}/blobs/uploads/", 202, length=0)
    location = _with_digest(_location(opened.header(b"location")), digest)
    line.ask("PUT", location, 201, headers=_BYTES, body=content, length=sum(map(len, content)))


def _patch(line: Line, repository: str, body: Sequence[Piece], length: int | None) -> str:
    opened = line.ask("POST", f"/v2/{repository}/blobs/uploads/", 202, length=0)
    headers = _BYTES if length is not None else f"{_BYTES}Transfer-Encoding: chunked\r\n"
    sent = line.ask("PATCH", _location(opened.header(b"location")), 202, headers=headers, body=body, length=length)
    return _location(sent.header(b"location"))


def _in_chunks(content: memoryview) -> list[Piece]:
    """A body in chunks, none of it copied."""
    pieces: list[Piece] = []
    for start in range(0, len(content), CHUNK):
        piece = content[start : start + CHUNK]
        pieces += [b"%x\r\n" % len(piece), piece, b"\r\n"]
    return [*pieces, b"0\r\n\r\n"]


def _put_manifest(line: Line, image: Image) -> None:
    path = f"/v2/{image.repository}/manifests/tag"
    headers = f"Content-Type: {MANIFEST_TYPE}\r\n"
    line.ask("PUT", path, 201, headers=headers, body=(image.manifest,), length=len(image.manifest))


def _pull(image: Image, line: Line) -> None:
    path = f"/v2/{image.repository}/manifests/tag"
    line.ask("HEAD", path, 200, headers=_ACCEPT)
    document = json.loads(line.ask("GET", path, 200, headers=_ACCEPT).content)
    for each in (document["config"], *document["layers"]):
        blob = f"/v2/{image.repository}/blobs/{each['digest']}"
        line.ask("HEAD", blob, 200)
        line.ask("GET", blob, 200)


def _location(header: bytes) -> str:
    parts = urlsplit(header.decode())
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _with_digest(location: str, digest: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"
