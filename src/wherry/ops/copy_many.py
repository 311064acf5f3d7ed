"""Many copies in one process: what they share is moved once, and the failure of one does not stop the others.

They run side by side, some dozens at a time, with the same turns for requests and bytes (`_run`). A blob that several of them
need goes to each destination once, and from one repository of a registry to the next by a mount. For what is there already
each side is asked once an image: the tag at the source, and at the destination.

Where many copies go to one repository, its tags are listed first. Those that it does not have need no question each, and
what is small is sent to it unasked: docs/design/copy.md counts the requests.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from wherry.oci.errors import NotFound, RegistryError, WherryError
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops._carry import Carrier
from wherry.ops._each import each
from wherry.ops._run import Run
from wherry.ops._together import together
from wherry.ops.copy import JOBS
from wherry.ops.errand import Copied, Errand, Options
from wherry.ops.progress import Arrived, Expected, Failed, Progress, ignore
from wherry.stores.protocol import Store

__all__ = ["Errand", "Outcome", "copy_many"]

AT_ONCE = 64
"""Copies that run side by side: enough to keep the places for small requests taken."""
_MANY = 16
"""Copies that keep all places for small requests taken by themselves."""
_WORTH_LISTING = 8
"""Copies to one repository from which on its tags are listed."""


class Outcome(Struct, frozen=True):
    """What became of an errand: one of the two is None."""

    errand: Errand
    copied: Copied | None = None
    error: WherryError | OSError | None = None


async def copy_many(
    errands: Sequence[Errand],
    *,
    platforms: Collection[Platform] = (),
    sparse: bool = False,
    unwrap: bool = False,
    referrers: bool = False,
    foreign: bool = False,
    convert_schema1: bool = False,
    recheck: bool = False,
    dry_run: bool = False,
    jobs: int = JOBS,
    progress: Progress = ignore,
) -> list[Outcome]:
    """Do all errands, as `copy` does each of them; return what became of them, in their order.

    Errands to the same repository must have the same object as destination: that is how it is known.

    Args:
        jobs: large blobs in flight at once, of all copies together.
        platforms, sparse, unwrap, referrers, foreign, convert_schema1, recheck, dry_run, progress: as for `copy`.
    """
    options = Options(
        platforms=tuple(platforms),
        sparse=sparse,
        unwrap=unwrap,
        referrers=referrers,
        foreign=foreign,
        convert_schema1=convert_schema1,
        recheck=recheck,
        dry_run=dry_run,
    )
    run = Run(jobs, is_busy=len(errands) >= _MANY)
    known = await _tags_there(errands)
    progress(Expected(len(errands)))

    async def one(errand: Errand) -> Outcome:
        there = known.get(id(errand.destination))
        tags_are_new = there is not None and bool(errand.tags) and there.isdisjoint(errand.tags)
        try:
            copied = await Carrier(errand, options, run, progress).go(tags_are_new=tags_are_new)
        except (WherryError, OSError) as error:
            progress(Failed(errand, error))
            return Outcome(errand, error=error)
        progress(Arrived(errand, copied))
        return Outcome(errand, copied)

    async with together(errand.destination for errand in errands):
        return [outcome for _, outcome in await each(one, errands, at_once=AT_ONCE)]


async def _tags_there(errands: Sequence[Errand]) -> Mapping[int, frozenset[Tag]]:
    """The tags of the destinations that many go to, as far as they list them."""
    stores = {id(errand.destination): errand.destination for errand in errands}
    counted = Counter(id(errand.destination) for errand in errands)
    many = [stores[key] for key, count in counted.items() if count >= _WORTH_LISTING]
    listed = await each(_listed, many, at_once=4)
    return {id(store): tags for store, tags in listed if tags is not None}


async def _listed(store: Store) -> frozenset[Tag] | None:
    """A store's tags; None where it is better asked for each."""
    try:
        return frozenset([tag async for tag in store.tags()])
    except NotFound:
        return frozenset()
    except RegistryError:  # whatever it is, each copy will meet it, and say so
        return None
