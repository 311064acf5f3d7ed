"""Which tags of a repository are meant: by glob, by semantic version, or all."""

import re
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase

from wherry.oci.errors import InvalidValue
from wherry.oci.reference import Tag

__all__ = ["InvalidRange", "choose_tags", "names_a_subject"]

_OF_SUBJECT = re.compile(r"(?:sha256|sha512)-[0-9a-f]{64}(?:\.[a-z]+)?")


class InvalidRange(InvalidValue):
    """Text that is no range of versions."""

    kind = "range of versions"


def choose_tags(tags: Iterable[Tag], *, globs: Collection[str] = (), versions: str | None = None) -> list[Tag]:
    """The tags that match any of the globs, and are versions in the range; nothing asked takes all.

    Args:
        globs: as the shell's: `*`, `?`, `[a-z]`.
        versions: a range as npm writes them, for example `>=1.2 <2 || ^3.1`. A tag is a version with or without a `v`
            before it; tags that are no versions are left out then. `_` stands for `+`, as Helm writes it.
    Raises:
        InvalidRange: `versions` is none.
    """
    is_in_range = None if versions is None else _in_range(versions)
    return [
        tag
        for tag in tags
        if (not globs or any(fnmatchcase(tag, glob) for glob in globs)) and (is_in_range is None or is_in_range(tag))
    ]


def names_a_subject(tag: Tag) -> bool:
    """Whether a tag is one that clients give to what refers to a digest (`sha256-….sig`, the referrers' fallback)."""
    return _OF_SUBJECT.fullmatch(tag) is not None


def _in_range(text: str) -> Callable[[Tag], bool]:
    # 49 ms to import, and only those pay for it who ask for versions
    from semantic_version import NpmSpec, Version  # type: ignore[import-untyped]  # noqa: PLC0415  # it has no types

    try:
        spec = NpmSpec(text)
    except ValueError:
        raise InvalidRange(
            text, "not as npm writes ranges", hint="for example '^1.2', '>=1.4 <2', '1.x || 3.x'"
        ) from None

    def is_in_range(tag: Tag) -> bool:
        try:
            version = Version(tag.removeprefix("v").replace("_", "+", 1))
        except ValueError:
            return False
        return version in spec

    return is_in_range
