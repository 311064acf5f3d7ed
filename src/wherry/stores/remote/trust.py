"""Whose certificates count for a host, and which certificate we show it: values, and the PEM files that they come from."""

from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

from wherry.oci.errors import RouteError

__all__ = ["SYSTEM", "Trust", "read_authorities", "read_identity"]

_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_KEY = b"PRIVATE KEY-----"
_ENCRYPTED = (b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED")


class Trust(Struct, frozen=True):
    """`authorities` are PEM texts, trusted beside the system's; `identity` is our certificate with its key, as one PEM text.

    `sources` are the files that they come from, for people.
    """

    authorities: tuple[bytes, ...] = ()
    identity: bytes = b""
    sources: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Trust({', '.join(self.sources)})"

    def __or__(self, other: "Trust") -> "Trust":
        """What either trusts; `self` comes first in showing its certificate."""
        return Trust(
            (*self.authorities, *(each for each in other.authorities if each not in self.authorities)),
            self.identity or other.identity,
            (*self.sources, *(each for each in other.sources if each not in self.sources)),
        )

    @property
    def without_identity(self) -> "Trust":
        """The same authorities, and no certificate of our own: that is for the host that it was made for."""
        return Trust(self.authorities, sources=self.sources)


SYSTEM = Trust()
"""The authorities that the machine trusts, alone (and those of SSL_CERT_FILE, which stands for them)."""


def read_authorities(files: Iterable[Path]) -> Trust:
    """The certificates in these files; each may have several.

    Raises:
        RouteError: a file cannot be read, or has no certificate in it.
    """
    texts, sources = [], []
    for file in files:
        text = _read(file)
        if _CERTIFICATE not in text:
            raise RouteError(f"{file}: there is no certificate in it", hint="it must have one in PEM form")
        texts.append(text)
        sources.append(str(file))
    return Trust(tuple(texts), sources=tuple(sources))


def read_identity(certificate: Path, key: Path | None) -> Trust:
    """Our certificate and its key, which may stand in the same file.

    Raises:
        RouteError: a file cannot be read, or lacks its part; or the key is encrypted.
    """
    text = _read(certificate)
    if _CERTIFICATE not in text:
        raise RouteError(f"{certificate}: there is no certificate in it", hint="it must have one in PEM form")
    secret = b"" if key is None else _read(key)
    if _KEY not in (secret if key is not None else text):
        raise RouteError(f"{key or certificate}: there is no private key in it", hint="it must have one in PEM form")
    if any(sign in (secret or text) for sign in _ENCRYPTED):
        place = key or certificate
        raise RouteError(
            f"{place}: the private key in it is encrypted, and a password for it cannot be told",
            hint=f"`openssl pkey -in {place} -out {place}` writes it without",
        )
    sources = (str(certificate),) if key is None else (str(certificate), str(key))
    return Trust(identity=text + b"\n" + secret, sources=sources)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RouteError(f"{file}: {error.strerror or error}", hint=f"mend {file}, or take it away") from error
