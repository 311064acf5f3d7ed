"""`wherry manifest ls`."""

import sys
from datetime import UTC, datetime

import click

from wherry.cli.manifest.dockerlike import DockerCommand
from wherry.cli.session import docker_config
from wherry.cli.tables import columns, printable
from wherry.oci.document import encode
from wherry.oci.errors import StoreError
from wherry.stores.drafts import Drafts, Listed

__all__ = ["ls"]


@click.command(cls=DockerCommand, least=0, most=0, usage="[OPTIONS]", short_help="List the drafts on this machine.")
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def ls(names: tuple[str, ...], *, as_json: bool) -> None:  # noqa: ARG001  # there are none; counting them is the command's
    """List the drafts on this machine: name, images, platforms, and when each was last changed.

    Docker does not note the name of a draft, and its folders do not tell for sure: of a draft that only docker has
    touched, the name that it may have is printed in parentheses, or its folder if not even that is known.
    """
    listed = [_Row(each) for each in Drafts(docker_config()).listed()]
    if as_json:
        sys.stdout.buffer.write(encode([row.document() for row in listed]) + b"\n")
        return
    head = ("NAME", "IMAGES", "CHANGED", "PLATFORMS")
    for line in columns([head, *(row.cells() for row in listed)]):
        sys.stdout.write(f"{line}\n")


class _Row:
    """A draft, as it is listed."""

    def __init__(self, listed: Listed) -> None:
        self.folder = listed.folder
        self.name = listed.name
        self.likely = listed.likely
        self.changed = datetime.fromtimestamp(listed.changed, UTC).isoformat(timespec="seconds")
        self.problem: str | None = None
        self.platforms: list[str] = []
        self.images = 0
        try:
            images = listed.images()
        except StoreError as error:
            self.problem = error.message
        else:
            self.images = len(images)
            self.platforms = list(dict.fromkeys(str(each.platform) for each in images if each.platform.known))

    def cells(self) -> tuple[str, ...]:
        name = self.name or f"({self.likely or self.folder.name})"
        told = ", ".join(self.platforms) if self.problem is None else "damaged"
        return (printable(name), str(self.images), self.changed, printable(told))

    def document(self) -> dict[str, object]:
        document: dict[str, object] = {
            "name": self.name,
            "likely": self.likely,
            "folder": str(self.folder),
            "changed": self.changed,
            "images": self.images,
            "platforms": self.platforms,
        }
        return document if self.problem is None else document | {"problem": self.problem}
