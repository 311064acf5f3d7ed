"""`wherry index rm`."""

import click

from wherry.cli.index.changing import Edit, change_index
from wherry.cli.index.places import Places, named_entries
from wherry.cli.options import insecure_option
from wherry.oci.errors import ManifestUnknown
from wherry.oci.manifest import Manifest
from wherry.ops import index_edit
from wherry.stores.protocol import Store

__all__ = ["rm"]


@click.command(short_help="Take images out of an index in a registry.")
@click.argument("reference", metavar="REF")
@click.argument("entries", nargs=-1, required=True, metavar="ENTRY...")
@insecure_option
def rm(reference: str, entries: tuple[str, ...], *, insecure: bool) -> None:
    """Take entries out of the index that REF leads to, with their attestations.

    An ENTRY is a digest, or a platform (os/architecture[/variant]) and then all entries for it; the same image for
    another platform stays. The images themselves stay in the registry.
    """
    names = named_entries(entries)

    async def prepare(_places: Places, _store: Store) -> Edit:
        gone = False

        def edit(present: Manifest | None) -> Manifest:
            nonlocal gone
            if present is None:
                raise ManifestUnknown(f"no such manifest: {reference}")
            changed = index_edit.remove(present, names, must=not gone)
            gone = True  # after a collision, what somebody else has removed as well is fine
            return changed

        return edit

    change_index(reference, prepare, insecure=insecure)
