"""Certificates for people to look at: whose they are, who signed them, until when; read from DER, and trusted for nothing.

Python's `ssl` tells the fields of a certificate only when it is trusted, and the question is mostly why it is not. Only the few fields
that are shown are read. Spec: RFC 5280, 4.1; ITU-T X.690 (DER).
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from msgspec import Struct

__all__ = ["Certificate", "read_certificate"]

_SEQUENCE, _SET, _OID, _UTC_TIME, _TIME, _VERSION, _EXTENSIONS = 0x30, 0x31, 0x06, 0x17, 0x18, 0xA0, 0xA3
_DNS, _ADDRESS, _OCTETS, _TEXTS = 0x82, 0x87, 0x04, frozenset((0x0C, 0x13, 0x14, 0x16))
_ATTRIBUTES = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
}
_ALTERNATIVE_NAMES = b"\x55\x1d\x11"
_LONG, _FOUR, _CENTURY = 0x80, 4, 50


class Certificate(Struct, frozen=True):
    """`names` are the hosts that it is for."""

    subject: str
    issuer: str
    start: datetime
    end: datetime
    names: tuple[str, ...] = ()


def read_certificate(content: bytes) -> Certificate:
    """Read a certificate in DER form.

    Raises:
        ValueError: it is none.
    """
    try:
        [(_, certificate)] = _values(content)
        fields = [each for each in _values(next(_values(certificate))[1]) if each[0] != _VERSION]
        _, _, (_, issuer), (_, validity), (_, subject), *rest = fields
        start, end = (_time(tag, text.decode()) for tag, text in _values(validity))
        extensions = next((body for tag, body in rest if tag == _EXTENSIONS), b"")
        return Certificate(_name(subject), _name(issuer), start, end, tuple(_hosts(extensions)))
    except (ValueError, IndexError, StopIteration) as error:
        raise ValueError(f"no certificate: {error}") from error


def _values(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The tags and bodies that stand one behind another."""
    position = 0
    while position < len(content):
        tag, size = content[position], content[position + 1]
        position += 2
        if size >= _LONG:
            length = size - _LONG
            if not 0 < length <= _FOUR:
                raise ValueError("a length that no certificate has")
            size = int.from_bytes(content[position : position + length], "big")
            position += length
        if position + size > len(content):
            raise ValueError("it ends too early")
        yield tag, content[position : position + size]
        position += size


def _name(content: bytes) -> str:
    parts = []
    for tag, attributes in _values(content):
        for _, pair in _values(attributes) if tag == _SET else ():
            (_, kind), (text_tag, text) = _values(pair)
            if kind in _ATTRIBUTES and text_tag in _TEXTS:
                parts.append(f"{_ATTRIBUTES[kind]}={text.decode(errors='replace')}")
    return ", ".join(reversed(parts))


def _time(tag: int, text: str) -> datetime:
    if tag not in {_UTC_TIME, _TIME}:
        raise ValueError("a time is expected")
    digits = text.removesuffix("Z")
    if tag == _UTC_TIME:
        digits = f"{'20' if int(digits[:2]) < _CENTURY else '19'}{digits}"
    numbers = (int(digits[:4]), *(int(digits[place : place + 2]) for place in range(4, 14, 2)))
    year, month, day, hour, minute, second = numbers
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def _hosts(extensions: bytes) -> Iterator[str]:
    for _, listed in _values(extensions):
        for _, extension in _values(listed):
            (_, kind), *_, (tag, body) = _values(extension)
            if kind != _ALTERNATIVE_NAMES or tag != _OCTETS:
                continue
            for _, names in _values(body):
                for name_tag, name in _values(names):
                    if name_tag == _DNS:
                        yield name.decode(errors="replace")
                    elif name_tag == _ADDRESS:
                        yield _address(name)


def _address(content: bytes) -> str:
    if len(content) == _FOUR:
        return ".".join(map(str, content))
    return ":".join(content[place : place + 2].hex() for place in range(0, len(content), 2))
