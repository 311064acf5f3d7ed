"""Digests: `algorithm:encoded`, the name that content has by being what it is.

Spec: image-spec 1.1, descriptor.md, "Digests".
"""

import hashlib
import re
from typing import Protocol, Self

from msgspec import Struct

from wherry.oci.errors import InvalidDigest, UnsupportedAlgorithm

__all__ = ["ALGORITHMS", "Digest", "Hasher"]

ALGORITHMS = {"sha256": 64, "sha512": 128}
"""The registered algorithms that wherry computes, and how many lower-case hex digits each needs."""

_GRAMMAR = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
_NOT_HEX = re.compile(r"[^0-9a-f]")


class Hasher(Protocol):
    """What `hashlib` makes: feed it bytes, then ask."""

    def update(self, content: bytes | bytearray | memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class Digest(Struct, frozen=True, order=True):
    """An algorithm that wherry knows and its encoded value, checked."""

    algorithm: str
    encoded: str

    def __post_init__(self) -> None:
        text = f"{self.algorithm}:{self.encoded}"
        needed = ALGORITHMS.get(self.algorithm)
        if needed is None:
            if self.algorithm.lower() in ALGORITHMS:
                raise InvalidDigest(text, "the algorithm must be lower-case")
            known = " and ".join(ALGORITHMS)
            raise UnsupportedAlgorithm(text, f"algorithm {self.algorithm!r} is not supported ({known} are)")
        if wrong := _NOT_HEX.search(self.encoded):
            upper = "upper-case " if wrong[0] in "ABCDEF" else ""
            raise InvalidDigest(text, f"{upper}{wrong[0]!r} where {self.algorithm} needs lower-case hex digits")
        if len(self.encoded) != needed:
            raise InvalidDigest(text, f"{len(self.encoded)} hex digits where {self.algorithm} needs {needed}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `algorithm:encoded`.

        Raises:
            InvalidDigest: not a digest; `reason` says what is wrong with it.
            UnsupportedAlgorithm: a digest by an algorithm that wherry does not compute.
        """
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            raise InvalidDigest(text, "no ':' between algorithm and value")
        if algorithm not in ALGORITHMS and algorithm.lower() not in ALGORITHMS and not _GRAMMAR.fullmatch(text):
            raise InvalidDigest(text, "not of the form algorithm:encoded")
        return cls(algorithm, encoded)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """Compute the digest of `content`."""
        return cls(algorithm, hashlib.new(algorithm, content).hexdigest())

    @classmethod
    def taken_from(cls, hasher: Hasher, algorithm: str) -> Self:
        """The digest that a running hash has come to."""
        return cls(algorithm, hasher.hexdigest())

    def hasher(self) -> Hasher:
        """A fresh running hash of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    def matches(self, content: bytes) -> bool:
        """Whether `content` is what this digest names."""
        return hashlib.new(self.algorithm, content).hexdigest() == self.encoded

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"
