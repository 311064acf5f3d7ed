"""What people write to name a place with content, in a registry or on a disk, and how it is opened.

    registry/repository[:tag][@digest]    by Docker's rules: `alpine` is docker.io/library/alpine
    docker://registry/repository…         the same, for fingers that know skopeo
    oci:DIR[:TAG][@DIGEST]                an OCI image layout

The tag of a layout is what stands behind the last colon, unless it has a slash in it: so `oci:a:b` is the tag b in the
folder a, and a folder whose name has a colon is written with a slash behind it, `oci:a:b/`.
"""

from pathlib import Path
from typing import Protocol, Self

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidDigest, InvalidReference, InvalidTag
from wherry.oci.reference import LATEST, Reference, Tag, check_registry
from wherry.stores.layout import Layout
from wherry.stores.protocol import Store

__all__ = ["InLayout", "InRegistry", "Location", "Opener", "parse_location", "parse_registry"]


class Opener(Protocol):
    """What opens repositories: the registry client."""

    def repository(self, reference: Reference) -> Store: ...


class InRegistry(Struct, frozen=True):
    """A place in a registry. With neither tag nor digest it names the repository."""

    reference: Reference

    @property
    def tag(self) -> Tag | None:
        return self.reference.tag

    @property
    def digest(self) -> Digest | None:
        return self.reference.digest

    @property
    def whole(self) -> Self:
        """The repository that it is in."""
        return replace(self, reference=replace(self.reference, tag=None, digest=None))

    def at(self, tag: Tag | None, digest: Digest | None = None) -> Self:
        """The same place, at this tag and digest."""
        return replace(self, reference=replace(self.reference, tag=tag, digest=digest))

    def open(self, client: Opener) -> Store:
        """The repository; nothing is asked of the registry yet."""
        return client.repository(self.reference)

    async def name(self, store: Store) -> Tag | Digest:  # noqa: ARG002  # a layout has to look
        """What to ask the store for: the digest if one is written, else the tag, else `latest`."""
        return self.reference.name

    def __str__(self) -> str:
        return str(self.reference)


class InLayout(Struct, frozen=True):
    """A place in an OCI layout on this machine. With neither tag nor digest it names the layout."""

    path: Path
    tag: Tag | None = None
    digest: Digest | None = None

    @property
    def whole(self) -> Self:
        """The layout that it is in."""
        return self.at(None)

    def at(self, tag: Tag | None, digest: Digest | None = None) -> Self:
        """The same place, at this tag and digest."""
        return replace(self, tag=tag, digest=digest)

    def open(self, client: Opener) -> Layout:  # noqa: ARG002  # a location is opened the same way wherever it is
        """The layout; nothing is read yet."""
        return Layout(self.path)

    async def name(self, store: Store) -> Tag | Digest:
        """What to ask the store for: the digest if one is written, else the tag, else the only manifest there.

        Raises:
            ManifestUnknown: neither is written, and it is not clear which manifest is meant.
        """
        if self.digest or self.tag:
            return self.digest or self.tag or Tag(LATEST)
        return await store.only() if isinstance(store, Layout) else Tag(LATEST)

    def __str__(self) -> str:
        colon = f":{self.tag}" if self.tag else "/" if ":" in self.path.name else ""
        return f"oci:{self.path}{colon}" + (f"@{self.digest}" if self.digest else "")


Location = InRegistry | InLayout

_DOCKER = "docker://"
_LAYOUT = "oci:"
_ELSEWHERE = {
    "oci-archive:": "unpack it into a folder with tar, and name that: oci:DIR[:TAG]",
    "docker-archive:": "`skopeo copy docker-archive:FILE oci:DIR:TAG` makes a folder of it that wherry reads",
    "docker-daemon:": "`docker push` it to a registry (`wherry serve` is one), and copy it from there",
    "containers-storage:": "`podman push` it to a registry (`wherry serve` is one), or to oci:DIR:TAG",
    "ocidir:": "an OCI layout is written oci:DIR[:TAG]",
    "dir:": "`skopeo copy dir:DIR oci:DIR2:TAG` makes an OCI layout of it, which wherry reads",
}
"""What other tools know and wherry does not (yet), and what to do about it."""


def parse_location(text: str) -> Location:
    """Read what a user wrote.

    Raises:
        InvalidReference: it names no place; `hint` says what was perhaps meant.
    """
    if text.startswith(_LAYOUT):
        return _in_layout(text)
    if text.startswith(_DOCKER):
        return InRegistry(Reference.parse_repository(text.removeprefix(_DOCKER)))
    for prefix, hint in _ELSEWHERE.items():
        # `dir:1.0` is an image on Docker Hub; a path is not.
        if text.startswith(prefix) and (prefix != "dir:" or "/" in text):
            raise InvalidReference(text, f"wherry does not read or write {prefix.removesuffix(':')}", hint=hint)
    if text.startswith(("./", "../", "/", "~")):
        raise InvalidReference(text, "a path, where a reference is expected", hint=f"for an OCI layout: oci:{text}")
    return InRegistry(Reference.parse_repository(text))


def parse_registry(text: str) -> str | None:
    """The registry that is named where a registry or a repository may stand: None if it is a repository.

    A bare word is one on Docker Hub; with a dot, a port, or a slash behind it, it is a host.

    Raises:
        InvalidReference: it looks like a host, and is none.
    """
    host, slash, behind = text.removeprefix(_DOCKER).partition("/")
    name, _, port = host.rpartition(":")
    if behind or not host or text.startswith(_LAYOUT):
        return None
    looks_like_one = "." in host or host == "localhost" or (name and port.isdecimal()) or host.startswith("[")
    return check_registry(host) if slash or looks_like_one else None


def _in_layout(text: str) -> InLayout:
    rest, digest = _split_digest(text, text.removeprefix(_LAYOUT))
    folder, colon, behind = rest.rpartition(":")
    if not colon or "/" in behind:
        folder, tag = rest, None
    else:
        tag = _tag(text, behind)
    if not folder:
        raise InvalidReference(text, "no folder is named", hint="oci:DIR[:TAG], for example oci:./images:1.0")
    if "\0" in folder:
        raise InvalidReference(text, "a path has no NUL in it")
    if folder.startswith("~"):
        raise InvalidReference(text, "the shell does not expand ~ behind oci:", hint=f"perhaps oci:$HOME{folder[1:]}")
    if folder.startswith("//"):
        raise InvalidReference(text, "oci: takes a path, not a URL", hint=f"perhaps oci:{folder.lstrip('/')}")
    return InLayout(Path(folder), tag, digest)


def _split_digest(text: str, rest: str) -> tuple[str, Digest | None]:
    """`@` may be in a path, so it begins a digest only where one follows."""
    before, at, behind = rest.rpartition("@")
    if not at or "/" in behind or ":" not in behind:
        return rest, None
    try:
        return before, Digest.parse(behind)
    except InvalidDigest as error:
        raise InvalidReference(text, f"digest {behind!r}: {error.reason}", hint=error.hint) from None


def _tag(text: str, behind: str) -> Tag:
    try:
        return Tag(behind)
    except InvalidTag as error:
        raise InvalidReference(
            text,
            f"tag {behind!r}: {error.reason}" if behind else "nothing stands behind the last colon",
            hint="where the colon belongs to the folder's name, put a slash behind it: oci:DIR/",
        ) from None
