"""What is put together to take an archive's place: what is new, then everything that the old one has, and the lists at the end."""

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from wherry.oci.digest import Digest
from wherry.oci.errors import StoreError
from wherry.oci.manifest import Manifest, successors
from wherry.stores._archive_form import Contents
from wherry.stores._durable import sweep
from wherry.stores._staged import Staged, blob_name
from wherry.stores._tar import Tar

__all__ = ["begun", "check_needs", "complete", "take_over"]

_MARKER = ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')


def begun(path: Path) -> Staged:
    """A file beside the archive at `path`, with what every layout begins with."""
    folder = Path(os.path.realpath(path)).parent
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    staged = Staged(folder)
    try:
        staged.add(*_MARKER)
    except BaseException:
        staged.file.abandon()
        raise
    return staged


def take_over(out: Staged, staged: Staged, removed: Collection[Digest]) -> None:
    """Put in what another has, without what has not come to its end there, or is not wanted any more."""
    for digest, extent in staged.blobs.items():
        if digest not in removed:
            out.add_from(blob_name(digest), staged.file.descriptor, extent)
            out.blobs[digest] = extent


def check_needs(
    out: Staged, old: Contents, pushed: Iterable[Manifest], removed: Collection[Digest], path: Path
) -> None:
    """See that all is there that the pushed manifests need: it may have gone with what somebody else has made of the archive.

    Raises:
        StoreError: something has gone.
    """
    for manifest in pushed:
        for needed in successors(manifest):
            found = out.blobs.get(needed.digest) or old.blobs.get(needed.digest)
            if found is None and not needed.is_foreign and manifest.digest not in removed:
                raise StoreError(
                    f"{path}: somebody else has changed it meanwhile, and {needed.digest} is not there any more",
                    hint="the same command once more puts it there",
                )


def complete(
    out: Staged, old: Contents, tar: Tar | None, lists: Mapping[str, bytes], removed: Collection[Digest]
) -> None:
    """Put in what the old archive has, `tar`, and the new lists, by their names in it."""
    for digest, found in old.blobs.items():
        if digest in out.blobs or digest in removed:
            continue
        if isinstance(found, bytes):
            out.add(blob_name(digest), found)
        else:
            assert tar is not None  # noqa: S101  # it has the extent
            out.add_from(blob_name(digest), tar.descriptor, found)
    for name, extent in old.others.items():
        if name not in lists and name != _MARKER[0] and tar is not None:
            out.add_from(name, tar.descriptor, extent)
    for name, content in lists.items():
        out.add(name, content)
    out.close()
