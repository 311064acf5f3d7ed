"""`wherry index annotate`."""

import click

from wherry.cli.index.changing import Edit, change_index
from wherry.cli.index.places import Places, annotation_option, named_entries, pairs
from wherry.cli.options import insecure_option
from wherry.oci.errors import ManifestUnknown
from wherry.oci.manifest import Manifest
from wherry.ops import index_edit
from wherry.stores.protocol import Store

__all__ = ["annotate"]


@click.command(short_help="Annotate an index in a registry, or entries of it.")
@click.argument("reference", metavar="REF")
@click.argument("entries", nargs=-1, metavar="[ENTRY...]")
@annotation_option
@click.option("--clear", is_flag=True, help="Forget the annotations that are there first.")
@insecure_option
def annotate(
    reference: str, entries: tuple[str, ...], *, annotations: tuple[str, ...], clear: bool, insecure: bool
) -> None:
    """Annotate the index that REF leads to, or, with ENTRY, entries of it.

    An ENTRY is a digest, or a platform (os/architecture[/variant]) and then all entries for it. A Docker list becomes an
    OCI index: Docker's has no annotations.
    """
    names, added = named_entries(entries), pairs(annotations)
    if not added and not clear:
        raise click.UsageError("nothing to do: say --annotation KEY=VALUE, or --clear")

    async def prepare(_places: Places, _store: Store) -> Edit:
        def edit(present: Manifest | None) -> Manifest:
            if present is None:
                raise ManifestUnknown(f"no such manifest: {reference}")
            return index_edit.annotate(present, added, names, clear=clear)

        return edit

    change_index(reference, prepare, insecure=insecure)
