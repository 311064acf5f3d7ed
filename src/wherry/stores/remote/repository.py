"""A repository of a registry, as a store."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidTag, NameUnknown, NotFound, TooManyRequests
from wherry.oci.manifest import Manifest
from wherry.oci.reference import Reference, Tag
from wherry.oci.wire.limits import RateLimit
from wherry.stores.protocol import Source
from wherry.stores.remote import blobs, elsewhere
from wherry.stores.remote.download import blob_request
from wherry.stores.remote.interrupted import Interrupted
from wherry.stores.remote.listing import bad_list, pages, texts
from wherry.stores.remote.manifests import Manifests
from wherry.stores.remote.referrers import Referrers
from wherry.stores.remote.refusals import Missing
from wherry.stores.remote.scopes import pull
from wherry.stores.remote.session import Request, Session
from wherry.stores.remote.sizes import size_of
from wherry.stores.remote.uploads import Uploads
from wherry.stores.remote.wide import Width

if TYPE_CHECKING:
    from wherry.stores.remote.conduit import Tap

__all__ = ["Repository"]


class Repository:
    """A `Store` and a `Mounter`. `reference` names it, without tag and digest. Made by `Client.repository`."""

    def __init__(
        self,
        session: Session,
        reference: Reference,
        *,
        chunked: bool = False,
        interrupted: Interrupted | None = None,
        width: Width | None = None,
    ) -> None:
        self.reference = Reference(reference.registry, reference.repository)
        self._session = session
        self._width = width or Width()
        self._manifests = Manifests(session, self.reference)
        self._referrers = Referrers(session, self.reference, self._manifests)
        self._uploads = Uploads(session, self.reference, chunked=chunked, interrupted=interrupted)

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        """The descriptor of the manifest that a tag or digest leads to.

        Raises:
            ManifestUnknown: it leads nowhere.
        """
        return await self._manifests.resolve(name)

    async def manifest(self, name: Tag | Digest) -> Manifest:
        """The manifest that a tag or digest leads to, whole and verified.

        Raises:
            ManifestUnknown: it leads nowhere.
            DigestMismatch: the bytes are not those of the digest that was asked for, or promised with them.
            ManifestInvalid: what is there is no manifest.
        """
        return await self._manifests.manifest(name)

    def fetch(self, blob: Descriptor, *, offset: int = 0) -> AsyncIterator[bytes]:
        """The bytes of a blob from `offset` on, in pieces of up to 512 KiB; the digest is checked from offset 0 on.

        Raises:
            BlobUnknown: the repository does not have it.
            ContentMismatch: what was read is not the blob.
        """
        return blobs.fetch(self._session, self.reference, blob, offset, self._width)

    async def tap(self, blob: Descriptor) -> "Tap | None":
        """Where a thread gets a blob; None if it has to be fetched the ordinary way."""
        from wherry.stores.remote.conduit import Tap  # noqa: PLC0415  # only with what is large

        direct = self._session.direct
        if direct is not self._session:
            return None  # there are mirrors, or other names
        end = await direct.end(blob_request(self.reference, blob, "GET"))

        def refused() -> None:
            direct.is_crooked = True

        return None if end is None else Tap(end, self.reference.context, self._width, refused)

    async def size(self, blob: Digest) -> int:
        """The bytes of a blob of which only the digest is known.

        Raises:
            BlobUnknown: the repository does not have it.
        """
        return await size_of(self._session, self.reference, blob)

    def follow(self, blob: Descriptor, url: str) -> AsyncIterator[bytes]:
        """The bytes of a blob from an URL outside of the registry, verified as they pass; no credentials go there.

        Raises:
            BlobUnknown: it is not there.
            ContentMismatch: something else is there.
        """
        return elsewhere.follow(self._session.direct, blob, url)

    async def exists(self, content: Descriptor) -> bool:
        """Whether the repository has this blob or manifest."""
        if content.is_manifest:
            return await self._manifests.exists(content.digest)
        return await blobs.exists(self._session, self.reference, content)

    async def tags(self) -> AsyncIterator[Tag]:
        """All tags, in byte order, whatever the registry's own order is.

        Raises:
            NameUnknown: the repository does not exist.
        """
        place, repository = self.reference.context, self.reference.repository
        missing = Missing(NameUnknown, "no such repository")
        request = Request("GET", f"/v2/{repository}/tags/list", place, pull(repository), missing=missing)
        found: set[Tag] = set()
        async for answer, document in pages(self._session, request, "tags"):
            try:
                found.update(map(Tag, texts(answer, document, "tags", place)))
            except InvalidTag as error:
                raise bad_list(answer, place, f"has a {error.message}") from error
        for tag in sorted(found):
            yield tag

    def referrers(self, subject: Digest, artifact_type: str | None = None) -> AsyncIterator[Descriptor]:
        """Descriptors of the manifests whose subject this is, from the referrers API or the fallback tag."""
        return self._referrers.of(subject, artifact_type)

    async def push(self, blob: Descriptor, content: AsyncIterable[bytes]) -> None:
        """Write a blob.

        Raises:
            ContentMismatch: `content` is not what `blob` says.
        """
        await self._uploads.push(blob, content)

    async def push_manifest(self, manifest: Manifest, *tags: Tag) -> None:
        """Write a manifest, by its digest if there are no tags; what it needs must be there first.

        On a registry without the referrers API, a manifest with a subject is also listed under the fallback tag.

        Raises:
            ManifestInvalid: it is refused, by us before it is sent if it is invalid by itself.
            ManifestBlobUnknown: something that it names is missing, and the registry minds.
            Unsupported: the digest is not a sha256 one, and the registry cannot put tags on such.
        """
        listed = await self._manifests.put(manifest, tags)
        await self._see_to_referrers(manifest, listed=listed)

    async def _see_to_referrers(self, manifest: Manifest, *, listed: bool) -> None:
        if b'"subject"' not in manifest.content:
            return
        if listed:
            self._session.learnt.found("referrers", True)
        else:
            await self._referrers.add(manifest)

    async def swap(self, manifest: Manifest, tag: Tag, before: Digest | None) -> bool | None:
        """Push a manifest under a tag on condition that the tag still leads to `before` (None: to nothing).

        True and False are a wherry registry's word; None: it is pushed, and the registry is not known to have looked.

        Raises:
            ManifestInvalid, ManifestBlobUnknown: as `push_manifest`.
        """
        done, listed = await self._manifests.swap(manifest, tag, before)
        await self._see_to_referrers(manifest, listed=listed)
        return done

    async def tag(self, manifest: Descriptor, tag: Tag) -> None:
        """Point a tag at a manifest that is there.

        Raises:
            ManifestUnknown: it is not there.
        """
        await self._manifests.tag(manifest, tag)

    async def delete(self, name: Tag | Digest) -> None:
        """Remove a tag alone, or a manifest and every tag on it.

        Raises:
            ManifestUnknown: nothing of that name is there.
            Unsupported: the registry does not delete, or not a tag alone. The digest is never deleted instead.
        """
        listed = None
        if isinstance(name, Digest) and self._session.learnt.referrers is False:
            listed = await self._manifests.manifest(name)
        await self._manifests.delete(name)
        if listed is not None:
            await self._referrers.remove(listed)

    async def rate_limit(self, name: Tag | Digest = Tag("latest")) -> RateLimit | None:  # noqa: B008  # a frozen value
        """How many manifests may still be fetched from this registry; None if it does not say.

        One HEAD, which Docker Hub does not count; whether `name` exists does not matter.

        Raises:
            RegistryError, Unreachable: it refuses, or does not answer.
        """
        pace = self._session.direct.pace
        try:
            await self._manifests.head(name)
        except NotFound:
            pass  # this answer says it too
        except TooManyRequests:
            if pace.rate_limit is None:
                raise
        return pace.rate_limit

    def is_beside(self, origin: Source) -> bool:
        """Whether `origin` is another repository of the same registry."""
        if not isinstance(origin, Repository) or origin is self:
            return False
        theirs, ours = origin._session, self._session  # noqa: SLF001  # the same class
        return theirs.direct is ours.direct and not (theirs.renames or ours.renames)

    @property
    def declines_mounts(self) -> bool:
        """Whether this registry has declined a mount, and granted none."""
        return self._session.learnt.mount is False

    async def mount(self, blob: Descriptor, origin: Source) -> bool:
        """Take `blob` from another repository of the same registry; False means: it did not work, push it."""
        if not isinstance(origin, Repository) or not self.is_beside(origin):
            return False
        return await self._uploads.mount(blob, origin.reference)

    def __str__(self) -> str:
        return self.reference.context

    def __repr__(self) -> str:
        return f"Repository({self.reference.context})"
