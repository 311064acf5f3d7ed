"""Changing an index in place, while others may be changing it too.

A store that can move a tag only if it is still what was read (a `Swapper`: an OCI layout, wherry's own registry) settles
it at once. Other registries move a tag to whatever came last. There: read, change, look once more that the tag has not
moved, push, wait a moment, and look whether the tag leads to what was pushed. If it does not, somebody else read what we
read and pushed after us; then all is done again upon what is there now. The moment must be longer than the others take
between their last look and their push, which is one request: it is at least a fifth of a second, and a few times as long
as our own took. Who has an entry in the index already is done without pushing.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from enum import Enum, auto

from wherry.oci.errors import NotFound, WherryError
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Tag
from wherry.stores.protocol import Store, Swapper

__all__ = ["Contended", "change"]

ATTEMPTS = 30
SETTLED = 0.2  # seconds
TIMES = 3


class Contended(WherryError):
    """Others change the same index so often that ours never stayed."""


async def change(
    store: Store, tag: Tag, edit: Callable[[Manifest | None], Awaitable[Manifest]], *, settled: float = SETTLED
) -> Manifest:
    """Change what a tag leads to until the change has stayed, and return what is there then.

    Args:
        edit: makes the new index from the present one (None: there is none); called again after every collision. What it
            returns unchanged is done.
        settled: seconds to wait, at least, before looking whether it stayed.
    Raises:
        Contended: it never stayed.
    """
    for attempt in range(ATTEMPTS):
        before = await _present(store, tag)
        after = await edit(before)
        if before is not None and after.digest == before.digest:
            return before
        outcome = await _pushed(store, tag, before, after, settled=settled)
        if outcome is _Outcome.STAYED:
            return after
        if outcome is _Outcome.OVERTAKEN:
            await asyncio.sleep(random.uniform(0, settled * min(attempt + 1, 5)))  # noqa: S311  # so that two do not keep in step
    raise Contended(
        f"{tag}: somebody else changed the index each of the {ATTEMPTS} times that it was pushed",
        hint="run it again when less goes on",
    )


class _Outcome(Enum):
    STAYED = auto()
    REFUSED = auto()
    """The store itself saw that somebody was quicker: one of all who try gets on at once, so nobody has to wait."""
    OVERTAKEN = auto()


async def _pushed(store: Store, tag: Tag, before: Manifest | None, after: Manifest, *, settled: float) -> _Outcome:
    """Push if the tag has not moved; whether what was pushed has stayed."""
    now = asyncio.get_running_loop().time
    started = now()
    if not await _leads_to(store, tag, before):
        return _Outcome.OVERTAKEN
    if isinstance(store, Swapper):
        swapped = await store.swap(after, tag, None if before is None else before.digest)
        if swapped is not None:
            return _Outcome.STAYED if swapped else _Outcome.REFUSED
    else:
        await store.push_manifest(after, tag)
    await asyncio.sleep(max(settled, TIMES * (now() - started)))
    return _Outcome.STAYED if await _leads_to(store, tag, after) else _Outcome.OVERTAKEN


async def _present(store: Store, tag: Tag) -> Manifest | None:
    try:
        return await store.manifest(tag)
    except NotFound:
        return None


async def _leads_to(store: Store, tag: Tag, manifest: Manifest | None) -> bool:
    try:
        there = await store.resolve(tag)
    except NotFound:
        return manifest is None
    return manifest is not None and there.digest == manifest.digest
