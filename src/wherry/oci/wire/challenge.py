"""`WWW-Authenticate` challenges: how a registry says which credentials it wants (RFC 9110, 11.6.1; Docker's token spec)."""

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, field

__all__ = ["Challenge", "read_challenges"]

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'[\s,]*({_TOKEN})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(rf"[\s,]*({_TOKEN})(?=\s|,|$)(?!\s*=)")


class Challenge(Struct, frozen=True):
    """`scheme` is lower-case (`basic`, `bearer`); parameter names are lower-case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def read_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges of all headers, in order; what cannot be read ends its header's list."""
    return tuple(challenge for header in headers for challenge in _read(header))


def _read(header: str) -> Iterable[Challenge]:
    position = 0
    while scheme := _SCHEME.match(header, position):
        position = scheme.end()
        parameters = {}
        while parameter := _PARAMETER.match(header, position):
            name, quoted, bare = parameter.groups()
            parameters[name.lower()] = bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            position = parameter.end()
        yield Challenge(scheme[1].lower(), parameters)
