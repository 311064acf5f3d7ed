"""`wherry index add`."""

from functools import partial

import click

from wherry.cli.index.changing import Edit, change_index
from wherry.cli.index.places import Places
from wherry.cli.options import insecure_option
from wherry.ops import index_edit
from wherry.ops.index_sources import bring, gather, merged
from wherry.stores.protocol import Store

__all__ = ["add"]


@click.command(short_help="Add images to an index in a registry.")
@click.argument("reference", metavar="REF")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--replace", "instead", is_flag=True, help="Take the place of entries for the same platforms.")
@insecure_option
def add(reference: str, sources: tuple[str, ...], *, instead: bool, insecure: bool) -> None:
    """Add images to the index that REF leads to, behind the entries that it has; without one it is made.

    Several may add at the same time: what another has added meanwhile is kept. An image that is there already is not
    added again. An index among the sources stands for its entries.
    """

    async def prepare(places: Places, store: Store) -> Edit:
        gathered = await gather(await places.named(sources))
        entries = merged(entry for each in gathered for entry in each.entries)
        await bring(entries, store)
        return partial(index_edit.add, entries=entries, instead=instead)

    change_index(reference, prepare, insecure=insecure)
