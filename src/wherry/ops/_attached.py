"""What refers to an image without being part of it: signatures, SBOMs, attestations; and what refers to those.

They are found in two ways. By the referrers of each manifest: the store's own list, from the referrers API or the tag that
clients keep where there is none. And by the tags that cosign gives them, `sha256-<hex of the subject>.sig`, `.att`, `.sbom`,
which say nothing in the manifest. What is listed as a referrer and names another subject is passed by: some registries read
`sha256-…` as a digest, and answer with the subject itself.

Spec: distribution-spec 1.1, "Listing Referrers".
"""

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import NotFound
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Tag
from wherry.ops._each import each
from wherry.ops._plan import Walk
from wherry.ops._run import SMALL_REQUESTS, Run
from wherry.stores.protocol import Source

__all__ = ["attach", "cosign_tags"]

_SUFFIXES = (".sig", ".att", ".sbom")


async def attach(walk: Walk, run: Run, *, but: Digest | None = None) -> None:
    """Add to a walk's plan what refers to any manifest that the walk met, but for `but`."""
    begun = 0
    while subjects := [digest for digest in walk.plan.graph[begun:] if digest != but]:
        begun = len(walk.plan.graph)
        pushed: dict[Digest, Manifest] = {}
        for _, found in await each(lambda subject: _about(walk, run, subject), subjects, at_once=SMALL_REQUESTS):
            pushed |= found
        walk.plan.attached.append(pushed)


async def _about(walk: Walk, run: Run, subject: Digest) -> dict[Digest, Manifest]:
    """The manifests about a subject that are to be pushed; the walk has gone on into them."""
    pushed: dict[Digest, Manifest] = {}
    async with run.small:
        listed = [referrer async for referrer in walk.source.referrers(subject)]
    for referrer in listed:
        if referrer.is_manifest and walk.is_new(referrer.digest):
            manifest = await _referrer(walk, run, referrer, subject)
            if manifest is not None:
                pushed[manifest.digest] = manifest
    for tag in await cosign_tags(walk.source, run, subject):
        manifest = await _tagged(walk, run, tag)
        if manifest is not None:
            pushed[manifest.digest] = manifest
    return pushed


async def _referrer(walk: Walk, run: Run, referrer: Descriptor, subject: Digest) -> Manifest | None:
    """The manifest of a referrer that is to be pushed."""
    async with run.small:
        there = await walk.has_manifest(referrer)
        if there and walk.trusts(referrer):
            return None
        try:
            manifest = await walk.fetch(referrer)
        except NotFound:  # deleted, and still in a list that clients keep
            return None
    if manifest.view.subject is None or manifest.view.subject.digest != subject:
        return None
    await walk.down(walk.enter(manifest))
    return None if there else manifest


async def _tagged(walk: Walk, run: Run, tag: Tag) -> Manifest | None:
    """The manifest under a tag that names its subject, if the destination does not have it under that tag."""
    async with run.small:
        found = await _resolved(walk.source, tag)
        if found is None:
            return None
        there = await _resolved(walk.destination, tag)
        new = walk.is_new(found.digest)
        in_place = there is not None and there.digest == found.digest
        if in_place and (not new or walk.trusts(found)):
            return None
        manifest = await walk.fetch(found)
    if new:
        await walk.down(walk.enter(manifest))
    if in_place:
        return None
    walk.plan.tags[tag] = found.digest
    return manifest


async def _resolved(store: Source, tag: Tag) -> Descriptor | None:
    try:
        return await store.resolve(tag)
    except NotFound:
        return None


async def cosign_tags(source: Source, run: Run, subject: Digest) -> list[Tag]:
    """Those that may be there: by the list of all tags, which is asked for once, or else all."""
    if subject.algorithm != "sha256":
        return []
    named = [Tag(f"sha256-{subject.encoded}{suffix}") for suffix in _SUFFIXES]
    listed = await run.tags_of(source)
    return named if listed is None else [tag for tag in named if tag in listed]
