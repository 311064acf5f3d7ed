"""An OCI layout in a tar: what `oci-archive:` names. Spec: image-spec 1.1, image-layout.md."""

import re
from collections.abc import Iterable, Mapping

from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidDigest, StoreError
from wherry.oci.reference import Tag
from wherry.stores._archive_form import Contents, Held
from wherry.stores._listed import check_version
from wherry.stores._names import Names
from wherry.stores._tar import Extent, Tar

__all__ = ["INDEX", "LARGEST_LIST", "MARKER", "OCIForm", "read_layout"]

INDEX, MARKER = "index.json", "oci-layout"
LARGEST_LIST = 64 * 1024 * 1024
"""Bytes of a list that are read: some hundred thousand images."""
_BLOB = re.compile(r"blobs/(sha256|sha512)/([0-9a-f]+)")


class OCIForm:
    """Names in the list are tags, mostly."""

    def __str__(self) -> str:
        return "oci-archive"

    def read(self, tar: Tar) -> Contents:
        contents = read_layout(tar)
        if contents is not None:
            return contents
        if tar.find("manifest.json") is not None:
            raise StoreError(f"{tar}: is a docker archive, and no OCI archive", hint=f"docker-archive:{tar}")
        raise StoreError(f"{tar}: is no OCI archive: it has no {INDEX}")

    def lists(self, names: Names, held: Held) -> Mapping[str, bytes]:  # noqa: ARG002  # docker's form needs it
        return {INDEX: names.encode()}

    def check(self, place: str, names: Names) -> None:
        """A layout is one repository."""

    def missing(self, place: str, names: Names) -> None:
        """A layout is there, if it has tags or not."""

    def concerned(self, place: str, names: Names) -> Names:  # noqa: ARG002  # docker's form needs it
        return names

    def own_name(self, names: Names) -> None:
        """Tags are all that there is."""

    def written(self, place: str, tag: Tag, names: Names) -> str:  # noqa: ARG002  # docker's form needs it
        return f"{place}:{tag}"

    def name_of(self, place: str, tag: Tag, names: Names) -> str:  # noqa: ARG002  # docker's form needs it
        return str(tag)

    def tags_in(self, names: Names) -> Iterable[Tag]:
        return names.tags()


def read_layout(tar: Tar) -> Contents | None:
    """The layout that a tar has; None if it has none.

    Raises:
        StoreError: it is damaged.
    """
    listed = tar.content(INDEX, most=LARGEST_LIST)
    if listed is None:
        return None
    marker = tar.content(MARKER, most=LARGEST_LIST)
    if marker is not None:  # as in folders, some tools forget it
        check_version(marker, f"{tar}: {MARKER}")
    blobs: dict[Digest, Extent | bytes] = {}
    others: dict[str, Extent] = {}
    for name in tar.names():
        matched = _BLOB.fullmatch(name)
        extent = None if name in {INDEX, MARKER} else tar.find(name)
        if extent is None:
            continue
        digest = _digest(*matched.groups()) if matched else None
        if digest:
            blobs[digest] = extent
        else:
            others[name] = extent
    return Contents(Names.parse(listed, f"{tar}: {INDEX}"), blobs, others)


def _digest(algorithm: str, encoded: str) -> Digest | None:
    try:
        return Digest(algorithm, encoded)
    except InvalidDigest:
        return None
