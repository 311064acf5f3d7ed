"""What the headers of an answer promise about a manifest, and whether its bytes keep it."""

from wherry.oci.descriptor import Descriptor
from wherry.oci.digest import Digest
from wherry.oci.errors import InvalidDigest, UnexpectedResponse
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import DOCKER_SCHEMA1_SIGNED, kind_of, without_parameters
from wherry.oci.reference import Tag
from wherry.oci.schema1 import signed_payload
from wherry.stores.remote.answer import Answer
from wherry.stores.remote.session import exchange_of

__all__ = ["descriptor_in", "keeps", "promised"]


def promised(answer: Answer) -> Digest | None:
    """The digest that an answer gives; None if it gives none that we know."""
    try:
        return Digest.parse(answer.header("Docker-Content-Digest") or "")
    except InvalidDigest:
        return None


def descriptor_in(answer: Answer, name: Tag | Digest, place: str) -> Descriptor | None:
    """The descriptor that the answer to a HEAD gives; None if it lacks something."""
    digest = promised(answer)
    media_type = without_parameters(answer.header("Content-Type") or "")
    if answer.length is None or not kind_of(media_type):
        return None
    if isinstance(name, Digest):
        if digest is not None and digest.algorithm == name.algorithm and digest != name:
            raise UnexpectedResponse(
                f"{place}: the registry has {digest} for it", request=exchange_of("HEAD", answer.url), status=200
            )
        return Descriptor(media_type, name, answer.length)
    return None if digest is None else Descriptor(media_type, digest, answer.length)


def keeps(manifest: Manifest, digest: Digest) -> bool:
    """Whether a manifest is the one of this digest; that of a signed one is of what was signed, without the signatures."""
    if manifest.digest == digest:
        return True
    if manifest.media_type != DOCKER_SCHEMA1_SIGNED:
        return False
    payload = signed_payload(manifest.content, manifest.document)
    return payload is not None and digest.matches(payload)
