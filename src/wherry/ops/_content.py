"""A blob on its way from a source: verified by the source, told as it passes, and to be had again from any byte on."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable

from wherry.oci.descriptor import Descriptor
from wherry.ops._embedded import embedded
from wherry.ops.progress import Passed, Progress
from wherry.stores.protocol import Source

__all__ = ["Content"]


class Content:
    """The bytes of `blob` (`wherry.stores.rewinding`): `Rewindable`, and `Traced`. Those that pass a second time are not told again.

    `aclose` ends what was asked for last: so when a push gives up in the middle, the source's connection is closed at once,
    and not when somebody collects garbage. `sent` is called when the last byte has passed.
    """

    def __init__(self, source: Source, blob: Descriptor, progress: Progress, sent: Callable[[], None]) -> None:
        self._source = source
        self._blob = blob
        self._progress = progress
        self._sent = sent
        self._told = 0
        self._last: AsyncGenerator[bytes, None] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.from_byte(0)

    def from_byte(self, offset: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `offset` on."""
        self._last = self._from(offset)
        return self._last

    @property
    def origin(self) -> Source | None:
        """Where the bytes come from, if they have to be fetched at all."""
        return self._source if embedded(self._blob) is None else None

    def passed(self, position: int) -> None:
        """Tell that the bytes before `position` have passed."""
        if position > self._told:
            self._progress(Passed(self._blob, position - self._told))
            self._told = position
            if position == self._blob.size:
                self._sent()

    async def aclose(self) -> None:
        """End what was asked for last."""
        if self._last is not None:
            await self._last.aclose()

    async def _from(self, offset: int) -> AsyncGenerator[bytes, None]:
        data = embedded(self._blob)
        if data is not None:
            self.passed(len(data))
            yield data[offset:]
            return
        content = self._source.fetch(self._blob, offset=offset)
        position = offset
        try:
            async for piece in content:
                position += len(piece)
                self.passed(position)
                yield piece
        finally:
            if isinstance(content, AsyncGenerator):
                await content.aclose()
