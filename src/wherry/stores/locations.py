"""What people write to name a place with content, in a registry or on a disk, and how it is opened.

    registry/repository[:tag][@digest]    by Docker's rules: `alpine` is docker.io/library/alpine
    docker://registry/repository…         the same, for fingers that know skopeo
    oci:DIR[:TAG][@DIGEST]                an OCI image layout
    oci-archive:FILE[:TAG][@DIGEST]       an OCI image layout in a tar
    docker-archive:FILE[:NAME[:TAG]][@DIGEST]   what `docker save` writes and `docker load` reads

The tag of a layout is what stands behind the last colon, unless it has a slash in it: so `oci:a:b` is the tag b in the
folder a, and a folder whose name has a colon is written with a slash behind it, `oci:a:b/`. A file cannot have that: it is
written with a colon behind it, `oci-archive:a:b.tar:`. The file of a docker archive ends at the first colon, as for skopeo.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidDigest, InvalidReference, InvalidTag
from wherry.oci.reference import LATEST, Reference, Tag, check_registry
from wherry.stores.layout import Layout
from wherry.stores.protocol import Chooser, Store

__all__ = [
    "InArchive",
    "InDockerArchive",
    "InLayout",
    "InRegistry",
    "Location",
    "Opener",
    "parse_location",
    "parse_registry",
    "parse_remote",
    "target_for",
]


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
        return await _name_in(store, self.tag, self.digest)

    def __str__(self) -> str:
        colon = f":{self.tag}" if self.tag else "/" if ":" in self.path.name else ""
        return f"oci:{self.path}{colon}" + (f"@{self.digest}" if self.digest else "")


class InArchive(Struct, frozen=True):
    """A place in an OCI archive, a file on this machine. With neither tag nor digest it names the archive."""

    path: Path
    tag: Tag | None = None
    digest: Digest | None = None

    @property
    def whole(self) -> Self:
        """The archive that it is in."""
        return self.at(None)

    def at(self, tag: Tag | None, digest: Digest | None = None) -> Self:
        """The same place, at this tag and digest."""
        return replace(self, tag=tag, digest=digest)

    def open(self, client: Opener) -> Store:  # noqa: ARG002  # a location is opened the same way wherever it is
        """The archive; nothing is read yet."""
        from wherry.stores.archive import oci_archive  # noqa: PLC0415  # takes 20 ms, and most commands need none

        return oci_archive(self.path)

    async def name(self, store: Store) -> Tag | Digest:
        """What to ask the store for, as in a layout.

        Raises:
            ManifestUnknown: neither is written, and it is not clear which manifest is meant.
        """
        return await _name_in(store, self.tag, self.digest)

    def __str__(self) -> str:
        colon = f":{self.tag}" if self.tag else ":" if ":" in self.path.name else ""
        return f"{_OCI_ARCHIVE}{self.path}{colon}" + (f"@{self.digest}" if self.digest else "")


class InDockerArchive(Struct, frozen=True):
    """A place in a docker archive; `repository`, without tag and digest, is None where only one is in it."""

    path: Path
    repository: Reference | None = None
    tag: Tag | None = None
    digest: Digest | None = None

    @property
    def whole(self) -> Self:
        """The repository that it is in."""
        return self.at(None)

    def at(self, tag: Tag | None, digest: Digest | None = None) -> Self:
        """The same place, at this tag and digest."""
        return replace(self, tag=tag, digest=digest)

    def open(self, client: Opener) -> Store:  # noqa: ARG002  # a location is opened the same way wherever it is
        """The repository in the archive; nothing is read yet."""
        from wherry.stores.archive import docker_archive  # noqa: PLC0415  # takes 20 ms, and most commands need none

        return docker_archive(self.path, self.repository)

    async def name(self, store: Store) -> Tag | Digest:
        """What to ask the store for, as in a layout.

        Raises:
            ManifestUnknown: neither is written, and it is not clear which manifest is meant.
        """
        return await _name_in(store, self.tag, self.digest)

    def __str__(self) -> str:
        name = ""
        if self.repository is not None:
            name = f":{replace(self.repository, tag=self.tag).familiar}"
        return f"{_DOCKER_ARCHIVE}{self.path}{name}" + (f"@{self.digest}" if self.digest else "")


Location = InRegistry | InLayout | InArchive | InDockerArchive

_DOCKER = "docker://"
_LAYOUT = "oci:"
_OCI_ARCHIVE = "oci-archive:"
_DOCKER_ARCHIVE = "docker-archive:"
_ELSEWHERE = {
    "docker-daemon:": "`docker save` writes what docker-archive:FILE reads; `docker load` reads what it writes",
    "containers-storage:": "`podman save` writes what docker-archive:FILE reads; `podman load` reads what it writes",
    "ocidir:": "an OCI layout is written oci:DIR[:TAG]",
    "dir:": "`skopeo copy dir:DIR oci:DIR2:TAG` makes an OCI layout of it; an image on Docker Hub: docker.io/library/dir:TAG",
}
"""What other tools know and wherry does not (yet), and what to do about it."""


def parse_location(text: str) -> Location:
    """Read what a user wrote.

    Raises:
        InvalidReference: it names no place; `hint` says what was perhaps meant.
    """
    for prefix, read in _LOCAL.items():
        if text.startswith(prefix):
            return read(text)
    if text.startswith(_DOCKER):
        return InRegistry(Reference.parse_repository(text.removeprefix(_DOCKER)))
    for prefix, hint in _ELSEWHERE.items():
        if text.startswith(prefix):
            raise InvalidReference(text, f"wherry does not read or write {prefix.removesuffix(':')}", hint=hint)
    if text.startswith(("./", "../", "/", "~")):
        raise InvalidReference(text, "a path, where a reference is expected", hint=f"for an OCI layout: oci:{text}")
    return InRegistry(Reference.parse_repository(text))


def parse_remote(text: str) -> Reference:
    """Read what a user wrote where only a registry has what is asked for.

    Raises:
        InvalidReference: it names no place, or one on this machine.
    """
    place = parse_location(text)
    if not isinstance(place, InRegistry):
        raise InvalidReference(text, "a place on this machine, where one in a registry is expected")
    return place.reference


def parse_registry(text: str) -> str | None:
    """The registry that is named where a registry or a repository may stand: None if it is a repository.

    A bare word is one on Docker Hub; with a dot, a port, or a slash behind it, it is a host.

    Raises:
        InvalidReference: it looks like a host, and is none.
    """
    host, slash, behind = text.removeprefix(_DOCKER).partition("/")
    name, _, port = host.rpartition(":")
    if behind or not host or text.startswith(tuple(_LOCAL)):
        return None
    looks_like_one = "." in host or host == "localhost" or (name and port.isdecimal()) or host.startswith("[")
    return check_registry(host) if slash or looks_like_one else None


def target_for(origin: Location, target: Location) -> Location:
    """Where a copy is to be: in a docker archive that is named without NAME, an image keeps the one that it has."""
    if not isinstance(target, InDockerArchive) or target.repository is not None or target.tag is not None:
        return target
    repository = origin.repository if isinstance(origin, InDockerArchive) else None
    if isinstance(origin, InRegistry):
        repository = Reference(origin.reference.registry, origin.reference.repository)
    return replace(target, repository=repository)


def _in_layout(text: str) -> InLayout:
    rest, digest = _split_digest(text, text.removeprefix(_LAYOUT))
    folder, behind = _split_tag(rest)
    tag = (
        None
        if behind is None
        else _tag(text, behind, "where the colon belongs to the folder's name, put a slash behind it: oci:DIR/")
    )
    if not folder:
        raise InvalidReference(text, "no folder is named", hint="oci:DIR[:TAG], for example oci:./images:1.0")
    return InLayout(_path(text, _LAYOUT, folder), tag, digest)


def _in_archive(text: str) -> InArchive:
    rest, digest = _split_digest(text, text.removeprefix(_OCI_ARCHIVE))
    file, behind = _split_tag(rest)
    tag = (
        _tag(text, behind, "where the colon belongs to the file's name, put one more behind it: oci-archive:FILE:")
        if behind
        else None
    )
    if not file:
        raise InvalidReference(
            text, "no file is named", hint="oci-archive:FILE[:TAG], for example oci-archive:app.tar:1.0"
        )
    return InArchive(_path(text, _OCI_ARCHIVE, file), tag, digest)


def _in_docker_archive(text: str) -> InDockerArchive:
    rest, digest = _split_digest(text, text.removeprefix(_DOCKER_ARCHIVE))
    file, colon, name = rest.partition(":")
    if not file:
        hint = "docker-archive:FILE[:NAME[:TAG]], for example docker-archive:app.tar:team/app:1.0"
        raise InvalidReference(text, "no file is named", hint=hint)
    path = _path(text, _DOCKER_ARCHIVE, file)
    if not colon:
        return InDockerArchive(path, digest=digest)
    try:
        named = Reference.parse_repository(name)
    except InvalidReference as error:
        raise InvalidReference(text, f"name {name!r}: {error.reason}", hint=error.hint) from None
    return InDockerArchive(path, replace(named, tag=None, digest=None), named.tag, digest)


_LOCAL: dict[str, Callable[[str], Location]] = {
    _LAYOUT: _in_layout,
    _OCI_ARCHIVE: _in_archive,
    _DOCKER_ARCHIVE: _in_docker_archive,
}


async def _name_in(store: Store, tag: Tag | None, digest: Digest | None) -> Tag | Digest:
    if digest or tag:
        return digest or tag or Tag(LATEST)
    return await store.only() if isinstance(store, Chooser) else Tag(LATEST)


def _split_tag(rest: str) -> tuple[str, str | None]:
    """A path, and what stands behind its last colon; None if nothing can be meant to be a tag there."""
    path, colon, behind = rest.rpartition(":")
    return (rest, None) if not colon or "/" in behind else (path, behind)


def _path(text: str, prefix: str, path: str) -> Path:
    if "\0" in path:
        raise InvalidReference(text, "a path has no NUL in it")
    if path == "-" and prefix != _LAYOUT:
        hint = f"write it to a file, and name that; a file that is called so is {prefix}./-"
        raise InvalidReference(
            text, "an archive is neither read from standard input nor written to standard output", hint=hint
        )
    if path.startswith("~"):
        raise InvalidReference(
            text, f"the shell does not expand ~ behind {prefix}", hint=f"perhaps {prefix}$HOME{path[1:]}"
        )
    if path.startswith("//"):
        raise InvalidReference(text, f"{prefix} takes a path, not a URL", hint=f"perhaps {prefix}{path.lstrip('/')}")
    return Path(path)


def _split_digest(text: str, rest: str) -> tuple[str, Digest | None]:
    """`@` may be in a path, so it begins a digest only where one follows."""
    before, at, behind = rest.rpartition("@")
    if not at or "/" in behind or ":" not in behind:
        return rest, None
    try:
        return before, Digest.parse(behind)
    except InvalidDigest as error:
        raise InvalidReference(text, f"digest {behind!r}: {error.reason}", hint=error.hint) from None


def _tag(text: str, behind: str, hint: str) -> Tag:
    try:
        return Tag(behind)
    except InvalidTag as error:
        raise InvalidReference(
            text,
            f"tag {behind!r}: {error.reason}" if behind else "nothing stands behind the last colon",
            hint=hint,
        ) from None
