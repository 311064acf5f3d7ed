"""Pushing a draft: what is elsewhere first, then the list, then its tags."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from wherry.oci.digest import Digest
from wherry.oci.dockerdraft import DraftImage, assembled
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference, Tag
from wherry.ops.images import JOBS, is_artifact
from wherry.ops.index_sources import Entry, bring
from wherry.stores.drafts import Drafts, EmptyDraft, NoPlatform
from wherry.stores.protocol import Store

__all__ = ["Plan", "plan", "push"]


class Plan(Struct, frozen=True):
    """What a push will do: `manifest` is the list to push, under `tags` (none: by its digest alone)."""

    name: Reference
    images: tuple[DraftImage, ...]
    """The draft as it was when this was planned."""
    manifest: Manifest
    foreign: Mapping[Digest, Reference]
    """The images that are in other repositories or registries, and where; in the list's order."""
    tags: tuple[Tag, ...]

    @property
    def targets(self) -> tuple[Reference, ...]:
        """What the list will be called."""
        return tuple(self.name.at(tag) for tag in self.tags) or (self.name.at(self.manifest.digest),)


def plan(drafts: Drafts, name: Reference, tags: Sequence[Tag] = ()) -> Plan:
    """Make the list that a draft stands for; nothing is sent, and nothing asked.

    Args:
        tags: more tags for the list, beside the one in `name`.
    Raises:
        DraftUnknown: there is no such draft.
        EmptyDraft: there is nothing in it.
        NoPlatform: an image has no os or architecture.
        StoreError: the draft cannot be read.
    """
    images = drafts.images(name)
    if not images:
        raise EmptyDraft(f"{name} not found")
    for image in images:
        _check_platform(image)
    homes = [(image.descriptor.digest, Reference.parse(image.reference)) for image in images]
    there = {digest for digest, home in homes if home.context == name.context}
    foreign = {digest: home for digest, home in homes if digest not in there}
    own = () if name.tag is None else (name.tag,)
    return Plan(name, images, assembled(images), foreign, tuple(dict.fromkeys((*own, *tags))))


async def push(planned: Plan, repository: Callable[[Reference], Store], *, jobs: int = JOBS) -> None:
    """Push what was planned; a blob that several images share goes once.

    Args:
        repository: opens the repository of a reference.
        jobs: images copied at once.
    Raises:
        RegistryError: a registry refuses; no tag has moved.
    """
    target = repository(planned.name)
    described = {child.digest: child for child in planned.manifest.view.manifests}
    entries = [Entry(described[digest], repository(home)) for digest, home in planned.foreign.items()]
    await bring(entries, target, jobs=jobs)
    await target.push_manifest(planned.manifest, *planned.tags)


def _check_platform(image: DraftImage) -> None:
    artifact = image.manifest is not None and is_artifact(image.manifest)
    if not artifact and not (image.platform.os and image.platform.architecture):
        raise NoPlatform(
            f"manifest {image.reference} must have an OS and Architecture to be pushed to a registry",
            hint=f"`wherry manifest annotate LIST {image.reference} --platform os/architecture` says them",
        )
