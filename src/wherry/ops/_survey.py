"""The walk of a check: every manifest that a root leads to is read and looked at, every blob that one names is noted.

It goes level by level as the walk of a copy does (`_plan`), each manifest once however often it is named. But it goes on
after a failure, and it takes nothing for granted: content embedded in a descriptor is asked for all the same.

What is said of a manifest is compared at each place where it is named (`_claims`).
"""

from collections.abc import Collection, Iterable

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import ManifestInvalid, NotFound, WherryError
from wherry.oci.manifest import LARGEST_MANIFEST, Manifest
from wherry.oci.mediatype import DOCKER_CONFIG, OCI_CONFIG, OCTET_STREAM, Kind
from wherry.oci.reference import Tag
from wherry.ops._attached import cosign_tags
from wherry.ops._claims import Entry, Looked, compare, has_file_systems, understood
from wherry.ops._configs import read_config
from wherry.ops._each import each
from wherry.ops._findings import Findings, Place, is_about_content
from wherry.ops._run import SMALL_REQUESTS, Run
from wherry.stores.protocol import Source

__all__ = ["Named", "Naming", "Survey"]


class Naming(Struct, frozen=True):
    """One place where a blob is named: under which media type, and what its diff ID should be."""

    place: Place
    media_type: str
    diff_id: Digest | None = None


class Named(Struct):
    """A blob, with all places that give it this size; schema 1 gives it none."""

    digest: Digest
    size: int | None
    at: list[Naming] = []
    is_foreign: bool = False


