"""One draft while it is being changed, in memory: what to write of it, and what to remove."""

from collections.abc import Iterable

from wherry.oci.dockerdraft import DraftImage, file_name
from wherry.oci.errors import StoreError
from wherry.oci.reference import Reference

__all__ = ["Draft"]


class Draft:
    """A list that is being changed: what is put and dropped is written when the change ends, or not at all."""

    def __init__(self, images: Iterable[DraftImage], *, exists: bool) -> None:
        self.exists = exists
        self._images = {file_name(image.reference): image for image in images}
        self.put_names: set[str] = set()
        self.dropped_names: set[str] = set()

    @property
    def images(self) -> tuple[DraftImage, ...]:
        """The images as they are now, in the order in which a push lists them."""
        return tuple(sorted(self._images.values(), key=lambda image: image.order))

    def image(self, reference: Reference) -> DraftImage | None:
        """The image that was added under this reference."""
        found = self._images.get(file_name(reference))
        return found if found is not None and found.reference == str(reference) else None

    def put(self, image: DraftImage) -> None:
        """Add an image, or replace the one of the same reference.

        Raises:
            StoreError: an image of another reference has the same file.
        """
        name = file_name(image.reference)
        there = self._images.get(name)
        if there is not None and there.reference != image.reference:
            raise StoreError(
                f"{image.reference} and {there.reference} have the same file in docker's drafts, {name}",
                hint="name one of them by its digest",
            )
        self._images[name] = image
        self.put_names.add(name)
        self.dropped_names.discard(name)

    def drop(self, image: DraftImage) -> None:
        """Take an image out."""
        name = file_name(image.reference)
        del self._images[name]
        self.put_names.discard(name)
        self.dropped_names.add(name)

    def content(self, name: str) -> bytes:
        """The bytes of an image's file."""
        return self._images[name].encode()
