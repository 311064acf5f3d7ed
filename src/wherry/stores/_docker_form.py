"""What `docker save` writes and `docker load` reads: what `docker-archive:` names.

There are two generations. Up to Docker 24 (and in skopeo, podman and crane today) it is `manifest.json`, which lists images:
the path of a config, the paths of layers, and names. There is no manifest in it, so one is made up (`_docker_images`). From
Docker 25 on it is an OCI layout too, with the manifests. wherry reads both and writes the second, in which nothing is lost:
`manifest.json` names the blobs of the layout.

Names are whole, `docker.io/library/alpine:3.20`: one archive may have images of many repositories.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.document import encode
from wherry.oci.errors import InvalidReference, InvalidTag, ManifestInvalid, ManifestUnknown, NameUnknown, StoreError
from wherry.oci.manifest import Manifest, View
from wherry.oci.mediatype import DOCKER_CONFIG, OCI_CONFIG, Kind
from wherry.oci.platform import Platform
from wherry.oci.reference import Reference, Tag
from wherry.stores._archive_form import Contents, Held
from wherry.stores._docker_images import LISTED, canonical, made_up, read_list
from wherry.stores._names import REF_NAME, Names
from wherry.stores._oci_form import INDEX, read_layout
from wherry.stores._staged import blob_name
from wherry.stores._tar import Tar

__all__ = ["DockerForm"]

_IMAGE_NAME = "io.containerd.image.name"
"""The annotation for a whole name, from containerd, which Docker uses too; `ref.name` has the tag alone then."""
_EASIEST = Platform.parse("linux/amd64")
"""Of an index, `manifest.json` can list one image under a name: this one if it is there, else the first for Linux."""


class DockerForm:
    """Images of `repository`; None is: of the only one that is there."""

    def __init__(self, repository: Reference | None) -> None:
        self._repository = repository

    def __str__(self) -> str:
        return "docker-archive"

    def read(self, tar: Tar) -> Contents:
        images = read_list(tar)
        layout = read_layout(tar)
        if layout is None:
            return made_up(tar, images)
        known = {name.rpartition(":")[2]: name for image in images for name in image.names}
        return Contents(_whole(layout.names, known), layout.blobs, layout.others)

    def lists(self, names: Names, held: Held) -> Mapping[str, bytes]:
        return {INDEX: _split(names).encode(), LISTED: encode(_images(names, held))}

    def check(self, place: str, names: Names) -> None:
        repositories = _repositories(names)
        if self._repository is None and len(repositories) > 1:
            name = next(entry.name for entry in names.entries if entry.name is not None)
            raise ManifestUnknown(
                f"{place}: has images of {len(repositories)} repositories: {', '.join(map(_familiar, repositories))}",
                hint=f"name one of them, for example {place}:{_familiar(name)}",
            )

    def missing(self, place: str, names: Names) -> None:
        others = _repositories(names)
        if self._repository is not None and others:
            raise NameUnknown(
                f"{place}: no image of that name; there are images of {', '.join(map(_familiar, others))}"
            )

    def concerned(self, place: str, names: Names) -> Names:
        if self._repository is None or not names.entries:
            return names
        context = self._repository.context
        found = tuple(e for e in names.entries if e.name is not None and e.name.rpartition(":")[0] == context)
        if found:
            return replace(names, entries=found)
        self.missing(place, names)
        raise NameUnknown(
            f"{place}: no image of that name; what is there has none",
            hint=f"without a name: {place.removesuffix(f':{self._repository.familiar}')}",
        )

    def own_name(self, names: Names) -> Reference | None:
        found = [self._repository.context] if self._repository else _repositories(names)
        try:
            return Reference.parse_repository(found[0]) if len(found) == 1 else None
        except InvalidReference:
            return None

    def written(self, place: str, tag: Tag, names: Names) -> str:
        context = None if self._repository is not None else self._context(names)
        return f"{place}:{tag}" if context is None else f"{place}:{_familiar(context)}:{tag}"

    def name_of(self, place: str, tag: Tag, names: Names) -> str:
        self.check(place, names)
        context = self._context(names)
        if context is None:
            raise StoreError(
                f"{place}: an image in a docker archive is called NAME:TAG, and only the tag {tag} is known",
                hint=f"{place}:NAME:{tag}",
            )
        return f"{context}:{tag}"

    def tags_in(self, names: Names) -> Iterable[Tag]:
        meant = self._context(names)
        for name in {entry.name for entry in names.entries if entry.name is not None}:
            context, _, tag = name.rpartition(":")
            if context and context == meant:
                with suppress(InvalidTag):
                    yield Tag(tag)

    def _context(self, names: Names) -> str | None:
        if self._repository is not None:
            return self._repository.context
        return next(iter(_repositories(names)), None)


def _repositories(names: Names) -> list[str]:
    """The repositories that images are of, in the list's order."""
    return list(dict.fromkeys(entry.name.rpartition(":")[0] for entry in names.entries if entry.name))


def _familiar(name: str) -> str:
    try:
        return Reference.parse_repository(name).familiar
    except InvalidReference:
        return name


def _whole(names: Names, known: Mapping[str, str]) -> Names:
    """A list as it is in the file, with whole names; `known` are those of `manifest.json`, by tag."""

    def name(annotations: dict[str, Any]) -> dict[str, Any]:
        short = annotations.get(REF_NAME)
        whole = annotations.pop(_IMAGE_NAME, None) or known.get(str(short), short)
        return annotations | ({} if whole is None else {REF_NAME: canonical(str(whole))})

    return names.annotated(name)


def _split(names: Names) -> Names:
    """The same, as it is in the file."""

    def name(annotations: dict[str, Any]) -> dict[str, Any]:
        whole = annotations.get(REF_NAME)
        if whole is None or ":" not in whole:
            return annotations
        return annotations | {_IMAGE_NAME: whole, REF_NAME: whole.rpartition(":")[2]}

    return names.annotated(name)


def _images(names: Names, held: Held) -> list[dict[str, Any]]:
    """`manifest.json`. What is no image, or lacks a layer, is not in it: `docker load` would stop there."""
    images: dict[Digest, dict[str, Any]] = {}
    for entry in names.entries:
        digest = entry.descriptor.digest
        view = _image_view(digest, entry.descriptor.media_type, held)
        if view is None or view.config is None:
            continue
        image = images.setdefault(
            digest,
            {
                "Config": blob_name(view.config.digest),
                "RepoTags": [],
                "Layers": [blob_name(layer.digest) for layer in view.layers],
            },
        )
        if entry.name and ":" in entry.name:
            image["RepoTags"].append(entry.name)  # whole: podman reads short ones as localhost/NAME
    return list(images.values())


def _image_view(digest: Digest, media_type: str, held: Held) -> View | None:
    """What `docker load` is to get: the image, or one of those in an index."""
    body = held.content(digest)
    if body is None:
        return None
    try:
        view = Manifest(body, media_type, algorithm=digest.algorithm).view
    except ManifestInvalid:
        return None
    if view.kind is Kind.INDEX:
        for child in sorted(view.manifests, key=_ease):
            found = _image_view(child.digest, child.media_type, held)
            if found is not None:
                return found
        return None
    is_image = view.config is not None and view.config.media_type in {OCI_CONFIG, DOCKER_CONFIG}
    return view if is_image and all(map(held.has, view.layers)) else None


def _ease(child: Descriptor) -> int:
    """The lower, the more machines can run it; attestations, which have no platform, come last."""
    platform = child.platform
    if platform is None or platform.os == "unknown":
        return 3
    if platform.satisfies(_EASIEST):
        return 0
    return 1 if platform.os == "linux" else 2
