"""`wherry rm`."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import click

from wherry.cli.failures import Manner, report, say
from wherry.cli.json_output import print_json
from wherry.cli.options import insecure_option
from wherry.cli.session import open_client, run
from wherry.oci.errors import InvalidReference, NameUnknown, WherryError
from wherry.oci.reference import Tag
from wherry.ops.removal import digest_of, tags_on
from wherry.stores.locations import Location, parse_location
from wherry.stores.protocol import Store
from wherry.stores.remote import Client

__all__ = ["NotConfirmed", "rm"]

_LOOKING_UP = 0.25  # seconds
_FEW = 5


class NotConfirmed(WherryError):
    """More would go than was named, and nobody has agreed to it."""


@click.command(short_help="Delete a tag, or a manifest with all its tags.")
@click.argument("references", nargs=-1, required=True, metavar="REFERENCE...")
@click.option(
    "--digest", "manifests", is_flag=True, help="Delete the manifest itself, and with it every tag that leads to it."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask, whatever goes along.")
@click.option("--json", "as_json", is_flag=True, help="Print what is gone, and what failed, as JSON.")
@insecure_option
@click.pass_obj
def rm(
    manner: Manner, references: tuple[str, ...], *, manifests: bool, yes: bool, as_json: bool, insecure: bool
) -> int:
    """Delete each REFERENCE, and print what is gone. A tag goes alone: its manifest stays, and so do its other tags.

    With --digest the manifest goes, and every tag on it: they are listed first, and on a terminal you are asked. What it was made of
    (children of an index, blobs, referrers) stays, for the registry to collect. If one fails, the others are deleted all the same.
    """
    locations = [parse_location(text) for text in references]
    for text, location in zip(references, locations, strict=True):
        _check(text, location, manifests=manifests)
    account = _Account(as_json=as_json)
    run(_remove(locations, account, manifests=manifests, yes=yes, insecure=insecure))
    if as_json:
        print_json(account.document())
    return manner.code_of_all(error for _, error in account.failed)


class _Account:
    """What is gone, and what failed. For people it is told at once: so that it is known, whatever comes next."""

    def __init__(self, *, as_json: bool) -> None:
        self.gone: list[str] = []
        self.failed: list[tuple[Location, WherryError | OSError]] = []
        self._as_json = as_json

    def is_gone(self, place: Location) -> None:
        self.gone.append(str(place))
        if not self._as_json:
            click.echo(str(place))

    @contextmanager
    def attempt(self, place: Location) -> Iterator[None]:
        """Whatever fails inside is noted, and the next one has its turn."""
        try:
            yield
        except BrokenPipeError:
            raise  # nobody reads what is printed
        except (WherryError, OSError) as error:
            self.failed.append((place, error))
            report(error)

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"deleted": self.gone, "failed": [_failure(str(place), error) for place, error in self.failed]}


def _failure(place: str, error: WherryError | OSError) -> dict[str, Any]:
    hint = error.hint if isinstance(error, WherryError) else None
    return {"reference": place, "error": str(error)} | ({"hint": hint} if hint else {})


def _check(text: str, location: Location, *, manifests: bool) -> None:
    if location.tag is None and location.digest is None:
        raise InvalidReference(
            text, "names neither a tag nor a digest", hint=f"`wherry ls {text}` lists the tags there"
        )
    if location.digest is not None and not manifests:
        raise InvalidReference(
            text,
            "has a digest, and without --digest only tags are deleted",
            hint=f"wherry rm --digest {text} deletes the manifest and every tag on it",
        )


async def _remove(
    locations: Sequence[Location], account: _Account, *, manifests: bool, yes: bool, insecure: bool
) -> None:
    async with open_client(insecure=insecure) as client:
        if manifests:
            await _remove_manifests(locations, client, account, yes=yes)
            return
        for location in dict.fromkeys(locations):
            assert location.tag is not None  # noqa: S101  # it was looked at before anything was deleted
            with account.attempt(location):
                await location.open(client).delete(location.tag)
                account.is_gone(location)


async def _remove_manifests(locations: Sequence[Location], client: Client, account: _Account, *, yes: bool) -> None:
    """Delete each manifest once, however many of its tags were named."""
    named: dict[Location, set[Tag]] = {}
    for location in dict.fromkeys(locations):
        name = location.digest or location.tag
        assert name is not None  # noqa: S101  # it was looked at before anything was deleted
        with account.attempt(location):
            digest = await digest_of(location.open(client), name)
            named.setdefault(location.at(None, digest), set()).update([location.tag] if location.tag else [])
    for place, known in named.items():
        with account.attempt(place):
            await _remove_manifest(place, known, place.open(client), account, yes=yes)


async def _remove_manifest(place: Location, known: set[Tag], store: Store, account: _Account, *, yes: bool) -> None:
    digest = place.digest
    assert digest is not None  # noqa: S101  # it was made with one
    try:
        tags = await tags_on(store, digest)
    except NameUnknown:
        tags = []  # the manifest is there, so the repository is: distribution knows none that has no tags
    await _confirm(place, tags, [tag for tag in tags if tag not in known], yes=yes)
    await store.delete(digest)
    for tag in tags:
        account.is_gone(place.at(tag))
    account.is_gone(place)


async def _confirm(place: Location, tags: Sequence[Tag], others: Sequence[Tag], *, yes: bool) -> None:
    """Tell what goes along, and see that it is meant."""
    if tags:
        say(f"{place} has the tag{'s' if len(tags) > 1 else ''} {', '.join(tags)}")
    if yes or (not others and not sys.stdin.isatty()):
        return
    if not sys.stdin.isatty():
        raise NotConfirmed(
            f"{place}: {len(others)} other tag{'s' if len(others) > 1 else ''} would go along: {_some(others)}",
            hint="with -y they do; without --digest one tag goes alone",
        )
    if not await _agreed("Delete it, with its tags?" if tags else "Delete it?"):
        raise NotConfirmed(f"{place}: nothing was deleted")


def _some(tags: Sequence[Tag]) -> str:
    """The first few of the tags; all of them have been told."""
    return ", ".join([*tags[:_FEW], *(["…"] if len(tags) > _FEW else [])])


async def _agreed(question: str) -> bool:
    """Ask as `click.confirm` does, but let the event loop go on meanwhile: it is what Ctrl-C is told to."""
    while True:
        click.echo(f"{question} [y/N]: ", nl=False, err=True)
        answer = (await _typed()).strip().lower()
        if answer in {"y", "yes", "n", "no", ""}:
            return answer in {"y", "yes"}


async def _typed() -> str:
    """The next line of the terminal."""
    loop, terminal, is_there = asyncio.get_running_loop(), sys.stdin.fileno(), asyncio.Event()
    loop.add_reader(terminal, is_there.set)
    try:
        while not is_there.is_set():
            # A signal that comes just before the loop falls asleep does not wake it: so it looks up now and then.
            with suppress(TimeoutError):
                await asyncio.wait_for(is_there.wait(), _LOOKING_UP)
    finally:
        loop.remove_reader(terminal)
    line = sys.stdin.readline()
    if not line:
        raise click.Abort  # Ctrl-D
    return line
