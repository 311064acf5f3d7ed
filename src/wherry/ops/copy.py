"""Copying: the one thing that moves content.

A copy has three steps. It walks the graph from its root and finds out what the destination lacks (`_plan`). It moves the
missing blobs, several at once, the big ones first. It pushes the missing manifests, children before parents, and the root
last, together with its tags. So at every moment whatever is visible at the destination is whole; a copy that was cut short
has left no tag, and the next one finds what arrived and goes on from there.

Nothing is written anew, unless some platforms are chosen: manifests are pushed as the bytes that were read, and every digest
stays. The reasons for what is skipped, and for what is not, stand in docs/design/copy.md.

Spec: distribution-spec 1.1, "Pushing Manifests"; image-spec 1.1, image-index.md.
"""

from collections.abc import Collection

from wherry.oci.digest import Digest
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops._carry import Carrier
from wherry.ops._run import Run
from wherry.ops._together import together
from wherry.ops.errand import Copied, Errand, Narrowed, Options
from wherry.ops.progress import Progress, ignore
from wherry.stores.protocol import Source, Store

__all__ = ["JOBS", "Copied", "Narrowed", "copy"]

JOBS = 4
"""Large blobs in flight at once, where nobody says otherwise: docs/design/copy.md has the measurement."""


async def copy(
    source: Source,
    name: Tag | Digest,
    destination: Store,
    *,
    tags: Collection[Tag] = (),
    platforms: Collection[Platform] = (),
    sparse: bool = False,
    unwrap: bool = False,
    referrers: bool = False,
    foreign: bool = False,
    convert_schema1: bool = False,
    recheck: bool = False,
    dry_run: bool = False,
    jobs: int = JOBS,
    progress: Progress = ignore,
) -> Copied:
    """Copy everything that `name` leads to into another store, and point `tags` at it there.

    Children are pushed before the manifests that name them, the tags last: a copy that is cut short, by a failure or by
    cancelling it, leaves nothing visible that is incomplete. Where source and destination are one object, only tags move.

    Args:
        tags: what to call it at the destination; without any it is there by its digest alone.
        platforms: keep only the children of an index that are for one of these, and their attestations; empty keeps all.
            That makes a new index, so a new digest. An image must be for one of them.
        sparse: with `platforms`, keep the index as it is and leave out what it leads to: not every store takes that.
        unwrap: with `platforms`, copy the one image that is left, without an index and its attestations.
        referrers: copy signatures, SBOMs and whatever else refers to what is copied, too.
        foreign: move layers that their author says need not be in any registry, too: from the source, or from their `urls`.
        convert_schema1: make a schema 2 image of a signed schema 1 one; that has another digest.
        recheck: look at every blob, even those of images that the destination already has; read what an `Auditor` has.
        dry_run: look, move nothing, and return what would be done.
        jobs: large blobs in flight at once, at least 1. What fits one request (256 KB) does not wait for them.
        progress: called with what happens, as it happens.

    Raises:
        ManifestUnknown: `name` leads nowhere in `source`, an index there has a hole, or it has no image for a platform.
        BlobUnknown: `source` lacks a blob that a manifest of its own names.
        ContentMismatch: `source` sent bytes that are not what their descriptor says.
        ManifestBlobUnknown: `sparse`, and the destination takes no index with holes.
        Unsupported: it is signed schema 1, and not to be converted.
    """
    if isinstance(tags, str):
        raise TypeError(f"tags are several: tags=[Tag({str(tags)!r})]")
    options = Options(
        platforms=tuple(platforms),
        sparse=sparse,
        unwrap=unwrap,
        referrers=referrers,
        foreign=foreign,
        convert_schema1=convert_schema1,
        recheck=recheck,
        dry_run=dry_run,
    )
    async with together((destination,)):
        return await Carrier(Errand(source, name, destination, tuple(tags)), options, Run(jobs), progress).go()
