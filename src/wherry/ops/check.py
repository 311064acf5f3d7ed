"""Checking: whether everything is there that a reference leads to, and is what everybody says of it.

First every manifest is read (`_survey`), with the configs of images, and compared with what is said of it (`_claims`); then every blob that one names is asked for or, deeply,
read (`_content_check`). What is wrong is noted and the check goes on: it ends early only when the place itself fails.
"""

from collections.abc import Callable, Collection

from msgspec import Struct

from wherry.oci.digest import Digest
from wherry.oci.errors import ContentMismatch
from wherry.oci.mediatype import Kind
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops._content_check import ContentCheck
from wherry.ops._findings import Findings, Problem
from wherry.ops._run import Run
from wherry.ops._survey import Survey
from wherry.ops.errand import Tally
from wherry.ops.progress import Planned, Progress, ignore
from wherry.stores.protocol import Source

__all__ = ["JOBS", "Checked", "Problem", "check"]

JOBS = 4
"""Large blobs that are read at once, where nobody says otherwise."""


class Checked(Struct, frozen=True):
    """What a check has found. Content that is named several times counts once.

    `digest` is the root's; None where a tag led to bytes that are not a manifest's.
    """

    digest: Digest | None
    manifests: int = 0
    """How many were read."""
    blobs: int = 0
    """How many were asked for, or read."""
    bytes: int = 0
    """What manifests and blobs that are there come to."""
    foreign: int = 0
    """Foreign layers that are not there, which is no problem: their `urls` say where they are."""
    unopened: int = 0
    """Layers whose diff IDs were not compared, because they are compressed with zstd."""
    problems: tuple[Problem, ...] = ()


def _not_told(_: Problem) -> None:
    """Who only wants the result."""


async def check(
    source: Source,
    name: Tag | Digest,
    *,
    deep: bool = False,
    platforms: Collection[Platform] = (),
    referrers: bool = False,
    jobs: int = JOBS,
    noticed: Callable[[Problem], None] = _not_told,
    progress: Progress = ignore,
) -> Checked:
    """Verify everything that `name` leads to: digests, sizes, media types, platforms, and that nothing is missing.

    Args:
        deep: read every blob and compare its digest, and what layers are inside with their diff IDs; otherwise each is asked
            for, and its size is compared.
        platforms: check only these children of an index, and their attestations; empty checks all.
        referrers: check signatures, SBOMs and whatever else refers to what is checked, too.
        jobs: large blobs that are read at once, at least 1.
        noticed: called with each problem when it is found first, in no order.
        progress: called with `Planned`, `Passed` and `Ended` while blobs are read.

    Raises:
        ManifestUnknown: `name` leads nowhere, or there is no image for one of the platforms.
        Unreachable, Unauthorized, …: the place itself fails; what was found until then was told to `noticed`.
    """
    findings = Findings(str(source), noticed)
    try:
        root = await source.manifest(name)
    except ContentMismatch as error:
        findings.add_root_error(error, name if isinstance(name, Digest) else None)
        return Checked(name if isinstance(name, Digest) else None, problems=findings.problems())
    only = None
    if platforms:
        from wherry.ops.selection import select  # noqa: PLC0415  # most checks never ask for it

        selection = await select(source, root, platforms)
        only = selection.digests if root.kind is Kind.INDEX else None
    run = Run(jobs)
    survey = Survey(source, run, findings, referrers=referrers)
    await survey.go(root, only)
    contents = ContentCheck(source, run, findings, progress)
    blobs = survey.unsettled()
    if deep:
        progress(Planned(Tally(len(blobs), sum(blob.size or 0 for blob in blobs)), Tally()))
        await contents.read(blobs)
    else:
        await contents.ask(blobs)
    return Checked(
        root.digest,
        manifests=survey.manifests,
        blobs=len({digest for digest, _ in survey.blobs}),
        bytes=survey.bytes + contents.bytes,
        foreign=contents.foreign,
        unopened=contents.unopened,
        problems=findings.problems(),
    )
