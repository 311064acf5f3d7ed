"""What the suite speaks: HTTP as it goes over the wire, with nothing of wherry in it, so that a bug of ours cannot hide
another one. One connection a request, unless it is kept; headers may repeat, bodies may be chunked, and a URL is sent as it
is written.
"""

import hashlib
import http.client
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCTET_STREAM = "application/octet-stream"

ALL_MANIFESTS = (
    ("Accept", OCI_INDEX),
    ("Accept", OCI_MANIFEST),
    ("Accept", DOCKER_LIST),
    ("Accept", DOCKER_MANIFEST),
    ("Accept", "application/vnd.oci.artifact.manifest.v1+json"),
)
"""The types as separate headers, the way that Go programs send them."""

SILENCE = 30.0
"""Seconds without a byte from the registry before a test fails."""

Headers = Iterable[tuple[str, str]]


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def random_bytes(count: int) -> bytes:
    return os.urandom(count)


def with_query(url: str, *pairs: tuple[str, str]) -> str:
    """Add parameters to a URL that may have some already (an upload's location is opaque and may hold its own)."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(pairs))))))


@dataclass(frozen=True)
class Answer:
    """What came back. `url` is what was asked, in full: relative locations are resolved against it."""

    method: str
    url: str
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    def values(self, name: str) -> list[str]:
        """All values of a header that may repeat or be a comma list."""
        return [value.strip() for line in self.headers.get_all(name, []) for value in line.split(",")]

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def location(self) -> str:
        location = self.header("Location")
        assert location, f"no Location: {self!r}"
        return urljoin(self.url, location)

    @property
    def next_page(self) -> str | None:
        """The target of `Link: <…>; rel="next"`."""
        link = self.header("Link")
        if link is None:
            return None
        target, _, relation = link.partition(";")
        assert relation.strip() == 'rel="next"', link
        assert target.startswith("<"), link
        assert target.endswith(">"), link
        return urljoin(self.url, target[1:-1])

    @property
    def codes(self) -> list[str]:
        """The codes of an error body, which must be one."""
        assert (self.header("Content-Type") or "").startswith("application/json"), repr(self)
        errors = self.json()["errors"]
        assert errors, repr(self)
        assert all(error["code"].isupper() and isinstance(error.get("message", ""), str) for error in errors), repr(
            self
        )
        return [error["code"] for error in errors]

    def __repr__(self) -> str:
        return f"<{self.method} {self.url} -> {self.status} {dict(self.headers.items())} {self.body[:300]!r}>"


@dataclass(frozen=True)
class Registry:
    """A registry under test, by its URL without a path.

    `kept` is a connection that carries all requests, one after another; the caller closes it. `always` goes with each.
    """

    url: str
    kept: http.client.HTTPConnection | None = None
    always: Headers = ()

    def send(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        headers: Headers = (),
        query: Iterable[tuple[str, str]] = (),
        chunked: bool = False,
    ) -> Answer:
        """Ask once, and follow a redirect of a download (which every endpoint may answer with).

        Args:
            target: a path or a whole URL, sent as written.
            body: None sends neither a body nor a `Content-Length`.
            chunked: send the body in pieces of 64 KiB without saying how long it is.
        """
        url = with_query(urljoin(self.url, target) if target.startswith("http") else self.url + target, *query)
        answer = self._ask(method, url, body, [*self.always, *headers], chunked=chunked)
        if method in ("GET", "HEAD") and answer.status in (302, 307):
            return self._ask(method, answer.location, body, [*self.always, *headers], chunked=chunked)
        return answer

    def _ask(self, method: str, url: str, body: bytes | None, headers: Headers, *, chunked: bool) -> Answer:
        if self.kept is not None and url.startswith(f"{self.url}/"):
            return _exchange(self.kept, method, url, body, headers, chunked=chunked)
        with closing(connect(url)) as connection:
            return _exchange(connection, method, url, body, headers, chunked=chunked)

    def pages(self, target: str, name: str) -> Iterator[list[Any]]:
        """The lists named `name` of a listing, page by page along its links."""
        at: str | None = target
        while at is not None:
            answer = self.send("GET", at)
            assert answer.status == 200, answer
            yield answer.json()[name]
            at = answer.next_page


def connect(url: str) -> http.client.HTTPConnection:
    """A connection to where a URL leads. It opens by itself, and again if the registry has closed it."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.netloc, timeout=SILENCE)


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    url: str,
    body: bytes | None,
    headers: Headers,
    *,
    chunked: bool,
) -> Answer:
    parts = urlsplit(url)
    connection.putrequest(method, urlunsplit(("", "", parts.path, parts.query, "")), skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if chunked:
        connection.putheader("Transfer-Encoding", "chunked")
    elif body is not None:
        connection.putheader("Content-Length", str(len(body)))
    try:
        connection.endheaders()
        for piece in _pieces(body or b"", chunked=chunked):
            connection.send(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass  # a registry may refuse before it has read everything; its answer is there to be read
    response = connection.getresponse()
    return Answer(method, url, response.status, response.headers, response.read())


def _pieces(body: bytes, *, chunked: bool) -> Iterator[bytes]:
    if not chunked:
        yield body
        return
    size = 64 * 1024
    for start in range(0, len(body), size):
        piece = body[start : start + size]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


@dataclass(frozen=True)
class Repository:
    """A repository of the registry under test, with its endpoints by name."""

    registry: Registry
    name: str

    def at(self, path: str) -> str:
        return f"/v2/{self.name}/{path}"

    def send(self, method: str, path: str, **options: Any) -> Answer:
        return self.registry.send(method, self.at(path), **options)

    def get_blob(self, digest: str, *headers: tuple[str, str]) -> Answer:
        return self.send("GET", f"blobs/{digest}", headers=headers)

    def head_blob(self, digest: str) -> Answer:
        return self.send("HEAD", f"blobs/{digest}")

    def get_manifest(self, name: str, headers: Headers = ALL_MANIFESTS) -> Answer:
        return self.send("GET", f"manifests/{name}", headers=headers)

    def head_manifest(self, name: str, headers: Headers = ALL_MANIFESTS) -> Answer:
        return self.send("HEAD", f"manifests/{name}", headers=headers)

    def put_manifest(self, name: str, content: bytes, media_type: str, **options: Any) -> Answer:
        return self.send("PUT", f"manifests/{name}", body=content, headers=[("Content-Type", media_type)], **options)

    def tags(self) -> list[str]:
        return [tag for page in self.registry.pages(self.at("tags/list"), "tags") for tag in page]

    def start_upload(self, **options: Any) -> Answer:
        answer = self.send("POST", "blobs/uploads/", body=b"", **options)
        assert answer.status == 202, answer
        return answer

    def push_blob(self, content: bytes, algorithm: str = "sha256") -> str:
        """Push in the plainest way, as preparation for something else."""
        digest = digest_of(content, algorithm)
        url = with_query(self.start_upload().location, ("digest", digest))
        answer = self.registry.send("PUT", url, body=content, headers=[("Content-Type", OCTET_STREAM)])
        assert answer.status == 201, answer
        return digest

    def push_manifest(self, document: Mapping[str, Any] | bytes, tag: str | None = None) -> str:
        """Push a document under its own media type, by tag or by its sha256 digest; return the digest."""
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        digest = digest_of(content)
        answer = self.put_manifest(tag or digest, content, json.loads(content)["mediaType"])
        assert answer.status == 201, answer
        return digest

    def push_image(self, tag: str | None = None, **fields: Any) -> str:
        """Push the smallest image that there is (an empty config, no layers), made unlike others by `fields`."""
        self.push_blob(b"{}")
        return self.push_manifest(empty_image(**fields), tag)


def descriptor(content: bytes, media_type: str, **fields: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content), **fields}


def empty_image(**fields: Any) -> dict[str, Any]:
    """An image manifest without layers, whose config is `{}`."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(b"{}", OCI_EMPTY),
        "layers": [],
        **fields,
    }


@dataclass
class Names:
    """Names that nobody has used in this registry before."""

    prefix: str
    _count: int = field(default=0)

    def fresh(self) -> str:
        self._count += 1
        return f"{self.prefix}/{self._count}"
