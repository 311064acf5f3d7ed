"""`wherry copy` at work: one client, one event loop, and what becomes of each image."""

from collections.abc import Sequence

from msgspec import Struct

from wherry.cli.copy_request import Asked, Pair, TagsOf, asked_of, asked_of_tags
from wherry.cli.copy_result import error_document, failure_document, what_was_copied
from wherry.cli.index.places import Places
from wherry.cli.session import open_client, run, within
from wherry.cli.transfer import print_event, shown
from wherry.oci.errors import WherryError
from wherry.ops.copy import copy
from wherry.ops.copy_many import Outcome, copy_many
from wherry.ops.errand import Copied, Options
from wherry.ops.progress import Arrived, Event, Failed, Progress

__all__ = ["Done", "Told", "next_time", "run_many", "run_one"]


class Told(Struct, frozen=True):
    """The options that say how; `timeout` is in seconds, `limit_rate` in bytes a second."""

    options: Options
    jobs: int
    insecure: bool
    timeout: float | None
    limit_rate: int | None
    quiet: bool
    as_json: bool


class Done(Struct, frozen=True):
    """What became of a pair: either `copied` or `error` is None. `place` has the digest if it is there."""

    origin: str
    place: str
    copied: Copied | None = None
    error: WherryError | OSError | None = None

    @classmethod
    def of(cls, asked: Asked, outcome: Outcome) -> "Done":
        if outcome.copied is None:
            return cls(asked.origin, asked.place(), error=outcome.error)
        return cls(asked.origin, asked.place(outcome.copied), outcome.copied)


def run_one(told: Told, pair: Pair) -> Done:
    """Copy one image.

    Raises:
        WherryError, OSError: what `copy` raises; told as an event, too.
    """

    async def work(progress: Progress) -> Done:
        async with open_client(insecure=told.insecure, limit_rate=told.limit_rate) as client:
            [asked] = await asked_of([pair], Places(client))
            if not isinstance(asked, Asked):
                raise asked[1]
            errand = asked.errand
            copied = await copy(
                errand.source,
                errand.name,
                errand.destination,
                tags=errand.tags,
                jobs=told.jobs,
                progress=progress,
                **told.options.keywords(),
            )
            return Done.of(asked, Outcome(errand, copied))

    try:
        with shown(quiet=told.quiet, as_json=told.as_json) as progress:
            return run(within(told.timeout, work(progress), next_time(str(pair.target))), heavy=True)
    except (WherryError, OSError) as error:
        if told.as_json:
            print_event("failed", failure_document(str(pair.origin), str(pair.target), error))
        raise


def run_many(told: Told, what: Sequence[Pair] | TagsOf) -> list[Done]:
    """Copy many images, and give what became of each.

    Raises:
        WherryError, OSError: it could not even be begun, or took too long; told as an event, too.
    """

    async def work(progress: Progress) -> list[Done]:
        async with open_client(insecure=told.insecure, limit_rate=told.limit_rate) as client:
            places = Places(client)
            referrers = told.options.referrers
            found: Sequence[Asked | tuple[Pair, WherryError | OSError]]
            if isinstance(what, TagsOf):
                found = await asked_of_tags(what, places, referrers=referrers)
            else:
                found = await asked_of(what, places)
            asked = [each for each in found if isinstance(each, Asked)]
            outcomes = await copy_many(
                [each.errand for each in asked],
                jobs=told.jobs,
                progress=_telling(asked, progress) if told.as_json else progress,
                **told.options.keywords(),
            )
        unopened = [
            Done(str(pair.origin), str(pair.target), error=error)
            for pair, error in (each for each in found if not isinstance(each, Asked))
        ]
        for done in unopened if told.as_json else ():
            if done.error is not None:
                print_event("failed", failure_document(done.origin, done.place, done.error))
        return [*(Done.of(one, outcome) for one, outcome in zip(asked, outcomes, strict=True)), *unopened]

    target = what.destination if isinstance(what, TagsOf) else None
    try:
        with shown(quiet=told.quiet, as_json=told.as_json) as progress:
            return run(within(told.timeout, work(progress), next_time(target)), heavy=True)
    except (WherryError, OSError) as error:
        if told.as_json:
            print_event("stopped", error_document(error))
        raise


def _telling(asked: Sequence[Asked], progress: Progress) -> Progress:
    """Tell the end of each copy as an event, under the names that the user gave it."""
    named = {id(each.errand): each for each in asked}

    def tell(event: Event) -> None:
        match event:
            case Arrived():
                each = named[id(event.errand)]
                document = what_was_copied(each.place(event.copied), event.copied)
                print_event("copied", {"source": each.origin, **document})
            case Failed():
                each = named[id(event.errand)]
                print_event("failed", failure_document(each.origin, each.place(), event.error))
            case _:
                progress(event)

    return tell


def next_time(target: str | None) -> str:
    """What the same command does after it was cut short, on its way to this place (None: to several)."""
    if target is not None and target.startswith(("oci-archive:", "docker-archive:")):
        return "nothing has changed there (an archive is replaced as a whole), and the same command begins anew"
    return "the same command goes on where this one stopped"
