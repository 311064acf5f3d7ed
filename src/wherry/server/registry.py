"""What endpoints work on: metadata, blobs, uploads and the operator's policy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wherry.server.blobs.files import FileBlobs
from wherry.server.blobs.protocol import Blobs
from wherry.server.metadata.protocol import Metadata
from wherry.server.metadata.sqlite import SQLiteMetadata
from wherry.server.policy import Durability, Policy
from wherry.server.sessions import Sessions

__all__ = ["Registry"]


@dataclass(frozen=True, slots=True)
class Registry:
    """`close` it when no endpoint runs any more."""

    metadata: Metadata
    blobs: Blobs
    sessions: Sessions
    policy: Policy

    @classmethod
    def open(cls, folder: Path, policy: Policy) -> Self:
        """Open the registry in a folder that we hold. Blocks.

        Raises:
            StoreError: what is there cannot be used.
        """
        durable = policy.durability is Durability.FULL
        blobs = FileBlobs.open(folder, durable=durable)
        metadata = SQLiteMetadata.open(folder / "registry.sqlite", durable=durable)
        return cls(metadata, blobs, Sessions(metadata, blobs), policy)

    async def close(self) -> None:
        """Finish what was begun, and let go of the folder."""
        await self.blobs.close()
        await self.metadata.close()
