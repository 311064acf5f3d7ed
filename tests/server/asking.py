"""Requests to a registry over a plain socket: whatever can be sent can be written here, valid or not."""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.server.running import Running

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
EMPTY = "application/vnd.oci.empty.v1+json"

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for each, value in self.headers if each == name.lower()), None)

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each == name.lower()]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        return [error["code"] for error in self.json["errors"]]


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


async def connect(server: Running) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = server.address.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


async def exchange(server: Running, request: bytes) -> bytes:
    """Send bytes, and return all that comes until the server closes."""
    reader, writer = await connect(server)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


def head(method: str, path: str, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: registry.test", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def ask(
    server: Running,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Headers = (),
    *,
    chunks: Iterable[bytes] | None = None,
) -> Answer:
    """One request on a connection of its own; with `chunks` the body is sent in these."""
    sent = [*headers, ("Connection", "close")]
    if chunks is not None:
        sent.append(("Transfer-Encoding", "chunked"))
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks if chunk) + b"0\r\n\r\n"
    elif body is not None:
        sent.append(("Content-Length", str(len(body))))
    return parse(await exchange(server, head(method, path, sent) + (body or b"")))


def parse(answer: bytes) -> Answer:
    start, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = start.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Answer(int(status.split()[1]), headers, body)


async def push_blob(server: Running, name: str, content: bytes, algorithm: str = "sha256") -> str:
    digest = digest_of(content, algorithm)
    answer = await ask(server, "POST", f"/v2/{name}/blobs/uploads/?digest={digest}", content)
    assert answer.status == 201, answer
    return digest


async def begin(server: Running, name: str, query: str = "") -> str:
    """Begin an upload; its location."""
    answer = await ask(server, "POST", f"/v2/{name}/blobs/uploads/{query}", b"")
    assert answer.status == 202, answer
    location = answer.header("Location")
    assert location is not None
    return location


async def offset_of(server: Running, location: str) -> str | None:
    """What an upload says that it has."""
    return (await ask(server, "GET", location)).header("Range")


async def wait_for_bytes(server: Running, location: str) -> None:
    """Until some of what another connection sends has been written."""
    async with asyncio.timeout(10):
        while await offset_of(server, location) == "0-0":
            pass


def an_image(*layers: bytes, config: bytes = b"{}", **more: Any) -> bytes:
    """The manifest of an artifact with these layers; the same arguments make the same bytes."""
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": EMPTY, "digest": digest_of(config), "size": len(config)},
        "layers": [{"mediaType": "text/plain", "digest": digest_of(each), "size": len(each)} for each in layers],
    }
    return json.dumps(document | more).encode()


def an_index(*children: bytes, media_type: str = INDEX, platforms: Sequence[str] = (), **more: Any) -> bytes:
    entries = [{"mediaType": MANIFEST, "digest": digest_of(each), "size": len(each)} for each in children]
    for entry, platform in zip(entries, platforms, strict=False):
        system, architecture = platform.split("/")
        entry["platform"] = {"os": system, "architecture": architecture}
    return json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": entries} | more).encode()


async def put(server: Running, name: str, reference: str, manifest: bytes, media_type: str | None = None) -> Answer:
    media_type = media_type or json.loads(manifest)["mediaType"]
    return await ask(server, "PUT", f"/v2/{name}/manifests/{reference}", manifest, [("Content-Type", media_type)])


async def push_image(server: Running, name: str, tag: str, *layers: bytes, **more: Any) -> tuple[bytes, str]:
    """Push an image with all that it needs; its manifest and digest."""
    for blob in (b"{}", *layers):
        await push_blob(server, name, blob)
    manifest = an_image(*layers, **more)
    answer = await put(server, name, tag, manifest)
    assert answer.status == 201, answer
    return manifest, digest_of(manifest)
