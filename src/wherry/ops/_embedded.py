"""Content that a descriptor carries along. Spec: image-spec 1.1, descriptor.md, "data"."""

from wherry.oci.descriptor import Descriptor

__all__ = ["embedded"]


def embedded(descriptor: Descriptor) -> bytes | None:
    """The content that a descriptor carries in its `data`, if that is what its digest says.

    Spec: image-spec 1.1, descriptor.md, "data": it must be verified before use.
    """
    data = descriptor.data
    if data is None or len(data) != descriptor.size or not descriptor.digest.matches(data):
        return None
    return data
