"""What a schema 1 manifest tells of an image, and the schema 2 config that says the same.

Schema 1 has no config: each layer has a piece of Docker's old JSON (`v1Compatibility`), the top layer's with the whole image's
settings. Lists run from the top down, and steps that changed no file (`ENV`, `CMD`) have an empty layer each. Schema 2 has
one config, whose history runs from the bottom up; empty layers are left out of its file system, and noted in the history.

Source: Docker's "Image Manifest Version 2, Schema 1"; its image specification 1.2 for what becomes of the fields. Docker itself
(`MakeConfigFromV1Config`) keeps what it does not know, drops what names layers, and passes by layers that are listed twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from wherry.oci.digest import Digest
from wherry.oci.document import NotJSON, decode, encode, list_at, object_at, text_at
from wherry.oci.errors import InvalidDescriptor, ManifestInvalid
from wherry.oci.manifest import Manifest

__all__ = ["EMPTY_LAYER", "Step", "config_of", "steps_of"]

EMPTY_LAYER = Digest("sha256", "a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4")
"""The gzipped tar with nothing in it that Docker gave to each step which changed no file."""
_OF_LAYERS = ("id", "parent", "Size", "parent_id", "layer_id", "throwaway")
"""Fields of the old JSON that are about a layer, and not about the image."""


class Step(Struct, frozen=True):
    """A step of a build: its layer, and what is told of it."""

    layer: Digest
    told: Mapping[str, Any]

    @property
    def is_empty(self) -> bool:
        """Whether it changed no file."""
        return self.told.get("throwaway") is True or self.layer == EMPTY_LAYER


def steps_of(manifest: Manifest) -> tuple[Step, ...]:
    """The steps of a schema 1 image, the first one first.

    Raises:
        ManifestInvalid: it does not say them as it should.
    """
    layers = manifest.view.fs_layers
    try:
        told = [_told(item, position) for position, item in enumerate(list_at(manifest.document, "history") or [])]
        return tuple(reversed(list(_chained(_joined(layers, told)))))
    except InvalidDescriptor as error:
        raise ManifestInvalid(f"manifest {manifest.digest}: {error}") from error


def config_of(manifest: Manifest, steps: Sequence[Step], diff_ids: Sequence[Digest]) -> bytes:
    """The config of the image, as a schema 2 image has one; `diff_ids` are those of the steps that are not empty.

    The same bytes for the same manifest, always.

    Raises:
        ManifestInvalid: a step is told in other types than it should be.
    """
    image = {name: value for name, value in steps[-1].told.items() if name not in _OF_LAYERS}
    if not image.get("architecture") and manifest.document.get("architecture"):
        image["architecture"] = manifest.document["architecture"]
    try:
        history = [_history(step) for step in steps]
    except InvalidDescriptor as error:
        raise ManifestInvalid(f"manifest {manifest.digest}: {error}") from error
    return encode(image | {"rootfs": {"type": "layers", "diff_ids": list(map(str, diff_ids))}, "history": history})


def _told(item: Any, position: int) -> dict[str, Any]:
    where = f"history[{position}]"
    text = text_at(item, "v1Compatibility", where) if isinstance(item, dict) else None
    if text is None:
        raise InvalidDescriptor(f"{where}.v1Compatibility", "is missing")
    try:
        told = decode(text.encode())
    except (NotJSON, UnicodeEncodeError) as error:
        raise InvalidDescriptor(f"{where}.v1Compatibility", f"is not JSON: {error}") from None
    if not isinstance(told, dict):
        raise InvalidDescriptor(f"{where}.v1Compatibility", "is JSON, but not an object")
    return told


def _joined(layers: Sequence[Digest], told: Sequence[dict[str, Any]]) -> list[Step]:
    if not layers or len(told) != len(layers):
        raise InvalidDescriptor("history", f"has {len(told)} entries for {len(layers)} layers")
    return [Step(layer, each) for layer, each in zip(layers, told, strict=True)]


def _chained(steps: Sequence[Step]) -> Iterator[Step]:
    """The steps from the top down, each once; each names the next as its parent."""
    above: Step | None = None
    for step in steps:
        if above is not None:
            name, parent = step.told.get("id"), above.told.get("parent")
            if name is not None and name == above.told.get("id"):
                continue
            if name is not None and parent != name:
                raise InvalidDescriptor(
                    "history", f"is no chain: {above.told.get('id')} has the parent {parent}, not {name}"
                )
        above = step
        yield step


def _history(step: Step) -> dict[str, Any]:
    """An entry of a config's history."""
    container = object_at(step.told, "container_config", "v1Compatibility") or {}
    command = list_at(container, "Cmd", "v1Compatibility.container_config") or []
    entry: dict[str, Any] = {"created": text_at(step.told, "created", "v1Compatibility")}
    entry["author"] = text_at(step.told, "author", "v1Compatibility")
    entry["created_by"] = " ".join(map(str, command))
    entry["comment"] = text_at(step.told, "comment", "v1Compatibility")
    entry["empty_layer"] = step.is_empty
    return {name: value for name, value in entry.items() if value}
