"""A source and a destination that things go wrong at, and what goes wrong: for tests of copies through it."""

import hashlib
import re
from itertools import count

from tests.clock import Waits
from tests.content import Content, a_blob, an_image, read
from tests.faults.proxy import Proxy, answered, changed, cut, swallowed
from tests.stores.remote.stub import Asked
from wherry.oci.errors import WherryError
from wherry.oci.reference import Reference, Tag
from wherry.ops.copy import copy
from wherry.ops.progress import Event, Passed
from wherry.stores.remote import Client, Repository
from wherry.stores.remote.retrying import Patience

TAG = Tag("v1")
NOISE = b"".join(hashlib.sha256(bytes([number % 256, number // 256])).digest() for number in range(20_000))
BIG = a_blob(NOISE)
IMAGE = an_image(layers=[BIG, a_blob(b"a small one")])
TRIES = 3
NUMBERS = count()


def blob_get(asked: Asked) -> bool:
    return asked.method == "GET" and str(BIG.descriptor.digest) in asked.path


def blob_put(asked: Asked) -> bool:
    return asked.method in {"PUT", "PATCH"} and int(asked.headers.get("content-length", 0)) > 300_000


def upload_opened(asked: Asked) -> bool:
    return asked.method == "POST" and asked.target.endswith("/blobs/uploads/")


def small_put(asked: Asked) -> bool:
    return asked.method == "POST" and "digest=" in asked.target


def manifest_get(asked: Asked) -> bool:
    return asked.method == "GET" and "/manifests/" in asked.path


def manifest_head(asked: Asked) -> bool:
    return asked.method == "HEAD" and "/manifests/" in asked.path


def manifest_put(asked: Asked) -> bool:
    return asked.method == "PUT" and "/manifests/" in asked.path


def ping(asked: Asked) -> bool:
    return asked.path == "/v2/"


def token(asked: Asked) -> bool:
    return asked.path == "/token"


AT_SOURCE = [blob_get, manifest_get, manifest_head, token]
AT_DESTINATION = [blob_put, upload_opened, small_put, manifest_put, token]
HEADERS = cut(lambda body, _: body // 2)
MIDDLE = cut(lambda body, whole: (body + whole) // 2)
LAST_BYTE = cut(lambda _, whole: whole - 1)
PASSING = {
    "cut in the headers": HEADERS,
    "cut in the middle": MIDDLE,
    "cut before the last byte": LAST_BYTE,
    "answer lost": swallowed(),
    "429": answered(429, "Retry-After: 7"),
    "429 with a date": answered(429, "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"),
    "408": answered(408),
    "500": answered(500, body=b"<html>oops</html>"),
    "502": answered(502),
    "503": answered(503, "Retry-After: 3"),
}
STAYING = ("request lost", "cut in the headers", "cut in the middle", "500", "429")


class Yard:
    """A source and a destination, each behind a proxy of its own."""

    def __init__(self, source: Proxy, destination: Proxy, image: Content, waits: Waits) -> None:
        self.at_source = source
        self.at_destination = destination
        self.image = image
        self.waits = waits
        self.name = f"case{next(NUMBERS)}/app"
        self.passed = 0
        """Bytes of the large blob that were told to have passed."""

    async def copied(self, **options) -> WherryError | None:
        """Copy, and give what went wrong. Whatever did, the tag is not there, or leads to all that belongs to it."""
        patience = Patience(tries=TRIES, deadline=60)
        async with Client(**{"patience": patience, "clock": self.waits} | options) as client:
            try:
                await copy(
                    self._at(client, self.at_source, "from/app"),
                    TAG,
                    self._at(client, self.at_destination, self.name),
                    tags=[TAG],
                    progress=self._told,
                )
            except WherryError as error:
                failure = error
            else:
                failure = None
        async with Client() as client:
            direct = client.repository(Reference.parse_repository(f"{self.at_destination.upstream}/{self.name}"))
            tags = [tag async for tag in direct.tags()] if await direct.exists(self.image.manifest.descriptor) else []
            if failure is None:
                assert tags == [TAG]
            for _ in tags:
                for blob in self.image.all_blobs().values():
                    assert await read(direct.fetch(blob.descriptor)) == blob.content
        return failure

    def _told(self, event: Event) -> None:
        if isinstance(event, Passed) and event.blob == BIG.descriptor:
            self.passed += event.bytes

    def _at(self, client: Client, where: Proxy, name: str) -> Repository:
        return client.repository(Reference.parse_repository(f"{where.address}/{name}"))


def _longer(head: bytes, body: bytes) -> bytes:
    return (
        re.sub(rb"(?i)content-length: \d+", b"Content-Length: %d" % (len(body) + 1), head) + b"\r\n\r\n" + body + b"x"
    )


def _shorter(head: bytes, body: bytes) -> bytes:
    return re.sub(rb"(?i)content-length: \d+", b"Content-Length: %d" % (len(body) // 2), head) + b"\r\n\r\n" + body


def _other(head: bytes, body: bytes) -> bytes:
    return head + b"\r\n\r\n" + body[:-1] + bytes([body[-1] ^ 1])


def _endless(head: bytes, body: bytes) -> bytes:
    return re.sub(rb"(?i)content-length: \d+\r\n", b"", head) + b"\r\n\r\n" + body


LIES = {
    "longer": changed(_longer),
    "shorter": changed(_shorter),
    "other bytes": changed(_other),
    "endless": changed(_endless, endless=True),
}
