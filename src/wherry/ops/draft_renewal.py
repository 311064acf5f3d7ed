"""An image of a draft that another takes the place of, because its tag has moved: what annotate said of the one it says of
the other.

Only that is carried over, and nothing that came with the old image: the draft keeps what its entry was before it was
annotated. A platform is said of an image for some platform; where the new one is for another, what was said of the old
one's platform is dropped, and told.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from wherry.oci.descriptor import Descriptor
from wherry.oci.dockerdraft import DraftImage
from wherry.oci.platform import Platform

__all__ = ["before_annotating", "renewed"]

_TEXTS = ("os", "architecture", "variant", "os_version")


def before_annotating(image: DraftImage) -> Descriptor:
    """What the entry of an image came with, as far as the draft tells: docker's annotate keeps nothing of it.

    An image that stands alone comes without annotations, whoever annotated it.
    """
    if image.original is not None or image.flattened is not None:
        return image.original or image.descriptor
    return replace(image.descriptor, annotations=None)


def renewed(old: DraftImage, new: DraftImage) -> tuple[DraftImage, str | None]:
    """The new image with what annotate said of the old one; and a sentence for people if the draft says another platform now."""
    came = before_annotating(old)
    before = came.platform or Platform()
    is_alike = _port(before) == _port(new.platform)
    platform = _carried(before, old.platform, new.platform) if is_alike else new.platform
    changed = new.on(platform).saying(_annotations(came, old.descriptor, new.descriptor))
    note = None
    if platform != old.platform and _may_be_annotated(old):
        dropped = "; what was annotated of the platform is dropped" if old.original is not None and not is_alike else ""
        note = f"{old.reference} was for {_told(old.platform)}, and is for {_told(platform)} now{dropped}"
    return (new if changed == new else replace(changed, original=new.descriptor)), note


def _may_be_annotated(image: DraftImage) -> bool:
    """Whether the platform of an image is another one than it came with; where nothing tells, whether it is more than a port."""
    came = Platform(*_port(image.platform)) if image.original is None else image.original.platform or Platform()
    return image.platform != came


def _told(platform: Platform) -> str:
    return str(platform) or "no platform"


def _port(platform: Platform) -> tuple[str, str]:
    return platform.os, platform.architecture


def _carried(before: Platform, said: Platform, own: Platform) -> Platform:
    texts = {each: getattr(said, each) for each in _TEXTS if getattr(said, each) != getattr(before, each)}
    kept = [each for each in own.os_features if each in said.os_features or each not in before.os_features]
    added = [each for each in said.os_features if each not in before.os_features]
    return replace(own, **texts, os_features=tuple(dict.fromkeys((*kept, *added))))


def _annotations(came: Descriptor, said: Descriptor, own: Descriptor) -> Mapping[str, str] | None:
    before, after = came.annotations or {}, said.annotations or {}
    cleared = before.keys() - after.keys()
    kept = {key: value for key, value in (own.annotations or {}).items() if key not in cleared}
    return (kept | {key: value for key, value in after.items() if before.get(key) != value}) or None
