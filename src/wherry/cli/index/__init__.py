"""`wherry index`: indexes in one step, without drafts, and changed in place."""

import click

from wherry.cli.lazy import LazyGroup, Place

__all__ = ["index"]

PLACES = {
    "add": Place("wherry.cli.index.add:add", "Add images to an index in a registry."),
    "annotate": Place("wherry.cli.index.annotate:annotate", "Annotate an index in a registry, or entries of it."),
    "create": Place("wherry.cli.index.create:create", "Assemble an index from images and indexes, and push it."),
    "rm": Place("wherry.cli.index.rm:rm", "Take images out of an index in a registry."),
}


@click.group(cls=LazyGroup, places=PLACES)
def index() -> None:
    """Assemble an index from images wherever they are, in one step, and change one in place.

    Entries stand in the order of the arguments. (`wherry manifest` keeps docker's order, and drafts.)
    """
