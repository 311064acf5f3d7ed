"""Which manifest answers a request for a tag: what was pushed, or a child that the client can read.

A client that lists what it takes and does not list an index gets the linux/amd64 child, or else the first that runs on
anything, if it takes that. When nothing fits, what was pushed is sent as it is: its `Content-Type` says what it is, which helps
more than a refusal. A request by digest is never negotiated: there is only one content of that digest.

Spec: RFC 9110, 12.5.1; what other registries do: distribution-spec 1.1, "Content Negotiation" is left to them.
"""

from collections.abc import Sequence
from functools import lru_cache

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import ManifestInvalid
from wherry.oci.manifest import Manifest
from wherry.oci.mediatype import Kind, kind_of
from wherry.oci.platform import Platform
from wherry.oci.wire.accept import Accept

__all__ = ["acceptable_child"]

_USUAL = Platform(os="linux", architecture="amd64")


def acceptable_child(content: bytes, media_type: str, headers: Sequence[str]) -> Descriptor | None:
    """The child to send in place of a manifest that the client does not take; None to send the manifest itself."""
    if not headers or kind_of(media_type) is not Kind.INDEX:
        return None
    accept = _accept(tuple(headers))
    if accept.takes(media_type):
        return None
    try:
        children = Manifest(content, media_type).view.manifests
    except ManifestInvalid:  # stored by an older version that checked less: still to be had, as it is
        return None
    child = _preferred(children)
    return child if child is not None and accept.takes(child.media_type) else None


@lru_cache(maxsize=256)
def _accept(headers: tuple[str, ...]) -> Accept:
    """Clients of one kind send the same headers, over and over."""
    return Accept.parse(headers)


def _preferred(children: Sequence[Descriptor]) -> Descriptor | None:
    runnable = [child for child in children if child.platform is not None and child.platform.known]
    usual = [child for child in runnable if child.platform is not None and child.platform.satisfies(_USUAL)]
    return next(iter(usual or runnable), None)
