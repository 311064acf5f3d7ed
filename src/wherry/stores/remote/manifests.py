"""Manifests of a remote repository: whole, verified, and always asked for with the complete `Accept` list.

Spec: distribution-spec 1.1, "Pulling manifests", "Pushing Manifests", "Deleting manifests".
"""

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.diagnosis import as_error, diagnose
from wherry.oci.digest import Digest
from wherry.oci.errors import (
    DigestMismatch,
    ManifestInvalid,
    ManifestUnknown,
    NotFound,
    PreconditionFailed,
    RegistryError,
    TooManyRequests,
    Unsupported,
)
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import ACCEPTED_MANIFESTS
from wherry.oci.reference import Reference, Tag
from wherry.oci.wire.conditions import HONOURED, Condition
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.promises import descriptor_in, keeps, promised
from wherry.stores.remote.refusals import NO_HEAD, Missing, is_page, page
from wherry.stores.remote.scopes import delete_scope, pull, push
from wherry.stores.remote.session import Request, Session, exchange_of

__all__ = ["LARGEST_READ", "Manifests", "Swap"]

LARGEST_READ = 32 * 1024 * 1024
"""Bytes of a manifest that are read at most: eight times what registries must take. What is longer means no good."""

_ACCEPT: Mapping[str, str] = MappingProxyType({"Accept": ", ".join(ACCEPTED_MANIFESTS)})
_NO_MANIFEST = Missing(ManifestUnknown, "no such manifest")
_REMEMBERED = 8 * 1024 * 1024  # bytes
_ALWAYS = Condition()
_NOT_FOUND, _CREATED, _ACCEPTED, _BAD_REQUEST = 404, 201, 202, 400
_NOT_THAT_TYPE = frozenset((406, 415))
_SWITCHED_OFF = "deleting may be switched off in the registry's configuration"
_DIGEST_INSTEAD = "deleting its digest instead would take every other tag on it along"


class Swap(NamedTuple):
    """What came of a push on a condition."""

    done: bool | None
    """None: it was done, and nothing tells whether the registry looked at the condition."""
    listed: bool
    """Whether nothing is left to do about the referrers of its subject."""


