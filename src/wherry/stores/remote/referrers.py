"""Referrers of a remote repository: by the API where it exists, else by the fallback tag that clients keep.

On a registry without the API, whoever pushes a manifest with a `subject` adds its descriptor to an index under the tag
`sha256-<hex of the subject>`; whoever looks for referrers reads that index.

Spec: distribution-spec 1.1, "Listing Referrers", "Pushing Manifests with Subject", "Unavailable Referrers API".
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.document import encode
from wherry.oci.errors import InvalidDescriptor, ManifestInvalid, NotFound, RegistryError, UnexpectedResponse
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import OCI_INDEX, Kind
from wherry.oci.reference import Reference, Tag
from wherry.stores.referring import as_referrer
from wherry.stores.remote.listing import bad_list, pages
from wherry.stores.remote.manifests import Manifests
from wherry.stores.remote.refusals import Page
from wherry.stores.remote.scopes import pull
from wherry.stores.remote.session import Request, Session

__all__ = ["Referrers", "fallback_tag"]

_EMPTY: Mapping[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
_SCHEMA = 2
_NO_API = frozenset((400, 404, 405, 501))
"""How registries answer that have no referrers API (404 by the specification)."""


def fallback_tag(subject: Digest) -> Tag:
    """The tag under which clients keep a subject's referrers."""
    return Tag(f"{subject.algorithm[:32]}-{subject.encoded[:64]}")


class Referrers:
    """The referrers of one repository's manifests."""

    def __init__(self, session: Session, reference: Reference, manifests: Manifests) -> None:
        self._session = session
        self._reference = reference
        self._manifests = manifests
        self._changing = asyncio.Lock()

    async def of(self, subject: Digest, artifact_type: str | None) -> AsyncIterator[Descriptor]:
        """Descriptors of the manifests whose subject this is."""
        learnt = self._session.learnt
        async with AsyncExitStack() as stack:
            ahead: asyncio.Task[Manifest | None] | None = None
            if "referrers" in learnt.unsure:  # there was no API: both are asked at once, and the API is believed
                ahead = asyncio.create_task(self._fallback(subject))
                stack.push_async_callback(_given_up, ahead)
            if ahead is not None or learnt.referrers is not False:
                try:
                    async for descriptor in self._by_api(subject, artifact_type):
                        learnt.found("referrers", True)
                        yield descriptor
                except RegistryError as error:
                    # A page is what registries with an interface for browsers give where they know nothing better.
                    if learnt.referrers or not (error.status in _NO_API or isinstance(error, Page)):
                        raise
                    learnt.found("referrers", False)
                else:
                    learnt.found("referrers", True)
                    return
            index = await (self._fallback(subject) if ahead is None else ahead)
        for descriptor in () if index is None else index.view.manifests:
            if artifact_type in {None, descriptor.artifact_type}:
                yield descriptor

    async def add(self, manifest: Manifest) -> None:
        """List a manifest under its subject's fallback tag, for a registry that does not by itself."""
        subject = manifest.view.subject
        if subject is None:
            return
        async with self._changing:
            index = await self._fallback(subject.digest)
            entries = _entries(index)
            if str(manifest.digest) not in {entry["digest"] for entry in entries}:
                await self._change(subject.digest, index, [*entries, as_referrer(manifest).to_json()])

    async def remove(self, manifest: Manifest) -> None:
        """Take a deleted manifest off its subject's fallback tag."""
        subject = manifest.view.subject
        if subject is None:
            return
        async with self._changing:
            index = await self._fallback(subject.digest)
            entries = _entries(index)
            kept = [entry for entry in entries if entry["digest"] != str(manifest.digest)]
            if len(kept) < len(entries):
                await self._change(subject.digest, index, kept)

    async def _change(self, subject: Digest, index: Manifest | None, entries: list[Any]) -> None:
        document = _EMPTY if index is None else index.document
        changed = Manifest(encode({**document, "manifests": entries}), OCI_INDEX)
        await self._manifests.put(changed, (fallback_tag(subject),))

    async def _by_api(self, subject: Digest, artifact_type: str | None) -> AsyncIterator[Descriptor]:
        query = f"?artifactType={quote(artifact_type, safe='')}" if artifact_type else ""
        repository = self._reference.repository
        place = str(self._reference.at(subject))
        request = Request("GET", f"/v2/{repository}/referrers/{subject}{query}", place, pull(repository))
        async for answer, document in pages(self._session, request):
            manifests = document.get("manifests")
            if manifests is None and document.get("schemaVersion") == _SCHEMA:  # what Go writes for a list of none
                manifests = []
            if not isinstance(manifests, list):
                raise bad_list(answer, place, "of referrers is no index")
            filtered = "artifacttype" in ",".join(answer.headers("OCI-Filters-Applied")).lower()
            for position, entry in enumerate(manifests):
                try:
                    descriptor = Descriptor.from_json(entry, f"manifests[{position}]")
                except InvalidDescriptor as error:
                    raise bad_list(answer, place, f"of referrers is no index: {error}") from error
                if filtered or artifact_type in {None, descriptor.artifact_type}:
                    yield descriptor

    async def _fallback(self, subject: Digest) -> Manifest | None:
        """The index under the fallback tag. What is there but is no index (some registries read the tag as a digest) is
        not ours.
        """
        tag = fallback_tag(subject)
        try:
            index = await self._manifests.manifest(tag)
            kind = index.view.kind
        except NotFound:
            return None
        except ManifestInvalid as error:
            place = self._reference.at(tag)
            raise UnexpectedResponse(f"{place}: the referrers' index is invalid: {error.message}") from error
        return index if kind is Kind.INDEX else None


async def _given_up(task: asyncio.Task[Any]) -> None:
    """End a task whose result, or failure, nobody wants any more."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # looked at, so that asyncio does not complain


def _entries(index: Manifest | None) -> list[Any]:
    """The descriptors of an index as JSON objects; its view has been looked at, so they are well-formed."""
    return [] if index is None else list(index.document.get("manifests") or ())
