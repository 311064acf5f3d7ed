"""What a check finds: problems, each with its places in the graph, and the same one at several places once."""

import re
from collections.abc import Callable

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.diagnosis import missing
from wherry.oci.digest import Digest
from wherry.oci.errors import (
    ContentMismatch,
    CredentialsError,
    DigestMismatch,
    ManifestInvalid,
    NotFound,
    RouteError,
    SizeMismatch,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    WherryError,
)
from wherry.oci.platform import Platform

__all__ = ["AGAIN", "DAMAGED", "Findings", "Place", "Problem", "is_about_content"]

AGAIN = "`wherry copy --recheck SOURCE DESTINATION` brings it back, from where it is whole"
DAMAGED = (
    "take the damaged bytes away (in a layout or an archive delete the file; in a wherry registry `wherry admin fsck "
    f"--deep --repair` does it), then {AGAIN}"
)
_NEW_IMAGE = "make the image anew: who is to run it cannot read this config"
_UNREADABLE = f"see why the place does not give it (a registry's log says more); where it is lost, {AGAIN}"

_OF_ALL = (Unauthorized, TooManyRequests, Unreachable, CredentialsError, RouteError)
"""What concerns the place as a whole: whatever is asked for next would fail too."""
_FAILED_ON_IT = 500


class Problem(Struct, frozen=True):
    """`cause` is a stable name for programs, the one of `diagnose` where it has one; `problem` and `cure` are for people.

    `where` is the way to it from the root, such as `manifests[1].layers[0]`, None for the root itself; `also` are the
    other ways to the same content. `platform` is that of the image on the way, as its index states it. `digest` is that of
    the manifest or blob in question.
    """

    cause: str
    where: str | None
    digest: Digest | None
    problem: str
    cure: str
    platform: Platform | None = None
    also: tuple[str, ...] = ()


class Place(Struct, frozen=True):
    """A way from the root, and the platform of the image that it goes through."""

    path: str = ""
    platform: Platform | None = None

    def at(self, step: str, platform: Platform | None = None) -> "Place":
        """One step further."""
        return Place(f"{self.path}.{step}" if self.path else step, platform or self.platform)


class _Found(Struct):
    problem: Problem
    places: list[Place]


class Findings:
    """Problems as they turn up. `noticed` is told each when it is found first; `place` is what is checked, for messages."""

    def __init__(self, place: str, noticed: Callable[[Problem], None]) -> None:
        self._place = place
        self._noticed = noticed
        self._found: dict[tuple[str, Digest | None, str], _Found] = {}

    def add(self, cause: str, place: Place, digest: Digest | None, problem: str, cure: str) -> None:
        """Note a problem, or one more place of one that is known."""
        key = (cause, digest, problem)
        if key in self._found:
            self._found[key].places.append(place)
            return
        found = Problem(cause, place.path or None, digest, problem, cure, place.platform)
        self._found[key] = _Found(found, [place])
        self._noticed(found)

    def add_error(self, error: WherryError | OSError, place: Place, content: Descriptor | None) -> None:
        """Note why some content could not be read; None is a list of what there is.

        Raises:
            WherryError: the error, if it is not about that content alone.
        """
        if not is_about_content(error):
            raise error
        if content is None:
            self.add("unreadable", place, None, _words(error), _UNREADABLE)
        elif isinstance(error, NotFound):
            unknown = missing(content, self._place)
            cause = "manifest-unknown" if content.is_manifest else "blob-unknown"
            self.add(cause, place, content.digest, unknown.message, AGAIN)
        elif isinstance(error, DigestMismatch):
            self.add("digest-differs", place, content.digest, str(error), DAMAGED)
        elif isinstance(error, SizeMismatch):
            self.add("size-differs", place, content.digest, str(error), DAMAGED)
        elif isinstance(error, ManifestInvalid) and not content.is_manifest:
            self.add("bad-config", place, content.digest, error.message, _NEW_IMAGE)
        else:
            self.add("unreadable", place, content.digest, _words(error), _hint(error) or _UNREADABLE)

    def add_root_error(self, error: ContentMismatch, digest: Digest | None) -> None:
        """Note that the root has other bytes than it should."""
        cause = "size-differs" if isinstance(error, SizeMismatch) else "digest-differs"
        self.add(cause, Place(), digest, str(error), DAMAGED)

    def problems(self) -> tuple[Problem, ...]:
        """All of them, in the order of the graph: what belongs to an image stands together."""
        settled = [_settled(each) for each in self._found.values()]
        return tuple(sorted(settled, key=lambda each: (_natural(each.where or ""), each.cause)))


def is_about_content(error: WherryError | OSError) -> bool:
    """Whether an error is about what was asked for, and not about the place as a whole."""
    if isinstance(error, Unavailable):
        return error.status == _FAILED_ON_IT  # some registries say so of a blob whose bytes they have lost
    return not isinstance(error, _OF_ALL)


def _hint(error: WherryError | OSError) -> str | None:
    # That of a registry in trouble is to come again later; but it has been asked several times, and for this alone it fails.
    return error.hint if isinstance(error, WherryError) and not isinstance(error, Unavailable) else None


def _words(error: WherryError | OSError) -> str:
    if isinstance(error, WherryError):
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)


def _settled(found: _Found) -> Problem:
    by_path = {place.path: place for place in found.places}
    first, *others = sorted(by_path, key=_natural)
    known = found.problem
    return Problem(
        known.cause, first or None, known.digest, known.problem, known.cure, by_path[first].platform, tuple(others)
    )


def _natural(path: str) -> list[str | int]:
    """A key by which `layers[2]` comes before `layers[10]`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path)]
