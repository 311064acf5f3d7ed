"""Plain HTTP to any registry, written once for all of them, so that no client of ours or theirs colours a server's figure."""

import http.client
import time
from collections.abc import Iterable
from urllib.parse import urljoin, urlsplit

from bench.content import MANIFEST_TYPE, Layer, config, digest_of, manifest
from bench.content import layer as make_layer

PIECE = 1 << 20


class Connection:
    """One kept connection to a registry."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._http = http.client.HTTPConnection(address, timeout=120, blocksize=PIECE)

    def close(self) -> None:
        """Close it; the next request opens it again (registries hang up on those who are silent for long)."""
        self._http.close()

    def request(
        self, method: str, path: str, body: bytes | memoryview = b"", **headers: str
    ) -> http.client.HTTPResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        self._http.request(method, path, body=body or None, headers={**sent, "Content-Length": str(len(body))})
        return self._http.getresponse()

    def push_blob(self, repository: str, content: bytes | memoryview, digest: str) -> float:
        """POST, then the whole blob in one PUT; returns the seconds that both took."""
        began = time.perf_counter()
        opened = self.request("POST", f"/v2/{repository}/blobs/uploads/")
        _expect(opened, 202)
        location = urlsplit(urljoin(f"http://{self.address}/", opened.headers["Location"]))
        query = f"{location.query}&digest={digest}" if location.query else f"digest={digest}"
        stored = self.request("PUT", f"{location.path}?{query}", content, Content_Type="application/octet-stream")
        _expect(stored, 201)
        return time.perf_counter() - began

    def push_manifest(self, repository: str, tag: str, content: bytes, media_type: str = MANIFEST_TYPE) -> None:
        _expect(self.request("PUT", f"/v2/{repository}/manifests/{tag}", content, Content_Type=media_type), 201)

    def manifest(self, repository: str, tag: str) -> bytes:
        answer = self.request("GET", f"/v2/{repository}/manifests/{tag}", Accept=MANIFEST_TYPE)
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"bench: {self.address}/{repository}:{tag}: {answer.status} {content[:200]!r}")
        return content

    def download(self, path: str, expected: int) -> float:
        """GET and drop the bytes; returns the seconds."""
        room = memoryview(bytearray(PIECE))
        began = time.perf_counter()
        answer = self.request("GET", path)
        received = 0
        while count := answer.readinto(room):
            received += count
        seconds = time.perf_counter() - began
        if answer.status != 200 or received != expected:
            raise SystemExit(f"bench: {self.address}{path}: {answer.status}, {received} of {expected} bytes")
        return seconds


def push_image(connection: Connection, repository: str, tag: str, layers: Iterable[int | Layer]) -> None:
    """Make and push an image; a number is the size of a layer that this image alone has."""
    described = []
    diff_ids = []
    for each in layers:
        made = make_layer(each) if isinstance(each, int) else each
        digest = digest_of(made.content)
        connection.push_blob(repository, made.content, digest)
        described.append((digest, len(made.content)))
        diff_ids.append(made.diff_id)
    config_content = config(diff_ids)
    connection.push_blob(repository, config_content, digest_of(config_content))
    connection.push_manifest(repository, tag, manifest(config_content, described))


def _expect(answer: http.client.HTTPResponse, status: int) -> None:
    content = answer.read()
    if answer.status != status:
        raise SystemExit(f"bench: expected {status}, got {answer.status} {content[:200]!r}")
