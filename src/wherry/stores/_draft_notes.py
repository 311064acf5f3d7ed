"""What wherry notes of a draft's images beside docker's files, because docker's `annotate` drops from them what it does not
know: that an image came from an index, and what its entry was before it was annotated.

A note counts for an image of the same file and the same digest. Whether it is of this draft at all, and not of one that docker
has made anew in its place, `Names.owner` tells.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.dockerdraft import DraftImage, Flattened, file_name
from wherry.oci.dockerjson import described
from wherry.oci.errors import InvalidValue

__all__ = ["restored", "write_notes"]


class _Note(Struct, frozen=True):
    descriptor: dict[str, Any]
    """As it was before anybody annotated it."""
    flattened: Flattened | None = None


class _Notes(Struct, frozen=True):
    images: dict[str, _Note]


_decoder = msgspec.json.Decoder(_Notes)


def write_notes(path: Path, images: Iterable[DraftImage]) -> None:
    """Note what docker drops from a draft's files. Who calls holds the lock on drafts.

    Raises:
        OSError: the notes cannot be written.
    """
    notes = {
        file_name(image.reference): _Note(described(image.original or image.descriptor), image.flattened)
        for image in images
    }
    path.parent.mkdir(exist_ok=True)
    staged = path.parent / ".new"
    staged.write_bytes(msgspec.json.encode(_Notes(notes)))
    staged.rename(path)


def restored(path: Path, images: tuple[DraftImage, ...]) -> tuple[DraftImage, ...]:
    """The images of a draft with what is noted of them. Notes that cannot be read are none."""
    try:
        notes = _decoder.decode(path.read_bytes())
        return tuple(_restored(image, notes.images.get(file_name(image.reference))) for image in images)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, InvalidValue):
        return images


def _restored(image: DraftImage, note: _Note | None) -> DraftImage:
    if note is None:
        return image
    original = Descriptor.from_json(note.descriptor, "descriptor")
    if original.digest != image.descriptor.digest:
        return image
    changed = None if original == image.descriptor else original
    return replace(image, flattened=image.flattened or note.flattened, original=changed)
