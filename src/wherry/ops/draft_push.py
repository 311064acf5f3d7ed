"""Pushing a draft: what is elsewhere first, then the list, then its tags."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from wherry.oci.digest import Digest
from wherry.oci.dockerdraft import DraftImage, assembled
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference, Tag
from wherry.ops._each import each
from wherry.ops.copy import copy
from wherry.ops.images import JOBS, is_artifact
from wherry.stores.drafts import Drafts, EmptyDraft, NoPlatform
from wherry.stores.protocol import Store

__all__ = ["Pushed", "checked", "push"]


@dataclass(frozen=True, slots=True)
class Pushed:
    """`manifest` is the list as pushed; `copied` are the children that came from other repositories, in its order."""

    manifest: Manifest
    copied: tuple[Digest, ...]


async def push(
    drafts: Drafts,
    name: Reference,
    repository: Callable[[Reference], Store],
    *,
    tags: Collection[Tag] = (),
    jobs: int = JOBS,
) -> Pushed:
    """Push a draft: first the images that are in other repositories or registries, then the list, then its tags.

    Args:
        repository: opens the repository of a reference.
        tags: more tags for the list, beside the one in `name`.
    Raises:
        DraftUnknown: there is no such draft.
        EmptyDraft: there is nothing in it.
        NoPlatform: an image has no os or architecture.
        RegistryError: a registry refuses.
    """
    images = checked(name, drafts.images(name))
    target = repository(name)
    homes = [(image.descriptor.digest, Reference.parse(image.reference)) for image in images]
    there = {digest for digest, home in homes if home.context == name.context}
    foreign = {digest: home for digest, home in homes if digest not in there}
    await each(lambda digest: copy(repository(foreign[digest]), digest, target), foreign, at_once=jobs)
    manifest = assembled(images)
    own = () if name.tag is None else (name.tag,)
    await target.push_manifest(manifest, *dict.fromkeys((*own, *tags)))
    return Pushed(manifest, tuple(foreign))


def checked(name: Reference, images: Sequence[DraftImage]) -> Sequence[DraftImage]:
    """A draft's images, if they can be pushed.

    Raises:
        EmptyDraft: there are none.
        NoPlatform: one has no os or architecture, and is no artifact either.
    """
    if not images:
        raise EmptyDraft(f"{name} not found")
    for image in images:
        artifact = image.manifest is not None and is_artifact(image.manifest)
        if not artifact and not (image.platform.os and image.platform.architecture):
            raise NoPlatform(f"manifest {image.reference} must have an OS and Architecture to be pushed to a registry")
    return images
