"""What the collector asks of the metadata. Each call is one transaction, or none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wherry.oci.digest import Digest
from wherry.server.metadata.reviews import Kind

__all__ = ["Doomed", "Going", "Queue", "Reviewed", "Reviews"]


@dataclass(frozen=True, slots=True)
class Doomed:
    """Something that nothing needs; `repository` is None for a blob's bytes."""

    kind: Kind
    repository: str | None
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Going:
    """A blob that is marked: if its row is still of that epoch, nobody has wanted it since."""

    digest: Digest
    epoch: int
    size: int


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What one transaction of reviews came to; `looked` counts the reviews, and 0 means that none is due."""

    looked: int
    manifests: int
    links: int
    going: tuple[Going, ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """How many reviews wait, and when the next one is due (seconds since the epoch; None if none waits)."""

    length: int
    next_due: int | None


class Reviews(Protocol):
    """The queue of reviews, and what follows from them."""

    async def review(self, limit: int) -> Reviewed:
        """Look at up to `limit` things of each kind whose review is due; take away what nothing needs, and mark blobs."""

    async def remove(self, going: Going, set_aside: Callable[[], None]) -> bool:
        """Forget a marked blob; False if somebody has pushed it since.

        `set_aside` is called in the transaction that proves that it may go, and takes the bytes out of sight.
        """

    async def foresee(self) -> Sequence[Doomed]:
        """What reviews would take away that are due now. Changes nothing, and nobody waits for it."""

    async def queue(self) -> Queue:
        """How much there is to do."""

    async def ask_for_untagged(self) -> int:
        """Have every manifest reviewed that nothing needs and that no review waits for; how many. For a policy that is new."""

    async def claim(self, job: str, holder: str, seconds: float) -> bool:
        """Whether `holder` shall do a job for the next seconds: one of the processes that share the database at a time."""
