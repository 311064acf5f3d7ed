"""References: what people write to name an image in a registry, `registry/repository[:tag][@digest]`.

Docker's familiar-name rules fill in what is left out: `alpine` is `docker.io/library/alpine:latest`.
Spec: distribution-spec 1.1, "Pulling manifests" (grammar of names and tags); Docker's reference grammar for the rest.
"""

import re
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidDigest, InvalidName, InvalidReference, InvalidTag

__all__ = ["DOCKER_HUB", "LATEST", "Reference", "Tag", "check_name", "check_registry"]

DOCKER_HUB = "docker.io"
LATEST = "latest"
LONGEST_NAME = 255
LARGEST_PORT = 65535

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]+))?")
_ID = re.compile(r"[0-9a-f]{64}")


class Tag(str):
    """A movable pointer to a manifest; a checked string.

    Raises:
        InvalidTag: not of the tag grammar.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if not _TAG.fullmatch(text):
            raise InvalidTag(
                text, "up to 128 of letters, digits, '_', '.' and '-', and neither '.' nor '-' first", hint=None
            )
        return super().__new__(cls, text)


def check_name(name: str) -> str:
    """Return a repository name (without registry) as it is.

    Raises:
        InvalidName: not of the name grammar; `reason` says where.
    """
    if _NAME.fullmatch(name) and len(name) <= LONGEST_NAME:
        return name
    if len(name) > LONGEST_NAME:
        raise InvalidName(name, f"{len(name)} characters where at most {LONGEST_NAME} are allowed")
    if name != name.lower():
        raise InvalidName(
            name, "must be lower-case", hint=f"perhaps {name.lower()}" if _NAME.fullmatch(name.lower()) else None
        )
    if not name or not all(name.split("/")):
        raise InvalidName(name, "a component between '/' is empty")
    raise InvalidName(name, "components are lower-case letters and digits, separated by '.', '_', '__' or '-'")


def check_registry(host: str) -> str:
    """Return a registry's `host[:port]` as it is.

    Raises:
        InvalidReference: not of that form.
    """
    if (found := _REGISTRY.fullmatch(host)) is None:
        raise InvalidReference(host, "not of the form host[:port]")
    port = (found["port"] or "").lstrip("0")
    if len(port) > len(str(LARGEST_PORT)) or int(port or 0) > LARGEST_PORT:
        raise InvalidReference(host, f"not reachable: the largest port is {LARGEST_PORT}")
    return host


class Reference(Struct, frozen=True):
    """A place in a registry. `str()` prints the full form, with the registry and, where there is one, the tag.

    `registry` is `host[:port]` as written (`docker.io` for Docker Hub). With neither tag nor digest it names the
    repository itself.
    """

    registry: str
    repository: str
    tag: Tag | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        check_registry(self.registry)
        check_name(self.repository)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference by Docker's rules; a missing tag becomes `latest`, unless there is a digest.

        Raises:
            InvalidReference: what is written is no reference; `reason` says why.
        """
        named = cls.parse_repository(text)
        return named if named.tag or named.digest else replace(named, tag=Tag(LATEST))

    @classmethod
    def parse_repository(cls, text: str) -> Self:
        """Read a reference as `parse` does, but leave a missing tag missing.

        Raises:
            InvalidReference: what is written is no reference; `reason` says why.
        """
        if not text:
            raise InvalidReference(text, "it is empty", hint="name an image, for example alpine:3.20")
        if text != text.strip() or "://" in text:
            bare = text.strip().partition("://")[2] or text.strip()
            raise InvalidReference(text, "a reference has no scheme and no spaces", hint=f"perhaps {bare}")
        if _ID.fullmatch(text):
            raise InvalidReference(
                text, "64 hex digits are a digest's value, not a name", hint=f"perhaps NAME@sha256:{text}"
            )
        rest, at, digest_text = text.partition("@")
        registry, path = _split_registry(rest)
        name, colon, tag_text = path.partition(":")
        if registry == DOCKER_HUB and "/" not in name:
            name = f"library/{name}"
        tag = None
        try:
            check_name(name)
            tag = Tag(tag_text) if colon else None
            digest = Digest.parse(digest_text) if at else None
        except InvalidName as error:
            if name != name.lower():
                raise InvalidReference(text, f"repository name ({name}) must be lowercase", hint=error.hint) from None
            raise InvalidReference(text, f"repository name ({name}): {error.reason}", hint=error.hint) from None
        except InvalidTag as error:
            raise InvalidReference(text, f"tag {tag_text!r}: {error.reason}", hint=error.hint) from None
        except InvalidDigest as error:
            raise InvalidReference(text, f"digest {digest_text!r}: {error.reason}", hint=error.hint) from None
        try:
            return cls(registry, name, tag, digest)
        except InvalidReference as error:
            raise InvalidReference(text, f"registry {registry!r} is {error.reason}") from None

    @property
    def name(self) -> Tag | Digest:
        """What to ask the repository for: the digest if there is one, else the tag, else `latest`."""
        return self.digest or self.tag or Tag(LATEST)

    @property
    def context(self) -> str:
        """`registry/repository`, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    def at(self, name: Tag | Digest) -> Self:
        """The same repository, at another tag or digest (and nothing else)."""
        if isinstance(name, Digest):
            return replace(self, tag=None, digest=name)
        return replace(self, tag=name, digest=None)

    @property
    def familiar(self) -> str:
        """The shortest form that `parse` reads back as the same reference."""
        on_hub = self.context.removeprefix(f"{DOCKER_HUB}/")
        forms = (f"{context}{self._suffix()}" for context in (on_hub.removeprefix("library/"), on_hub))
        return next((form for form in forms if self._is_read_from(form)), str(self))

    def _is_read_from(self, text: str) -> bool:
        """Not every short form is: `docker.io/localhost/app` would become a repository of the registry localhost."""
        try:
            return type(self).parse_repository(text) == self
        except InvalidReference:
            return False

    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{tag}@{self.digest}" if self.digest else tag

    def __str__(self) -> str:
        return self.context + self._suffix()


def _split_registry(text: str) -> tuple[str, str]:
    """Docker's rule: the first component is a registry if it looks like a host, else Docker Hub is meant."""
    first, slash, rest = text.partition("/")
    looks_like_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not looks_like_host:
        return DOCKER_HUB, text
    return (DOCKER_HUB if first == "index.docker.io" else first), rest
