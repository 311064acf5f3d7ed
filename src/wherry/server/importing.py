"""Taking over what another registry has stored: from its folder, into ours.

What is imported is copied by `ops`, as between any two places: each blob and each manifest is checked against its digest,
blobs go before the manifests that name them, and what is there already is not moved again. So an import that was cut short
is finished by running it again, and one image that is damaged does not stop the others. The folder is only read.

Three kinds of folder are known: distribution's (`docker/registry/v2`), zot's (an OCI layout for each repository), and a
single OCI layout, to which somebody has to give a name.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestUnknown, StoreError, WherryError
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import OCI_INDEX, Kind
from wherry.oci.reference import Tag, check_name
from wherry.ops.copy import JOBS
from wherry.ops.copy_many import Errand, Outcome, copy_many
from wherry.ops.errand import Copied, Tally
from wherry.ops.progress import Progress, ignore
from wherry.server.folder import held_folder
from wherry.server.policy import Policy, Sparse
from wherry.server.registry import Registry
from wherry.server.store import RegistryStore
from wherry.server.upkeep import opened
from wherry.stores.distribution import StorageFolder, StoredRepository
from wherry.stores.layout import Layout
from wherry.stores.memory import MemoryStore
from wherry.stores.protocol import Source, Store

__all__ = ["Failure", "Found", "Imported", "find_repositories", "import_repositories", "registry_for_import"]


class Found(Struct, frozen=True):
    """A repository in a folder that may be imported."""

    name: str
    source: StoredRepository | Layout


class Failure(Struct, frozen=True):
    """Something that was not imported: which tag or manifest (None: the repository as a whole), and why."""

    name: Tag | Digest | None
    reason: str


class Imported(Struct, frozen=True):
    """What was done, or would be done, for one repository. Manifests are counted that had to be pushed."""

    repository: str
    tags: int = 0
    untagged: int = 0
    manifests: int = 0
    moved: Tally = Tally()
    mounted: Tally = Tally()
    skipped: Tally = Tally()
    failures: tuple[Failure, ...] = ()


def find_repositories(folder: Path, names: Collection[str] = ()) -> list[Found]:
    """The repositories in a folder. Blocks.

    Args:
        names: import only these; for a single OCI layout, what it shall be called: then exactly one.
    Raises:
        StoreError: the folder is none that is known, or one of the `names` is not in it.
        InvalidName: one of the `names` is none.
    """
    for name in names:
        check_name(name)
    if not folder.is_dir():
        raise StoreError(f"{folder}: there is no such folder")
    if (folder / "oci-layout").exists():
        return [Found(_only(folder, names), Layout(folder))]
    found = list(_in_storage(folder) or _in_layouts(folder))
    if not found:
        raise StoreError(
            f"{folder}: neither a registry's storage nor an OCI layout",
            hint="name the folder that has docker/registry/v2 in it, or repositories as OCI layouts",
        )
    if missing := sorted(set(names) - {each.name for each in found}):
        raise StoreError(f"{folder}: has no repository {missing[0]}", hint=f"it has {_some(found)}")
    return [each for each in found if not names or each.name in names]


async def import_repositories(
    found: Sequence[Found],
    registry: Registry | None,
    *,
    dry_run: bool = False,
    jobs: int = JOBS,
    progress: Progress = ignore,
) -> list[Imported]:
    """Copy all that some repositories have into the registry; say what became of each, in their order.

    Args:
        registry: None for one that does not exist yet, with `dry_run` alone.
        dry_run: look, and move nothing. Blobs are not looked at then.
        jobs: large blobs in flight at once.
    """
    if registry is None and not dry_run:
        raise ValueError("there is no registry to import into")
    errands: list[Errand] = []
    failures: dict[str, list[Failure]] = defaultdict(list)
    for each in found:
        try:
            name = check_name(each.name)
            destination = MemoryStore() if registry is None else _Destination(registry, name)
            errands += await _errands(each.source, destination)
        except (WherryError, OSError) as error:
            failures[each.name].append(Failure(None, _reason(error)))
    names = {id(each.source): each.name for each in found}
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    sparse = registry is not None and registry.policy.sparse is not Sparse.NONE
    for outcome in await _outcomes(errands, sparse=sparse, dry_run=dry_run, jobs=jobs, progress=progress):
        outcomes[names[id(outcome.errand.source)]].append(outcome)
    return [_summed(each.name, outcomes[each.name], failures[each.name]) for each in found]


@asynccontextmanager
async def registry_for_import(folder: Path, policy: Policy, *, dry_run: bool) -> AsyncIterator[Registry | None]:
    """The registry in a folder, made if need be; None if there is none and nothing is to be written. Its server may run.

    Raises:
        StoreError: it cannot be used.
    """
    if not (folder / "registry.sqlite").is_file():
        if dry_run:
            yield None
            return
        with held_folder(folder):  # only while it is made: then a server may have it
            await Registry.open(folder, policy).close()
    async with opened(folder, policy) as registry:
        yield registry


class _Destination(RegistryStore):
    """A repository that takes blobs from the registry's others, too, when the repository that is imported holds them as well.

    That gives nobody what he could not read before, and a layer that a thousand repositories share is read once.
    """

    def is_beside(self, origin: Source) -> bool:  # noqa: ARG002  # whatever it is: the blob may be here
        return True

    async def mount(self, blob: Descriptor, origin: Source) -> bool:
        if super().is_beside(origin):
            return await super().mount(blob, origin)
        return self.has_bytes(blob) and await origin.exists(blob) and await self.take(blob)


def _only(folder: Path, names: Collection[str]) -> str:
    """The one name for a single layout."""
    if len(names) != 1:
        raise StoreError(
            f"{folder}: is an OCI layout, which has no name of its own", hint="give one with --repository NAME"
        )
    return next(iter(names))


def _in_storage(folder: Path) -> Iterator[Found] | None:
    """Repositories of distribution; None if this is not its storage."""
    storage = StorageFolder.find(folder)
    return None if storage is None else (Found(name, storage.repository(name)) for name in storage.names())


def _in_layouts(folder: Path) -> Iterator[Found]:
    """Layouts below a folder, as zot keeps them; each is named by the way there."""
    for place, below, files in os.walk(folder):
        if "oci-layout" in files:
            yield Found(os.path.relpath(place, folder), Layout(Path(place)))
            below[:] = [name for name in below if name != "blobs"]
        below[:] = sorted(name for name in below if not name.startswith((".", "_")))


async def _errands(source: StoredRepository | Layout, destination: Store) -> list[Errand]:
    """A copy for each tag, and one for each manifest that no tag leads to."""
    tags = [tag async for tag in source.tags()]
    tagged = set()
    for tag in tags:
        digest = await _target(source, tag)
        if digest is not None:
            tagged.add(digest)
    listed = await (source.revisions() if isinstance(source, StoredRepository) else asyncio.to_thread(_listed, source))
    return [
        *(Errand(source, tag, destination, (tag,)) for tag in tags),
        *(Errand(source, digest, destination) for digest in dict.fromkeys(listed) if digest not in tagged),
    ]


async def _outcomes(
    errands: Sequence[Errand],
    *,
    sparse: bool,
    dry_run: bool = False,
    jobs: int = JOBS,
    progress: Progress = ignore,
) -> list[Outcome]:
    """Do all errands; with `sparse`, those once more that lead to an index with holes."""
    done = await copy_many(errands, dry_run=dry_run, jobs=jobs, progress=progress)
    return [
        await _with_holes(each.errand, each.error)
        if sparse and not dry_run and isinstance(each.error, ManifestUnknown)
        else each
        for each in done
    ]


def _listed(layout: Layout) -> list[Digest]:
    """What the list of a layout has, named or not: the list is an image index itself."""
    index = Manifest((layout.path / "index.json").read_bytes(), OCI_INDEX)
    return [each.digest for each in index.view.manifests]


async def _target(source: Source, tag: Tag) -> Digest | None:
    """What a tag leads to; None if that is damaged, which its own errand will tell."""
    try:
        return (await source.resolve(tag)).digest
    except (WherryError, OSError):
        return None


async def _with_holes(errand: Errand, error: WherryError) -> Outcome:
    """Copy an index of which the source lacks children, and those that it has; `error` is what copying it as a whole came to."""
    source, destination = errand.source, errand.destination
    try:
        index = await source.manifest(errand.name)
        if index.kind is not Kind.INDEX:
            return Outcome(errand, error=error)
        there = [each for each in index.view.manifests if each.is_manifest and await source.exists(each)]
        children = await _outcomes([Errand(source, each.digest, destination) for each in there], sparse=True)
        failed = [each.error for each in children if each.error is not None]
        if failed:
            return Outcome(errand, error=failed[0])
        await destination.push_manifest(index, *errand.tags)
    except (WherryError, OSError) as failure:
        return Outcome(errand, error=failure)
    copied = [each.copied for each in children if each.copied is not None]
    return Outcome(
        errand,
        Copied(
            index.descriptor,
            errand.tags,
            moved=sum((each.moved for each in copied), Tally()),
            mounted=sum((each.mounted for each in copied), Tally()),
            skipped=sum((each.skipped for each in copied), Tally()),
            foreign=sum((each.foreign for each in copied), Tally()),
            manifests=1 + sum(each.manifests for each in copied),
        ),
    )


def _summed(name: str, outcomes: Sequence[Outcome], failures: Sequence[Failure]) -> Imported:
    copied = [each.copied for each in outcomes if each.copied is not None]
    return Imported(
        name,
        tags=sum(len(each.tags) for each in copied),
        untagged=sum(not each.tags for each in copied),
        manifests=sum(each.manifests for each in copied),
        moved=sum((each.moved for each in copied), Tally()),
        mounted=sum((each.mounted for each in copied), Tally()),
        skipped=sum((each.skipped for each in copied), Tally()),
        failures=(
            *failures,
            *(Failure(each.errand.name, _reason(each.error)) for each in outcomes if each.error is not None),
        ),
    )


def _reason(error: WherryError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    return str(error)


def _some(found: Sequence[Found]) -> str:
    shown = ", ".join(each.name for each in found[:5])
    return shown if len(found) <= 5 else f"{shown} and {len(found) - 5} more"  # noqa: PLR2004  # as many as a line takes
