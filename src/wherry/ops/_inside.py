"""What a layer is inside: how it is compressed, by its own first bytes, and its diff IDs; as its bytes pass."""

import zlib
from collections.abc import Iterable

from wherry.oci.digest import Digest, Hasher
from wherry.oci.mediatype import (
    DOCKER_FOREIGN_LAYER,
    DOCKER_LAYER,
    DOCKER_LAYER_TAR,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_NONDISTRIBUTABLE,
)
from wherry.stores.inflating import Inflated

__all__ = ["COMPRESSION", "Inside"]

COMPRESSION = {
    OCI_LAYER: "none",
    OCI_LAYER_GZIP: "gzip",
    OCI_LAYER_ZSTD: "zstd",
    OCI_NONDISTRIBUTABLE: "none",
    f"{OCI_NONDISTRIBUTABLE}+gzip": "gzip",
    f"{OCI_NONDISTRIBUTABLE}+zstd": "zstd",
    DOCKER_LAYER: "gzip",
    DOCKER_LAYER_TAR: "none",
    DOCKER_FOREIGN_LAYER: "gzip",
}
"""The media types of file system layers, and how each says that it is compressed."""

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_LONGEST_MAGIC = 4


class Inside:
    """Computes digests like `diff_ids` of what is inside. `broken` says why that did not work, if it did not.

    zstd is recognised and not opened: this Python has nothing that could.
    """

    def __init__(self, diff_ids: Iterable[Digest]) -> None:
        self.compression: str | None = None
        self.broken: str | None = None
        self._like = {diff_id.algorithm: diff_id for diff_id in diff_ids}
        self._start = b""
        self._readers: dict[str, Inflated | Hasher] = {}

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Those by which digests are computed."""
        return tuple(self._like)

    def update(self, piece: bytes) -> None:
        """Take the next bytes. Plain calls: it may be done in a thread."""
        if self.compression is None:
            self._start += piece
            if len(self._start) < _LONGEST_MAGIC:
                return
            piece = self._begin()
        self._feed(piece)

    def finish(self) -> None:
        """There are no more bytes."""
        if self.compression is None:
            self._feed(self._begin())

    def digest(self, algorithm: str) -> Digest | None:
        """The diff ID; None if it could not be computed."""
        reader = self._readers.get(algorithm)
        if self.broken or reader is None:
            return None
        if not isinstance(reader, Inflated):
            return Digest.taken_from(reader, algorithm)
        try:
            return reader.digest()
        except zlib.error as error:
            self.broken = str(error)
            return None

    def _begin(self) -> bytes:
        """Look what it is; gives the bytes that have come so far."""
        self.compression = next((how for magic, how in _MAGIC.items() if self._start.startswith(magic)), "none")
        if self.compression != "zstd":
            is_gzip = self.compression == "gzip"
            self._readers = {name: Inflated(like) if is_gzip else like.hasher() for name, like in self._like.items()}
        start, self._start = self._start, b""
        return start

    def _feed(self, piece: bytes) -> None:
        if self.broken:
            return
        try:
            for reader in self._readers.values():
                reader.update(piece)
        except zlib.error as error:
            self.broken = str(error)
