"""The walk of a check: every manifest that a root leads to is read and looked at, every blob that one names is noted.

It goes level by level as the walk of a copy does (`_plan`), each manifest once however often it is named. But it goes on
after a failure, and it takes nothing for granted: content embedded in a descriptor is asked for all the same.

What an entry of an index says is compared at each place where it is said; what a manifest says, once.
"""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from wherry.oci.config import ImageConfig
from wherry.oci.descriptor import Descriptor
from wherry.oci.diagnosis import Diagnosis, diagnose
from wherry.oci.digest import Digest
from wherry.oci.errors import ContentMismatch, ManifestInvalid, NotFound, SizeMismatch, WherryError
from wherry.oci.manifest import LARGEST_MANIFEST, Manifest, View, sniff
from wherry.oci.mediatype import DOCKER_CONFIG, OCI_CONFIG, OCTET_STREAM, Kind, kind_of
from wherry.oci.platform import Platform
from wherry.oci.reference import Tag
from wherry.ops._attached import cosign_tags
from wherry.ops._configs import read_config
from wherry.ops._each import each
from wherry.ops._findings import Findings, Place, is_about_content
from wherry.ops._inside import COMPRESSION
from wherry.ops._run import SMALL_REQUESTS, Run
from wherry.stores.protocol import Source
from wherry.stores.verify import verified_manifest

__all__ = ["Named", "Naming", "Survey"]

_ANEW = "make this manifest anew, and what names it: a manifest cannot be changed without another digest"
_INDEX_ANEW = "make the index anew from what is there: `wherry index create`"
_ABOUT_TYPE = frozenset(
    (
        "content-type",
        "image-under-index-type",
        "index-under-image-type",
        "media-type-differs",
        "schema1-under-another-type",
        "unknown-type",
    )
)
"""Causes of `diagnose` whose words are for somebody who is about to send a manifest."""
_NO_FAULT = frozenset(("schema1", "too-large"))
"""What only somebody minds who is to take it."""


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


class _Entry(Struct, frozen=True):
    """A manifest as something names it; `subject` is what it must refer to, if it is to be looked at for that reason."""

    descriptor: Descriptor
    place: Place
    subject: Digest | None = None


