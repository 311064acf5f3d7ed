"""What a command of `wherry index` is told on its command line: sources, targets, entries, annotations."""

from collections.abc import Iterable

import click

from wherry.cli.options import is_text
from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidReference
from wherry.oci.platform import Platform
from wherry.oci.reference import LATEST, Tag
from wherry.ops.index_sources import Named
from wherry.stores.locations import Location, parse_location
from wherry.stores.protocol import Store
from wherry.stores.remote import Client

__all__ = ["Places", "annotation_option", "named_entries", "pairs", "tag_of"]

annotation_option = click.option(
    "--annotation", "annotations", metavar="KEY=VALUE", multiple=True, help="An annotation; may be repeated."
)


class Places:
    """Opens what is named, and each place once: what is in the store that it is pushed to need not be copied."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._open: dict[Location, Store] = {}
        self._sources: dict[Location, Store] = {}

    def store(self, location: Location) -> Store:
        """The store that a location is in."""
        whole = location.whole
        if whole not in self._open:
            self._open[whole] = location.open(self._client)
        return self._open[whole]

    def source(self, location: Location) -> Store:
        """The store that a location is in, to be read alone: mirrors are asked for what it has."""
        whole = location.whole
        if whole not in self._sources:
            self._sources[whole] = location.open(self._client.mirrored)
        return self._sources[whole]

    async def named(self, texts: Iterable[str]) -> list[Named]:
        """The sources that are written so; by way of mirrors, but for those in a place that was opened to be written."""
        found = []
        for text in texts:
            location = parse_location(text)
            store = self._open[location.whole] if location.whole in self._open else self.source(location)
            found.append(Named(store, await location.name(store), text))
        return found


def tag_of(location: Location, text: str) -> Tag:
    """The tag that a target is to have.

    Raises:
        InvalidReference: it has a digest, which an index that is yet to be made cannot have.
    """
    if location.digest is not None:
        raise InvalidReference(text, "a target has no digest", hint=f"perhaps {location.at(location.tag)}")
    return location.tag or Tag(LATEST)


def named_entries(texts: Iterable[str]) -> list[Digest | Platform]:
    """Entries of an index, by digest or by platform."""
    return [Digest.parse(text) if ":" in text else Platform.parse(text) for text in texts]


def pairs(annotations: Iterable[str]) -> dict[str, str]:
    """Annotations as they are written: `KEY=VALUE`."""
    found: dict[str, str] = {}
    for text in annotations:
        key, sign, value = text.partition("=")
        if not key or not sign:
            raise click.UsageError(f"an annotation is KEY=VALUE, not {text!r}")
        if not is_text(text):
            raise click.UsageError(f"an annotation is text in UTF-8, not {text!r}")
        found[key] = value
    return found