class Manifests:
    """The manifests of one repository. Those that passed a moment ago are remembered, for tags to be put on them."""

    def __init__(self, session: Session, reference: Reference) -> None:
        self._session = session
        self._reference = reference
        self._remembered: OrderedDict[Digest, Manifest] = OrderedDict()
        self._remembered_bytes = 0
        # The same for every request of thousands.
        repository = reference.repository
        self._context = reference.context
        self._scopes = {"PUT": push(repository), "DELETE": delete_scope(repository)}
        self._pull = pull(repository)
        self._no_tag = Missing(ManifestUnknown, "no such tag", f"`wherry ls {reference.familiar}` lists the tags there")

    async def resolve(self, name: Tag | Digest) -> Descriptor:
        """One HEAD; a GET where that is refused, or its answer does not say enough."""
        learnt = self._session.learnt
        described, is_refused = None, False
        try:
            if learnt.manifest_head is not False:
                request = self._request("HEAD", name)
                async with self._session.open(request) as answer:
                    described = descriptor_in(answer, name, request.place)
        except TooManyRequests:
            raise
        except RegistryError as error:
            if isinstance(error, ManifestUnknown) and error.status == _NOT_FOUND and not error.is_doubtful:
                raise
            is_refused = error.status in NO_HEAD  # the answer to a HEAD has no words: GET brings them
        found = described or (await self.manifest(name)).descriptor
        learnt.manifest_head = False if is_refused else learnt.manifest_head
        return found

    async def head(self, name: Tag | Digest) -> None:
        """One HEAD, at once, for what its answer's headers say."""
        await self._session.ask(replace(self._request("HEAD", name), patient=False))

    async def exists(self, digest: Digest) -> bool:
        """Whether the repository has a manifest."""
        try:
            await self.resolve(digest)
        except NotFound:
            return False
        return True

    async def manifest(self, name: Tag | Digest) -> Manifest:
        """One GET; the bytes are those of the digest that was asked for, or of the one that the registry promises."""
        answer, content = await self._session.ask(self._request("GET", name), limit=LARGEST_READ)
        place = self._place(name)
        if is_page(answer, content):
            raise page(answer, exchange_of("GET", answer.url), place)
        digest = name if isinstance(name, Digest) else promised(answer)
        try:
            manifest = Manifest.received(
                content, answer.header("Content-Type"), algorithm=digest.algorithm if digest else "sha256"
            )
        except ManifestInvalid as error:
            raise ManifestInvalid(f"{place}: {error.message}", hint=error.hint, status=answer.status) from error
        if digest is not None and not keeps(manifest, digest):
            raise DigestMismatch(
                f"{place}: the registry sent bytes of digest {manifest.digest} for {digest}",
                hint="something between here and there changes content: do not use it",
            )
        self._remember(manifest)
        return manifest

    async def put(self, manifest: Manifest, tags: tuple[Tag, ...]) -> bool:
        """Push a manifest under its tags; return whether the registry lists it among its subject's referrers.

        Raises:
            ManifestInvalid: it is refused, here already if we see that it is invalid by itself.
        """
        _refuse_invalid(manifest)
        return await self._put(manifest, tags)

    async def _put(self, manifest: Manifest, tags: tuple[Tag, ...]) -> bool:
        if manifest.digest.algorithm != "sha256" and tags:
            answer = await self._put_at(manifest, manifest.digest, "?" + "&".join(f"tag={tag}" for tag in tags))
            self._check_tags(answer, manifest, tags)
        else:
            for name in tags or (manifest.digest,):
                answer = await self._put_at(manifest, name)
        self._remember(manifest)
        return answer.header("OCI-Subject") is not None

    async def swap(self, manifest: Manifest, tag: Tag, before: Digest | None) -> Swap:
        """Push a manifest under a tag if that still leads to `before`.

        Raises:
            ManifestInvalid: as `put`.
        """
        if manifest.digest.algorithm != "sha256":
            return Swap(None, await self.put(manifest, (tag,)))
        _refuse_invalid(manifest)
        try:
            answer = await self._put_at(manifest, tag, condition=Condition.still(before))
        except PreconditionFailed:
            if not await self._leads_to(tag, manifest.digest):
                return Swap(False, True)
            # Nobody was quicker: the answer to our first try was lost, and the second met what it had done.
            return Swap(True, await self._put(manifest, ()))
        self._remember(manifest)
        return Swap(True if answer.header(HONOURED) else None, answer.header("OCI-Subject") is not None)

    async def _leads_to(self, tag: Tag, digest: Digest) -> bool:
        try:
            return (await self.resolve(tag)).digest == digest
        except NotFound:
            return False

    async def tag(self, descriptor: Descriptor, tag: Tag) -> None:
        """Put a tag on a manifest that is there."""
        manifest = self._remembered.get(descriptor.digest) or await self.manifest(descriptor.digest)
        await self._put(manifest, (tag,))

    async def delete(self, name: Tag | Digest) -> None:
        """Delete a tag alone, or a manifest."""
        request = self._request("DELETE", name, expected=(_ACCEPTED, 200, 204))
        try:
            await self._session.ask(request)
        except RegistryError as error:
            if error.status not in {400, 405, 501}:
                raise
            what, hint = "manifests", _SWITCHED_OFF
            if isinstance(name, Tag):
                # 400: it deletes manifests, and minds the tag. Anything else may mean that it deletes nothing.
                is_the_tag = error.status == _BAD_REQUEST
                what, hint = "a tag alone", _DIGEST_INSTEAD if is_the_tag else f"{_SWITCHED_OFF}; {_DIGEST_INSTEAD}"
            raise Unsupported(
                f"{self._place(name)}: this registry does not delete {what}",
                hint=hint,
                detail=error.detail,
                words=error.words,
                request=error.request,
                status=error.status,
            ) from error
        if isinstance(name, Digest):
            self._forget(name)

    async def _put_at(
        self, manifest: Manifest, name: Tag | Digest, query: str = "", *, condition: Condition = _ALWAYS
    ) -> Answer:
        request = self._request(
            "PUT", name, query=query, expected=(_CREATED, 200, _ACCEPTED), manifest=manifest, condition=condition
        )
        try:
            answer, _ = await self._session.ask(request)
        except RegistryError as error:
            if isinstance(error, ManifestInvalid | Unsupported) or error.status in _NOT_THAT_TYPE:
                error.hint = error.hint or (
                    f"by itself the manifest is valid: perhaps this registry does not take {manifest.media_type}; another"
                    " type would be other bytes with another digest, so none is tried"
                )
            raise
        stored = promised(answer)
        if stored is not None and stored.algorithm == manifest.digest.algorithm and stored != manifest.digest:
            raise DigestMismatch(
                f"{self._place(name)}: the registry stored {stored} where {manifest.digest} was pushed",
                hint="something between here and there changes content",
            )
        return answer

    def _check_tags(self, answer: Answer, manifest: Manifest, tags: tuple[Tag, ...]) -> None:
        taken = {tag.strip() for header in answer.headers("OCI-Tag") for tag in header.split(",")}
        missing = [tag for tag in tags if tag not in taken]
        if missing:
            raise Unsupported(
                f"{self._place(manifest.digest)}: this registry cannot put a tag on a {manifest.digest.algorithm} digest",
                hint="the manifest is there by its digest; a tag would lead to its sha256 digest instead",
                request=exchange_of("PUT", answer.url),
                status=answer.status,
            )

    def _request(
        self,
        method: str,
        name: Tag | Digest,
        *,
        query: str = "",
        expected: tuple[int, ...] = (200,),
        manifest: Manifest | None = None,
        condition: Condition = _ALWAYS,
    ) -> Request:
        return Request(
            method,
            f"/v2/{self._reference.repository}/manifests/{name}{query}",
            self._place(name),
            self._scopes.get(method, self._pull),
            headers=_ACCEPT if manifest is None else {"Content-Type": manifest.media_type} | condition.headers(),
            body=None if manifest is None else manifest.content,
            expected=expected,
            missing=_NO_MANIFEST if isinstance(name, Digest) else self._no_tag,
        )

    def _place(self, name: Tag | Digest) -> str:
        return f"{self._context}{'@' if isinstance(name, Digest) else ':'}{name}"

    def _remember(self, manifest: Manifest) -> None:
        self._forget(manifest.digest)
        self._remembered[manifest.digest] = manifest
        self._remembered_bytes += len(manifest.content)
        while self._remembered_bytes > _REMEMBERED:
            self._forget(next(iter(self._remembered)))

    def _forget(self, digest: Digest) -> None:
        manifest = self._remembered.pop(digest, None)
        if manifest is not None:
            self._remembered_bytes -= len(manifest.content)


def _refuse_invalid(manifest: Manifest) -> None:
    """Raise if a manifest is invalid by itself; how large is too large is for each registry to say.

    Raises:
        ManifestInvalid: it is.
    """
    diagnosis = diagnose(manifest.content, manifest.media_type)
    if diagnosis is not None and diagnosis.cause != "too-large":
        raise as_error(diagnosis)
