"""Foreign layers: those whose author says that they need not be in any registry, and where else they are.

The source is asked first: somebody may have put them there. Then their `urls`, one after the other; the next one also when what
the last one sent turned out, at its end, to be something else: nothing of that has become visible.

Spec: image-spec 1.1, descriptor.md, "urls"; layer.md, "Non-Distributable Layers".
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from wherry.oci.descriptor import Descriptor
from wherry.oci.errors import BlobUnknown, WherryError
from wherry.stores.protocol import Follower, Source, Store

__all__ = ["push_foreign"]


async def push_foreign(source: Source, destination: Store, blob: Descriptor, passed: Callable[[int], None]) -> None:
    """Push a foreign layer from its `urls`; `passed` is told how many bytes pass.

    Raises:
        BlobUnknown: it is at none of them; the message says what was wrong with each.
        WherryError: the destination refuses it.
    """
    follower = next((store for store in (source, destination) if isinstance(store, Follower)), None)
    if follower is None:
        raise BlobUnknown(
            f"{source}: no blob {blob.digest}, which is a foreign layer, and no registry takes part that could fetch it",
            hint=f"its author has it at {blob.urls[0]}",
        )
    failures: list[WherryError] = []
    for url in blob.urls:
        taken = _Taken(follower, blob, url, passed)
        try:
            async with aclosing(taken.pieces()) as content:
                await destination.push(blob, content)
        except WherryError:
            if taken.failure is None:
                raise
            failures.append(taken.failure)
        else:
            return
    raise BlobUnknown(
        f"{source}: no blob {blob.digest}, which is a foreign layer, and its URLs do not have it: "
        + "; ".join(map(str, failures)),
        hint="without --foreign it is left where its author has it",
    ) from failures[-1]


class _Taken:
    """What comes from an URL, and what was wrong with it."""

    def __init__(self, follower: Follower, blob: Descriptor, url: str, passed: Callable[[int], None]) -> None:
        self.failure: WherryError | None = None
        self._follower = follower
        self._blob = blob
        self._url = url
        self._passed = passed

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        content = self._follower.follow(self._blob, self._url)
        try:
            async for piece in content:
                self._passed(len(piece))
                yield piece
        except WherryError as error:
            self.failure = error
            raise
        finally:
            if isinstance(content, AsyncGenerator):
                await content.aclose()
