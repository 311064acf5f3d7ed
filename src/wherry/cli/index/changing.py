"""What the commands that change an index in place share."""

from collections.abc import Awaitable, Callable

import click

from wherry.cli.index.places import Places, tag_of
from wherry.cli.session import open_client, run
from wherry.oci.manifest import Manifest
from wherry.ops.index_change import change
from wherry.stores.locations import parse_location
from wherry.stores.protocol import Store

__all__ = ["change_index"]

Edit = Callable[[Manifest | None], Manifest]
Prepare = Callable[[Places, Store], Awaitable[Edit]]


def change_index(text: str, prepare: Prepare, *, insecure: bool) -> None:
    """Change the index that is written so, and print where it is now.

    `prepare` brings what the change needs, once, and gives the change: it is called again after every collision.
    """
    location = parse_location(text)
    tag = tag_of(location, text)

    async def work() -> Manifest:
        async with open_client(insecure=insecure) as client:
            places = Places(client)
            store = places.store(location)
            edit = await prepare(places, store)

            async def edited(present: Manifest | None) -> Manifest:
                return edit(present)

            return await change(store, tag, edited)

    manifest = run(work())
    click.echo(str(location.at(tag, manifest.digest)))
