"""`wherry admin`: look after a registry's folder, on the machine where it is.

No command needs the server to stop: what they change, they change in the transactions that the server uses.
"""

import click

from wherry.cli.lazy import LazyGroup, Place

__all__ = ["admin"]

PLACES = {
    "fsck": Place("wherry.cli.admin.fsck:fsck", "Check that everything is there that should be.", extra="server"),
    "gc": Place("wherry.cli.admin.gc:gc", "Delete what nothing needs; a server does it by itself.", extra="server"),
    "import": Place(
        "wherry.cli.admin.importing:import_folder",
        "Take over what another registry has stored in a folder.",
        extra="server",
    ),
    "uploads": Place("wherry.cli.admin.uploads:uploads", "List uploads that nobody has finished.", extra="server"),
}


@click.group(cls=LazyGroup, places=PLACES)
def admin() -> None:
    """Look after a registry's folder, on the machine where it is, while its server runs or not."""
