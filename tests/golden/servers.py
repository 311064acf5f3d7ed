"""The servers of the cases: stubs whose answers are fixed to the byte, a registry that refuses mounts, a closed port.

And filling a registry: with nothing but the standard library, so that it depends on nothing that is tested.
"""

import asyncio
import hashlib
import http.client
import json
import queue
import socket
import threading
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, urlsplit

from tests.golden.cases import Case
from wherry.oci.mediatype import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from wherry.server.running import running

__all__ = ["beside", "fetch", "fill", "free_port", "ready", "recorded", "served"]

TLS_HANDSHAKE = b"\x16"


@contextmanager
def served(case: Case, registry: str) -> Iterator[str]:
    """The address that a case's `REGISTRY` stands for; `registry` holds the content of cases that need a real one."""
    if case.nothing_listens:
        yield f"127.0.0.1:{free_port()}"
    elif case.needs_stub:
        with _listening(_Stub, content=case.setup) as address:
            yield address
    else:
        fill(registry, case)
        if not case.refuses_mounts:
            yield registry
            return
        with _listening(_MountRefuser, registry=registry) as address:
            yield address


@contextmanager
def beside() -> Iterator[str]:
    """The address of an empty registry of ours, which runs in a thread of this process."""
    started: queue.Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, str] | BaseException] = queue.Queue()

    async def serve() -> None:
        done = asyncio.Event()
        try:
            async with running(data=None) as registry:
                started.put((asyncio.get_running_loop(), done, registry.address))
                await done.wait()
        except BaseException as error:
            started.put(error)
            raise

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="registry")
    thread.start()
    begun = started.get(timeout=30)
    if isinstance(begun, BaseException):
        thread.join()
        raise begun
    loop, done, address = begun
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()


@contextmanager
def recorded(registry: str) -> Iterator[tuple[str, list[str]]]:
    """An address that leads to a registry, and the requests that came by it: `GET /v2/…`, without queries."""
    requests: list[str] = []
    with _listening(_Recorder, registry=registry, requests=requests) as address:
        yield address, requests


def fill(registry: str, case: Case, *, renamed: Mapping[str, str] | None = None) -> None:
    """Push what a case needs, in its order; `renamed` are tags that get another name."""
    for repository, digest, content in case.blobs:
        _push_blob(registry, repository, digest, content)
    for repository, tag, media_type, content in case.manifests:
        path = f"/v2/{repository}/manifests/{(renamed or {}).get(tag, tag)}"
        _expect(201, registry, "PUT", path, content, headers={"Content-Type": media_type})


def fetch(registry: str, repository: str, name: str) -> tuple[str, bytes]:
    """The media type and the bytes of a manifest."""
    connection = http.client.HTTPConnection(registry, timeout=30)
    try:
        accept = {"Accept": f"{DOCKER_MANIFEST}, {DOCKER_LIST}, {OCI_MANIFEST}, {OCI_INDEX}"}
        connection.request("GET", f"/v2/{repository}/manifests/{name}", headers=accept)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, (repository, name, answer.status, content)
        return answer.headers["Content-Type"], content
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ready(address: str, *, within: float = 30.0) -> None:
    """Wait until a server accepts connections there; `within` is in seconds."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + within
    while True:
        try:
            socket.create_connection((host, int(port))).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, f"nothing listens on {address}"
        else:
            return


def _push_blob(registry: str, repository: str, digest: str, content: bytes) -> None:
    location = _expect(202, registry, "POST", f"/v2/{repository}/blobs/uploads/")["Location"]
    parts = urlsplit(location)
    query = f"{parts.query}&" if parts.query else ""
    path = f"{parts.path}?{query}digest={quote(digest)}"
    _expect(201, registry, "PUT", path, content, headers={"Content-Type": "application/octet-stream"})


def _expect(
    status: int, registry: str, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
) -> Any:
    connection = http.client.HTTPConnection(registry, timeout=30)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == status, (method, path, answer.status, content)
        return answer.headers
    finally:
        connection.close()


@contextmanager
def _listening(handler: type[BaseHTTPRequestHandler], **attributes: object) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), attributes))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _PlainOnly(BaseHTTPRequestHandler):
    """Answers a TLS hello as registries on plain HTTP do, with a 400: clients step down only then."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def parse_request(self) -> bool:
        if not self.raw_requestline.startswith(TLS_HANDSHAKE):
            return super().parse_request()
        self.wfile.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        self.close_connection = True
        return False

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def handle_any(self) -> None:
        raise NotImplementedError  # each kind of server answers in its own way

    def do_GET(self) -> None:
        self.handle_any()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  # http.server's names


class _Stub(_PlainOnly):
    """Answers manifests as the case says, and blobs that it has."""

    content: Mapping[str, Any]

    def handle_any(self) -> None:
        self.body()
        path = urlsplit(self.path).path
        if path == "/v2/":
            self.answer(200, b"{}", {"Content-Type": "application/json"})
            return
        name, _, asked = path.removeprefix("/v2/").rpartition("/")
        repository, _, kind = name.rpartition("/")
        if kind == "blobs":
            self._answer_blob(asked)
        else:
            self._answer_manifest(repository, asked)

    def _answer_blob(self, digest: str) -> None:
        for blob in self.content.get("blobs", ()):
            if blob["digest"] == digest:
                self.answer(200, b64decode(blob["base64"]), {"Content-Type": "application/octet-stream"})
                return
        self._answer_error("BLOB_UNKNOWN", "blob unknown to registry")

    def _answer_manifest(self, repository: str, asked: str) -> None:
        for response in self.content["responses"]:
            body = b64decode(response["base64"]) if "base64" in response else response["text"].encode()
            digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
            if asked == digest or response["repo_tag"] == f"{repository}:{asked}":
                headers = {"Docker-Content-Digest": digest} if response["status"] == 200 else {}
                if response.get("content_type"):
                    headers["Content-Type"] = response["content_type"]
                self.answer(response["status"], body, headers)
                return
        self._answer_error("MANIFEST_UNKNOWN", "manifest unknown")

    def _answer_error(self, code: str, message: str) -> None:
        body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
        self.answer(404, body, {"Content-Type": "application/json"})


class _PassingOn(_PlainOnly):
    """Passes everything on to a registry."""

    registry: str

    def handle_any(self) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        body = self._whole_body()
        connection = http.client.HTTPConnection(self.registry, timeout=30)
        try:
            connection.request(self.command, self.path, body, {**headers, "Content-Length": str(len(body))})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        if self.command == "HEAD":
            kept["Content-Length"] = answer.headers["Content-Length"]
        self.answer(answer.status, content, kept)

    def _whole_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.body()
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)


class _Recorder(_PassingOn):
    """And notes what passes."""

    requests: list[str]

    def handle_any(self) -> None:
        self.requests.append(f"{self.command} {urlsplit(self.path).path}")
        super().handle_any()


class _MountRefuser(_PassingOn):
    """Except that mounts become uploads."""

    def handle_any(self) -> None:
        if "mount=" in self.path:
            self.path = urlsplit(self.path).path
        super().handle_any()


_OF_ONE_CONNECTION = ("connection", "content-length", "transfer-encoding")
