"""What endpoints work on: metadata, blobs, uploads and the operator's policy; and the collector, beside them."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wherry.server.blobs.files import FileBlobs
from wherry.server.blobs.protocol import Blobs
from wherry.server.collection.collector import Collector
from wherry.server.inspection.protocol import Inspection
from wherry.server.metadata.database import Clock, Database
from wherry.server.metadata.moment import Keeping
from wherry.server.metadata.protocol import Metadata
from wherry.server.metadata.sqlite import SQLiteMetadata
from wherry.server.metadata.sqlite_inspection import SQLiteInspection
from wherry.server.metadata.sqlite_reviews import SQLiteReviews
from wherry.server.points import Reached, pass_by
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
    collector: Collector
    inspection: Inspection

    @classmethod
    def open(
        cls,
        folder: Path,
        policy: Policy,
        *,
        served: bool = False,
        alone: bool = False,
        clock: Clock = time.time,
        reached: Reached = pass_by,
    ) -> Self:
        """Open the registry in a folder that we hold, or that another process of the same version holds (`served`). Blocks.

        With `alone` no other process is sent requests that go on with an upload of this one.

        Raises:
            StoreError: what is there cannot be used.
        """
        durable = policy.durability is Durability.FULL
        blobs = FileBlobs.open(folder, durable=durable, reached=reached)
        database = Database.open(
            folder / "registry.sqlite", durable=durable, served=served, clock=clock, reached=reached
        )
        keeping = Keeping(policy.lease, policy.grace, policy.delete_untagged_after)
        metadata = SQLiteMetadata(database, keeping)
        sessions = Sessions(metadata, blobs, alone=alone, clock=clock)
        collector = Collector(SQLiteReviews(database, keeping), blobs, reached)
        return cls(metadata, blobs, sessions, policy, collector, SQLiteInspection(database, keeping))

    async def close(self) -> None:
        """Finish what was begun, and let go of the folder."""
        try:
            await self.sessions.close()
        finally:
            await self.blobs.close()
            await self.metadata.close()