class Survey:
    """What the walk has seen: how many `manifests`, of how many `bytes`, and the `blobs`."""

    def __init__(self, source: Source, run: Run, findings: Findings, *, referrers: bool) -> None:
        self.manifests = 0
        self.bytes = 0
        self.blobs: dict[tuple[Digest, int | None], Named] = {}
        self._source = source
        self._run = run
        self._findings = findings
        self._referrers = referrers
        self._outcomes: dict[Digest, Looked | WherryError | OSError | None] = {}
        self._walked: set[Digest] = set()
        self._settled: set[tuple[Digest, int]] = set()

    async def go(self, root: Manifest, only: frozenset[Digest] | None = None) -> None:
        """Walk everything; `only` are the children of the root that are meant, None is: all."""
        entry = Entry(root.descriptor, Place())
        self._outcomes[root.digest] = await self._looked(entry.descriptor, root)
        self._compare(entry)
        new = self._first([entry], self._walked)
        while new:
            entries = [child for one in new for child in self._below(one)]
            if only is not None:
                entries, only = [one for one in entries if one.descriptor.digest in only], None
            if self._referrers:
                found = await each(self._about, new, at_once=SMALL_REQUESTS)
                entries += [referrer for _, several in found for referrer in several]
            await each(self._read, self._first(entries, self._outcomes.keys()), at_once=SMALL_REQUESTS)
            entries = [one for one in entries if self._is_meant(one)]
            for one in entries:
                self._compare(one)
            new = self._first(entries, self._walked)

    def _first(self, entries: Iterable[Entry], seen: Collection[Digest]) -> list[Entry]:
        """The first entry for each manifest that has not been seen."""
        first: dict[Digest, Entry] = {}
        for entry in entries:
            if entry.descriptor.digest not in seen:
                first.setdefault(entry.descriptor.digest, entry)
        return list(first.values())

    async def _read(self, entry: Entry) -> None:
        descriptor = entry.descriptor
        try:
            async with self._run.small:
                if not descriptor.is_manifest and await self._source.exists(descriptor):
                    self._outcomes[descriptor.digest] = None  # old BuildKit caches list layers in an index
                    return
                manifest = await self._manifest(descriptor)
            self._outcomes[descriptor.digest] = await self._looked(descriptor, manifest)
        except (WherryError, OSError) as error:
            if not is_about_content(error):
                raise
            self._outcomes[descriptor.digest] = error

    async def _manifest(self, descriptor: Descriptor) -> Manifest:
        try:
            return await self._source.manifest(descriptor.digest)
        except NotFound:
            # A layout takes for a blob what cannot be read as a manifest: then it is there, and can be told what it is.
            if descriptor.size > LARGEST_MANIFEST or not await self._source.exists(descriptor):
                raise
        pieces = self._source.fetch(replace(descriptor, media_type=OCTET_STREAM))
        content = b"".join([piece async for piece in pieces])
        return Manifest(content, descriptor.media_type, algorithm=descriptor.digest.algorithm)

    async def _looked(self, named: Descriptor, manifest: Manifest) -> Looked:
        """A manifest with its config, if it is an image's."""
        self.manifests += 1
        self.bytes += len(manifest.content)
        found = Looked(understood(manifest, named.media_type), manifest.media_type)
        if found.view is None or found.view.config is None:
            return found
        config = found.view.config
        if config.media_type not in {OCI_CONFIG, DOCKER_CONFIG}:
            return found
        try:
            async with self._run.small:
                content = await read_config(self._source, replace(config, data=None))
        except (WherryError, OSError) as error:
            if not is_about_content(error):
                raise
            if not isinstance(error, ManifestInvalid):  # too large for a config, but perhaps all there
                self._settled.add((config.digest, config.size))
            return replace(found, trouble=error)
        self._settle(config)
        try:
            return replace(found, config=ImageConfig.parse(content))
        except ManifestInvalid as error:
            return replace(found, trouble=error)

    def _settle(self, blob: Descriptor) -> None:
        key = (blob.digest, blob.size)
        if key not in self._settled:
            self._settled.add(key)
            self.bytes += blob.size

    def _is_meant(self, entry: Entry) -> bool:
        """Not what is listed as a referrer and names another subject: some registries answer with the subject itself."""
        found = self._outcomes[entry.descriptor.digest]
        if entry.subject is None or not isinstance(found, Looked) or found.view is None:
            return True
        return found.view.subject is not None and found.view.subject.digest == entry.subject

    def _compare(self, entry: Entry) -> None:
        """What is said of a manifest where it is named, against what it is."""
        descriptor, place = entry.descriptor, entry.place
        found = self._outcomes[descriptor.digest]
        if found is None:
            self._note(descriptor, place)
        elif not isinstance(found, Looked):
            self._findings.add_error(found, place, descriptor)
        else:
            compare(entry, found, str(self._source), self._findings)

    def _below(self, entry: Entry) -> list[Entry]:
        """Note the blobs that a manifest names; give its children."""
        self._walked.add(entry.descriptor.digest)
        found = self._outcomes[entry.descriptor.digest]
        if not isinstance(found, Looked) or found.view is None:
            return []
        view, place = found.view, entry.place
        if view.config is not None:
            self._note(view.config, place.at("config"))
        name = "blobs" if view.kind is Kind.ARTIFACT else "layers"
        diff_ids = found.config.diff_ids if found.config is not None and has_file_systems(found.config, view) else ()
        for position, layer in enumerate(view.layers):
            diff_id = diff_ids[position] if len(diff_ids) == len(view.layers) else None
            self._note(layer, place.at(f"{name}[{position}]"), diff_id)
        for position, digest in enumerate(view.fs_layers):
            naming = Naming(place.at(f"fsLayers[{position}]"), OCTET_STREAM)
            self.blobs.setdefault((digest, None), Named(digest, None)).at.append(naming)
        return [
            Entry(child, place.at(f"manifests[{position}]", child.platform))
            for position, child in enumerate(view.manifests)
        ]

    def _note(self, blob: Descriptor, place: Place, diff_id: Digest | None = None) -> None:
        named = self.blobs.setdefault((blob.digest, blob.size), Named(blob.digest, blob.size))
        named.at.append(Naming(place, blob.media_type, diff_id))
        named.is_foreign = named.is_foreign or blob.is_foreign

    def unsettled(self) -> list[Named]:
        """The blobs that have not been read on the way (configs have), the biggest first."""
        waiting = [named for key, named in self.blobs.items() if key not in self._settled]
        return sorted(waiting, key=lambda named: -(named.size or 0))

    async def _about(self, subject: Entry) -> list[Entry]:
        """What refers to a manifest."""
        digest, place = subject.descriptor.digest, subject.place
        try:
            async with self._run.small:
                listed = [referrer async for referrer in self._source.referrers(digest)]
            tagged = [await self._tagged(tag, place) for tag in await cosign_tags(self._source, self._run, digest)]
        except (WherryError, OSError) as error:
            self._findings.add_error(error, place.at("referrers"), None)
            return []
        referrers = [
            Entry(referrer, place.at(f"referrers[{position}]"), digest) for position, referrer in enumerate(listed)
        ]
        return referrers + [entry for entry in tagged if entry is not None]

    async def _tagged(self, tag: Tag, place: Place) -> Entry | None:
        try:
            return Entry(await self._source.resolve(tag), place.at(f"tags[{tag}]"))
        except NotFound:
            return None
