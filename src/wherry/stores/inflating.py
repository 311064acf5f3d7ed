"""What a gzipped layer has inside: its diff ID, computed as the compressed bytes pass."""

import zlib

from wherry.oci.digest import Digest

__all__ = ["Inflated"]

_PIECE = 1024 * 1024
_GZIP = 31  # window bits that say: with gzip's header


class Inflated:
    """The digest of what comes out, by the algorithm of `like`; several members behind each other are one content."""

    def __init__(self, like: Digest) -> None:
        self._algorithm = like.algorithm
        self._hasher = like.hasher()
        self._stream = zlib.decompressobj(_GZIP)

    def update(self, piece: bytes) -> None:
        """Take the next compressed bytes; what comes out is hashed in pieces of bounded size.

        Raises:
            zlib.error: they are not gzip's.
        """
        while piece:
            if self._stream.eof:
                if not piece.strip(b"\0"):
                    return  # padding, which gzip allows
                self._stream = zlib.decompressobj(_GZIP)
            self._hasher.update(self._stream.decompress(piece, _PIECE))
            piece = self._stream.unconsumed_tail or self._stream.unused_data
            if not piece and not self._stream.eof:
                self._rest()

    def digest(self) -> Digest:
        """The digest of what has come out.

        Raises:
            zlib.error: the last member does not end.
        """
        if not self._stream.eof:
            raise zlib.error("it ends too early")
        return Digest.taken_from(self._hasher, self._algorithm)

    def _rest(self) -> None:
        """What the window still holds of the piece that is used up."""
        while more := self._stream.decompress(b"", _PIECE):
            self._hasher.update(more)
