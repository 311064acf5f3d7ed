"""What `wherry copy` is told to copy: one image, the tags of a repository, or the lines of a file."""

import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import replace

from wherry.cli.index.places import Places
from wherry.oci.errors import InvalidReference, InvalidValue, ManifestUnknown, WherryError
from wherry.oci.reference import LATEST, Tag
from wherry.ops.errand import Copied, Errand
from wherry.ops.tag_choice import choose_tags, names_a_subject
from wherry.stores.locations import InDockerArchive, Location, parse_location, target_for
from wherry.stores.protocol import SelfNamed, Store

__all__ = ["Asked", "InvalidLines", "Pair", "TagsOf", "asked_of", "asked_of_tags", "pair_of", "pairs_of_file"]

_MARK = "\ufeff"
"""The byte order mark, which programs on Windows write in front of a text."""


class InvalidLines(InvalidValue):
    """A file, or standard input, does not say what to copy."""

    kind = "list of copies"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason, hint="a line is: SOURCE DESTINATION")


class Pair(Struct, frozen=True):
    """From where to where; `otherwise` is the tag of a copy that has none at its source."""

    origin: Location
    target: Location
    otherwise: Tag | None = None


class Asked(Struct, frozen=True):
    """A pair with what it means for the stores. The pair may name the repositories alone, and the errand the tag."""

    pair: Pair
    errand: Errand

    @property
    def origin(self) -> str:
        """What is copied."""
        origin, name = self.pair.origin, self.errand.name
        if isinstance(name, Tag) and origin.tag is None and origin.digest is None:
            return str(origin.at(name))
        return str(origin)

    def place(self, copied: Copied | None = None) -> str:
        """Where the copy is to be; where it is, with its digest, if it is there."""
        return str(self.pair.target.at(next(iter(self.errand.tags), None), copied.root.digest if copied else None))


class TagsOf(Struct, frozen=True):
    """Two repositories as they are written, and which tags of the first are meant."""

    source: str
    destination: str
    globs: tuple[str, ...] = ()
    versions: str | None = None


def pair_of(source: str, destination: str) -> Pair:
    """Two places as they are written.

    Raises:
        InvalidReference: one is no place, or the destination has a digest.
    """
    origin, target = parse_location(source), parse_location(destination)
    if target.digest is not None:
        raise InvalidReference(
            destination,
            "a destination has no digest: a copy has that of its source",
            hint=f"wherry copy {source} {target.at(target.tag)}",
        )
    # In a docker archive a name that is written would be lost without a tag: NAME is NAME:latest there, as docker has it.
    is_named = isinstance(target, InDockerArchive) and target.repository is not None
    return Pair(origin, target_for(origin, target), Tag(LATEST) if is_named else None)


def pairs_of_file(path: str) -> list[Pair]:
    """The lines `SOURCE DESTINATION` of a file, `-` for standard input; empty ones and those that begin with `#` say nothing.

    Raises:
        InvalidLines: a line says something else, or none says anything.
        InvalidReference: one is no place, or the destination has a digest; the message has the line's number.
        OSError: the file cannot be read.
    """
    name = "standard input" if path == "-" else path
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InvalidLines(name, "is no text") from None
    lines = text.removeprefix(_MARK).splitlines()
    pairs = list(_pairs_of_lines(lines, name))
    if not pairs:
        raise InvalidLines(name, "has no line that says what to copy")
    return pairs


def _pairs_of_lines(lines: Iterable[str], name: str) -> Iterable[Pair]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:  # noqa: PLR2004  # source and destination
            raise InvalidLines(name, f"line {number}: has {len(words)} words")
        try:
            yield pair_of(*words)
        except InvalidReference as error:
            raise InvalidReference(error.text, f"{error.reason} ({name}, line {number})", hint=error.hint) from None


async def asked_of_tags(asked: TagsOf, places: Places, *, referrers: bool) -> list[Asked]:
    """Every tag of a repository that is chosen; with `referrers`, those that name a subject go with it.

    Raises:
        InvalidReference: one of the two names a tag.
        ManifestUnknown: no tag is chosen.
    """
    pair = pair_of(asked.source, asked.destination)
    for text, location in ((asked.source, pair.origin), (asked.destination, pair.target)):
        if location.tag or location.digest:
            whole = location.whole
            raise InvalidReference(text, "with --all-tags a repository is named, without tag", hint=f"{whole}")
    source = _source(pair, places, {pair.target.whole})
    pair = await _under_its_name(pair, source)
    destination = places.store(pair.target)
    tags = [tag async for tag in source.tags()]
    chosen = [
        tag
        for tag in choose_tags(tags, globs=asked.globs, versions=asked.versions)
        if not (referrers and names_a_subject(tag))
    ]
    if not chosen:
        which = f"none of the {len(tags)} tags is chosen" if tags else "no tags"
        raise ManifestUnknown(f"{pair.origin}: {which}", hint=f"`wherry ls {pair.origin}` lists the tags there")
    return [Asked(pair, Errand(source, tag, destination, (tag,))) for tag in chosen]


async def asked_of(pairs: Sequence[Pair], places: Places) -> list[Asked | tuple[Pair, WherryError | OSError]]:
    """Open the places; what cannot be opened comes with its reason.

    Raises:
        click.UsageError: two of them would be at one place.
    """
    asked: list[Asked | tuple[Pair, WherryError | OSError]] = []
    taken: dict[str, Pair] = {}
    written = {pair.target.whole for pair in pairs}
    for pair in pairs:
        try:
            source = _source(pair, places, written)
            name = await pair.origin.name(source)
            pair = await _under_its_name(pair, source)  # noqa: PLW2901  # what is meant is known only now
        except (WherryError, OSError) as error:
            asked.append((pair, error))
            continue
        tag = pair.target.tag or pair.origin.tag or (name if isinstance(name, Tag) else pair.otherwise)
        made = Asked(pair, Errand(source, name, places.store(pair.target), (tag,) if tag else ()))
        before = taken.setdefault(made.place(), pair)
        if before.origin != pair.origin and tag:
            raise click.UsageError(f"{before.origin} and {pair.origin} would both be {made.place()}")
        asked.append(made)
    return asked


async def _under_its_name(pair: Pair, source: Store) -> Pair:
    """The pair, where a docker archive is named without NAME and the source knows its own: that is kept."""
    target = pair.target
    if isinstance(target, InDockerArchive) and target == target.whole and target.repository is None:
        name = await source.own_name() if isinstance(source, SelfNamed) else None
        return pair if name is None else replace(pair, target=replace(target, repository=name))
    return pair


def _source(pair: Pair, places: Places, written: Collection[Location]) -> Store:
    """The store to read from. What is written to must be asked itself what it has, and not its mirrors."""
    return places.store(pair.origin) if pair.origin.whole in written else places.source(pair.origin)