class _Looked(Struct, frozen=True):
    """A manifest that was read. `served` is the media type that it came under; `config` is an image's."""

    manifest: Manifest
    served: str
    config: ImageConfig | None = None
    trouble: WherryError | OSError | None = None
    """Why the config could not be read, or is none."""

    @property
    def view(self) -> View | None:
        try:
            return self.manifest.view
        except ManifestInvalid:
            return None


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
        self._outcomes: dict[Digest, _Looked | WherryError | OSError | None] = {}
        self._settled: set[tuple[Digest, int]] = set()

    async def go(self, root: Manifest, only: frozenset[Digest] | None = None) -> None:
        """Walk everything; `only` are the children of the root that are meant, None is: all."""
        entry = _Entry(root.descriptor, Place())
        self._outcomes[root.digest] = await self._looked(entry.descriptor, root)
        self._compare(entry)
        new = [entry]
        while new:
            entries = [child for one in new for child in self._below(one)]
            if only is not None:
                entries, only = [one for one in entries if one.descriptor.digest in only], None
            if self._referrers:
                found = await each(self._about, new, at_once=SMALL_REQUESTS)
                entries += [referrer for _, several in found for referrer in several]
            unread = self._unread(entries)
            await each(self._read, unread, at_once=SMALL_REQUESTS)
            meant = [one for one in entries if self._is_meant(one)]
            for one in meant:
                self._compare(one)
            begun = {id(one) for one in unread}
            new = [one for one in meant if id(one) in begun]

    def _unread(self, entries: Iterable[_Entry]) -> list[_Entry]:
        """The first entry for each manifest that nobody has named before."""
        unread: dict[Digest, _Entry] = {}
        for entry in entries:
            if entry.descriptor.digest not in self._outcomes:
                unread.setdefault(entry.descriptor.digest, entry)
        return list(unread.values())

    async def _read(self, entry: _Entry) -> None:
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

    async def _looked(self, named: Descriptor, manifest: Manifest) -> _Looked:
        self.manifests += 1
        self.bytes += len(manifest.content)
        found = _Looked(_understood(manifest, named.media_type), manifest.media_type)
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

    def _is_meant(self, entry: _Entry) -> bool:
        """Not what is listed as a referrer and names another subject: some registries answer with the subject itself."""
        found = self._outcomes[entry.descriptor.digest]
        if entry.subject is None or not isinstance(found, _Looked) or found.view is None:
            return True
        return found.view.subject is not None and found.view.subject.digest == entry.subject

    def _compare(self, entry: _Entry) -> None:
        """What is said of a manifest where it is named, against what it is."""
        descriptor, place = entry.descriptor, entry.place
        found = self._outcomes[descriptor.digest]
        if found is None:
            self._note(descriptor, place)
        elif not isinstance(found, _Looked):
            self._findings.add_error(found, place, descriptor)
        else:
            self._compare_bytes(entry, found)
            self._diagnose(entry, found)
            self._compare_config(entry, found)

    def _compare_bytes(self, entry: _Entry, found: _Looked) -> None:
        descriptor, place, manifest = entry.descriptor, entry.place, found.manifest
        if not place.path:
            return  # nothing names the root
        try:
            verified_manifest(manifest, descriptor, str(self._source))
        except SizeMismatch as error:
            self._findings.add("size-differs", place, descriptor.digest, str(error), _INDEX_ANEW)
        except ContentMismatch as error:
            self._findings.add_error(error, place, descriptor)

    def _diagnose(self, entry: _Entry, found: _Looked) -> None:
        """Say whether a manifest is valid, and is what it is called."""
        manifest, stated = found.manifest, entry.descriptor.media_type
        own = sniff(manifest.content)
        diagnosis = diagnose(manifest.content, stated)
        if diagnosis is not None and diagnosis.cause in _ABOUT_TYPE:
            self._add_type(diagnosis.cause, entry, stated, own)
            diagnosis = diagnose(manifest.content, own)
        elif own is not None and found.served != own and kind_of(found.served):
            self._add_type("media-type-differs", entry, found.served, own, "it is served as")
        if diagnosis is not None and diagnosis.cause not in _NO_FAULT | _ABOUT_TYPE:
            self._add_diagnosis(diagnosis, entry)
        elif found.view is None:
            self._add_unreadable(entry, found.manifest)

    def _add_type(self, cause: str, entry: _Entry, called: str, own: str | None, who: str = "it is named as") -> None:
        problem = f"{who} {called}, and by itself it is {own or 'nothing that is known'}"
        self._findings.add(cause, entry.place, entry.descriptor.digest, problem, _INDEX_ANEW)

    def _add_diagnosis(self, diagnosis: Diagnosis, entry: _Entry) -> None:
        place = entry.place.at(diagnosis.where) if diagnosis.where else entry.place
        self._findings.add(diagnosis.cause, place, entry.descriptor.digest, diagnosis.problem, _ANEW)

    def _add_unreadable(self, entry: _Entry, manifest: Manifest) -> None:
        try:
            manifest.view  # noqa: B018  # why there is none
        except ManifestInvalid as error:
            self._findings.add("bad-field", entry.place, entry.descriptor.digest, error.message, _ANEW)

    def _compare_config(self, entry: _Entry, found: _Looked) -> None:
        view = found.view
        if view is None or view.config is None:
            return
        place = entry.place.at("config")
        if found.trouble is not None:
            self._findings.add_error(found.trouble, place, view.config)
        if found.config is None:
            return
        stated, says = entry.descriptor.platform, found.config.platform
        if stated is not None and _differ(stated, says):
            problem = f"the index says {stated}, and the image's config {says}"
            cure = "correct the entry (`wherry index annotate`), or put the right image there"
            self._findings.add("platform-differs", entry.place, entry.descriptor.digest, problem, cure)
        diff_ids = found.config.diff_ids
        if _has_file_systems(found.config, view) and len(diff_ids) != len(view.layers):
            problem = f"layers in the manifest: {len(view.layers)}; diff IDs in its config: {len(diff_ids)}"
            self._findings.add("diff-id-count", place, view.config.digest, problem, _ANEW)

    def _below(self, entry: _Entry) -> list[_Entry]:
        """Note the blobs that a manifest names; give its children."""
        found = self._outcomes[entry.descriptor.digest]
        if not isinstance(found, _Looked) or found.view is None:
            return []
        view, place = found.view, entry.place
        if view.config is not None:
            self._note(view.config, place.at("config"))
        name = "blobs" if view.kind is Kind.ARTIFACT else "layers"
        diff_ids = found.config.diff_ids if found.config is not None and _has_file_systems(found.config, view) else ()
        for position, layer in enumerate(view.layers):
            diff_id = diff_ids[position] if len(diff_ids) == len(view.layers) else None
            self._note(layer, place.at(f"{name}[{position}]"), diff_id)
        for position, digest in enumerate(view.fs_layers):
            naming = Naming(place.at(f"fsLayers[{position}]"), OCTET_STREAM)
            self.blobs.setdefault((digest, None), Named(digest, None)).at.append(naming)
        return [
            _Entry(child, place.at(f"manifests[{position}]", child.platform))
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

    async def _about(self, subject: _Entry) -> list[_Entry]:
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
            _Entry(referrer, place.at(f"referrers[{position}]"), digest) for position, referrer in enumerate(listed)
        ]
        return referrers + [entry for entry in tagged if entry is not None]

    async def _tagged(self, tag: Tag, place: Place) -> _Entry | None:
        try:
            return _Entry(await self._source.resolve(tag), place.at(f"tags[{tag}]"))
        except NotFound:
            return None


def _understood(manifest: Manifest, stated: str) -> Manifest:
    """A manifest under the media type that it is named by, if it can be read so; else under its own."""
    own = sniff(manifest.content)
    media_type = stated if own is None or kind_of(stated) is kind_of(own) else own
    if media_type == manifest.media_type:
        return manifest
    return Manifest(manifest.content, media_type, algorithm=manifest.digest.algorithm)


def _differ(stated: Platform, says: Platform) -> bool:
    """Whether two platforms cannot both be right; what one of them leaves open is no difference."""
    if not stated.known or not says.known:
        return False
    if (stated.os, stated.architecture) != (says.os, says.architecture):
        return True
    return bool(stated.variant and says.variant) and stated.variant != says.variant


def _has_file_systems(config: ImageConfig, view: View) -> bool:
    """Whether it is an image, whose layers have diff IDs: artifacts may have a config of the same type."""
    is_image = config.platform.known or "rootfs" in config.document
    return is_image and all(layer.media_type in COMPRESSION for layer in view.layers)
